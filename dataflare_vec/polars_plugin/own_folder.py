"""A folder of this process, which goes with it: for libraries that the cache can't have."""

from __future__ import annotations

import atexit
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

_folders: dict[int, Path] = {}


def own_folder() -> Path:
    """Return the folder, for the user alone, made when it is first asked for. A fork's child has its own."""
    process = os.getpid()
    if process not in _folders:
        made = Path(mkdtemp(prefix="dataflare_vec-"))
        if _folders.setdefault(process, made) is made:
            atexit.register(_remove, process)
        else:  # another thread was first
            made.rmdir()
    return _folders[process]


def _remove(process: int) -> None:
    if os.getpid() == process:  # a child's end isn't its parent's
        shutil.rmtree(_folders[process], ignore_errors=True)

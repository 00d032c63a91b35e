"""The Python on a page of Markdown, and what becomes of it as a program."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def python_in(page: Path) -> list[str]:
    """Return the blocks of Python on a page."""
    return _PYTHON.findall(page.read_text())


def run(program: str, folder: Path) -> None:
    """Run a program in a folder, as a process of its own to which warnings are errors."""
    script = folder / "page.py"
    script.write_text(program)
    command = [sys.executable, "-W", "error", script.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

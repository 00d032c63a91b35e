"""Paths that a run reads and writes, told apart by what they are, whatever they are called."""

from __future__ import annotations

import os
import stat
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A file by its device and number there; one that isn't there yet by its folder and its name.
Identity = tuple[Any, ...]


def identity(path: Path) -> Identity:
    """Return what is the same for all names of a file: links, and any case where that is no matter."""
    try:
        status = path.stat()
    except OSError:
        real = Path(os.path.realpath(path))
        if real.parent == real:
            return (str(real),)
        name = real.name
        if _ignores_case(real.parent):
            name = unicodedata.normalize("NFC", name).casefold()
        return (identity(real.parent), name)
    return (status.st_dev, status.st_ino)


@cache
def _ignores_case(folder: Path) -> bool:
    """Whether the file system of a folder takes names in another case for the same."""
    for there in (folder, *folder.parents):
        if there.exists():
            other = there.with_name(there.name.swapcase()) if there.name else there
            if other != there:
                return other.exists() and os.path.samefile(there, other)
    return False


def is_special(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device: written to as it is, and never replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_same(path: Path, descriptor: int) -> bool:
    """Whether a path is the file that a descriptor is open for."""
    try:
        status = os.fstat(descriptor)
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, path.stat())
    except OSError:
        return False


def check_apart(
    reads: Iterable[Path], writes: Sequence[tuple[str, Path]], folders: Sequence[Path] = ()
) -> None:
    """Raise if a file that is written is one that is read, or is written twice.

    Parameters
    ----------
    reads
        Files that are read.
    writes
        Files that are written, each after what it is: ``"the output"``, ``"the failed rows"``.
    folders
        Folders that are replaced as a whole: nothing else may be in them.

    Raises
    ------
    ValueError
        Saying which.
    """
    inputs = {identity(path): path for path in reads}
    written: dict[Identity, tuple[str, Path]] = {}
    for what, path in writes:
        known = identity(path)
        if known in inputs:
            msg = f"`{path}` is also an input"
            raise ArgumentError(msg, file=path, hint="write to another file")
        if known in written and not _swallows(path):
            other = written[known][1]
            also = "" if other == path else f", which is `{other}`"
            msg = f"{written[known][0]} and {what} would both be written to `{path}`{also}"
            raise ArgumentError(msg, file=path, hint="name another file")
        written[known] = (what, path)
    for folder in folders:
        known = identity(folder)
        for path in inputs.values():
            if _is_inside(path, known):
                msg = f"the input `{path}` is inside the output folder `{folder}`"
                raise ArgumentError(msg, file=path, hint="write to another folder")
        for what, path in written.values():
            if _is_inside(path, known):
                msg = f"{what}, `{path}`, would be inside `{folder}`, which is replaced"
                raise ArgumentError(msg, file=path, hint="write to another folder")


def _swallows(path: Path) -> bool:
    """Whether it is a device, as ``/dev/null``, that may be written to by any number."""
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def _is_inside(path: Path, folder: Identity) -> bool:
    real = Path(os.path.realpath(path))
    return any(identity(each) == folder for each in (real, *real.parents))

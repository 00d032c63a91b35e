"""Files and folders that appear under their name only when they are whole.

What is being written has a temporary name in the same folder, and a lock that the system takes away when
the process ends, however it ends. So the next run can tell what a dead run left from what a live one writes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflare_vec.errors import SinkError
from dataflare_vec.streams.paths import is_special

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a file that is open can't be removed: no lock is needed
    fcntl = None  # type: ignore[assignment]

#: How temporary names begin and end; between them the final name, the process and a random part.
PREFIX, SUFFIX = ".", ".partial"
#: Bytes of a final name up to which it is part of the temporary one: file systems take 255 in all.
_LONGEST = 200
#: Added to the random part for a folder that is being replaced.
OLD = "-old"


@contextmanager
def whole_file(path: Path) -> Iterator[Path | BinaryIO]:
    """Give a temporary path to write to; in the end it is synced to disk and gets its final name.

    Nothing is left of it if the block raises. Links are followed: what they lead to is replaced. A pipe or
    a device is given itself, open.

    Raises
    ------
    SinkError
        If the folder can't be written to.
    """
    if is_special(path):
        try:
            file = path.open("wb", buffering=0)
        except OSError as error:
            raise _refusal(path, error) from error
        with file:
            yield file
        return
    path = _followed(path)
    with _claim(path, folder=False) as temporary:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Do the same for a folder of files. A folder that is there already is removed in the end.

    Raises
    ------
    SinkError
        If the folder above can't be written to.
    """
    path = _followed(path)
    with _claim(path, folder=True) as temporary:
        yield temporary
        for each in (*temporary.rglob("*"), temporary):
            _sync(each)
        old = temporary.with_name(f"{temporary.name.removesuffix(SUFFIX)}{OLD}{SUFFIX}")
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)


def clean_up(path: Path) -> None:
    """Remove what dead runs left of ``path``; give back a folder that one was about to replace."""
    ours = re.compile(rf"{re.escape(_begin(path))}\d+-[0-9a-f]+({OLD})?\{SUFFIX}")
    with suppress(OSError):
        # Old folders first: one may have to take its place again.
        for left in sorted(path.parent.iterdir(), key=lambda left: OLD + SUFFIX not in left.name):
            match = ours.fullmatch(left.name)
            if match is None:
                continue
            with suppress(OSError):
                if not _is_dead(left):
                    continue
                if match[1] and not path.exists():
                    left.rename(path)
                elif left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink()


@contextmanager
def _claim(path: Path, *, folder: bool) -> Iterator[Path]:
    if path.is_dir() and not folder:
        msg = f"can't write `{path}`: it is a folder"
        raise SinkError(msg)
    clean_up(path)
    temporary = path.with_name(f"{_begin(path)}{os.getpid()}-{os.urandom(8).hex()}{SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.lstat()  # its name may be too long, though the temporary one isn't
        lock = _create(temporary, folder=folder)
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        yield temporary
    finally:
        os.close(lock)
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True) if folder else temporary.unlink(missing_ok=True)


def _begin(path: Path) -> str:
    """Return how the temporary names of a path begin."""
    name = os.fsencode(path.name)
    shown = path.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()
    return f"{PREFIX}{shown}."


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _refusal(path: Path, error: OSError) -> SinkError:
    return SinkError(f"can't write `{path}`: {error.strerror or error}")


def _create(temporary: Path, *, folder: bool) -> int:
    """Make a file or folder that this process has locked; return the descriptor that holds the lock."""
    while True:
        if folder:
            temporary.mkdir()
        lock = os.open(temporary, os.O_RDONLY if folder else os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if temporary.exists():
            return lock
        os.close(lock)  # between the two calls another run took it for a dead one's


def _is_dead(path: Path) -> bool:
    """Whether a file or a folder is no longer written; what is neither, a pipe or a link, is none of ours."""
    if fcntl is None:
        return True
    # Opening a pipe would wait for whoever writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

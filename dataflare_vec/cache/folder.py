"""The cache's folder: files that are whole or aren't there, none of somebody else, and not too many.

Whoever can write there can run code in the user's name, so the folder belongs to the user alone. Files are
written under another name and renamed, so that readers see them whole; a digest at the beginning covers name
and content, so that what a crash, a full disk or a hand has changed is noticed. Processes need no locks.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec.logs import get_logger
from dataflare_vec.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = get_logger(__name__)

VARIABLE_ENABLED, VARIABLE_FOLDER = PREFIX + "CACHE", PREFIX + "CACHE_DIR"
VARIABLE_SIZE = PREFIX + "CACHE_MAX_BYTES"

DEFAULT_MAX_BYTES = 256 << 20

_OFF = ("0", "false", "no", "off")
_MAGIC = b"dfv cache 1\n"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size
_TEMPORARY = ".new-"
#: Seconds after which a file that was never renamed is left over from a crash.
_LEFT_OVER = 3600.0


class CacheWarning(UserWarning):
    """Compiled kernels can't be kept on disk; said once a process."""


class File(NamedTuple):
    """One file of the folder."""

    path: Path
    size: int
    used: float  # seconds since the epoch, when it was last written or read


class Folder:
    """A folder with compiled kernels.

    Parameters
    ----------
    path
        Where it is. It has been checked by `open_folder`.
    max_bytes
        What all files together may take; those that weren't used for longest go first.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def read(self, name: str, *, touch: bool = True) -> bytes | None:
        """Return the content of a file, and mark it as used; None if it isn't there or is damaged."""
        path = self.path / name
        try:
            data = path.read_bytes()
        except OSError:
            return None
        content = data[_HEAD:]
        if data[:_HEAD] != _head(name, content):
            _log.debug("`%s` is damaged: it is compiled again", path)
            with suppress(OSError):
                path.unlink()
            return None
        if touch:
            with suppress(OSError):
                os.utime(path)
        return content

    def write(self, name: str, content: bytes) -> bool:
        """Write a file; return whether that went well."""
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.path)
            with open(handle, "wb") as file:
                file.write(_head(name, content) + content)
            os.replace(temporary, self.path / name)
        except OSError as error:
            if temporary is not None:
                with suppress(OSError):
                    os.unlink(temporary)
            _warn(f"a compiled kernel can't be written to `{self.path}` ({_reason(error)})")
            return False
        self._trim()
        return True

    def files(self) -> Iterator[File]:
        """Yield what there is, left-overs of crashes too."""
        try:
            entries = list(os.scandir(self.path))
        except OSError:
            return
        for entry in entries:
            with suppress(OSError):  # another process may just have removed it
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield File(Path(entry.path), status.st_size, status.st_mtime)

    def clear(self) -> int:
        """Remove everything; return how many bytes that was."""
        freed = 0
        for file in self.files():
            with suppress(OSError):
                file.path.unlink()
                freed += file.size
        return freed

    def _trim(self) -> None:
        files = sorted(self.files(), key=lambda file: file.used)
        total = sum(file.size for file in files)
        crashed = time.time() - _LEFT_OVER
        for file in files:
            left_over = file.path.name.startswith(_TEMPORARY)
            if left_over and file.used > crashed:
                continue  # another process is writing it
            if total > self.max_bytes or left_over:
                with suppress(OSError):
                    file.path.unlink()
                total -= file.size


def open_folder() -> Folder | None:
    """Return the folder that the environment names, made if need be; None if there is to be no cache.

    One that others could write to is refused, with one warning.
    """
    environ = os.environ
    return _open(environ.get(VARIABLE_ENABLED), environ.get(VARIABLE_FOLDER), environ.get(VARIABLE_SIZE))


@cache
def _open(enabled: str | None, named: str | None, size: str | None) -> Folder | None:
    if enabled is not None and enabled.strip().lower() in _OFF:
        return None
    path = Path(named).absolute() if named else _default_path()
    try:
        max_bytes = DEFAULT_MAX_BYTES if size is None else int(size)
    except ValueError:
        _warn(f"`{VARIABLE_SIZE}` must be a whole number of bytes, got {size!r}")
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        _warn(f"the folder `{path}` for compiled kernels can't be made ({_reason(error)})")
        return None
    problem = _unsafe(status)
    if problem:
        _warn(f"the folder `{path}` for compiled kernels {problem}: others could put code there")
        return None
    return Folder(path, max_bytes)


def _default_path() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("dataflare_vec", appauthor=False)


def _unsafe(status: os.stat_result) -> str | None:
    """Say why a folder isn't the user's alone; None if it is."""
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder"
    if not hasattr(os, "geteuid"):  # Windows: what is below the user's profile is the user's
        return None
    if status.st_uid != os.geteuid():
        return f"belongs to another user ({status.st_uid})"
    if status.st_mode & 0o077:
        return f"is open to others (mode {stat.S_IMODE(status.st_mode):o}, expected 700)"
    return None


def _head(name: str, content: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(name.encode() + b"\0" + content).digest()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


_warned: list[str] = []


def _warn(problem: str) -> None:
    if not _warned:
        _warned.append(problem)
        message = (
            f"{problem}; kernels are compiled anew in each process. Name another folder in "
            f"`{VARIABLE_FOLDER}`, or turn the cache off with `{VARIABLE_ENABLED}=0`"
        )
        warnings.warn(message, CacheWarning, stacklevel=2)
    _log.debug("%s", problem)

"""The cache's folder: files that are whole or aren't there, none of somebody else, and not too many.

Whoever can write there can run code in the user's name, so the folder belongs to the user alone. Files are
written under another name and renamed, so that readers see them whole; a digest at the beginning covers name
and content, so that what a crash, a full disk or a hand has changed is noticed. Of native libraries, which
others load, it is in the name. Processes need no locks.

What a stream writes goes another way (`files.atomic_write`): to any path, locked while it grows, and
synced. An entry of the cache needs none of that, as it is a few kilobytes that can be made anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import warnings
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec._util.logs import get_logger
from dataflare_vec.config.sources import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = get_logger(__name__)

VARIABLE_ENABLED, VARIABLE_FOLDER = PREFIX + "CACHE", PREFIX + "CACHE_DIR"
VARIABLE_SIZE = PREFIX + "CACHE_MAX_BYTES"

DEFAULT_MAX_BYTES = 256 << 20

_OFF = ("0", "false", "no", "off")
_MAGIC = b"dfv cache 1\n"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size
_TEMPORARY = ".dataflare-vec-new-"
#: Names of our files: a digest, and what it is of. Whatever else lies in the folder is somebody's document.
_OURS = re.compile(rf"[0-9a-f]{{64}}\.[\w.]+|{re.escape(_TEMPORARY)}[0-9a-f]+")
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
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
    """A folder with compiled kernels. Files of other names than ours are neither counted nor touched.

    Parameters
    ----------
    path
        Where it is.
    max_bytes
        What all files together may take; those that weren't used for longest go first.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def read(self, name: str, *, touch: bool = True) -> bytes | None:
        """Return the content of a file, and mark it as used; None if it isn't there or is damaged."""
        try:
            with _directory(self.path) as directory:
                data = directory.read(name)
                content = data[_HEAD:]
                if data[:_HEAD] != _head(name, content):
                    _log.debug("`%s` is damaged: it is compiled again", self.path / name)
                    directory.remove(name)
                    return None
                if touch:
                    directory.touch(name)
        except OSError:
            return None
        return content

    def write(self, name: str, content: bytes) -> bool:
        """Write a file; return whether that went well."""
        try:
            with _directory(self.path) as directory:
                directory.write(name, _head(name, content) + content)
                self._trim(directory)
        except OSError as error:
            _warn(f"a compiled kernel can't be written to `{self.path}` ({_reason(error)})")
            return False
        return True

    def write_plain(self, stem: str, suffix: str, content: bytes) -> Path | None:
        """Write a file for others, who load it by its path and know nothing of heads.

        Returns
        -------
        Path or None
            Where it is; None if that didn't go well. The name has a digest of the content.
        """
        name = f"{stem}.{_content_digest(content)}{suffix}"
        try:
            with _directory(self.path) as directory:
                directory.write(name, content)
                self._trim(directory)
        except OSError as error:
            _warn(f"a native library can't be written to `{self.path}` ({_reason(error)})")
            return None
        return self.plain(name)

    def plain(self, name: str) -> Path | None:
        """Return where such a file is, and mark it as used; None if it isn't there or is damaged."""
        try:
            with _directory(self.path) as directory:
                if f".{_content_digest(directory.read(name))}." not in name:
                    _log.debug("`%s` is damaged: it is built again", self.path / name)
                    directory.remove(name)
                    return None
                directory.touch(name)
        except OSError:
            return None
        return self.path / name

    def files(self) -> list[File]:
        """Return what there is, left-overs of crashes too."""
        try:
            with _directory(self.path) as directory:
                return directory.files()
        except OSError:
            return []

    def clear(self) -> int:
        """Remove all of it; return how many bytes that was."""
        freed = 0
        with suppress(OSError), _directory(self.path) as directory:
            for file in directory.files():
                freed += file.size if directory.remove(file.path.name) else 0
        return freed

    def _trim(self, directory: _Directory) -> None:
        files = sorted(directory.files(), key=lambda file: file.used)
        total = sum(file.size for file in files)
        crashed = time.time() - _LEFT_OVER
        for file in files:
            left_over = file.path.name.startswith(_TEMPORARY)
            if left_over and file.used > crashed:
                continue  # another process is writing it
            if total > self.max_bytes or left_over:
                directory.remove(file.path.name)
                total -= file.size


class _Directory:
    """An open folder. What its path leads to is looked up and checked whenever something is done.

    So it doesn't matter who may rename a folder above it: what is read comes from the one that was checked.
    """

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path = path
        self._handle = handle  # None where files can't be named relative to one (Windows)

    def _at(self, name: str) -> tuple[str, int | None]:
        return (str(self._path / name), None) if self._handle is None else (name, self._handle)

    def read(self, name: str) -> bytes:
        path, handle = self._at(name)
        with open(os.open(path, os.O_RDONLY | _NO_LINK, dir_fd=handle), "rb") as file:
            return file.read()

    def touch(self, name: str) -> None:
        path, handle = self._at(name)
        with suppress(OSError):
            os.utime(path, dir_fd=handle)

    def remove(self, name: str) -> bool:
        path, handle = self._at(name)
        try:
            os.unlink(path, dir_fd=handle)
        except OSError:  # another process may just have removed it
            return False
        return True

    def write(self, name: str, data: bytes) -> None:
        temporary = _TEMPORARY + os.urandom(8).hex()
        path, handle = self._at(temporary)
        try:
            with open(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=handle), "wb"
            ) as file:
                file.write(data)
            os.replace(path, self._at(name)[0], src_dir_fd=handle, dst_dir_fd=handle)
        except OSError:
            self.remove(temporary)
            raise

    def files(self) -> list[File]:
        found = []
        with os.scandir(self._path if self._handle is None else self._handle) as entries:
            for entry in entries:
                if not _OURS.fullmatch(entry.name):
                    continue
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found.append(File(self._path / entry.name, status.st_size, status.st_mtime))
        return found


@contextmanager
def _directory(path: Path) -> Iterator[_Directory]:
    """Open a folder that is the user's alone.

    Raises
    ------
    OSError
        If it isn't there, or others could put code there.
    """
    if os.open not in os.supports_dir_fd:
        yield _Directory(path, None)
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
    try:
        problem = _unsafe(os.fstat(handle))
        if problem:
            raise PermissionError(None, f"the folder {problem}")
        yield _Directory(path, handle)
    finally:
        os.close(handle)


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
        _warn(f"`{VARIABLE_SIZE}` must be an integer number of bytes, got {size!r}")
        return None
    try:
        _make(path)
        status = path.lstat()
    except OSError as error:
        _warn(f"the folder `{path}` for compiled kernels can't be made ({_reason(error)})")
        return None
    problem = _unsafe(status)
    if problem:
        _warn(f"the folder `{path}` for compiled kernels {problem}: others could put code there")
        return None
    return Folder(path, max_bytes)


def _make(path: Path) -> None:
    """Make a folder, and those above it that aren't there either, for the user alone."""
    if path.is_dir():
        return
    _make(path.parent)
    with suppress(FileExistsError):  # another process was faster; what it is, is looked at afterwards
        path.mkdir(mode=0o700)


def _default_path() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("dataflare_vec", appauthor=False)


def _unsafe(status: os.stat_result) -> str | None:
    """Say why others may write to a folder; None if the user alone may. Its files are the user's alone."""
    if not stat.S_ISDIR(status.st_mode):
        return "is not a folder"
    if not hasattr(os, "geteuid"):  # Windows: what is below the user's profile is the user's
        return None
    if status.st_uid != os.geteuid():
        return f"belongs to another user ({status.st_uid})"
    if status.st_mode & 0o022:
        return f"can be written to by others (mode {stat.S_IMODE(status.st_mode):o}, expected 700)"
    return None


def _content_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _head(name: str, content: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(name.encode() + b"\0" + content).digest()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


_warned: list[str] = []


def _warn(problem: str) -> None:
    if not _warned:
        _warned.append(problem)
        message = (
            f"{problem}; kernels are recompiled in each process; set another folder with "
            f"`{VARIABLE_FOLDER}`, or turn the cache off with `{VARIABLE_ENABLED}=0`"
        )
        warnings.warn(message, CacheWarning, stacklevel=2)
    _log.debug("%s", problem)

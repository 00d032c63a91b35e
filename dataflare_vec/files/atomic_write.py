"""Files and folders that appear under their name only when they are whole.

What is being written has a temporary name in the same folder, and a lock that the system takes away when
the process ends, however it ends. So the next run can tell what a dead run left from what a live one writes.
Where there are no locks, another kind of name says so, and what a dead run left stays: it can't be told.

Each step is a function of `os`, in whose place tests put one that fails: on Python 3.10 a `Path` has its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflare_vec.exceptions import SinkError
from dataflare_vec.files import file_systems
from dataflare_vec.files.paths import is_special

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

#: How temporary names begin and end; between them the final name, the process and a random part.
PREFIX, SUFFIX = ".", ".partial"
#: Bytes of a final name up to which it is part of the temporary one: file systems take 255 in all.
_LONGEST = 200
#: Added to the random part for a folder that is being replaced, and for what has no lock.
OLD, UNLOCKED = "-old", "-unlocked"
#: What `rename` says of a folder that isn't empty; of any that is there, on Windows.
_NOT_EMPTY = {errno.ENOTEMPTY, errno.EEXIST, errno.EACCES}


@contextmanager
def atomic_file(path: Path) -> Iterator[Path | BinaryIO]:
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
    if path.is_dir():
        raise SinkError(problem="it is a folder", file=path)
    with _claim(path, folder=False) as temporary:
        yield temporary
        with _refusing(path):
            file_systems.sync(temporary)
            os.replace(temporary, path)
            file_systems.sync(path.parent)


@contextmanager
def atomic_folder(path: Path, may_replace: Callable[[], None] | None = None) -> Iterator[Path]:
    """Do the same for a folder of files, which takes the place of one that is there.

    Where the system can exchange two names (Linux and macOS, on most file systems), there is the old folder
    or the new one at any time; else neither for a moment. Of several that write it at once the last one
    stays.

    Parameters
    ----------
    may_replace
        Called before what is there is replaced; it raises if that mustn't be.

    Raises
    ------
    SinkError
        If the folder above can't be written to, or ``path`` is no folder, or one that can't be renamed.
    """
    path = _followed(path)
    if path.exists() and not path.is_dir():
        raise SinkError(problem="a folder is to be written there, but it is a file", file=path)
    if os.path.ismount(path):
        msg = "a file system is mounted there, so it can't be replaced"
        raise SinkError(msg, file=path, hint="write to a folder in it")
    with _claim(path, folder=True) as temporary:
        yield temporary
        with _refusing(path):
            for each in (*temporary.rglob("*"), temporary):
                file_systems.sync(each)
            _take_place(temporary, path, may_replace)
            file_systems.sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears under its name when it is whole, in a folder that is there.

    Raises
    ------
    SinkError
        If it can't be written.
    """
    data = text.encode()
    with _refusing(path):
        _followed(path).parent.stat()
        with atomic_file(path) as target:
            if isinstance(target, Path):
                target.write_bytes(data)
            else:
                while data:  # a pipe may take less
                    data = data[target.write(data) :]


def write_texts(
    folder: Path, texts: Mapping[str, str], may_replace: Callable[[], None] | None = None
) -> None:
    """Write a folder of text files, given by their paths inside, as `atomic_folder` does it.

    Raises
    ------
    SinkError
        If it can't be written.
    """
    with _refusing(folder), atomic_folder(folder, may_replace) as temporary:
        for inside, text in texts.items():
            target = temporary / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def _take_place(new: Path, path: Path, may_replace: Callable[[], None] | None) -> None:
    """Give a folder its name; what had it is removed. Another process may be doing the same."""
    old = new.with_name(f"{new.name.removesuffix(SUFFIX)}{OLD}{SUFFIX}")
    while True:
        try:
            os.rename(new, path)  # if there is none, or an empty one
        except OSError as error:
            if error.errno not in _NOT_EMPTY or not path.is_dir():
                _give_back(old, path)
                raise
        else:
            break
        if may_replace is not None:
            may_replace()
        if file_systems.exchange(new, path):  # what is to be removed has the temporary name now
            return
        shutil.rmtree(old, ignore_errors=True)  # of the last time round: another one has come meanwhile
        with suppress(FileNotFoundError):
            os.rename(path, old)
    shutil.rmtree(old, ignore_errors=True)


def _give_back(old: Path, path: Path) -> None:
    """Let a folder that was about to be replaced have its name again, if nothing has it."""
    if not path.exists():
        with suppress(OSError):
            os.rename(old, path)


def clean_up(path: Path) -> None:
    """Remove what dead runs left of ``path``; give back a folder that one was about to replace."""
    ours = re.compile(rf"{re.escape(_begin(path))}\d+-[0-9a-f]+({UNLOCKED})?({OLD})?\{SUFFIX}")
    with suppress(OSError):
        # Old folders first: one may have to take its place again.
        for left in sorted(path.parent.iterdir(), key=lambda left: OLD + SUFFIX not in left.name):
            match = ours.fullmatch(left.name)
            if match is None or left.is_symlink():
                continue
            unlocked, is_old = match.groups()
            if is_old and left.is_dir():  # whoever is replacing it copes with this too
                _give_back(left, path)
                if path.exists():
                    shutil.rmtree(left, ignore_errors=True)
            elif not unlocked and file_systems.is_abandoned(left):
                with suppress(OSError):
                    shutil.rmtree(left) if left.is_dir() else os.unlink(left)


@contextmanager
def _claim(path: Path, *, folder: bool) -> Iterator[Path]:
    clean_up(path)
    partial = _Partial(path, is_folder=folder)
    try:  # Ctrl-C may come between any two steps, also before there is a name to give
        with _refusing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                path.lstat()  # its name may be too long, though the temporary one isn't
            temporary = partial.create()
        yield temporary
    except BaseException:
        partial.remove()
        raise
    try:
        partial.remove()
    except BaseException:  # Ctrl-C comes while an old folder of many files is removed
        partial.remove()
        raise


class _Partial:
    """A temporary file or folder, locked by this process; known by its name from before it is there."""

    def __init__(self, path: Path, *, is_folder: bool) -> None:
        self._target = path
        self._is_folder = is_folder
        self._path: Path | None = None
        self._lock: int | None = None

    def create(self) -> Path:
        """Make it, and return it."""
        mark = ""
        while True:
            name = f"{_begin(self._target)}{os.getpid()}-{os.urandom(8).hex()}{mark}{SUFFIX}"
            path = self._path = self._target.with_name(name)
            if self._is_folder:
                os.mkdir(path)
            else:
                path.touch(exist_ok=False)
            if mark:
                return path
            try:
                self._lock = file_systems.lock(path)
            except FileNotFoundError:  # another run took it for a dead one's
                continue
            if self._lock is None:  # under this name it would be a dead one's to whoever has locks
                mark = UNLOCKED
                os.rmdir(path) if self._is_folder else os.unlink(path)
            elif path.exists():
                return path
            else:  # taken for a dead one's between the two calls
                self._unlock()

    def remove(self) -> None:
        """Remove what is there under its name, perhaps a folder that it has changed places with."""
        if self._path is None:
            return
        self._unlock()
        if self._is_folder:
            shutil.rmtree(self._path, ignore_errors=True)
        else:
            with suppress(OSError):  # as there is none if all went well; what didn't is being raised
                os.unlink(self._path)

    def _unlock(self) -> None:
        if self._lock is not None:
            lock, self._lock = self._lock, None
            os.close(lock)


def _begin(path: Path) -> str:
    """Return how the temporary names of a path begin."""
    name = os.fsencode(path.name)
    shown = path.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()
    return f"{PREFIX}{shown}."


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _refusal(path: Path, error: OSError) -> SinkError:
    hint = ""
    if error.errno in (errno.EXDEV, errno.EBUSY):
        hint = "it is mounted there, or lies in a lower layer of an overlay: write to another name"
    return SinkError(error.strerror or str(error), file=path, hint=hint)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except SinkError:
        raise
    except OSError as error:
        raise _refusal(path, error) from error

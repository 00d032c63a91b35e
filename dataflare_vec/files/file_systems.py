"""What not every file system can do: locks, syncing, and two names that change places in one step.

NFS without its lock service, some FUSE and SMB file systems and Windows have no `flock`; some know no `fsync`
of a folder; some can't exchange names. Each function here says whether it could, and raises what is a real
error, as of a full disk.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: What a system call says that the file system, or the system, doesn't know.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
#: ``RENAME_EXCHANGE`` of Linux' renameat2(2), ``RENAME_SWAP`` of macOS' renamex_np(2).
_EXCHANGE = 2
_HERE = -100  # ``AT_FDCWD``: paths are what they are for this process
#: Flags to look at what lies under a name: a link isn't followed, a pipe isn't waited for.
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def lock(path: Path) -> int | None:
    """Lock a file or a folder for as long as the process lives; return what holds the lock, to be closed.

    None if there are no locks.

    Raises
    ------
    OSError
        If it can't be opened.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # NFS wants it open for writing
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # nobody holds it for long: what it says in other words is that it can't
        os.close(descriptor)
        return None
    return descriptor


def is_abandoned(path: Path) -> bool:
    """Whether a file or a folder was locked by a process that has ended; False if that can't be told."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, _LOOK)
    except OSError:
        return False
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


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk, where the file system knows how.

    Raises
    ------
    OSError
        If the disk is full, a quota is used up, or it is broken.
    """
    is_folder = path.is_dir()
    try:
        # Windows syncs only what is open for writing.
        descriptor = os.open(path, os.O_RDONLY if is_folder or fcntl is not None else os.O_RDWR)
    except OSError:
        if is_folder:  # Windows opens none; nor does anybody one that may be written but not read
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step: there is no moment without either. Return whether that went.

    If it didn't, nothing has changed, and the system or its file system can't, or one of them isn't there.
    """
    call = _exchange()
    return call is not None and call(os.fsencode(one), os.fsencode(other)) == 0


@cache
def _exchange() -> Any:
    if os.name == "nt":
        return None
    libc = ctypes.CDLL(None)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return lambda one, other: libc.renamex_np(one, other, ctypes.c_uint(_EXCHANGE))
    if hasattr(libc, "renameat2"):
        return lambda one, other: libc.renameat2(_HERE, one, _HERE, other, ctypes.c_uint(_EXCHANGE))
    return None

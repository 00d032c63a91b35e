"""One kernel in the cache: what is known of it, and its loops, in files named by its key."""

from __future__ import annotations

import hashlib
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.cache.elf import NotLoadable
from dataflare_vec.compiler.cache.loading import ObjectCode, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.cache.folder import File, Folder
    from dataflare_vec.compiler.cache.loading import Runtime
    from dataflare_vec.compiler.kernel import MachineCode

_log = get_logger(__name__)

#: Endings of files: what is known of a kernel; one of its loops.
KERNEL, LOOP = ".kernel", ".loop"


def digest(*parts: bytes) -> str:
    """Return one key for all that something depends on."""
    # Each part by its own digest: no two lists of parts are the same bytes.
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


class Entry:
    """The files of one kernel.

    Parameters
    ----------
    folder
        Where they are.
    key
        Digest of all that its machine code depends on.
    key_now
        Returns the key as it would be now: what a kernel reads may change while it is compiled.
    runtime
        See `loading.Runtime`.
    """

    def __init__(self, folder: Folder, key: str, key_now: Callable[[], str | None], runtime: Runtime) -> None:
        self.folder = folder
        self.key = key
        self._key_now = key_now
        self._runtime = runtime

    def is_current(self) -> bool:
        """Whether the kernel would have the same key now."""
        return self._key_now() == self.key

    def read(self) -> Any:
        """Return what is known of the kernel; None if it isn't in the cache."""
        content = self.folder.read(self.key + KERNEL)
        if content is None:
            return None
        _, _, pickled = content.partition(b"\0")
        try:
            # Safe as far as the folder is: it holds machine code as well.
            return pickle.loads(pickled)
        except Exception as error:  # a class of the user's that isn't there any more
            _log.debug("what is known of a kernel can't be read (%s): it is compiled again", error)
            return None

    def write(self, label: str, known: Any) -> None:
        """Keep what is known of the kernel, and how it is called in a list."""
        try:
            pickled = pickle.dumps(known)
        except Exception as error:  # a class that is defined within a function
            _log.debug("what is known of a kernel can't be written: %s", error)
            return
        self.folder.write(self.key + KERNEL, label.encode() + b"\0" + pickled)

    def load(self, loop: str) -> MachineCode | None:
        """Return a loop, loaded; None if it isn't in the cache."""
        content = self.folder.read(f"{self.key}.{loop}{LOOP}")
        if content is None:
            return None
        try:
            code = load(ObjectCode.from_bytes(content), self._runtime)
            return code._replace(owner=(code.owner, self._runtime))
        except NotLoadable as reason:
            _log.debug("a loop can't be loaded (%s): it is compiled again", reason)
            return None

    def store(self, loop: str, code: ObjectCode) -> None:
        """Keep the object code of a loop."""
        self.folder.write(f"{self.key}.{loop}{LOOP}", code.to_bytes())


class Kept(NamedTuple):
    """A kernel in the cache, for people."""

    label: str  # the plugin it was compiled for, and the types of its columns
    loops: int
    size: int  # bytes of all its files
    used: float  # seconds since the epoch


def kept_kernels(folder: Folder) -> list[Kept]:
    """Return the kernels that are in a folder, the last used first."""
    by_key: dict[str, list[File]] = {}
    for file in folder.files():
        by_key.setdefault(file.path.name.partition(".")[0], []).append(file)
    found = []
    for key, files in by_key.items():
        content = folder.read(key + KERNEL, touch=False) if key else None
        if content is not None:
            label = content.partition(b"\0")[0].decode()
            size, used = sum(file.size for file in files), max(file.used for file in files)
            found.append(Kept(label, len(files) - 1, size, used))
    return sorted(found, key=lambda kept: (-kept.used, kept.label))

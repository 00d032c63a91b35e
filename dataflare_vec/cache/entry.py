"""One kernel in the cache: what is known of it, and its loops, in files named by its key."""

from __future__ import annotations

import hashlib
import pickle
from typing import TYPE_CHECKING, Any

from dataflare_vec.cache.elf import NotLoadable
from dataflare_vec.cache.loading import load
from dataflare_vec.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.cache.folder import Folder
    from dataflare_vec.kernel import MachineCode

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
    """

    def __init__(self, folder: Folder, key: str, key_now: Callable[[], str | None]) -> None:
        self.folder = folder
        self.key = key
        self._key_now = key_now

    def is_current(self) -> bool:
        """Whether the kernel would have the same key now."""
        return self._key_now() == self.key

    def read(self) -> Any:
        """Return what is known of the kernel; None if it isn't in the cache."""
        content = self.folder.read(self.key + KERNEL)
        if content is None:
            return None
        _, _, pickled = content.partition(b"\0")
        # Safe as far as the folder is: it holds machine code as well.
        return pickle.loads(pickled)

    def write(self, label: str, known: Any) -> None:
        """Keep what is known of the kernel, and how it is called in a list."""
        self.folder.write(self.key + KERNEL, label.encode() + b"\0" + pickle.dumps(known))

    def load(self, loop: str) -> MachineCode | None:
        """Return a loop, loaded; None if it isn't in the cache."""
        content = self.folder.read(f"{self.key}.{loop}{LOOP}")
        if content is None:
            return None
        name, _, code = content.partition(b"\0")
        try:
            return load(code, name.decode())
        except NotLoadable as reason:
            _log.debug("a loop can't be loaded (%s): it is compiled again", reason)
            return None

    def store(self, loop: str, name: str, code: bytes) -> None:
        """Keep the object code of a loop, whose function is called ``name``."""
        self.folder.write(f"{self.key}.{loop}{LOOP}", name.encode() + b"\0" + code)


def label_of(content: bytes) -> str:
    """Return how a kernel is called in a list, from the content of its file."""
    return content.partition(b"\0")[0].decode()

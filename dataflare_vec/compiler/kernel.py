"""A kernel as the engine sees it: loops to call, whatever they come from, without Numba.

A loop is a C function ``int64 loop(const int64 *arguments, int64 rows)``; what the arguments are is said in
`jit.abi.arguments`, and what it returns at `Loop`. All loops share this signature, so one ``ctypes``
prototype calls them all, and calling one costs the same for any kernel. ``ctypes`` releases the GIL
meanwhile.
"""

from __future__ import annotations

import ctypes
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec._util import forks
from dataflare_vec._util.interrupts import watched

if TYPE_CHECKING:
    from typing import Protocol

    class Loop(Protocol):
        """A compiled loop as it is called."""

        def __call__(self, arguments: int, rows: int, /) -> int:
            """Run over the rows of an argument buffer that lies at an address.

            Returns
            -------
            int
                0 if all rows went through. Else a loop that carries a state has stopped at the first row that
                failed, and returns that row's number, counted from 1. Any other, and the error-recording
                variant of all, has gone on to the end, and returns 1.
            """
            ...


PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
_KEEPING = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)


# So many chunks go to the general variant at once, after one that it turned out to be needed for.
_STAY_GENERAL = 15


class LoopVariant(NamedTuple):
    """Which of a kernel's loops: each is made when it is first needed."""

    nulls: bool  # some column of the chunk has nulls, or some rows aren't selected
    records_errors: bool  # record which rows raised, and take them out of the selection; goes with nulls
    general: bool = False  # the kernel's general variant (see `jit.lowering.math.emit`)

    @property
    def label(self) -> str:
        """Three digits, for names of symbols and files."""
        return f"{self.nulls:d}{self.records_errors:d}{self.general:d}"


class MachineCode(NamedTuple):
    """A loop in memory."""

    address: int
    owner: object  # the code is there as long as this lives
    looks: bool = False  # whether it has loops of unknown length, which Ctrl-C ends


class Kernel(ABC):
    """A function compiled for one set of argument types, with its loops.

    Attributes
    ----------
    has_general_variant : bool
        Whether its loops are tried in a guarded variant first, which may fail for rows that have a result.
    from_cache : bool
        Whether it was loaded, instead of compiled.
    """

    has_general_variant: bool
    from_cache: bool = False

    def __init__(self) -> None:
        self.renew_after_fork()
        forks.renew_in_child(self)
        self._callables: dict[tuple[bool, bool, bool], Loop] = {}
        self._loops: dict[tuple[LoopVariant, bool], Loop] = {}
        self._code: dict[LoopVariant, MachineCode] = {}
        self._general_calls = 0  # how many more chunks don't try the guarded variant first

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds."""
        self._lock = threading.RLock()

    def loop(self, *, nulls: bool, records_errors: bool = False, is_brief: bool = False) -> Loop:
        """Return a loop.

        Parameters
        ----------
        nulls
            Whether there are nulls, or rows that aren't selected.
        records_errors
            Whether to write down which rows raised; goes with ``nulls``.
        is_brief
            Whether it is to keep the GIL, unless it has loops of unknown length: of many threads whoever lets
            go of it for a microsecond waits for all others.
        """
        key = nulls, records_errors, is_brief
        loop = self._callables.get(key)
        if loop is None:
            variant = LoopVariant(nulls or records_errors, records_errors)
            loop = self._callables[key] = self._callable(variant, is_brief=is_brief)
        return loop

    def address(self, *, nulls: bool) -> int:
        """Return the address of the loop that is tried first; it may say that a row failed which didn't."""
        general = self._general_calls > 0
        if general:
            self._general_calls -= 1
        return self.address_of(LoopVariant(nulls, records_errors=False, general=general))

    def address_of(self, variant: LoopVariant) -> int:
        """Return the address of one of its loops."""
        self._loop(variant)
        return self._code[variant].address

    @property
    def looks(self) -> bool:
        """Whether a loop at hand has loops of unknown length within, which Ctrl-C ends."""
        return any(code.looks for code in self._code.values())

    def make_all(self) -> None:
        """Have all its loops at hand."""
        for nulls, records_errors in ((False, False), (True, False), (True, True)):
            self.loop(nulls=nulls, records_errors=records_errors)
        if self.has_general_variant:
            for nulls in (False, True):
                self._loop(LoopVariant(nulls, records_errors=False, general=True))

    @property
    @abstractmethod
    def compiled(self) -> Any:
        """What Numba made of it; compiled now if it comes from elsewhere."""

    @abstractmethod
    def _obtain(self, variant: LoopVariant) -> MachineCode:
        """Return a loop that isn't in memory yet. Under the kernel's lock."""

    def _callable(self, variant: LoopVariant, *, is_brief: bool) -> Loop:
        if not self.has_general_variant:
            return self._loop(variant, is_brief=is_brief)
        if variant.records_errors:
            return self._loop(variant._replace(general=True))
        fast = self._loop(variant, is_brief=is_brief)

        def loop(arguments: int, rows: int) -> int:
            if self._general_calls > 0:
                self._general_calls -= 1
                return self._loop(variant._replace(general=True))(arguments, rows)
            if not fast(arguments, rows):
                return 0
            # An angle was too large for the guarded variant, a string wasn't ASCII, or a row raised; only the
            # general variant can tell.
            failed = self._loop(variant._replace(general=True))(arguments, rows)
            if not failed:
                self._general_calls = _STAY_GENERAL
            return failed

        return loop

    def _loop(self, variant: LoopVariant, *, is_brief: bool = False) -> Loop:
        loop = self._loops.get((variant, is_brief))
        if loop is None:
            with self._lock:
                code = self._code.get(variant)
                if code is None:
                    code = self._code[variant] = self._obtain(variant)
                prototype = _KEEPING if is_brief else PROTOTYPE
                loop = watched(code.address, 2) if code.looks else prototype(code.address)
                self._loops[variant, is_brief] = loop
        return loop

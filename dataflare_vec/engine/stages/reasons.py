"""Why a row failed that only compiled code fails on: what an error-recording loop said of it."""

from __future__ import annotations

import ctypes
import pickle
from array import array
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.call_graph import overruns
from dataflare_vec.definition.plugin import by_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ADVICE = (
    "the plain Python function has a result: look for intermediate integers that don't fit 64 bits, and take "
    "floats there, or for strings of more than 2 GiB"
)


class Reason:
    """Two words where an error-recording loop writes why the last row failed (see `RowLoopBuilder`).

    A loop over one row also gets a word for each of two bitmaps: its selection, and whether it failed.
    """

    def __init__(self) -> None:
        self._words = array("q", [0, 0])
        self._selected, self._failed = array("q", [1]), array("q", [0])

    @property
    def selected(self) -> tuple[int, int]:
        """Address and bit offset of the row's selection."""
        return self._selected.buffer_info()[0], 0

    @property
    def failed(self) -> tuple[int, int, int]:
        """Address and bit offset of whether the row failed, and the address of the words."""
        return self._failed.buffer_info()[0], 0, self._words.buffer_info()[0]

    @property
    def arguments(self) -> tuple[int, ...]:
        """All of these, the last arguments of a loop over one row."""
        return (*self.selected, *self.failed)

    def exception(self, dtypes: Sequence[Any] = ()) -> Exception:
        """Return what was written, as an exception.

        Parameters
        ----------
        dtypes
            Of the outputs.
        """
        address, size = self._words
        if address:
            return _exception(ctypes.string_at(address, size))
        if size:
            return OverflowError(f"the value that compiled code finds does not fit {dtypes[size - 1]}")
        if self._failed[0]:
            return RuntimeError(f"compiled code found no result, {_ADVICE}")
        # What the row depends on beside its values, as the memory that there is.
        return RuntimeError(
            "it failed when it was run, and not when it was run again to say why; run it again"
        )


def cause_of(
    function: Callable[..., Any], arguments: Sequence[Any], compiled: Callable[[], Exception]
) -> Exception:
    """Return what a plain function raises, or else what ``compiled`` says that compiled code raises."""
    if overruns(function) and isinstance(error := compiled(), RecursionError):
        return error
    try:
        by_place(function)(*arguments)
    except Exception as error:  # whatever the user's function raises
        return error
    return compiled()


def _exception(pickled: bytes) -> Exception:
    """Return an exception as compiled code holds it.

    Classes of the standard library, and with them all of ours, need nothing of Numba's to be read.
    """
    try:
        kind, arguments, place = pickle.loads(pickled)
    except Exception as error:  # a class that isn't there any more
        return RuntimeError(f"compiled code raised an exception that can't be read ({error}), {_ADVICE}")
    if not arguments:
        # One of the kernel's own: what it is made of isn't compiled.
        where = f" at line {place[2]}" if place else ""
        arguments = (f"compiled code raised it{where}, {_ADVICE}",)
    try:
        made = kind(*arguments)
    except Exception:  # a class that takes other arguments
        made = None
    return made if isinstance(made, Exception) else RuntimeError(f"{kind.__name__}: {arguments[0]}")

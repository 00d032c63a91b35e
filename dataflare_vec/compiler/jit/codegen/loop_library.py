"""The code library of a loop: made to be called in this process, or to be written for other processors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numba.core.codegen import JITCodeLibrary

if TYPE_CHECKING:
    from collections.abc import Iterator

_are_called = True


class _Uncalled(JITCodeLibrary):  # type: ignore[misc]
    """Optimised LLVM IR of which this process makes no machine code: that takes a fifth of a loop's time."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


def loop_library(codegen: Any, name: str) -> Any:
    """Return a new code library for a loop."""
    return codegen.create_library(name) if _are_called else _Uncalled(codegen, name)


@contextmanager
def uncalled_loops() -> Iterator[None]:
    """Have loops that aren't called. Under the lock of compilation."""
    global _are_called
    before, _are_called = _are_called, False
    try:
        yield
    finally:
        _are_called = before

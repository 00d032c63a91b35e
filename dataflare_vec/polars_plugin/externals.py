"""What loops of a library refer to by name: the C library, the runtime's C, and tables that go with them."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING

from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.compiler.native.tables import find, held, is_table
from dataflare_vec.exceptions import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflare_vec.polars_plugin.targets import Target

# What is memory of ours in a process with Numba, and the runtime has by the same name.
_OF_RUNTIME = ("dfv_arena_key", "dfv_depth_key", "dfv_interrupted", "dfv_note")
# What Numba has in a library of its own, for arrays and lists; `runtime/objects.c` has it here.
_OF_NUMBA = (
    "NRT_Allocate",
    "NRT_Free",
    "NRT_incref",
    "NRT_decref",
    "NRT_MemInfo_alloc",
    "NRT_MemInfo_alloc_aligned",
    "NRT_MemInfo_alloc_dtor",
    "NRT_MemInfo_call_dtor",
    "NRT_MemInfo_data_fast",
    "NRT_MemInfo_new_varsize",
    "NRT_MemInfo_new_varsize_dtor",
    "NRT_MemInfo_varsize_alloc",
    "NRT_MemInfo_varsize_free",
    "NRT_MemInfo_varsize_realloc",
    "numba_attempt_nocopy_reshape",
)

#: Bytes of the tables that a plugin looks up in, at most. All of them are read when the library is loaded.
_MOST_BYTES = 16 << 20


def check_external(plugin: str, names: Sequence[str]) -> None:
    """Raise if a loop refers to what a library hasn't got.

    Raises
    ------
    BuildError
        Saying what it is, and what it may be for.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.other_processors import COUNT_DOWN
    from dataflare_vec.compiler.jit.lowering.strings import symbols

    _check_tables(plugin, names)
    for name in names:
        if (
            is_table(name)
            or name in symbols.names()
            or name in (*_OF_NUMBA, COUNT_DOWN)
            or any(hasattr(library, name) for library in _c_libraries())
        ):
            continue
        why = f"it needs `{name}` when it runs, which is no part of the C library"
        if name.startswith("numba_dict"):
            why = "it makes a dict when it runs, which takes code of Numba's own: use conditions, or a list"
        msg = f"it can't be built into a native library: {why}"
        raise BuildError(msg, plugin=plugin)


def _check_tables(plugin: str, names: Sequence[str]) -> None:
    size = sum(block.size for block in held(names))
    if size > _MOST_BYTES:
        msg = (
            f"it can't be built into a native library: the tables that it looks up in take {size >> 20} MiB, "
            f"and {_MOST_BYTES >> 20} are the most"
        )
        hint = "`dfv.expr` has it as it is; with Polars alone, join with a frame of the keys and values"
        raise BuildError(msg, plugin=plugin, hint=hint)


@cache
def _c_libraries() -> tuple[ctypes.CDLL, ...]:
    return ctypes.CDLL("libc.so.6"), ctypes.CDLL("libm.so.6")


def table_file(names: Iterable[str], target: Target) -> bytes | None:
    """Return an object file with the tables among some names, ours and the user's; None if there are none."""
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.other_processors import Processor, write_tables
    from dataflare_vec.compiler.jit.lowering.strings import symbols

    tables: dict[str, bytes] = {}
    for name in sorted({*names}.difference(_OF_RUNTIME)):
        if is_table(name):
            block = find(name)
            assert block is not None, "the plugin holds it"
            tables[name] = block.content()
        elif name in symbols.names():
            tables[name] = symbols.content(name)
    if not tables:
        return None
    processor = Processor(target.triple, *target.levels[target.lowest])
    return write_tables(tables, processor)

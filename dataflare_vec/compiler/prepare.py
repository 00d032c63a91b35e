"""Find the kernel for the columns' types, in memory or in the cache, or have it compiled."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import interrupts
from dataflare_vec._util.logs import get_logger
from dataflare_vec.compiler.cache.cached import CachedKernel, keep, load
from dataflare_vec.compiler.cache.entry import Entry
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.compiler.cache.key import kernel_key, part_key
from dataflare_vec.compiler.native import tables, thread_keys
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.compiler.specialise import Prepared, check_constants, specialise
from dataflare_vec.definition.blocks import by_blocks, kinds_of
from dataflare_vec.definition.declared import declared_enums
from dataflare_vec.definition.tables.frozen import categories_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import polars as pl

    from dataflare_vec.compiler.cache.cached import Compile
    from dataflare_vec.compiler.cache.folder import Folder
    from dataflare_vec.compiler.kernel import Kernel
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Plugin


_log = get_logger(__name__)


def prepare(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    """Return the kernel for columns of ``dtypes``, compiled at the first call.

    Raises
    ------
    ColumnTypeError
        If a column is of a type that a kernel can't read.
    BindingError
        If a constant is.
    KernelCompileError, KernelResultError
        If Numba can't compile it, or its result can't be a column.
    """
    if binding.constant_key:  # the kernel is compiled for their types, but values may be out of range
        check_constants(binding)
    key = (binding.constant_key, *dtypes)
    known = remembered(binding.plugin)
    kernels = known.derived.kernels
    prepared: Prepared | None = kernels.get(key)
    if prepared is None:
        with known.lock:  # threads that ask at the same time get the same kernel
            prepared = kernels.get(key)
            if prepared is None:
                prepared = kernels[key] = _load_or_compile(binding, dtypes)
    return prepared


def is_at_hand(binding: Binding, dtypes: Sequence[Any]) -> bool:
    """Whether `prepare` would compile nothing: the kernel is in memory, or in the cache."""
    if (binding.constant_key, *dtypes) in remembered(binding.plugin).derived.kernels:
        return True
    folder, key = open_folder(), kernel_key(binding, dtypes)
    return (
        folder is not None
        and key is not None
        and Entry(folder, key, lambda: key, _Runtime()).read() is not None
    )


def _load_or_compile(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    began = perf_counter()
    plugin = binding.plugin

    def compile_() -> tuple[Any, tuple[Any, ...]]:
        kernel, *known = specialise(binding, dtypes)
        return kernel, tuple(known)

    key_now = partial(kernel_key, binding, dtypes)
    label = _label(plugin.name, binding, dtypes)
    kernel, known = _obtain(plugin, label, open_folder(), key_now, compile_, dtypes)
    prepared = Prepared(kernel, *known)
    if prepared.state_layout is not None:
        prepared = prepared._replace(state_layout=plugin.stateful.complete(prepared.state_layout))  # type: ignore[union-attr]
    if _log.isEnabledFor(logging.DEBUG):
        types = ", ".join(map(str, dtypes))
        results = ", ".join(str(field.shown) for field in prepared.outputs)
        how = "from the cache" if prepared.kernel.from_cache else "compiled"
        seconds = perf_counter() - began
        _log.debug("`%s`: %s for (%s) -> (%s) in %.3f s", plugin.name, how, types, results, seconds)
    return prepared


def with_blocks(binding: Binding, dtypes: Sequence[Any]) -> Binding:
    """Return the binding of the reduce that takes its rows by blocks, if there is one for such columns."""
    plugin = binding.plugin
    kinds = kinds_of(plugin, dtypes)
    if kinds is None:
        return binding
    known = remembered(plugin)
    with known.lock:
        found = known.derived.kernels.get(kinds)
        if found is None:
            found = known.derived.kernels[kinds] = by_blocks(plugin, kinds)
    return replace(binding, plugin=found)


def load_or_compile_part(
    plugin: Plugin, prepared: Prepared, what: str, compile_: Compile
) -> tuple[Kernel, tuple[Any, ...]]:
    """Return another kernel of a plugin that carries a state: its ``merge`` or ``finish``.

    Parameters
    ----------
    plugin
        The plugin.
    prepared
        Its kernel: what the other one works on is that one's state.
    what
        Which function of the plugin it is made of.
    compile_
        Compiles it; returns it, and what is known of it.
    """
    label = f"{plugin.name}: {what}"
    of = prepared.kernel.entry if isinstance(prepared.kernel, CachedKernel) else None
    if of is None:
        return _obtain(plugin, label, None, lambda: None, compile_)
    key_now = partial(part_key, of, plugin.name, what, getattr(plugin.stateful, what))
    return _obtain(plugin, label, of.folder, key_now, compile_)


def _obtain(
    plugin: Plugin,
    label: str,
    folder: Folder | None,
    key_now: Callable[[], str | None],
    compile_: Compile,
    dtypes: Sequence[Any] = (),
) -> tuple[Kernel, tuple[Any, ...]]:
    """Return a kernel and what is known of it: out of the cache, else compiled and put there."""
    key = None if folder is None else key_now()
    if folder is None or key is None:
        return compile_()
    entry = Entry(folder, key, key_now, _Runtime(partial(declared_enums, plugin, dtypes)))
    found = load(plugin.name, entry, compile_)
    if found is not None:
        return found
    kernel, known = compile_()
    return keep(plugin.name, label, entry, compile_, kernel, known), known


class _Runtime:
    """Knows the addresses of what machine code refers to, and holds the tables that it looks up in.

    Tables of what a kernel refers to are there, for its key was made of them; those of Enums are made here.
    """

    def __init__(self, enums: Callable[[], Iterable[pl.Enum]] = tuple) -> None:
        self._enums = enums
        self._held: list[tables.Block] = []

    def __call__(self, symbol: str) -> int | None:
        if tables.is_table(symbol):
            block = tables.find(symbol)
            if block is None:
                for dtype in self._enums():
                    categories_of(dtype)
                block = tables.find(symbol)
            if block is None:
                return None
            self._held.append(block)
            return block.address
        if symbol == interrupts.SYMBOL:  # nothing of Numba's
            return ctypes.addressof(interrupts.words)
        if symbol in thread_keys.NAMES:
            return ctypes.addressof(thread_keys.thread_key(symbol))
        import_compiler()
        from dataflare_vec.compiler.jit.codegen.runtime_symbols import address_of

        return address_of(symbol)


def _label(name: str, binding: Binding, dtypes: Sequence[Any]) -> str:
    columns = zip(binding.columns, dtypes, strict=True)
    return f"{name}({', '.join(f'{item.parameter.name}: {dtype}' for item, dtype in columns)})"

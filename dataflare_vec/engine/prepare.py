"""Find the kernel for the columns' types, in memory or in the cache, or compile it; say what is wrong."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import replace
from decimal import Decimal
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec import interrupts
from dataflare_vec.annotations import TEMPORAL, is_named_tuple, mismatch
from dataflare_vec.binding import Column, Constant
from dataflare_vec.cache.cached import CachedKernel, load_or_compile
from dataflare_vec.cache.entry import Entry
from dataflare_vec.cache.fingerprint import NotCacheable
from dataflare_vec.cache.folder import open_folder
from dataflare_vec.cache.key import key_of, part_of
from dataflare_vec.definition import Form
from dataflare_vec.engine.remembered import remembered
from dataflare_vec.exceptions import BindingError, ColumnTypeError, KernelResultError, PluginError
from dataflare_vec.hints import Argument, Phrase, near_matches
from dataflare_vec.logs import get_logger
from dataflare_vec.native.numba import import_compiler
from dataflare_vec.subclasses import is_plain
from dataflare_vec.values import is_long, is_naive, is_short_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.binding import Binding
    from dataflare_vec.carry import Carry
    from dataflare_vec.definition import Parameter, Plugin
    from dataflare_vec.jit.compiler import CompiledKernel
    from dataflare_vec.kernel import Kernel
    from dataflare_vec.layouts import Layout


_log = get_logger(__name__)


class OutputField(NamedTuple):
    """One output column of a prepared kernel."""

    stored: Any  # the Polars dtype in which the loop writes it
    layout: Layout
    nullable: bool  # the kernel may return None for it
    dtype: Any  # the temporal type it gets back, None where it stays a number
    shown: Any  # the Polars dtype of the column


class Prepared(NamedTuple):
    """A kernel compiled for the types of one call."""

    kernel: Kernel
    layouts: tuple[Layout, ...]  # of the input columns
    outputs: tuple[OutputField, ...]
    fields: tuple[str, ...] | None
    is_tuple: bool
    carry: Carry | None  # of a plugin that has a state: how that lies in memory

    def field_names(self, plugin: Plugin) -> tuple[str, ...] | None:
        """Return the names of the outputs of a kernel that returns a tuple, None for one scalar."""
        if self.is_tuple and self.fields is None:
            return tuple(f"{plugin.name}_{i}" for i in range(len(self.outputs)))
        return self.fields

    @property
    def dtypes(self) -> tuple[Any, ...]:
        """The output columns' dtypes."""
        return tuple(field.shown for field in self.outputs)


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
        _check_constants(binding)
    key = (binding.constant_key, *dtypes)
    known = remembered(binding.plugin)
    kernels = known.made.kernels
    prepared: Prepared | None = kernels.get(key)
    if prepared is None:
        with known.lock:  # threads that ask at the same time get the same kernel
            prepared = kernels.get(key)
            if prepared is None:
                prepared = kernels[key] = _load_or_compile(binding, dtypes)
    return prepared


def _load_or_compile(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    began = perf_counter()
    plugin = binding.plugin

    def compile_() -> tuple[Any, tuple[Any, ...]]:
        kernel, *known = _compile(binding, dtypes)
        return kernel, tuple(known)

    kernel, known = load_or_compile(
        plugin.name, _label(plugin.name, binding, dtypes), _entry(binding, dtypes), compile_
    )
    prepared = Prepared(kernel, *known)
    if prepared.carry is not None:
        prepared = prepared._replace(carry=replace(prepared.carry, init=plugin.stateful.init))  # type: ignore[union-attr]
    if _log.isEnabledFor(logging.DEBUG):
        types = ", ".join(map(str, dtypes))
        results = ", ".join(str(field.shown) for field in prepared.outputs)
        how = "from the cache" if prepared.kernel.from_cache else "compiled"
        seconds = perf_counter() - began
        _log.debug("`%s`: %s for (%s) -> (%s) in %.3f s", plugin.name, how, types, results, seconds)
    return prepared


def _entry(binding: Binding, dtypes: Sequence[Any]) -> Entry | None:
    """Return the kernel's place in the cache; None if there is no cache, or it can't be there."""
    folder = open_folder()
    if folder is None:
        return None
    try:
        key = key_of(binding, dtypes)
    except NotCacheable as reason:
        _log.debug("`%s`: isn't kept in the cache: %s", binding.plugin.name, reason)
        return None
    return Entry(folder, key, partial(_key_now, binding, dtypes), _runtime)


def load_or_compile_part(
    plugin: Plugin, prepared: Prepared, what: str, compile_: Callable[[], tuple[Any, tuple[Any, ...]]]
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
        See `load_or_compile`.
    """
    of = prepared.kernel.entry if isinstance(prepared.kernel, CachedKernel) else None
    entry = None
    if of is not None:
        function = getattr(plugin.stateful, what)

        def key_now() -> str | None:
            try:
                return part_of(of.key, what, function) if of.is_current() else None
            except NotCacheable as reason:
                _log.debug("`%s`: `%s` isn't kept in the cache: %s", plugin.name, what, reason)
                return None

        key = key_now()
        entry = None if key is None else Entry(of.folder, key, key_now, _runtime)
    return load_or_compile(plugin.name, f"{plugin.name}: {what}", entry, compile_)


def _runtime(symbol: str) -> int | None:
    if symbol == interrupts.SYMBOL:  # nothing of Numba's
        return ctypes.addressof(interrupts.words)
    import_compiler()
    from dataflare_vec.jit.runtime import address_of

    return address_of(symbol)


def _key_now(binding: Binding, dtypes: Sequence[Any]) -> str | None:
    try:
        return key_of(binding, dtypes)
    except NotCacheable:
        return None


def _label(name: str, binding: Binding, dtypes: Sequence[Any]) -> str:
    columns = zip(binding.columns, dtypes, strict=True)
    return f"{name}({', '.join(f'{item.parameter.name}: {dtype}' for item, dtype in columns)})"


def _check_constants(binding: Binding) -> None:
    for item in binding.items:
        if isinstance(item, Constant) and not _is_constant(item.value):
            raise BindingError(
                plugin=binding.plugin.name,
                parameter=item.parameter.name,
                expected="a number of 64 bits, a bool, a string, bytes, a date or time without zone, a "
                "decimal of 18 digits, None or a tuple of these",
                got=f"{type(item.value).__name__} {item.value!r}",
            )


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) > 0 and all(map(_is_constant, value))
    if isinstance(value, (str, bytes)) and not is_plain(value):
        return False
    if isinstance(value, str):
        return value.isascii() or value.encode(errors="ignore").decode() == value  # no lone surrogates
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 64
    plain = value is None or isinstance(value, (float, bytes))
    return plain or (is_naive(value) and not is_long(value)) or is_short_decimal(value)


def _compile(binding: Binding, dtypes: Sequence[Any]) -> Prepared:
    import_compiler()
    from dataflare_vec.jit.compiler import compile_kernel
    from dataflare_vec.jit.elements import layout_of
    from dataflare_vec.jit.failures import explain_failure, inner_cause
    from dataflare_vec.jit.loops import Input
    from dataflare_vec.jit.rewrite import check_members
    from dataflare_vec.jit.signature import constant_type
    from dataflare_vec.jit.strings.members import members_in

    plugin = binding.plugin
    inputs = []
    groups = [
        len(i.parameter.offsets) if isinstance(i, Column) else 1 for i in binding.items if not _follows(i)
    ]
    by_parameter: dict[str, Any] = {}
    left = list(dtypes)
    for item in binding.items:
        parameter = item.parameter
        if isinstance(item, Column):
            dtype = left.pop(0)
            by_parameter[parameter.name] = dtype
            numba_type = _column_type(plugin, item, dtype)
            inputs.append(Input(numba_type, is_column=True, nullable=parameter.nullable))
        else:
            numba_type = constant_type(item.value)
            inputs.append(Input(numba_type, is_column=False))
    declared = declared_dtypes(plugin, by_parameter)

    def compiled() -> CompiledKernel:
        if plugin.stateful is None:
            return compile_kernel(
                plugin.function,
                inputs,
                plugin.result if declared is None else declared,
                math=plugin.math,
                is_filter=plugin.is_filter,
                groups=groups,
            )
        from dataflare_vec.jit.scans import compile_fold

        gives_values = plugin.form is Form.SCAN
        return compile_fold(
            plugin.function,
            plugin.stateful.init,
            inputs,
            declared if gives_values else None,
            math=plugin.math,
            gives_values=gives_values,
        )

    def explained(error: Exception) -> Exception:
        return explain_failure(plugin, by_parameter, _arguments(plugin, inputs, groups), error)

    try:
        kernel = compiled()
        if isinstance(plugin.returns, dict) and plugin.form is not Form.REDUCE:
            declared = by_field(plugin, kernel.field_names, by_parameter)
            kernel = compiled()
        kernel.check()
        constants = tuple(item.value for item in binding.items if isinstance(item, Constant))
        check_members(plugin.function, members_in(constants))
    except PluginError as error:
        error.fill(plugin=plugin.name)  # the compiler doesn't know whose function it is
        raise
    except Exception as error:  # Numba's own, and whatever its passes stumble over
        raise explained(error) from inner_cause(error)
    kernel.explained = explained
    outputs = output_fields(kernel)
    fields = _field_names(plugin, kernel)
    if plugin.is_filter and [field.shown for field in outputs] != [pl.Boolean]:
        shown = ", ".join(str(field.shown) for field in outputs)
        msg = f"a filter must return a bool, it returns {shown}"
        raise KernelResultError(msg, plugin=plugin.name, expected="a bool", got=shown)
    return Prepared(
        kernel,
        tuple(layout_of(item.type) for item in inputs if item.is_column),
        outputs,
        fields,
        kernel.returns_tuple,
        # Its structure is the plugin's own; what it holds isn't part of the machine code.
        None if plugin.stateful is None else replace(kernel.state_type.carry, init=None),  # type: ignore[attr-defined]
    )


def _field_names(plugin: Plugin, kernel: CompiledKernel) -> tuple[str, ...] | None:
    """Return the names of the outputs: of the named tuple that is returned, or that the annotation says."""
    returned, said = kernel.field_names, plugin.result.fields if plugin.result is not None else None
    if said is None or returned == said:
        return returned
    if returned is None and kernel.returns_tuple:
        return said
    got = "a single value" if returned is None else f"a named tuple of {', '.join(returned)}"
    msg = f"it returns {got}, but is annotated as a named tuple of {', '.join(said)}"
    raise KernelResultError(msg, plugin=plugin.name, got=got, hint="return that one")


def _arguments(plugin: Plugin, inputs: Sequence[Any], groups: Sequence[int]) -> list[Any]:
    """Return Numba's types of all of a function's parameters."""
    import_compiler()
    from numba.core import types

    from dataflare_vec.jit.records import guess, type_of
    from dataflare_vec.jit.rows import group

    arguments = list(group(groups, [item.kernel_type for item in inputs], types.BaseTuple.from_types))
    if plugin.stateful is None:
        return arguments
    return [guess(type_of(plugin.stateful.init)), *arguments]


def _follows(item: Column | Constant) -> bool:
    """Whether it is a row of a parameter that has begun with an item before."""
    return isinstance(item, Column) and item.offset != 0


def output_fields(kernel: CompiledKernel) -> tuple[OutputField, ...]:
    """Return the output columns of a kernel."""
    import_compiler()
    from dataflare_vec.jit.elements import layout_of
    from dataflare_vec.jit.signature import polars_dtype

    outputs = []
    for output in kernel.outputs:
        physical = polars_dtype(output.type)
        logical = None if output.dtype == physical else output.dtype
        outputs.append(OutputField(physical, layout_of(output.type), output.nullable, logical, output.dtype))
    return tuple(outputs)


def _column_type(plugin: Plugin, item: Column, dtype: Any) -> Any:
    """Return the Numba type of a column.

    Raises
    ------
    ColumnTypeError
        If a kernel can't read it, or it isn't what the parameter is annotated with.
    """
    import_compiler()
    from dataflare_vec.jit.signature import column_type

    parameter: Parameter = item.parameter
    expected = expected_type(parameter, dtype)
    numba_type, reason = None, ""
    if expected is None:
        try:
            numba_type = column_type(dtype, parameter.expects)
        except ColumnTypeError as error:  # of a field or an instant within it
            expected, reason = error.expected, f" ({error.problem})"
    if expected is None and numba_type is None:
        expected = (
            "a number, a bool, a string, bytes, a date, a time or a duration, a list or an array of numbers "
            "or strings, or a struct"
        )
    if expected:
        source = item.source if isinstance(item.source, str) else str(item.source)
        raise ColumnTypeError(
            plugin=plugin.name,
            parameter=parameter.name,
            column=source,
            expected=expected,
            got=f"{dtype}{reason}",
            hint=Phrase(
                "bind another one with ",
                Argument(parameter.name, "…", parameter=True),
                ", or convert it with ",
                Argument("schema_overrides", f"{source}=…", python=_conversion(parameter, dtype)),
            ),
        )
    return numba_type


def expected_type(parameter: Parameter, dtype: Any) -> str | None:
    """Return what an annotation asks for, if the column isn't of that kind."""
    expects = parameter.expects
    wanted = mismatch(expects, dtype)
    if wanted is None or not (expects is Decimal or expects in TEMPORAL or is_named_tuple(expects)):
        return wanted
    return f"{wanted}, as `{parameter.name}: {expects.__name__}` says"


def _conversion(parameter: Parameter, dtype: Any) -> str:
    """Return what to write to get a column that a kernel can read."""
    column = f'`{parameter.name}=pl.col("…")'
    base = dtype.base_type()
    if base is pl.Null:
        return f"{column}.cast(pl.Float64)`, or the type that it has where it isn't all null"
    if base is pl.Object:
        return f"{column}.map_elements(…, return_dtype=…)`: compiled code can't read Python objects"
    if base is pl.UInt128:
        return f"{column}.cast(pl.Int128)`"
    if base is pl.List and isinstance(dtype.inner, pl.List):
        return f"{column}.list.eval(…)` to a list of numbers"
    return f"{column}.cast(…)`"


def declared_dtypes(plugin: Plugin, by_parameter: dict[str, Any]) -> list[Any] | None:
    """Return the dtypes that `returns` declares in order; None if it doesn't, or names fields."""
    returns = plugin.returns
    if returns is None or isinstance(returns, dict):
        return None
    items = returns if isinstance(returns, (tuple, list)) else [returns]
    return [declared_dtype(plugin, item, by_parameter) for item in items]


def by_field(plugin: Plugin, fields: Sequence[str] | None, by_parameter: dict[str, Any]) -> list[Any]:
    """Return the dtypes that `returns` declares by field name."""
    returns = plugin.returns
    assert isinstance(returns, dict)
    unknown = [name for name in returns if name not in (fields or ())]
    if unknown:
        msg = f"`returns` declares `{unknown[0]}`, which it doesn't return"
        raise KernelResultError(msg, plugin=plugin.name, hint=near_matches(unknown[0], fields or ()))
    return [declared_dtype(plugin, returns.get(name), by_parameter) for name in fields or ()]


def declared_dtype(plugin: Plugin, item: Any, by_parameter: Mapping[str, Any]) -> Any:
    """Return the dtype that an item of ``returns`` means."""
    if isinstance(item, str):
        if item not in by_parameter:
            msg = f"`returns` names the parameter `{item}`, which is no column"
            raise KernelResultError(
                msg, plugin=plugin.name, parameter=item, hint=near_matches(item, by_parameter)
            )
        return by_parameter[item]
    if item is None or isinstance(item, pl.DataType):
        return item
    if item is pl.Struct:
        return pl.Struct([])  # of the fields that the kernel returns
    if isinstance(item, type) and issubclass(item, pl.DataType):
        return item()
    raise KernelResultError(
        plugin=plugin.name, argument="returns", expected="Polars dtypes or parameter names", got=repr(item)
    )

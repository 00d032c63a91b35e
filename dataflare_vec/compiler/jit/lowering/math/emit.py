"""LLVM functions of the mathematical functions, in libraries of their own that kernels are linked with.

Their own, because Numba adds the fast-math flags of a kernel to all that is in the kernel's module, and sums
in two parts don't survive these. LLVM inlines them into the kernel (``alwaysinline``) before it vectorises.

An angle function has two variants. The *guarded* one can't reduce a large angle; it returns whether it met
one, and the kernel then fails with the status `LARGE_ANGLE`. No real data has angles above 10^14, so a chunk
of rows in which this happens is computed again with the *general* one, whose branch and call would keep the
loop from vectorising. For all other rows both give the same bits. A remainder has two variants as well: the
same is true of large quotients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir

from dataflare_vec.compiler.jit.lowering.math import division, payne_hanek, trigonometric
from dataflare_vec.compiler.jit.lowering.math.values import F32, F64, Format, Value, fabs, is_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.jit.lowering.math.table import MathFunction
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

#: Status of a kernel in whose guarded variant an angle or a quotient was too large. Numba's own are -3 …, and
#: above 0 for exceptions.
LARGE_ANGLE = -20

#: LLVM type of a status.
STATUS = ir.IntType(32)

_I1 = ir.IntType(1)


class Mode(NamedTuple):
    """Which variant of a kernel, and of the functions in it."""

    general: bool = True  # large angles are reduced here, instead of reported
    notes: bool = False  # exceptions leave their messages (see `jit.passes.raises`)
    tells: bool = False  # exceptions have their messages (see `jit.passes.told`)


def symbol(function: MathFunction, fmt: Format, mode: Mode) -> str:
    """Name of the LLVM function."""
    variant = "general" if mode.general or not function.is_guarded else "guarded"
    return f"dfv.math.{function.name}.{fmt.name}.{variant}"


def result_type(function: MathFunction, fmt: Format, mode: Mode) -> ir.Type:
    """LLVM type of the result; with a truth value (angle too large) for a guarded angle function."""
    kind = {"float": fmt.type, "bool": _I1}[function.returns]
    if function.is_guarded and not mode.general:
        return ir.LiteralStructType([kind, _I1])
    return kind


def declare(module: ir.Module, function: MathFunction, fmt: Format, mode: Mode) -> ir.Function:
    """Return the declaration of the LLVM function in ``module``."""
    name = symbol(function, fmt, mode)
    if name in module.globals:
        return module.globals[name]
    signature = ir.FunctionType(result_type(function, fmt, mode), [fmt.type] * function.arguments)
    return ir.Function(module, signature, name)


def define(module: ir.Module, function: MathFunction, fmt: Format, mode: Mode) -> ir.Function:
    """Write the LLVM function into ``module``."""
    target = declare(module, function, fmt, mode)
    target.attributes.add("alwaysinline")
    builder = ir.IRBuilder(target.append_basic_block("entry"))
    arguments = [Value(builder, arg, fmt) for arg in target.args]
    if not function.is_guarded:
        result = function.body(*arguments)
    elif function.is_quotient:
        large = division.is_large(*arguments)
        if mode.general:
            arguments[0] = _smaller(arguments[0], arguments[1], large)
        result = function.body(*arguments)
    else:
        angle = fabs(arguments[0])
        reduced = trigonometric.reduce_small(angle)
        large = trigonometric.is_large(angle)
        if mode.general:
            # The guarded variant leaves infinity to this one: a comparison less for each row.
            reduced = _reduce_any(module, angle, large & is_finite(angle), reduced)
        result = function.body(*arguments, reduced)
    if function.is_guarded and not mode.general:
        pair = ir.Constant(result_type(function, fmt, mode), ir.Undefined)
        pair = builder.insert_value(pair, result.raw, 0)
        builder.ret(builder.insert_value(pair, large.raw, 1))
        return target
    builder.ret(result.raw)
    return target


def _smaller(x: Value, y: Value, large: Value) -> Value:
    """Return what leaves the same remainders as x: x itself unless the quotient is large."""
    before = x.builder.block
    with x.builder.if_then(large.raw, likely=False):
        small = division.smaller(x, y)
        inside = x.builder.block
    phi = x.builder.phi(x.fmt.type)
    phi.add_incoming(x.raw, before)
    phi.add_incoming(small.raw, inside)
    return x._new(phi)


def _reduce_any(module: ir.Module, x: Value, large: Value, small: Any) -> trigonometric.Reduced:
    """Reduce by Payne and Hanek where the angle is large, else take ``small``."""
    builder, fmt = x.builder, x.fmt
    function = payne_hanek.define(module)
    before = builder.block
    with builder.if_then(large.raw, likely=False):
        wide = x.raw if fmt is F64 else builder.fpext(x.raw, F64.type)
        pair = builder.call(function, [wide])
        high, low, quadrant = (builder.extract_value(pair, i) for i in range(3))
        if fmt is F32:
            total = builder.fptrunc(high, F32.type)
            rest = builder.fadd(builder.fsub(high, builder.fpext(total, F64.type)), low)
            high, low = total, builder.fptrunc(rest, F32.type)
            quadrant = builder.trunc(quadrant, F32.integer)
        inside = builder.block
    merged = []
    for usual, rare in zip(small, (quadrant, high, low), strict=True):
        phi = builder.phi(usual.raw.type)
        phi.add_incoming(usual.raw, before)
        phi.add_incoming(rare, inside)
        merged.append(x._new(phi))
    return trigonometric.Reduced(*merged)


_libraries: dict[tuple[int, str, str], Any] = {}


def library(codegen: Any, function: MathFunction, fmt: Format, mode: Mode) -> Any:
    """Return Numba's code library that holds the LLVM function; made once a process and processor."""
    name = symbol(function, fmt, mode)
    key = (id(codegen), codegen._tm_features, name)
    if key not in _libraries:
        made = codegen.create_library(name)
        module = made.create_ir_module(name)
        define(module, function, fmt, mode)
        made.add_ir_module(module)
        made.finalize()
        _libraries[key] = made
    return _libraries[key]


def call(
    context: Context,
    builder: Builder,
    function: MathFunction,
    fmt: Format,
    mode: Mode,
    arguments: Sequence[Any],
) -> Any:
    """Call the LLVM function in what is being compiled, which is linked with its library."""
    context.active_code_library.add_linking_library(library(context.codegen(), function, fmt, mode))
    return builder.call(declare(builder.module, function, fmt, mode), arguments)

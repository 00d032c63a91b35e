"""`isinstance` by Python's own rules: `issubclass` of what a value is in the kernel's plain function.

Numba's own doesn't know our types, and for it a bool is no integer. Known while compiling, a test is a
constant, and the branch that isn't taken isn't compiled (`passes.known_instances`); of what may be None
the answer is found row by row.
"""

from __future__ import annotations

import operator
from decimal import Decimal
from types import UnionType
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import ir, ir_utils, types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.errors import TypingError
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, overload

from dataflare_vec.compiler.jit.types.json import JsonType
from dataflare_vec.compiler.jit.types.strings import BytesType, StringType
from dataflare_vec.compiler.jit.types.temporal import TemporalType
from dataflare_vec.compiler.jit.types.wide_integers import DecimalType, WideIntType

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


class Classes:
    """What a value is tested for: a class, a union, or a tuple of them."""

    def __init__(self, classes: Any) -> None:
        self.classes = classes


class ClassesType(types.Opaque):  # type: ignore[misc]
    """Numba's type of `Classes`."""

    def __init__(self, classes: Any) -> None:
        self.classes = classes
        super().__init__(f"classes {classes}")


register_default(ClassesType)(models.OpaqueModel)


@typeof_impl.register(Classes)  # type: ignore[untyped-decorator]
def _typeof_classes(value: Classes, context: Any) -> ClassesType:
    return ClassesType(value.classes)


def is_instance(value: Any, classes: Any) -> bool:
    """Stand for `isinstance` in kernels."""
    return isinstance(value, classes)


@intrinsic  # type: ignore[untyped-decorator]
def asked(typing_context: Any, value: Any, classes: Any) -> Any:
    """Do nothing: it stays where the answer is a constant, and `passes.number_kinds` sees it."""
    return types.none(value, classes), lambda context, builder, *_: context.get_dummy_value()


_PYTHON: tuple[tuple[Any, type], ...] = (
    (types.Boolean, bool),
    (types.Integer, int),
    (WideIntType, int),
    (types.Float, float),
    (types.Complex, complex),
    (StringType, str),
    (types.UnicodeType, str),
    (BytesType, bytes),
    (types.Bytes, bytes),
    (types.NoneType, type(None)),
    (types.List, list),
    (types.ListType, list),
    (types.LiteralList, list),
    (types.DictType, dict),
    (types.Set, set),
    (types.Array, np.ndarray),
    (types.RangeType, range),
    (DecimalType, Decimal),
)


def _class_of(value: Any) -> type:
    """Return the class of a value of some type in Python."""
    value = types.unliteral(value) if not isinstance(value, types.LiteralList) else value
    if isinstance(value, types.BaseNamedTuple):
        return value.instance_class  # type: ignore[no-any-return]
    if isinstance(value, types.BaseTuple):
        return tuple
    if isinstance(value, TemporalType):
        return value.python
    for kind, python in _PYTHON:
        if isinstance(value, kind):
            return python
    msg = f"what class a value of type {value} has isn't known to compiled code"
    raise TypingError(msg)


def answer(value: Any, classes: Any) -> bool | None:
    """Return whether a value of some type is of one of some classes; None if each row has its answer."""
    if isinstance(value, JsonType):  # see `lowering.json.values`
        return None
    optional = isinstance(value, types.Optional)
    there = issubclass(_class_of(value.type if optional else value), classes)
    absent = issubclass(type(None), classes)
    return there if not optional or there == absent else None


@overload(is_instance)
def _is_instance(value, classes):  # type: ignore[no-untyped-def]  # as its implementations
    if not isinstance(classes, ClassesType) or isinstance(value, JsonType):
        return None
    known = answer(value, classes.classes)
    if known is not None:
        return (lambda value, classes: True) if known else (lambda value, classes: False)
    if issubclass(type(None), classes.classes):
        return lambda value, classes: value is None
    return lambda value, classes: value is not None


def replace_tests(func_ir: FunctionIR) -> bool:
    """Replace `isinstance` in a function's IR where the classes are known; whether there was any."""
    sources: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            call: Any = getattr(statement, "value", None)
            classes = _tested(func_ir, call)
            if classes is not None:
                sources.add(call.args[1].name)
                values = is_instance, Classes(classes), asked
                names = [ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_test"), call.loc) for _ in range(4)]
                news = [ir.Global("is_instance", value, call.loc) for value in values]
                call.func, call.args = names[0], [call.args[0], names[1]]
                news.append(ir.Expr.call(names[2], tuple(call.args), (), call.loc))
                for name, new in zip(names, news, strict=True):
                    func_ir._definitions[name.name].append(new)
                    body.append(ir.Assign(new, name, call.loc))
            body.append(statement)
        block.body = body
    drop_unread(func_ir, sources)
    return bool(sources)


def _tested(func_ir: FunctionIR, call: Any) -> Any:
    """Return the classes that an expression tests a value for; None if it is something else."""
    if not isinstance(call, ir.Expr) or call.op != "call" or len(call.args) != 2 or call.kws:
        return None
    if ir_utils.guard(ir_utils.find_outer_value, func_ir, call.func) is not isinstance:
        return None
    return _classes(func_ir, call.args[1])


def drop_unread(func_ir: FunctionIR, names: set[str]) -> None:
    """Drop what made classes and the like, and nothing uses any more: Numba doesn't know all of them."""
    while names:
        statements = [statement for block in func_ir.blocks.values() for statement in block.body]
        used = {name for s in statements if not isinstance(s, ir.Del) for name in _read(s)}
        unused = names - used
        names = {name for s in statements if _assigns(s, unused) for name in _read(s)}
        for block in func_ir.blocks.values():
            block.body = [
                s
                for s in block.body
                if not _assigns(s, unused) and not (isinstance(s, ir.Del) and s.value in unused)
            ]


def _assigns(statement: Any, names: set[str]) -> bool:
    return isinstance(statement, ir.Assign) and statement.target.name in names


def _read(statement: Any) -> set[str]:
    """Return the variables that a statement reads."""
    read = {var.name for var in statement.list_vars()}
    return read - {statement.target.name} if isinstance(statement, ir.Assign) else read


def _classes(func_ir: FunctionIR, var: Any) -> Any:
    """Return the classes that a variable holds; None if they aren't known."""
    outer = ir_utils.guard(ir_utils.find_outer_value, func_ir, var)
    if isinstance(outer, (type, UnionType, tuple)):
        return outer
    value = ir_utils.guard(ir_utils.get_definition, func_ir, var)
    if isinstance(value, ir.Const) and value.value is None:
        return type(None)
    if not isinstance(value, ir.Expr):
        return None
    if value.op == "build_tuple":
        items = [_classes(func_ir, item) for item in value.items]
        return None if None in items else tuple(items)
    if value.op == "binop" and value.fn is operator.or_:
        left, right = _classes(func_ir, value.lhs), _classes(func_ir, value.rhs)
        return None if left is None or right is None else left | right
    if value.op == "call" and len(value.args) == 1:  # `type(None)`
        function = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
        constant = ir_utils.guard(ir_utils.get_definition, func_ir, value.args[0])
        if function is type and isinstance(constant, ir.Const) and constant.value is None:
            return type(None)
    return None

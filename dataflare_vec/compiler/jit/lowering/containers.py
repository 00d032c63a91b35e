"""After Numba has inferred types: what would be changed by being put into a container, or looked for in it.

Numba casts to the type of the container's items: ``1.5 in {1, 2}`` looks for 1, ``items[0] = 1.5`` of a list
of integers keeps 1, and a dict whose first value is True keeps 2 as True. In Python items stay what they are.
Such a kernel is refused.
"""

from __future__ import annotations

import operator
import warnings
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from numba.core import ir, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaTypeSafetyWarning, TypingError

from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_KINDS = (types.List, types.Set, types.DictType, types.ListType)
_INTEGERS = (types.Integer, types.Boolean, WideIntType)

#: Methods of dicts that take a key and a value.
_OF_KEY = ("get", "pop", "setdefault")


@contextmanager
def no_cast_warnings() -> Iterator[None]:
    """Compile without Numba's warnings of such casts, which name its types and no remedy."""
    with global_compiler_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaTypeSafetyWarning)
        yield


def check_items(func_ir: FunctionIR, typemap: Any, calltypes: Any) -> None:
    """Raise TypingError where a container would hold, or be asked for, another value than the one given."""
    for block in func_ir.blocks.values():
        for statement in block.body:
            for var, wanted in _given(statement, typemap, calltypes):
                given = typemap[var.name]
                if _changes(given, wanted):
                    msg = f"an item of type {types.unliteral(given)} where the others are {wanted}"
                    raise TypingError(msg, loc=statement.loc)


def _given(statement: Any, typemap: Any, calltypes: Any) -> Iterator[tuple[Any, types.Type]]:
    """Yield the variables that a statement casts to the type of a container's items, and these types."""
    if isinstance(statement, ir.SetItem | ir.StaticSetItem):
        container = typemap[statement.target.name]
        if isinstance(container, types.DictType):
            yield getattr(statement, "index_var", None) or statement.index, container.key_type
            yield statement.value, container.value_type
        elif isinstance(container, types.List) and not isinstance(typemap[statement.value.name], types.List):
            yield statement.value, container.dtype
        return
    value = getattr(statement, "value", None)
    if not isinstance(statement, ir.Assign) or not isinstance(value, ir.Expr):
        return
    if value.op == "binop" and value.fn is operator.contains:
        container = typemap[value.lhs.name]
        if isinstance(container, _KINDS):
            yield value.rhs, _key_of(container)
    elif value.op in ("getitem", "static_getitem"):
        container = typemap[value.value.name]
        if isinstance(container, types.DictType):
            yield (value.index if value.op == "getitem" else value.index_var), container.key_type
    elif value.op == "build_map":
        container = typemap[statement.target.name]
        if isinstance(container, types.DictType):
            wanted = container.key_type, container.value_type
            yield from zip(chain(*value.items), wanted * len(value.items), strict=True)
    elif value.op == "build_set":
        container = typemap[statement.target.name]
        yield from ((item, container.dtype) for item in value.items if isinstance(container, types.Set))
    elif value.op == "call":
        method = typemap[value.func.name]
        container = getattr(method, "this", None)
        if not isinstance(container, _KINDS) or value.vararg:
            return
        name = method_name(method)
        if isinstance(container, types.DictType):
            wanted = container.key_type, container.value_type
            yield from zip(value.args, wanted if name in _OF_KEY else (), strict=False)
        elif isinstance(container, types.Set) and name in ("add", "discard", "remove"):
            yield value.args[0], container.dtype
        else:
            yield from zip(value.args, calltypes[value].args, strict=False)


def method_name(method: Any) -> str:
    """Return what a method is called, by its type."""
    key = method.typing_key
    return str(key[1] if isinstance(key, tuple) else key).rpartition(".")[2]


def _key_of(container: Any) -> types.Type:
    return container.key_type if isinstance(container, types.DictType) else container.dtype


def _changes(given: types.Type, wanted: types.Type) -> bool:
    """Whether a cast may change the value."""
    given, wanted = types.unliteral(given), types.unliteral(wanted)
    if isinstance(given, types.Optional):
        given = types.unliteral(given.type)
    if isinstance(wanted, types.Optional):
        wanted = types.unliteral(wanted.type)
    if isinstance(given, types.NoneType) or isinstance(wanted, types.NoneType) or given == wanted:
        return False
    if isinstance(given, types.BaseTuple) and isinstance(wanted, types.BaseTuple):
        return len(given) != len(wanted) or any(map(_changes, given, wanted))
    if isinstance(wanted, types.Boolean):
        return isinstance(given, (types.Float, *_INTEGERS))
    if isinstance(wanted, _INTEGERS):
        return isinstance(given, types.Float)
    return isinstance(given, ViewType) and isinstance(wanted, ViewType) and type(given) is not type(wanted)

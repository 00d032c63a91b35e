"""The Numba type of a state: of the initial one, and of what a kernel makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import types
from numba.core.registry import cpu_target
from numba.np import numpy_support

from dataflare_vec.compiler.jit.lowering import state_sequence_methods
from dataflare_vec.compiler.jit.types.state_sequences import ContainerType, container_type
from dataflare_vec.compiler.jit.types.strings import BytesType, StringType, ViewType, bytes_view, utf8_string
from dataflare_vec.compiler.jit.types.wide_integers import NaturalType, WideIntType, natural, wide_int, word
from dataflare_vec.definition.state_layout import WIDE, Leaf, StateLayout, field_names
from dataflare_vec.definition.state_memory import cell_bytes
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.definition.state_containers import Container


def type_of(value: Any, containers: Mapping[str, Container] = {}, name: str = "state") -> types.Type:
    """Return the type of an initial state with lists and deques of some types; None has no type yet."""
    if name in containers:
        return container_type(containers[name])
    if value is None:
        return types.none
    if isinstance(value, bool):
        return types.boolean
    if isinstance(value, int):
        return types.int64 if value < 1 << 63 else natural
    if isinstance(value, float):
        return types.float64
    if isinstance(value, (str, bytes)):
        return utf8_string if isinstance(value, str) else bytes_view
    if isinstance(value, tuple):
        kind = type(value) if hasattr(value, "_fields") else None
        names = field_names(value)
        if name != "state":
            names = [f"{name}.{one}" for one in names]
        items = [type_of(item, containers, one) for one, item in zip(names, value, strict=True)]
        return types.BaseTuple.from_types(items, kind)
    dtype = numpy_support.from_dtype(value.dtype)
    return types.Array(dtype, value.ndim, "C") if value.ndim else dtype


def guess(ty: types.Type, inputs: Sequence[types.Type] = ()) -> types.Type:
    """Return the type of a state with a value where it may be None: a kernel that handles both compiles.

    A float, unless all numbers that the kernel gets are integers: they would become floats with it. A string,
    or bytes, if it gets nothing else.
    """
    if isinstance(ty, types.BaseTuple):
        items = [guess(item, inputs) for item in ty]
        return types.BaseTuple.from_types(items, getattr(ty, "instance_class", None))
    if not isinstance(ty, types.NoneType):
        return ty
    values = [one.type if isinstance(one, types.Optional) else one for one in inputs]
    if values and all(isinstance(one, types.Boolean) for one in values):
        return types.Optional(types.boolean)
    for kind, like in ((StringType, utf8_string), (BytesType, bytes_view)):
        if values and all(isinstance(types.unliteral(one), kind) for one in values):
            return types.Optional(like)
    integers = [isinstance(one, (types.Integer, WideIntType)) for one in values]
    if not any(integers) or any(isinstance(one, types.Float) for one in values):
        return types.Optional(types.float64)
    return types.Optional(natural if all(one == natural for one in values) else types.int64)


def join(given: types.Type, returned: types.Type, init: Any = None) -> types.Type:
    """Return the type that holds a state of either type, structured as ``given``.

    Of an integer that begins with ``init``, 0 or more, and becomes one of 128 bits, it is first tried whether
    it stays one that isn't negative.

    Raises
    ------
    KernelResultError
        If there is none.
    """
    if isinstance(given, types.BaseTuple):
        if not isinstance(returned, types.BaseTuple) or len(returned) != len(given):
            raise _mismatch(given, returned)
        inits = init if isinstance(init, tuple) else [None] * len(given)
        items = [join(*each) for each in zip(given, returned, inits, strict=True)]
        return types.BaseTuple.from_types(items, getattr(given, "instance_class", None))
    if isinstance(given, ContainerType):
        if returned != given and not state_sequence_methods.may_be_assigned(given, returned):
            raise _mismatch(given, returned)
        return given
    if isinstance(given, types.Array):
        if not isinstance(returned, types.Array) or returned.ndim != given.ndim or returned.layout != "C":
            raise _mismatch(given, returned)
        return types.Array(join(given.dtype, returned.dtype), given.ndim, "C")
    joined = types.unliteral(
        cpu_target.typing_context.unify_types(types.unliteral(given), types.unliteral(returned))
        or types.undefined
    )
    inner = joined.type if isinstance(joined, types.Optional) else joined
    if isinstance(inner, StringType):
        return utf8_string if inner == joined else types.Optional(utf8_string)
    if inner == word:
        return natural if inner == joined else types.Optional(natural)
    if joined == wide_int and given == types.int64 and type(init) is int and init >= 0:
        return natural
    if not isinstance(inner, (types.Number, types.Boolean, types.NoneType, WideIntType, BytesType)):
        raise _mismatch(given, returned)
    return joined


def _mismatch(given: types.Type, returned: types.Type) -> KernelResultError:
    return KernelResultError(
        f"its state is `{given}`, and it returns `{returned}` as the next one",
        hint="return a state that is structured like `init` (an array: of the same number of dimensions, "
        "contiguous; a deque, dict or set: the one that it was given, changed in place)",
    )


def state_layout_of(init: Any, ty: types.Type) -> StateLayout:
    """Return how states of a type lie in memory."""
    leaves: list[Leaf] = []
    size = 0
    for name, shape, leaf_type in _leaves(init, ty, "state"):
        optional = isinstance(leaf_type, types.Optional)
        kind = leaf_type.type if optional else leaf_type
        owned = kind.described if isinstance(kind, ContainerType) else _OWNED.get(type(kind), "")
        dtype = dtype_of(kind)
        alignment = 8 if owned else dtype.alignment
        size = -(-size // alignment) * alignment
        leaves.append(Leaf(name, dtype.str, shape, optional, size, owned))
        count = 1
        for length in shape:
            count *= length
        size += dtype.itemsize * count + optional
    return StateLayout(init, tuple(leaves), max(-(-size // 8) * 8, 8))


#: What lies in memory that a record owns; see `state_cells`.
_OWNED = {StringType: "str", BytesType: "bytes"}


def dtype_of(ty: types.Type) -> Any:
    """Return how a scalar lies in a record: a natural number as UInt64, which it has to fit."""
    if isinstance(ty, (ViewType, ContainerType)):
        return np.dtype(f"V{cell_bytes(ty.described if isinstance(ty, ContainerType) else 'str')}")
    if isinstance(ty, WideIntType):
        return np.dtype(np.uint64 if isinstance(ty, NaturalType) else WIDE)
    return numpy_support.as_dtype(ty)


def _leaves(init: Any, ty: types.Type, name: str) -> Iterator[tuple[str, tuple[int, ...], types.Type]]:
    if isinstance(ty, types.BaseTuple):
        for field, item, item_type in zip(field_names(init), init, ty, strict=True):
            yield from _leaves(item, item_type, field if name == "state" else f"{name}.{field}")
    elif isinstance(ty, types.Array):
        yield name, init.shape, ty.dtype
    else:
        yield name, (), types.Optional(types.boolean) if isinstance(ty, types.NoneType) else ty


def has_natural(ty: types.Type) -> bool:
    """Whether a state has a number that may not fit its record."""
    if isinstance(ty, types.BaseTuple):
        return any(map(has_natural, ty))
    return isinstance(ty.type if isinstance(ty, types.Optional) else ty, NaturalType)

"""Numba types of the containers in a state: a value is the address of its cell in the record."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.datamodel import models
from numba.extending import register_model

from dataflare_vec.compiler.jit.types.strings import StringType, ViewType, bytes_view, utf8_string
from dataflare_vec.definition.state_containers import Container, Items

_KINDS = {
    "float": types.float64,
    "int": types.int64,
    "bool": types.boolean,
    "str": utf8_string,
    "bytes": bytes_view,
}


class ContainerType(types.Type):  # type: ignore[misc]
    """A list, deque, dict or set of a state.

    Parameters
    ----------
    form
        ``"list"``, ``"deque"``, ``"dict"`` or ``"set"``.
    dtype
        The type of an item: of a dict a tuple of key and value.
    maxlen
        The most items of a deque.
    """

    mutable = True

    def __init__(self, form: str, dtype: types.Type, maxlen: int | None = None) -> None:
        self.form, self.dtype, self.maxlen = form, dtype, maxlen
        most = "" if maxlen is None else f", at most {maxlen}"
        super().__init__(name=f"{form} of {dtype} in a state{most}")

    @property
    def described(self) -> tuple[str, Any, int | None]:
        """The same as `Container.described`."""
        return (self.form, items_of(self.dtype).described, self.maxlen)


class _Iterable(ContainerType, types.IterableType):  # type: ignore[misc]
    @property
    def yielded(self) -> types.Type:
        """The type of what a loop over it gets."""
        return self.dtype

    @property
    def iterator_type(self) -> SequenceIterator:
        """What goes over it."""
        return SequenceIterator(self)


class SequenceType(_Iterable):
    """A list or a deque."""


class DictType(_Iterable):
    """A dict, whose items are in the order in which keys came."""

    @property
    def yielded(self) -> types.Type:
        """The type of a key."""
        return self.dtype[0]


class SetType(_Iterable):
    """A set, whose order must not show: see `passes.set_order`."""


class SequenceIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over the items of a list or deque, or the keys of a dict."""

    def __init__(self, sequence: _Iterable) -> None:
        self.sequence = sequence
        super().__init__(f"iter({sequence})", sequence.yielded)


@register_model(SequenceType)
@register_model(DictType)
@register_model(SetType)
class _SequenceModel(models.OpaqueModel):  # type: ignore[misc]
    """An address."""


@register_model(SequenceIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("sequence", fe_type.sequence), ("index", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


_TYPES = {"list": SequenceType, "deque": SequenceType, "dict": DictType, "set": SetType}


def container_type(container: Container) -> ContainerType:
    """Return the type of a container of a state."""
    return _TYPES[container.form](container.form, item_type(container.items), container.maxlen)


def item_type(items: Items) -> types.Type:
    """Return the type of an item."""
    if items.kind != "tuple":
        return _KINDS[items.kind]
    return types.BaseTuple.from_types([item_type(part) for part in items.parts], items.cls)


def items_of(ty: types.Type) -> Items:
    """Return what an item of a type is."""
    if isinstance(ty, types.BaseTuple):
        cls = getattr(ty, "instance_class", None)
        return Items("tuple", tuple(map(items_of, ty)), tuple(getattr(cls, "_fields", ())), cls)
    if isinstance(ty, ViewType):
        return Items("str" if isinstance(ty, StringType) else "bytes")
    return Items(next(kind for kind, one in _KINDS.items() if one == ty))

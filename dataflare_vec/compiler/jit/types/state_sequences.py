"""Numba types of the lists and deques in a state: a value is the address of its cell in the record."""

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


class SequenceType(types.IterableType):  # type: ignore[misc]
    """A list or a deque of a state.

    Parameters
    ----------
    form
        ``"list"`` or ``"deque"``.
    dtype
        The type of an item.
    maxlen
        The most items of a deque.
    """

    mutable = True

    def __init__(self, form: str, dtype: types.Type, maxlen: int | None) -> None:
        self.form, self.dtype, self.maxlen = form, dtype, maxlen
        most = "" if maxlen is None else f", at most {maxlen}"
        super().__init__(name=f"{form} of {dtype} in a state{most}")

    @property
    def iterator_type(self) -> SequenceIterator:
        """What goes over the items."""
        return SequenceIterator(self)

    @property
    def described(self) -> tuple[str, Any, int | None]:
        """The same as `Container.described`."""
        return (self.form, items_of(self.dtype).described, self.maxlen)


class SequenceIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over the items of a list or deque."""

    def __init__(self, sequence: SequenceType) -> None:
        self.sequence = sequence
        super().__init__(f"iter({sequence})", sequence.dtype)


@register_model(SequenceType)
class _SequenceModel(models.OpaqueModel):  # type: ignore[misc]
    """An address."""


@register_model(SequenceIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("sequence", fe_type.sequence), ("index", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


def sequence_type(container: Container) -> SequenceType:
    """Return the type of a container of a state."""
    return SequenceType(container.form, item_type(container.items), container.maxlen)


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

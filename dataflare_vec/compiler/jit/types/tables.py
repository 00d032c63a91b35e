"""Numba types of tables: the address of a block, of which the type says how it is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.errors import TypingError
from numba.core.imputils import lower_cast, lower_constant
from numba.core.typeconv import Conversion
from numba.core.typing.typeof import typeof_impl
from numba.extending import register_model

from dataflare_vec.compiler.cache.entry import digest
from dataflare_vec.compiler.jit.types.strings import ascii_string, bytes_view, utf8_string
from dataflare_vec.compiler.jit.types.temporal import BY_CLASS
from dataflare_vec.compiler.jit.types.wide_integers import DecimalType, natural, wide_int
from dataflare_vec.compiler.native.tables import define, symbol_of
from dataflare_vec.definition.tables.frozen import MOST_ITERATED, Frozen

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context
    from dataflare_vec.definition.tables.keys import Index
    from dataflare_vec.definition.tables.kinds import Kind

_POINTER = ir.IntType(8).as_pointer()

#: What is said where values of records are wanted one after the other.
GONE_OVER = "a dict whose values are of unlike types, which a loop can't go over; name its keys one by one"

_SIMPLE: dict[str, types.Type] = {
    "none": types.none,
    "bool": types.boolean,
    "int": types.int64,
    "natural": natural,
    "wide": wide_int,
    "float": types.float64,
    "bytes": bytes_view,
    **{cls.__name__: ty for cls, ty in BY_CLASS.items()},
}


def type_of_kind(kind: Kind) -> types.Type:
    """Return the Numba type of a kind of values."""
    if kind.name == "tuple":
        ty = types.BaseTuple.from_types([type_of_kind(item) for item in kind.items], kind.about)
    elif kind.name == "text":
        ty = ascii_string if kind.about else utf8_string
    elif kind.name == "decimal":
        ty = DecimalType(kind.about)
    elif kind.name == "inner":
        ty = InnerType(TableType(*kind.about))
    elif kind.name == "record":
        ty = RecordType(kind)
    else:
        ty = _SIMPLE[kind.name]
    return types.Optional(ty) if kind.nullable else ty


class TableType(types.IterableType):  # type: ignore[misc]
    """A dict, set, list or tuple that nothing changes.

    Attributes
    ----------
    form, index, key_kind, value_kind
        As those of `Frozen`.
    key, value
        The types of keys that a kernel can go over, and of values; None where there are none.
    index_at, key_at, value_at
        Where their places begin in the header.
    """

    def __init__(self, form: str, index: Index, key: Kind | None, value: Kind | None) -> None:
        self.form, self.index, self.key_kind, self.value_kind = form, index, key, value
        self.key_type = None if key is None else type_of_kind(key)
        self.value_type = None if value is None else type_of_kind(value)
        self.index_at = 1
        self.key_at = 1 + index.words
        self.value_at = self.key_at + (0 if key is None else key.words)
        kinds = [None if kind is None else kind.described() for kind in (key, value)]
        #: Whether its name tells it from others in all processes: a class of named tuples may be another one.
        self.is_told = "class" not in str(kinds)
        layout = digest(repr((form, index.described(), kinds, [key, value])).encode())
        super().__init__(f"table[{form} {layout[:16]}]")

    @property
    def key(self) -> Any:
        """What tells it from other types."""
        return self.form, self.index, self.key_kind, self.value_kind

    @property
    def iterator_type(self) -> TableIterator:
        """What goes over the keys of a dict, or the items of a list or tuple."""
        return TableView(self, "keys" if self.form == "dict" else "values").iterator_type

    def check_values(self) -> None:
        """Raise if its items have no type.

        Raises
        ------
        TypingError
            Saying what there is instead.
        """
        if self.value_type is None and self.form != "set":
            msg = f"a {self.form} whose items are of unlike types; give them one type, or only ask `in`"
            raise TypingError(msg)


class TableView(types.IterableType):  # type: ignore[misc]
    """What `keys`, `values` or `items` of a dict return."""

    def __init__(self, table: TableType, what: str) -> None:
        self.table, self.what = table, what
        super().__init__(f"{what} of {table}")

    @property
    def item(self) -> types.Type:
        """What it goes over."""
        if self.what == "items":
            return types.Tuple([self.table.key_type, self.table.value_type])
        return self.table.key_type if self.what == "keys" else self.table.value_type

    @property
    def iterator_type(self) -> TableIterator:
        """What goes over it.

        Raises
        ------
        TypingError
            If nothing can.
        """
        self.table.check_values()
        if self.table.form == "record":
            raise TypingError(GONE_OVER)
        if self.table.form == "set":
            msg = "a set whose items have no order to go over them; make it a tuple"
            raise TypingError(msg)
        if self.what != "values" and self.table.key_type is None:
            msg = (
                "a dict whose keys can't be gone over, as they are of unlike types, or more than "
                f"{MOST_ITERATED:,}; go over `.values()`, or over a tuple"
            )
            raise TypingError(msg)
        return TableIterator(self)


class TableIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over keys, values or both."""

    def __init__(self, view: TableView) -> None:
        self.view = view
        super().__init__(f"iter({view})", view.item)


class InnerType(types.IterableType):  # type: ignore[misc]
    """A dict, list or set within a table: some rows of the table that all of them are joined to.

    Attributes
    ----------
    table : TableType
        The joined table.
    what
        What is gone over, of a dict: "keys", or "values" or "items" where it is a view of these.
    """

    def __init__(self, table: TableType, what: str = "keys") -> None:
        self.table, self.what = table, what
        view = "" if what == "keys" else f"{what} of "
        super().__init__(f"{view}{table} within a table")

    @property
    def key_kind(self) -> Kind | None:
        """What the keys of all dicts are, if a kernel can go over them."""
        kind = self.table.key_kind
        return None if kind is None else kind.items[1]

    @property
    def key_at(self) -> int:
        """Where their places begin in the header."""
        kind = self.table.key_kind
        assert kind is not None
        return self.table.key_at + kind.items[0].words

    @property
    def columns(self) -> list[tuple[Kind, int]]:
        """What it goes over: kinds, and where their places in the header begin.

        Raises
        ------
        TypingError
            If nothing can go over it.
        """
        table = self.table
        if table.form == "set":
            msg = "a set whose items have no order to go over them; make it a tuple"
            raise TypingError(msg)
        if table.form == "dict" and self.what != "values" and self.key_kind is None:
            msg = (
                "dicts whose keys can't be gone over, as they are of unlike types, or more than "
                f"{MOST_ITERATED:,}; go over `.values()`, or over a tuple"
            )
            raise TypingError(msg)
        assert table.value_kind is not None
        values = (table.value_kind, table.value_at)
        if table.form == "list" or self.what == "values":
            return [values]
        assert self.key_kind is not None
        keys = (self.key_kind, self.key_at)
        return [keys, values] if self.what == "items" else [keys]

    @property
    def item(self) -> types.Type:
        """What it goes over."""
        items = [type_of_kind(kind) for kind, _ in self.columns]
        return types.Tuple(items) if len(items) > 1 else items[0]

    @property
    def iterator_type(self) -> InnerIterator:
        """What goes over it."""
        return InnerIterator(self)


class InnerIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over keys, values, both, or items of a container within a table."""

    def __init__(self, view: InnerType) -> None:
        self.view = view
        super().__init__(f"iter({view})", view.item)


class RecordType(types.Type):  # type: ignore[misc]
    """A dict each of whose keys, which are constant strings, has a value of its own type.

    Attributes
    ----------
    kind : Kind
        Its keys, and what their values are.
    is_any
        Whether it may be an empty one instead, which stands for one that isn't in a table.
    names
        The keys.
    items
        The types of their values.
    """

    def __init__(self, kind: Kind, *, is_any: bool = False) -> None:
        self.kind, self.is_any = kind._replace(nullable=False), is_any
        self.names = [name for name, _ in kind.about]
        self.items = [type_of_kind(item) for item in kind.items]
        layout = digest(repr(("record", self.kind.described(), is_any)).encode())
        super().__init__(f"table[dict {layout[:16]}]")

    @property
    def key(self) -> Any:
        """What tells it from other types."""
        return self.kind, self.is_any

    def in_all(self, place: int) -> bool:
        """Whether each such dict has a key."""
        return self.kind.about[place][1] and not self.is_any

    def can_convert_to(self, typingctx: Any, other: types.Type) -> Conversion | None:
        """Any is one that may be empty."""
        is_wider = isinstance(other, RecordType) and other.is_any and other.kind == self.kind
        return Conversion.safe if is_wider else None

    def unify(self, typingctx: Any, other: types.Type) -> types.Type | None:
        """Return the type of one that may be empty, if the other may."""
        return or_empty(self) if isinstance(other, RecordType) and other.kind == self.kind else None


def or_empty(ty: types.Type) -> types.Type:
    """Return the type of a container within a table, or of an empty one that stands for it."""
    return RecordType(ty.kind, is_any=True) if isinstance(ty, RecordType) else ty


class NothingType(types.Type):  # type: ignore[misc]
    """An empty dict, list or set that stands for a container which isn't in a table."""

    def __init__(self) -> None:
        super().__init__("nothing within a table")


class Nothing:
    """The value of that type."""


@register_model(InnerType)
class _InnerModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        places = [("owner", types.int64), ("first", types.int64), ("last", types.int64)]
        super().__init__(dmm, fe_type, [("table", fe_type.table), *places])


@register_model(InnerIterator)
class _InnerIteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, [("view", fe_type.view), ("row", types.EphemeralPointer(types.int64))])


@register_model(RecordType)
class _RecordModel(models.StructModel):  # type: ignore[misc]
    """Its values; which of the keys that not all have are there; whether any is."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("there", types.boolean)]
        for place, ty in enumerate(fe_type.items):
            members += [(f"has{place}", types.boolean), (f"item{place}", ty)]
        super().__init__(dmm, fe_type, members)


@lower_cast(RecordType, RecordType)  # type: ignore[untyped-decorator]
def _cast_record(
    context: Context, builder: Builder, given: types.Type, wanted: types.Type, value: Any
) -> Any:
    return value


register_model(NothingType)(models.OpaqueModel)


@typeof_impl.register(Nothing)  # type: ignore[untyped-decorator]
def _typeof_nothing(value: Nothing, context: Any) -> NothingType:
    return NothingType()


@lower_constant(NothingType)  # type: ignore[untyped-decorator]
def _constant_nothing(context: Context, builder: Builder, ty: NothingType, value: Nothing) -> Any:
    return context.get_dummy_value()


@register_model(TableType)
@register_model(TableView)
class _Address(models.PrimitiveModel):  # type: ignore[misc]
    """Where the block begins."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, _POINTER)


@register_model(TableIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("view", fe_type.view), ("row", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


@typeof_impl.register(Frozen)  # type: ignore[untyped-decorator]
def _typeof(value: Frozen, context: Any) -> TableType:
    return TableType(*value.signature)


@lower_constant(TableType)  # type: ignore[untyped-decorator]
def constant_table(context: Context, builder: Builder, ty: TableType, value: Frozen) -> Any:
    """Return where a table's block is, which the machine code names."""
    name = symbol_of(value)
    header = ir.ArrayType(ir.IntType(64), ty.value_at + (0 if ty.value_kind is None else ty.value_kind.words))
    variable = builder.module.globals.get(name)
    if variable is None:
        define(value)
        variable = ir.GlobalVariable(builder.module, header, name)
        variable.global_constant, variable.align = True, 64
    return variable.bitcast(_POINTER)

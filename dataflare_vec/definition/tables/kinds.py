"""What the values of a table are: one kind for all of them, as a column has one dtype."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.definition.python_values import digits_of, is_long
from dataflare_vec.definition.text_subclasses import is_plain, name_of, shown_by

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

#: Of integers and decimals in 128 bits, and of their digits.
_LIMIT, _MOST_DIGITS = 1 << 127, 38
_WORD, _HALF = 1 << 64, 1 << 63

_SIMPLE: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    bytes: "bytes",
    dt.date: "date",
    dt.datetime: "datetime",
    dt.timedelta: "timedelta",
    dt.time: "time",
    Decimal: "decimal",
}


IN_UTC = "take times in UTC without one: `….astimezone(timezone.utc).replace(tzinfo=None)`"

#: The forms of tables by the classes of what they are made of. Subclasses may do something else: a
#: `defaultdict` grows when it is asked.
FORMS: dict[type, str] = {
    **dict.fromkeys((dict, OrderedDict, MappingProxyType), "dict"),
    **dict.fromkeys((set, frozenset), "set"),
    list: "list",
}

#: Keys of records, at most.
MOST_FIELDS = 64

#: What is said about floats that have integers among them.
MIXED = "integers among them"


class NotATable(Exception):  # not an error by itself: whoever asked for a table says what it is of
    """A container can't be a table.

    Attributes
    ----------
    problem, hint : str
        Why, as the end of a sentence about the container, and what to do instead.
    """

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem}; {hint}")


class Kind(NamedTuple):
    """What all values of a column of a table are.

    Attributes
    ----------
    name
        One of those that a class of Python's has, "natural" and "wide" for integers of more than 63 bits,
        "none" if all are None, "tuple", "inner" for dicts, lists or sets, or "record" for dicts each of whose
        keys, which are strings, has values of its own kind.
    nullable
        Whether some are None.
    about
        Of text whether it is ASCII; of floats `MIXED` if they are; of decimals how many digits are behind the
        point; of tuples the class of named ones; of containers what they have joined; of records each key,
        and whether all have it.
    items
        The kinds of a tuple's items, or of a record's values.
    """

    name: str
    nullable: bool = False
    about: Any = None
    items: tuple[Kind, ...] = ()

    @property
    def words(self) -> int:
        """How many places the column takes in a table's header."""
        own = {"none": 0, "tuple": 0, "text": 2, "bytes": 2, "inner": 2}.get(self.name, 1)
        if self.name == "record":
            own = sum(not in_all for _, in_all in self.about)
        return self.nullable + own + sum(item.words for item in self.items)

    @property
    def has_inner(self) -> bool:
        """Whether there are containers among the values."""
        return self.name in ("inner", "record") or any(item.has_inner for item in self.items)

    def described(self) -> Any:
        """Return what tells it from others in all processes."""
        about = self.about
        if self.name == "inner":
            about = about.described()
        if isinstance(about, type):
            about = "class", about.__module__, about.__qualname__, about._fields  # type: ignore[attr-defined]
        return self.name, self.nullable, about, *(item.described() for item in self.items)


def kind_of(values: Collection[Any], joined: Callable[[str, Collection[Any]], Any] | None = None) -> Kind:
    """Return what all values are.

    Parameters
    ----------
    joined
        What is said about dicts, lists or sets among them: given their form, and all of them.

    Raises
    ------
    NotATable
        If they are of unlike types, or of one that compiled code hasn't got.
    """
    classes = {*map(type, values)}
    nullable = type(None) in classes
    classes.discard(type(None))
    there = [value for value in values if value is not None] if nullable else values
    kind = _kind_of(there, {_class_of(one) for one in classes}, joined) if classes else Kind("none")
    return kind._replace(nullable=nullable and kind.name != "none")


def _class_of(kind: type) -> type:
    """Return the class of values that one's instances are taken for."""
    for known in (str, bytes):
        if issubclass(kind, known) and kind.__module__ != "numpy":
            return known
    return tuple if issubclass(kind, tuple) else kind


def _kind_of(values: Collection[Any], classes: set[type], joined: Any) -> Kind:
    form, *others = {FORMS.get(kind) for kind in classes}
    if form is not None and not others and joined is not None:
        try:
            return Kind("inner", about=joined(form, values))
        except NotATable as error:
            if form != "dict":
                raise
            return _record_kind(values, joined, error)
    for kind in classes:
        if kind is not tuple and kind not in _SIMPLE:
            raise _unknown(next(value for value in values if _class_of(type(value)) is kind))
    if classes == {int, float}:
        inexact = next((v for v in values if type(v) is int and not _is_float(v)), None)
        if inexact is not None:
            msg = f"it has floats, and {inexact}, which no float is"
            raise NotATable(msg, "make all of them floats, or all integers")
        return Kind("float", about=MIXED)
    if len(classes) > 1:
        raise _unlike(values)
    (kind,) = classes
    if kind is tuple:
        return _tuple_kind(values, joined)
    name = _SIMPLE[kind]
    if kind is int:
        return Kind(_integer_kind(min(values), max(values)))
    if kind in (str, bytes):
        _check_texts(values)
        return Kind(name, about=all(map(str.isascii, values)) if kind is str else None)
    if kind is Decimal:
        return Kind(name, about=_scale_of(values))
    if kind not in (bool, float):
        _check_moments(values)
    return Kind(name)


def _tuple_kind(values: Collection[Any], joined: Any) -> Kind:
    lengths = {*map(len, values)}
    classes = {*map(type, values)}
    if len(lengths) > 1 or len(classes) > 1:
        raise _unlike(values)
    (cls,) = classes
    if cls is not tuple and not hasattr(cls, "_fields"):
        raise _unknown(next(iter(values)))
    items = tuple(kind_of(column, joined) for column in zip(*values, strict=True))
    return Kind("tuple", about=None if cls is tuple else cls, items=items)


def _record_kind(values: Collection[Any], joined: Any, otherwise: NotATable) -> Kind:
    names = {*chain.from_iterable(values)}
    if len(names) > MOST_FIELDS or {*map(type, names)} - {str}:
        raise otherwise
    about, items = [], []
    for name in sorted(names):
        column = [one[name] for one in values if name in one]
        about.append((name, len(column) == len(values)))
        try:
            items.append(kind_of(column, joined))
        except NotATable as error:
            msg = f"under {name!r} {error.problem}"
            raise NotATable(msg, error.hint) from None
    return Kind("record", about=tuple(about), items=tuple(items))


def _integer_kind(least: int, most: int) -> str:
    if -_HALF <= least and most < _HALF:
        return "int"
    if least >= 0 and most < _WORD:
        return "natural"
    if -_LIMIT <= least and most < _LIMIT:
        return "wide"
    large = most if most >= _LIMIT else least
    msg = f"it has an integer of {large.bit_length()} bits"
    raise NotATable(msg, "integers have 128 bits at most")


def _check_moments(values: Collection[Any]) -> None:
    for value in values:
        if getattr(value, "tzinfo", None) is not None:
            what, hint = "with a time zone", IN_UTC
        elif getattr(value, "fold", 0):
            what, hint = "with a fold", "take `.replace(fold=0)` of it"
        elif is_long(value):
            what, hint = "which 64 bits don't hold", "count days in an integer"
        else:
            continue
        msg = f"it has {shown(value)}, {what}"
        raise NotATable(msg, hint)


def _is_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def _check_texts(values: Collection[Any]) -> None:
    """Raise if some string isn't what it seems."""
    for value in values if {*map(type, values)} - {str, bytes} else ():
        if not is_plain(value) or shown_by(value):
            msg = f"it has `{name_of(value)}`, a string that is shown as another one or has its own `==`"
            raise NotATable(msg, "write `.value` behind members of enumerations, or `str(…)`")


def _scale_of(values: Collection[Any]) -> int:
    """Return how many digits behind the point hold all decimals."""
    endless = next((value for value in values if not value.is_finite()), None)
    if endless is not None:
        msg = f"it has {endless!r}"
        raise NotATable(msg, "decimals are numbers here")
    scale = max(digits_of(value)[1] for value in values)
    for value in values:
        if scale > _MOST_DIGITS or abs(value) >= 10 ** (_MOST_DIGITS - scale):
            msg = f"it has {shown(value)}"
            raise NotATable(msg, f"decimals have {_MOST_DIGITS} digits at most")
    return scale


def _unlike(values: Collection[Any]) -> NotATable:
    """Return an error that shows two values which are unlike."""
    there = [value for value in values if value is not None]
    first = there[0]
    other = next(value for value in there if _shown_kind(value) != _shown_kind(first))
    msg = (
        f"its values are unlike: {shown(first)} is {_shown_kind(first)}, {shown(other)} {_shown_kind(other)}"
    )
    return NotATable(msg, "give them one type (None may be among them), and tuples one length")


def _unknown(value: Any) -> NotATable:
    kind = type(value)
    msg = f"it has {shown(value)}, of type {kind.__module__ + '.' if kind.__module__ != 'builtins' else ''}"
    msg += kind.__qualname__
    if kind.__module__ == "numpy":
        return NotATable(msg, "make Python's own of NumPy's numbers, by `.item()` of each")
    if isinstance(value, (dict, list, set, frozenset)):
        return NotATable(msg, "let all be dicts, all lists or all sets, or make one table, `TABLE[a, b]`")
    hint = "a table holds numbers, bools, strings, bytes, dates and times, decimals, None and tuples of these"
    return NotATable(msg, hint)


def _shown_kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"of type {_class_of(type(value)).__name__}"


def shown(value: Any) -> str:
    """Return a value as a message shows it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def without_nulls(values: Sequence[Any]) -> Sequence[Any]:
    """Return values with something like the others in place of None."""
    fill = next(value for value in values if value is not None)
    return [fill if value is None else value for value in values]

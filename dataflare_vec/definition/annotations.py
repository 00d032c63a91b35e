"""What annotations say: whether a parameter may be None and of what kind it is, and the dtypes of the result.

The one place where annotations are read. Each is evaluated by itself, so that a name that exists for the type
checker only (``if TYPE_CHECKING:``) makes no other annotation unknown.
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import numbers
import sys
import types
import typing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from dataflare_vec.definition.annotation_scope import AnnotationScope, Unknown, raw_annotations

#: What a parameter may be annotated with so that it is what Python's `datetime` makes of it, not an integer.
TEMPORAL: dict[Any, Any] = {
    datetime.datetime: pl.Datetime,
    datetime.date: pl.Date,
    datetime.time: pl.Time,
    datetime.timedelta: pl.Duration,
}
#: What a column most likely is whose parameter is annotated so, and what a result is that is.
_DTYPES: dict[Any, Any] = {
    bool: pl.Boolean(),
    int: pl.Int64(),
    float: pl.Float64(),
    str: pl.String(),
    bytes: pl.Binary(),
    datetime.datetime: pl.Datetime("us"),
    datetime.date: pl.Date(),
    datetime.time: pl.Time(),
    datetime.timedelta: pl.Duration("us"),
}
# Those that others are derived from, as `pandas.Timestamp` and members of a `StrEnum` are; a bool is an int.
_BASES = (bool, datetime.datetime, *TEMPORAL, Decimal, str, bytes, int, float)
_SEQUENCES = (
    list,
    tuple,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.Reversible,
)
_NUMPY = {
    "bool_": bool,
    "integer": int,
    "floating": float,
    "number": float,
    "str_": str,
    "bytes_": bytes,
    "ndarray": list,
}
_WORDS = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("a bool", "bools"),
    str: ("a string", "strings"),
    bytes: ("bytes", "bytes"),
}

#: A kind: a class of `_BASES` or of named tuples, `list`, ``list[kind]``; None for any.
Kind = Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What an annotation says.

    Attributes
    ----------
    nullable
        Whether it allows None.
    kind
        What it asks for, where that is something that columns have; None for anything.
    item
        Of a sequence, what is said of its items.
    unknown
        A name in it that can't be evaluated.
    problem
        Why no column can be that, and what to write instead.
    """

    nullable: bool = False
    kind: Kind = None
    item: Reading | None = None
    unknown: str = ""
    problem: str = ""

    @property
    def expects(self) -> Kind:
        """The kind, with that of a sequence's items."""
        if self.item is None or self.item.expects is None:
            return self.kind
        return types.GenericAlias(list, (self.item.expects,))


@dataclass(frozen=True, slots=True)
class Result:
    """What the annotation of a result says.

    Attributes
    ----------
    items
        For each output a kind or a Polars dtype, None where it says nothing.
    fields
        Names of the outputs, of a named tuple.
    is_tuple
        Whether it is a tuple.
    """

    items: tuple[Any, ...]
    fields: tuple[str, ...] | None = None
    is_tuple: bool = False


class FieldOf(typing.NamedTuple):
    """One field of a struct as a kernel sees it."""

    name: str
    nullable: bool
    expects: Kind


# -- parameters -------------------------------------------------------------------------------------------


def is_named_tuple(annotation: Any) -> bool:
    """Whether an annotation is a class of named tuples."""
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def is_dtype(item: Any) -> bool:
    """Whether something is a Polars dtype, or a class of them."""
    return isinstance(item, (pl.DataType, pl.datatypes.DataTypeClass))


def read_parameters(function: Any) -> dict[str, Reading]:
    """Return what is said of each annotated parameter."""
    scope = AnnotationScope.of_function(function)
    raw = raw_annotations(function)
    return {name: read(annotation, scope) for name, annotation in raw.items() if name != "return"}


def read(annotation: Any, scope: AnnotationScope) -> Reading:
    """Return what an annotation says.

    Examples
    --------
    >>> read("int | None", AnnotationScope()), read(list[str], AnnotationScope()).expects
    (Reading(nullable=True, kind=<class 'int'>, item=None, unknown='', problem=''), list[str])
    """
    found = [_read_one(one, scope) for one in alternatives(annotation, scope)]
    nullable = any(one is _NONE for one in found)
    rest = [one for one in found if one is not _NONE]
    kinds = {one.expects for one in rest}
    unknown = next((one.unknown for one in rest if one.unknown), "")
    if len(kinds) == 1:
        return Reading(nullable, rest[0].kind, rest[0].item, unknown, rest[0].problem)
    if unknown:
        return Reading(nullable, unknown=unknown)
    if kinds and kinds <= {int, float}:
        return Reading(nullable, float)
    if clocks := [kind for kind in kinds if kind in TEMPORAL]:
        names = " or ".join(sorted(kind.__name__ for kind in clocks))
        return Reading(nullable, problem=f"a column has values of one type: annotate it as {names} only")
    return Reading(nullable)


_NONE = Reading(nullable=True)


def alternatives(annotation: Any, scope: AnnotationScope) -> list[Any]:
    """Return the classes, or aliases with arguments, that an annotation allows."""
    annotation = scope.evaluate(annotation)
    if annotation is None or annotation is type(None):
        return [type(None)]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union or origin is getattr(types, "UnionType", None):
        return [one for argument in arguments for one in alternatives(argument, scope)]
    if origin is typing.Literal:
        return [type(value) for value in arguments]
    if origin in (typing.Annotated, typing.Final, typing.ClassVar):
        return alternatives(arguments[0], scope)
    if isinstance(annotation, typing.TypeVar):
        bounds = annotation.__constraints__ or (annotation.__bound__,)
        return [one for bound in bounds for one in (alternatives(bound, scope) if bound else [Any])]
    if not isinstance(annotation, type) and hasattr(annotation, "__supertype__"):  # a NewType
        return alternatives(annotation.__supertype__, scope)
    alias = annotation if origin is None else origin
    if type(alias).__name__ == "TypeAliasType":  # made by `type`, as NumPy's `NDArray` is from 2.5 on
        return alternatives(_aliased(alias, arguments), scope)
    return [annotation]


def _aliased(alias: Any, arguments: tuple[Any, ...]) -> Any:
    """Return what an alias made by ``type`` stands for with some arguments."""
    try:
        value = alias.__value__  # evaluated only now
    except NameError as error:  # a name for the type checker
        return Unknown(error.name or alias.__name__, (), {})
    given = dict(zip(alias.__type_params__, arguments, strict=False))
    if isinstance(value, typing.TypeVar):
        return given.get(value, value)
    parameters = getattr(value, "__parameters__", ())
    return value[tuple(given.get(one, one) for one in parameters)] if parameters else value


def _read_one(annotation: Any, scope: AnnotationScope) -> Reading:
    """Return what one of the alternatives of an annotation says."""
    if annotation is type(None):
        return _NONE
    if isinstance(annotation, Unknown):
        return Reading(unknown=annotation.__name__)
    origin = typing.get_origin(annotation) or annotation
    if annotation in (Any, object) or getattr(origin, "_is_protocol", False):
        return Reading()
    numpy = _numpy_kind(origin)
    if getattr(origin, "__module__", "") == "numpy" and getattr(origin, "__name__", "") == "generic":
        return Reading()
    if origin in _SEQUENCES or numpy is list:
        return _read_sequence(annotation, numpy is list, scope)
    if numpy is not None:
        return Reading(kind=numpy)
    if is_named_tuple(origin):
        return _read_fields(origin, scope)
    if isinstance(origin, type):
        for base in _BASES:
            if issubclass(origin, base):
                return Reading(kind=base)
        if issubclass(origin, numbers.Number):
            if issubclass(origin, numbers.Integral):
                return Reading(kind=int)
            if origin.__module__ == "numbers":
                return Reading(kind=float)
        if issubclass(origin, enum.Enum):
            return Reading(problem="a kernel receives values of the column, not members: annotate it `str`")
    return Reading(problem=f"no column has such values; annotate it with {_OFFERED}, or not at all")


_OFFERED = (
    "`int`, `float`, `bool`, `str`, `bytes`, `Decimal`, one of `datetime`'s classes, `list[…]` of one of the "
    "first five, or a `typing.NamedTuple` for a struct"
)


def _numpy_kind(cls: Any) -> Any:
    """Return the kind of a class of NumPy's; None if it is none, or of another kind."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(cls, type):
        return None
    if issubclass(cls, (numpy.complexfloating, numpy.timedelta64)):
        return None
    return next((kind for name, kind in _NUMPY.items() if issubclass(cls, getattr(numpy, name))), None)


def _read_sequence(annotation: Any, is_array: bool, scope: AnnotationScope) -> Reading:
    arguments = typing.get_args(annotation)
    if is_array and arguments:  # a shape, and a dtype of one class
        arguments = typing.get_args(scope.evaluate(arguments[-1]))
    items = [read(argument, scope) for argument in arguments if argument is not Ellipsis]
    if not items:
        return Reading(kind=list)
    unknown = next((item.unknown for item in items if item.unknown), "")
    same = len({item.expects for item in items}) == 1
    item = Reading(any(one.nullable for one in items), items[0].kind if same else None, items[0].item)
    problem = next((one.problem for one in items if one.problem), "")
    if item.kind in TEMPORAL:
        problem = "a kernel receives integers as items of such a list: annotate it `list[int]`"
    elif item.kind is Decimal or is_named_tuple(item.kind):
        problem = "a kernel can't read lists of that"
    return Reading(kind=list, item=item, unknown=unknown, problem=problem)


_fields: WeakKeyDictionary[Any, tuple[tuple[FieldOf, Reading], ...]] = WeakKeyDictionary()


def _read_fields(cls: Any, scope: AnnotationScope) -> Reading:
    """Return what is said by a class of named tuples; what its own annotations say is kept."""
    if cls not in _fields:
        raw = raw_annotations(cls)
        inner = scope.inside(cls)
        _fields[cls] = ()  # for a class that names itself
        readings = [read(raw[name], inner) if name in raw else Reading() for name in cls._fields]
        _fields[cls] = tuple(
            (FieldOf(name, one.nullable, one.expects), one)
            for name, one in zip(cls._fields, readings, strict=True)
        )
    unknown = next((one.unknown for _, one in _fields[cls] if one.unknown), "")
    for field, one in _fields[cls]:
        problem = one.problem or _null_items(one)
        if problem:
            return Reading(problem=f"of its field `{field.name}`: {problem}")
    return Reading(kind=cls, unknown=unknown)


def _null_items(reading: Reading) -> str:
    """Return why a sequence can't be of such items, if they may be None."""
    if reading.item is None or not reading.item.nullable:
        return ""
    return "a row that has a null in its list isn't computed: annotate its items without None"


def parameter_problem(reading: Reading) -> str:
    """Return why a column can't be what is said; empty if it can."""
    return reading.problem or _null_items(reading)


def fields_of(cls: Any) -> tuple[FieldOf, ...]:
    """Return the fields of a class of named tuples."""
    if cls not in _fields:
        _read_fields(cls, AnnotationScope())
    return tuple(field for field, _ in _fields[cls])


# -- columns ----------------------------------------------------------------------------------------------


def mismatch(expects: Kind, dtype: Any) -> str | None:
    """Return what an annotation asks for, if a column isn't of that kind.

    Examples
    --------
    >>> mismatch(list[int], pl.List(pl.String))
    'a list of integers'
    """
    base = dtype.base_type()
    if expects is None:
        return None
    if expects is list or isinstance(expects, types.GenericAlias):
        (item,) = typing.get_args(expects) or (None,)
        if base in (pl.List, pl.Array) and mismatch(item, dtype.inner) is None:
            return None
        return f"a list of {_plural(item)}" if item else "a list"
    if expects in _WORDS:
        return None if _is_of(expects, dtype) else _WORDS[expects][0]
    if is_named_tuple(expects):
        if base is not pl.Struct:
            return "Struct"
        dtypes = {field.name: field.dtype for field in dtype.fields}
        for field in fields_of(expects):
            wrong = mismatch(field.expects, dtypes[field.name]) if field.name in dtypes else None
            if wrong:
                return f"a struct whose field `{field.name}` is {wrong}"
        return None
    wanted = pl.Decimal if expects is Decimal else TEMPORAL[expects]
    return None if base is wanted else str(wanted.__name__)


def _is_of(expects: Kind, dtype: Any) -> bool:
    categories = dtype.base_type() in (pl.Categorical, pl.Enum)
    if expects is int:
        return bool(dtype.is_integer() or dtype.is_temporal() or categories)
    if expects is float:
        return bool(dtype.is_numeric())
    return bool(dtype == _DTYPES[expects]) or (expects is str and categories)


def _plural(item: Kind) -> str:
    if item is list:
        return "lists"
    return _WORDS[item][1] if item in _WORDS else f"lists of {_plural(*typing.get_args(item))}"


def shown_kind(kind: Kind) -> str:
    """Return a kind as it is written: ``int``, ``list[int]``, the name of a class."""
    return str(kind) if isinstance(kind, types.GenericAlias) else str(kind.__name__)


def likely_dtype(kind: Kind) -> Any:
    """Return the dtype of a column that is annotated so, None if it may be any."""
    if isinstance(kind, types.GenericAlias):
        (item,) = typing.get_args(kind)
        inner = likely_dtype(item)
        return None if inner is None else pl.List(inner)
    return _DTYPES.get(kind)


def assumed_dtype(kind: Kind) -> Any:
    """Return the dtype of a column of which nothing else is known: what is annotated, or Float64."""
    if is_named_tuple(kind):
        return pl.Struct({field.name: assumed_dtype(field.expects) for field in fields_of(kind)})
    return likely_dtype(kind) or pl.Float64()


# -- results ----------------------------------------------------------------------------------------------


def read_result(function: Any) -> Result | None:
    """Return what a function's annotation says of its result; None if that is nothing."""
    annotation = raw_annotations(function).get("return", typing.Any)
    return read_result_of(annotation, AnnotationScope.of_function(function))


def read_result_of(annotation: Any, scope: AnnotationScope) -> Result | None:
    """Return what an annotation says of a result; None if that is nothing."""
    rest = [one for one in alternatives(annotation, scope) if one is not type(None)]
    if len(rest) != 1:
        return None
    (only,) = rest
    if is_named_tuple(only):
        raw, inner = raw_annotations(only), scope.inside(only)
        items = tuple(_result_kind(raw.get(name, typing.Any), inner) for name in only._fields)
        return Result(items, only._fields, is_tuple=True)
    if typing.get_origin(only) is tuple:
        arguments = typing.get_args(only)
        if Ellipsis in arguments or not arguments:
            return None
        return Result(tuple(_result_kind(one, scope) for one in arguments), is_tuple=True)
    kind = _result_kind(only, scope)
    return None if kind is None else Result((kind,))


def _result_kind(annotation: Any, scope: AnnotationScope) -> Any:
    """Return the kind of an output, or the dtype that a class of NumPy's is; None if that is left open."""
    exact = [one for one in alternatives(annotation, scope) if one is not type(None)]
    if len(exact) == 1 and isinstance(exact[0], type) and exact[0].__module__ == "numpy":
        dtype: Any = getattr(pl, exact[0].__name__.capitalize().replace("Uint", "UInt"), None)
        if is_dtype(dtype):
            return dtype()
    reading = read(annotation, scope)
    says = not (reading.unknown or reading.problem or is_named_tuple(reading.kind))
    return reading.expects if says and reading.expects is not list else None

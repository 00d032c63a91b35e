"""Lists, deques, dicts and sets in a state: what they hold, by annotations or by items; items as words.

An item is a number, a bool, a string, bytes, or a tuple or named tuple of these; of a dict it is a tuple of
key and value. In memory each takes a word of 64 bits, strings and bytes two: where they begin in the text of
their list, and how many bytes they have.
"""

from __future__ import annotations

import collections
import struct
import typing
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.annotation_scope import AnnotationScope, Unknown, raw_annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

#: Classes of containers in a state, and what each is called.
FORMS: dict[type, str] = {list: "list", collections.deque: "deque", dict: "dict", set: "set"}
#: How each is annotated, for example.
_EXAMPLES = {"list": "list[float]", "deque": "deque[float]", "dict": "dict[str, int]", "set": "set[str]"}
_TEXTS = {"str": str, "bytes": bytes}
_NUMBERS = {"float": float, "int": int, "bool": bool}
_RANGE = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True)
class Items:
    """What an item is.

    Attributes
    ----------
    kind : str
        ``"float"``, ``"int"``, ``"bool"``, ``"str"``, ``"bytes"`` or ``"tuple"``.
    parts : tuple of Items
        Of a tuple.
    names : tuple of str
        Of a named one.
    cls
        Its class. Memory doesn't depend on it, and a leaf doesn't know it.
    """

    kind: str
    parts: tuple[Items, ...] = ()
    names: tuple[str, ...] = ()
    cls: Any = None

    @cached_property
    def leaves(self) -> list[str]:
        """The kinds of its scalars, in order."""
        return [kind for part in self.parts for kind in part.leaves] if self.parts else [self.kind]

    @cached_property
    def width(self) -> int:
        """How many words it takes."""
        return sum(2 if kind in _TEXTS else 1 for kind in self.leaves)

    @cached_property
    def described(self) -> Any:
        """The same as text and tuples of it."""
        return (self.kind, tuple(part.described for part in self.parts), self.names)

    @classmethod
    def of(cls, described: Any) -> Items:
        """Return what was `described`."""
        kind, parts, names = described
        return cls(kind, tuple(map(cls.of, parts)), tuple(names))


@dataclass(frozen=True)
class Container:
    """A list, deque, dict or set of a state: its form, what an item is, and the most items of a deque."""

    form: str
    items: Items
    maxlen: int | None = None

    @property
    def described(self) -> tuple[str, Any, int | None]:
        """The same as text and tuples of it, as a leaf has it."""
        return (self.form, self.items.described, self.maxlen)


# -- what is said of them ----------------------------------------------------------------------------------


def containers_of(function: Callable[..., Any], init: Any) -> dict[str, Container]:
    """Return the containers of an initial state, by the names of its leaves.

    Raises
    ------
    ValueError
        If nothing says what one of them holds, no state can hold that, or one is at two places.
    """
    _check_each_is_one(init, set())
    scope = AnnotationScope.of_function(function)
    code = function.__code__
    first = code.co_varnames[0] if code.co_argcount else ""
    return dict(_containers(init, raw_annotations(function).get(first), scope, "state"))


def _check_each_is_one(value: Any, seen: set[int]) -> None:
    """Raise if a container is at two places: in a state each has a memory of its own."""
    if isinstance(value, tuple):
        for item in value:
            _check_each_is_one(item, seen)
    elif type(value) in FORMS:
        if id(value) in seen:
            msg = f"one {FORMS[type(value)]} is at two places of the state; each must have its own"
            raise ValueError(msg)
        seen.add(id(value))


def _containers(
    value: Any, annotation: Any, scope: AnnotationScope, name: str
) -> Iterator[tuple[str, Container]]:
    if type(value) in FORMS:
        form = FORMS[type(value)]
        items = _said(annotation, scope, form, name) or _held(value, name)
        if items is None:
            example = _EXAMPLES[form]
            msg = f"`{name}` is an empty {form}, and nothing says what it holds; annotate it `{example}`"
            raise ValueError(msg)
        yield name, Container(form, items, getattr(value, "maxlen", None))
    elif isinstance(value, tuple):
        named = hasattr(value, "_fields")
        said, inner = (raw_annotations(type(value)), scope.inside(type(value))) if named else ({}, scope)
        keys = value._fields if named else map(str, range(len(value)))  # type: ignore[attr-defined]
        for key, item in zip(keys, value, strict=True):
            yield from _containers(item, said.get(key), inner, key if name == "state" else f"{name}.{key}")


def _said(annotation: Any, scope: AnnotationScope, form: str, name: str) -> Items | None:
    """Return what an annotation says of the items."""
    annotation = scope.evaluate(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if not isinstance(origin, type) or not arguments or isinstance(annotation, Unknown):
        return None
    if FORMS.get(origin, form) != form:
        msg = f"`{name}` is annotated as {origin.__name__}, and is a {form}"
        raise ValueError(msg)
    if form == "dict" and len(arguments) == 2:
        return Items("tuple", tuple(_items(one, scope, name) for one in arguments))
    return _items(arguments[0], scope, name)


def _items(kind: Any, scope: AnnotationScope, name: str) -> Items:
    kind = scope.evaluate(kind)
    for plain in (*_NUMBERS, *_TEXTS):
        if kind is {**_NUMBERS, **_TEXTS}[plain]:
            return Items(plain)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        said, inner = raw_annotations(kind), scope.inside(kind)
        parts = [_items(said.get(field), inner, f"{name}.{field}") for field in kind._fields]
        return Items("tuple", tuple(parts), tuple(kind._fields), kind)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and arguments and Ellipsis not in arguments:
        return Items("tuple", tuple(_items(one, scope, name) for one in arguments))
    shown = getattr(kind, "__name__", kind)
    msg = (
        f"`{name}` can't hold items of {shown}: they may be float, int, bool, str, bytes, or a NamedTuple or "
        "tuple of these"
    )
    raise ValueError(msg)


def _held(value: Any, name: str) -> Items | None:
    """Return what the items are that a container begins with; None of an empty one."""
    return _kind_of(next(_items_in(value)), name) if len(value) else None


def _items_in(value: Any) -> Iterator[Any]:
    return iter(value.items() if isinstance(value, dict) else value)


def _kind_of(item: Any, name: str) -> Items:
    if isinstance(item, tuple) and item:
        parts = tuple(_kind_of(one, name) for one in item)
        fields = getattr(item, "_fields", ())
        return Items("tuple", parts, tuple(fields), type(item) if fields else None)
    return _items(type(item), AnnotationScope(), name)


# -- items as words ----------------------------------------------------------------------------------------


def checked(name: str, described: Any, value: Any) -> Any:
    """Return a container as a state holds it: a copy.

    Raises
    ------
    ValueError
        If it is another one, or holds something else.
    """
    form, items, maxlen = described
    if FORMS.get(type(value)) != form:
        msg = f"`{name}` must be a {form}, got {type(value).__name__}"
        raise ValueError(msg)
    if getattr(value, "maxlen", None) != maxlen:
        msg = f"`{name}` must be a deque with maxlen={maxlen}, got {value.maxlen}"
        raise ValueError(msg)
    like = Items.of(items)
    for item in _items_in(value):
        list(_scalars(like, item, name))
    return value.copy()


def _scalars(items: Items, value: Any, name: str) -> Iterator[Any]:
    """Yield the scalars of an item."""
    if items.kind == "tuple":
        if not isinstance(value, tuple) or len(value) != len(items.parts):
            msg = f"items of `{name}` must be tuples of {len(items.parts)} values, got {value!r}"
            raise ValueError(msg)
        for part, one in zip(items.parts, value, strict=True):
            yield from _scalars(part, one, name)
        return
    wanted = {**_NUMBERS, **_TEXTS}[items.kind]
    fits = isinstance(value, (int, float) if wanted is float else wanted) and (
        wanted is bool or not isinstance(value, bool) or wanted is float
    )
    if not fits or (wanted is int and value not in _RANGE):
        msg = f"items of `{name}` must be {items.kind}, got {value!r}"
        raise ValueError(msg)
    yield value


@cache
def _words_of(described_items: Any) -> tuple[Items, list[str], struct.Struct]:
    """Return what items are, the kinds of their scalars, and how their words are packed."""
    items = Items.of(described_items)
    letters = {"float": "d", "int": "q", "bool": "q", "str": "qq", "bytes": "qq"}
    return items, items.leaves, struct.Struct("<" + "".join(letters[kind] for kind in items.leaves))


def packed(described: Any, value: Any) -> tuple[bytes, bytes]:
    """Return the words and the text of a container's items, which are checked."""
    items, kinds, packer = _words_of(described[1])
    if kinds == [items.kind] and items.kind in _NUMBERS:
        return struct.pack(f"<{len(value)}{'d' if items.kind == 'float' else 'q'}", *value), b""
    if items.kind in _TEXTS:
        contents = [one.encode() if items.kind == "str" else one for one in value]
        sizes = [len(content) for content in contents]
        ends = accumulate(sizes)
        places = [word for size, end in zip(sizes, ends, strict=True) for word in (end - size, size)]
        return struct.pack(f"<{len(places)}q", *places), b"".join(contents)
    text, used, words = [], 0, []
    for item in _items_in(value):
        row = []
        for kind, scalar in zip(kinds, _flat(item), strict=True):
            if kind not in _TEXTS:
                row.append(scalar)
                continue
            content = scalar.encode() if kind == "str" else scalar
            row += (used, len(content))
            text.append(content)
            used += len(content)
        words.append(packer.pack(*row))
    return b"".join(words), b"".join(text)


def _flat(item: Any) -> list[Any]:
    return [one for part in item for one in _flat(part)] if isinstance(item, tuple) else [item]


def unpacked(container: Container, words: bytes, text: bytes) -> Any:
    """Return the container whose items are some words, with their text."""
    items = container.items
    _, kinds, packer = _words_of(items.described)
    rows = packer.iter_unpack(words)
    if kinds == [items.kind]:
        made = _scalars_made(items.kind, rows, text)
    else:
        made = [_made(items, iter(row), text) for row in rows]
    if container.form == "deque":
        return collections.deque(made, container.maxlen)
    return {"list": list, "dict": dict, "set": set}[container.form](made)


def _scalars_made(kind: str, rows: Iterator[Any], text: bytes) -> list[Any]:
    if kind == "str":
        return [text[start : start + size].decode() for start, size in rows]
    if kind == "bytes":
        return [text[start : start + size] for start, size in rows]
    return [bool(one) for (one,) in rows] if kind == "bool" else [one for (one,) in rows]


def _made(items: Items, scalars: Iterator[Any], text: bytes) -> Any:
    if items.kind == "tuple":
        parts = [_made(part, scalars, text) for part in items.parts]
        return tuple(parts) if items.cls is None else items.cls(*parts)
    first = next(scalars)
    if items.kind in _TEXTS:
        return _scalars_made(items.kind, iter([(first, next(scalars))]), text)[0]
    return bool(first) if items.kind == "bool" else first


def column_dtype(described: Any) -> pl.DataType:
    """Return the dtype of a column of such containers."""
    import polars as pl

    return pl.List(_dtype(_columns(described)))


def _columns(described: Any) -> Items:
    """Return what items are as those of a column: key and value of a dict have names."""
    items = Items.of(described[1])
    return Items("tuple", items.parts, ("key", "value")) if described[0] == "dict" else items


def _dtype(items: Items) -> Any:
    import polars as pl

    if items.kind == "tuple":
        names = items.names or [f"field_{i}" for i in range(len(items.parts))]
        return pl.Struct({name: _dtype(part) for name, part in zip(names, items.parts, strict=True)})
    plain = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "str": pl.String, "bytes": pl.Binary}
    return plain[items.kind]()


def shown(described: Any, value: Any) -> list[Any]:
    """Return a container's items as such a column holds them; those of a set in ascending order."""
    items = sorted(value) if isinstance(value, set) else _items_in(value)
    return [_shown(_columns(described), item) for item in items]


def _shown(items: Items, item: Any) -> Any:
    if items.kind != "tuple":
        return item
    names = items.names or [f"field_{i}" for i in range(len(items.parts))]
    parts = zip(names, items.parts, item, strict=True)
    return {name: _shown(part, one) for name, part, one in parts}

"""`dfv.table`: a dict out of a frame's columns, or of another dict, that never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.definition.python_values import is_field, tuple_class
from dataflare_vec.definition.tables.frozen import Frozen, Unchanging
from dataflare_vec.definition.tables.kinds import NotATable, shown
from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many keys a message shows.
_SHOWN = 3


@by_public_name
class Table(Unchanging, Mapping[Any, Any]):
    """A dict for kernels that never changes; made by `dataflare_vec.table`.

    It does what a dict does that is only read: ``TABLE[key]``, `get`, ``in``, `len`, `keys`, `values`,
    `items`, and iteration in the order of the rows. A kernel takes it as a global or as a constant, as it
    does a dict; calls needn't look whether it is still the same.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> rates = dfv.table(
    ...     pl.DataFrame({"code": ["EUR", "USD"], "rate": [1.0, 1.1]}), key="code", value="rate"
    ... )
    >>> rates
    <table of 2 keys>
    >>> rates["USD"], "GBP" in rates, dict(rates)
    (1.1, False, {'EUR': 1.0, 'USD': 1.1})
    """

    def __init__(
        self, keys: pl.Series | Sequence[Any], columns: Sequence[Any], names: Sequence[str] | None
    ) -> None:
        # As columns, which take a fraction of the memory of Python's objects: these are made when it asks.
        self._keys, self._columns = keys, tuple(columns)
        self._names = None if names is None else tuple(names)
        listed = list(keys)
        _check_distinct(listed)
        self._frozen = Frozen("dict", listed, self._values())

    def _values(self) -> Sequence[Any]:
        if self._names is None:
            return list(self._columns[0])
        make: Any = tuple_class(self._names)
        return list(map(make._make, zip(*self._columns, strict=True)))

    @cached_property
    def _dict(self) -> dict[Any, Any]:
        return dict(zip(self._keys, self._values(), strict=True))

    def __getitem__(self, key: Any) -> Any:
        return self._dict[key]

    def __contains__(self, key: object) -> bool:
        return key in self._dict

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dict)

    def __len__(self) -> int:
        return self._frozen.count

    def __repr__(self) -> str:
        return f"<table of {len(self):,} key{'' if len(self) == 1 else 's'}>"

    def __copy__(self) -> Table:
        return self

    def __deepcopy__(self, memo: object) -> Table:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (self._keys, self._columns, self._names)


def table(
    data: pl.DataFrame | Mapping[Any, Any] | pl.Series,
    key: str | Sequence[str] | None = None,
    value: str | Sequence[str] | pl.Series | None = None,
) -> Table:
    """Return a dict that never changes, for kernels to look values up in.

    A kernel takes dicts as they are, too. This makes one of a frame's columns, and of a large dict one that
    calls needn't look at: whether a dict is still the same costs some 50 ns for each of its keys, in every
    call.

    Parameters
    ----------
    data
        A frame with a row for each key; a dict; or a Series of keys, with ``value`` another one.
    key
        Of a frame, the name of the column with the keys. Several names make keys of tuples: ``TABLE[a, b]``.
    value
        Of a frame, the name of the column with the values, or a list of names: then values are named tuples,
        ``TABLE[zip].lat``. By default all columns but the key. Nulls are None.

    Returns
    -------
    Table
        It does what a dict does that is only read.

    Raises
    ------
    ArgumentError
        If there is no such column; if keys are null or not distinct; if a column's values can't be in a
        table.

    Examples
    --------
    >>> import polars as pl
    >>> import dataflare_vec as dfv
    >>> places = pl.DataFrame({"zip": ["10115", "80331"], "lat": [52.53, 48.14], "lon": [13.38, 11.57]})
    >>> PLACES = dfv.table(places, key="zip", value=["lat", "lon"])
    >>> @dfv.plugin
    ... def degrees_north(zip, of="10115"):
    ...     return PLACES[zip].lat - PLACES[of].lat
    >>> pl.DataFrame({"zip": ["80331", None]}).pipe(dfv.apply, "degrees_north", keep=False)
    shape: (2, 1)
    ┌───────────────┐
    │ degrees_north │
    │ ---           │
    │ f64           │
    ╞═══════════════╡
    │ -4.39         │
    │ null          │
    └───────────────┘
    """
    try:
        if isinstance(data, pl.DataFrame):
            return _of_frame(data, key, value)
        if isinstance(data, pl.Series):
            return _of_series(data, key, value)
        if isinstance(data, Mapping):
            if key is not None or value is not None:
                msg = "a dict has its keys and values already"
                raise ArgumentError(msg, argument="value" if key is None else "key", hint="leave it out")
            return Table(list(data), [list(data.values())], None)
    except NotATable as error:
        msg = f"it can't be a table: {error.problem}"
        raise ArgumentError(msg, argument="data", hint=error.hint) from None
    got = type(data).__name__
    hint = "collect it first, as `lf.collect()`" if isinstance(data, pl.LazyFrame) else ""
    raise ArgumentError(
        argument="data", expected="a Polars DataFrame, a dict or a Series of keys", got=got, hint=hint
    )


def _of_series(keys: pl.Series, key: Any, values: Any) -> Table:
    if key is not None or not isinstance(values, pl.Series) or len(values) != len(keys):
        msg = "a Series of keys needs a Series of as many values"
        raise ArgumentError(msg, argument="value", hint="write `dfv.table(keys, value=values)`")
    for column, argument in ((keys, "data"), (values, "value")):
        _check_dtype(column, argument)
    _check_keys(keys, "data")
    return Table(keys, [values], None)


def _of_frame(data: pl.DataFrame, key: Any, value: Any) -> Table:
    keys = _names(key, "key", "the name of a column, or a list of names")
    if value is None:
        value = [name for name in data.columns if name not in keys]
        value = value[0] if len(value) == 1 else value
    values = _names(value, "value", "the name of a column beside the key, or a list of names")
    for argument, names in (("key", keys), ("value", values)):
        for name in names:
            if name not in data.columns:
                msg, hint = f"column `{name}` not found", near_matches(name, data.columns)
                raise ArgumentError(msg, argument=argument, column=name, hint=hint)
            _check_dtype(data[name], argument)
    for name in keys:
        _check_keys(data[name], "key")
    fields = None if isinstance(value, str) else values
    for name in fields or ():
        if not is_field(name):
            msg = f"`{name}` can't be the name of a tuple's field"
            hint = f'rename it, as `frame.rename({{"{name}": "…"}})`'
            raise ArgumentError(msg, argument="value", column=name, hint=hint)
    columns = [data[name] for name in values]
    return Table(data[keys[0]] if isinstance(key, str) else data.select(keys).rows(), columns, fields)


def _names(given: Any, argument: str, expected: str) -> list[str]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(one, str) for one in names):
        raise ArgumentError(argument=argument, expected=expected, got=repr(given))
    if len({*names}) < len(names):
        msg = f"a column is named twice: {given!r}"
        raise ArgumentError(msg, argument=argument, hint="name it once")
    return list(names)


def _check_dtype(column: pl.Series, argument: str) -> None:
    """Raise if a column's values can't be in a table."""
    name, dtype = column.name, column.dtype
    zone = getattr(dtype, "time_zone", None)
    if dtype.is_nested() or dtype == pl.Object:
        what = f"is {dtype}, and tables have no such values"
        hint = "make columns of their own of what it holds; several are the fields of a tuple"
    elif zone is not None:
        what = f"has times in {zone}, and tables have none with a zone"
        hint = f'take `pl.col("{name}").dt.convert_time_zone("UTC").dt.replace_time_zone(None)`'
    else:
        return
    msg = f"column `{name}` {what}"
    raise ArgumentError(msg, argument=argument, column=name, hint=hint)


def _check_keys(keys: pl.Series, argument: str) -> None:
    if nulls := keys.null_count():
        msg = f"a key is never null, and column `{keys.name}` has {nulls:,} nulls"
        hint = f'leave these rows out, as `frame.drop_nulls("{keys.name}")` does'
        raise ArgumentError(msg, argument=argument, column=keys.name, hint=hint)


def _check_distinct(keys: Sequence[Any]) -> None:
    """Raise if a key is there twice: which of its values is meant nobody knows."""
    if len({*keys}) == len(keys):
        return
    seen: set[Any] = set()
    twice: dict[Any, None] = {}
    for key in keys:
        if key in seen:
            twice[key] = None
        seen.add(key)
    names = ", ".join(map(shown, list(twice)[:_SHOWN]))
    more = f" and {len(twice) - _SHOWN:,} more" if len(twice) > _SHOWN else ""
    msg = f"keys of a table must be distinct, and some are there twice: {names}{more}"
    hint = "keep one row of each, as `frame.unique(key)` does, or make a key of several columns"
    raise ArgumentError(msg, argument="key", hint=hint)

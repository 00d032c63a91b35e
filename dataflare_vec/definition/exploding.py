"""What gives any number of rows for one: what its function may say of them, and its rows as columns."""

from __future__ import annotations

import collections.abc
import dis
import types
import typing
from typing import Any

import polars as pl

from dataflare_vec.definition.annotation_scope import AnnotationScope, raw_annotations
from dataflare_vec.definition.annotations import Result, alternatives, is_dtype, read_result_of

#: Annotations that say what the rows are that are in a list, or that are yielded.
_OF_ROWS = (
    list,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Generator,
)


def read_rows(function: Any) -> Result | None:
    """Return what the annotation of a result says of the columns of rows, each as a list.

    None if it says nothing.
    """
    annotation = raw_annotations(function).get("return", typing.Any)
    scope = AnnotationScope.of_function(function)
    rest = [one for one in alternatives(annotation, scope) if one is not type(None)]
    arguments = typing.get_args(rest[0]) if len(rest) == 1 else ()
    if not arguments or typing.get_origin(rest[0]) not in _OF_ROWS:
        return None
    row = read_result_of(arguments[0], scope)
    if row is None:
        return None
    return Result(tuple(map(_list_of, row.items)), row.fields, row.is_tuple)


def _list_of(kind: Any) -> Any:
    if kind is None:
        return None
    return pl.List(kind) if is_dtype(kind) else types.GenericAlias(list, (kind,))


def problem_of_rows(function: Any, returns: Any) -> tuple[str, str]:
    """Return why a function can't be an explode, and what to do; empty if it can."""
    declared = returns.values() if isinstance(returns, dict) else returns
    declared = declared if isinstance(returns, (dict, list, tuple)) else [returns]
    if any(one is pl.Struct or isinstance(one, pl.Struct) for one in declared):
        return (
            "`returns` declares a struct",
            "an explode makes a column of each field: declare these, as `returns={…}`, and make a struct of "
            "them by `pl.struct`",
        )
    if any(one.opname == "GET_YIELD_FROM_ITER" for one in dis.get_instructions(function)):
        return "it has `yield from`", "write `for row in …: yield row`"
    return "", ""


def columns_of_rows(rows: Any) -> tuple[Any, ...]:
    """Return what a function gave for a row, a list or what it yields, as the values of its columns.

    Raises
    ------
    TypeError
        If it is something else, or its rows are unlike.
    """
    if rows is None:
        return (None,)
    if isinstance(rows, (str, bytes, tuple, dict)) or not hasattr(rows, "__iter__"):
        msg = f"an explode returns a list of rows, got {type(rows).__name__}"
        raise TypeError(msg)
    rows = list(rows)
    if not rows:
        return (None,)  # of how many columns isn't to be seen
    first = rows[0]
    if not isinstance(first, tuple):
        return (rows,)
    if any(type(row) is not type(first) or len(row) != len(first) for row in rows):
        msg = "its rows are tuples of different lengths or fields"
        raise TypeError(msg)
    columns = [list(column) for column in zip(*rows, strict=True)]
    return first._make(columns) if hasattr(first, "_make") else tuple(columns)

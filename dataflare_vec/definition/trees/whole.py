"""Parts of expressions that Polars computes before, for loops to read: of all rows, and of text.

What is left sees rows one by one, over columns that stand for these parts. Of a part with one value for all
rows it takes the first: to Polars that is one value, too, with which it computes in ways of its own.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.names import internal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SCALAR, _COLUMN = "all rows' ", "other rows' "
_DIGITS = 16


class Split(NamedTuple):
    """An expression in two.

    Attributes
    ----------
    rows : pl.Expr
        What sees rows one by one.
    given : dict
        By the names of the columns that it reads instead what Polars computes.
    """

    rows: pl.Expr
    given: dict[str, pl.Expr]


def is_scalar(name: str) -> bool:
    """Whether a column stands for one value for all rows."""
    return name.startswith(_SCALAR) and name == internal(name[:-1])


def split(expression: pl.Expr, sees_rows: Callable[[pl.Expr], bool]) -> Split | None:
    """Return an expression without such parts, and these; None if that isn't to be had.

    Parameters
    ----------
    expression
        The expression.
    sees_rows
        Says whether one does.
    """
    try:
        parts = list(_parts(expression, sees_rows))
        found = {_text(part): part for part in parts if part is not None}
        tree = _tree(expression)
        if any(part is None for part in parts) or _combines_literals(tree):
            return None
        given, replacements = {}, {}
        for text, part in found.items():
            name = _name(text, is_one=part.meta.is_scalar())
            given[name] = part
            column = {"Column": name}
            replacements[text] = {"Agg": {"First": column}} if is_scalar(name) else column
        wanted = _replaced(tree, replacements)
        # Polars reads some floats of 16 digits and more as their neighbours, and can't read infinity.
        rows = pl.Expr.deserialize(json.dumps(wanted).encode(), format="json")
        is_same = json.loads(rows.meta.serialize(format="json")) == wanted
    except (pl.exceptions.PolarsError, RecursionError):
        return None
    return Split(rows, given) if is_same and expression.meta.output_name() not in given else None


def _tree(part: pl.Expr) -> Any:
    return json.loads(part.meta.serialize(format="json"))


def _text(part: pl.Expr) -> str:
    return json.dumps(_tree(part), sort_keys=True)


def _name(text: str, *, is_one: bool) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return internal((_SCALAR if is_one else _COLUMN) + digest)


def _parts(expression: pl.Expr, sees_rows: Callable[[pl.Expr], bool]) -> Iterator[pl.Expr | None]:
    """Yield the outermost parts that Polars computes; None for one that no column can stand for."""
    meta = expression.meta
    if not (meta.is_row_separable() and meta.is_length_preserving()):
        yield None
        return
    exponent = _exponent(_tree(expression))
    for part in meta.pop():
        if _is_of_literals(part):
            continue
        elif sees_rows(part):
            if is_of_text(part) and _has_own_dtype(_tree(part)):
                yield part
            elif mentions_text(part):
                yield from _parts(part, sees_rows)
        elif exponent is not None and _tree(part) == exponent:
            yield None  # one for all rows Polars computes with in one way on frames, and another in streams
        elif part.meta.is_scalar() and _has_own_dtype(_tree(part)):
            yield part
        elif part.meta.is_row_separable():
            yield from _parts(part, sees_rows)
        else:
            is_column = part.meta.is_length_preserving() and not part.meta.is_scalar()
            yield part if is_column and _has_own_dtype(_tree(part)) else None


def mentions_text(expression: pl.Expr) -> bool:
    """Whether there may be something in an expression that is made of text, or a field of a struct."""
    text = expression.meta.serialize(format="json")
    return any(name in text for name in _TEXTS)


def is_of_text(expression: pl.Expr) -> bool:
    """Whether an expression is that itself."""
    tree = _tree(expression)
    while tree.keys() == {"Alias"}:
        tree = tree["Alias"][0]
    ((kind, content),) = tree.items()
    if kind == "BinaryExpr":
        is_compared = content["op"] in _TRUTHS
        return is_compared and any(_is_string(content[side]) for side in ("left", "right"))
    function = content["function"] if kind == "Function" else None
    if not isinstance(function, dict):
        return False
    boolean = function.get("Boolean")
    if isinstance(boolean, dict) and "IsIn" in boolean:
        among = [part for part in expression.meta.undo_aliases().meta.pop() if part.meta.is_literal()]
        return any(pl.select(one).dtypes == [pl.List(pl.String)] for one in among)
    return bool(function.keys() & {"StringExpr", "StructExpr"})


_TEXTS = ('"StringExpr"', '"StructExpr"', '"String"', '"IsIn"')


def _is_string(tree: Any) -> bool:
    scalar = tree["Literal"].get("Scalar") if isinstance(tree, dict) and "Literal" in tree else None
    return isinstance(scalar, dict) and "String" in scalar


def _is_of_literals(part: pl.Expr) -> bool:
    meta = part.meta
    return meta.is_literal() or (
        meta.is_row_separable() and not meta.root_names() and all(map(_is_of_literals, meta.pop()))
    )


def _exponent(tree: Any) -> Any:
    (content,) = tree.values()
    is_power = isinstance(content, dict) and content.get("function") == {"Pow": "Generic"}
    return content["input"][1] if is_power else None


def _has_own_dtype(tree: Any) -> bool:
    """Whether a value has a dtype whatever it meets, as what is made of literals alone hasn't."""
    if tree == "Len":
        return True
    if not isinstance(tree, dict) or len(tree) != 1:
        return False
    ((kind, content),) = tree.items()
    if kind in ("Column", "Alias", "Cast"):
        return kind != "Alias" or _has_own_dtype(content[0])
    if kind == "BinaryExpr":
        sides = [content["left"], content["right"]]
        is_truth = content["op"] in _TRUTHS
        return is_truth or (any(map(_has_own_dtype, sides)) and all(map(_keeps_dtype, sides)))
    if kind == "Ternary":
        return all(_has_own_dtype(content[side]) for side in ("truthy", "falsy"))
    if kind == "Function":
        first, *others = content["input"]
        return _has_own_dtype(first) and all(map(_keeps_dtype, others))
    if kind == "Agg":
        ((name, content),) = content.items()
        inner = content[0] if isinstance(content, list) else content.get("input", content)
        return name != "Implode" and _has_own_dtype(inner)
    inner = next((content[key] for key in ("function", "input", "expr") if key in content), None)
    return _has_own_dtype(inner)


def _combines_literals(tree: Any) -> bool:
    """Whether an operation is on literals without a dtype alone: what Polars makes of it depends on all."""
    if isinstance(tree, list):
        return any(map(_combines_literals, tree))
    if not isinstance(tree, dict):
        return False
    binary = tree.get("BinaryExpr")
    own = isinstance(binary, dict) and _is_dynamic(binary["left"]) and _is_dynamic(binary["right"])
    return own or any(map(_combines_literals, tree.values()))


def _is_dynamic(tree: Any) -> bool:
    return isinstance(tree, dict) and "Dyn" in tree.get("Literal", ())


#: Integers that any dtype of numbers holds.
_HELD = range(128)
_TRUTHS = frozenset({"Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq", "EqValidity", "NotEqValidity"})


def _keeps_dtype(tree: Any) -> bool:
    """Whether Polars knows the dtype of what meets a value: that of a literal without room it learns late."""
    if isinstance(tree, dict) and tree.keys() == {"Literal"}:
        dynamic = tree["Literal"].get("Dyn", {})
        return "Int" not in dynamic or dynamic["Int"] in _HELD
    return _has_own_dtype(tree)


def _replaced(tree: Any, replacements: dict[str, Any]) -> Any:
    if isinstance(tree, list):
        return [_replaced(one, replacements) for one in tree]
    if tree == "Len" or isinstance(tree, dict):
        found = replacements.get(json.dumps(tree, sort_keys=True))
        if found is not None:
            return found
    if not isinstance(tree, dict):
        return tree
    return {key: _replaced(one, replacements) for key, one in tree.items()}

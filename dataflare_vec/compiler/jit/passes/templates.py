"""Before types are inferred: ``"{}: {}".format(a, b)`` and ``"%s: %d" % (a, b)`` become what an f-string is.

A template is a constant, so that what stands in its places is known: calls of `str`, `repr` and `format`, put
together with ``+``.
"""

from __future__ import annotations

import operator
import re
from _string import formatter_field_name_split  # type: ignore[import-not-found]
from string import Formatter
from typing import TYPE_CHECKING, Any

from numba.core import ir
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.lowering.standard.places import only, whole_part
from dataflare_vec.compiler.jit.lowering.strings.constants import IN_PLACE
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, replace_value
from dataflare_vec.compiler.jit.passes.rewriting import Rewriting

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: How messages begin that say why.
NOT_FILLED = "a template that can't be filled: "
#: What stands in a place of a template, before its format.
_SHOWN = {"s": str, "r": repr, "a": ascii}
_PLACE = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?(?P<flags>[-+ #0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?[hlL]?(?P<kind>.)",
    re.DOTALL,
)


def fill_templates(func_ir: FunctionIR) -> bool:
    """Replace templates in the IR of one function; whether there were any."""
    changed = False
    unread: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                filling = _Filling(func_ir, block, statement)
                if filling.fill():
                    body += filling.before
                    unread |= filling.unread
                    changed = True
            body.append(statement)
        block.body = body
    drop_unused(func_ir, unread)
    drop_unread(func_ir, unread)
    return changed


class _Filling(Rewriting):
    """What becomes of one expression."""

    def __init__(self, func_ir: FunctionIR, block: Any, statement: Any) -> None:
        super().__init__(func_ir, block, statement)
        self.numbering: set[bool] = set()  # whether places have no number

    def fill(self) -> bool:
        """Whether it was a template, and is filled."""
        value = self.statement.value
        if value.op == "call":
            method = self.definition(value.func)
            if not isinstance(method, ir.Expr) or method.op != "getattr" or method.attr != "format":
                return False
            template = self._text(method.value)
            if template is None or value.vararg is not None or value.varkwarg is not None:
                return False
            parts = self._braces(template, value.args, dict(value.kws))
            self.unread = {value.func.name}
        elif value.op in ("binop", "inplace_binop") and value.fn in (operator.mod, operator.imod):
            template = self._text(value.lhs)
            if template is None:
                return False
            parts = self._percents(template, value.rhs)
            self.unread = {value.rhs.name}
        else:
            return False
        replace_value(self.func_ir, self.statement, self.joined(parts))
        return True

    def _text(self, var: Any) -> str | None:
        found = self.definition(var)
        value = found.value if isinstance(found, ir.Const | ir.Global | ir.FreeVar) else None
        return value if type(value) is str else None

    # -- the two kinds of template ------------------------------------------------------------------------

    def _braces(self, template: str, given: Any, named: dict[str, Any]) -> list[Any]:
        """Return the parts of a template of `format`: texts, and variables that hold some."""
        parts: list[Any] = []
        following = iter(range(len(template)))
        for text, name, spec, conversion in self._fields(template):
            if text:
                parts.append(text)
            if name is None:
                continue
            value = self._value(template, name, given, named, following)
            if conversion:
                value = self._called(_SHOWN[conversion], value)
            if "{" in spec:
                inner = self._nested(template, spec, given, named, following)
                parts.append(self._called(format, value, inner))
                continue
            parts.append(self._called(format, value, spec) if spec else self._in_place(value))
        return parts

    def _nested(self, template: str, spec: str, given: Any, named: dict[str, Any], following: Any) -> Any:
        """Return a variable that holds a format within which values stand."""
        inner: list[Any] = []
        for text, name, own, conversion in self._fields(spec):
            if text:
                inner.append(text)
            if name is None:
                continue
            if own or conversion:
                msg = f"{spec!r} in {template!r} has a format within a format that has one, too"
                raise TypingError(NOT_FILLED + msg, loc=self.loc)
            inner.append(self._in_place(self._value(template, name, given, named, following)))
        return self.assigned(self.joined(inner))

    def _value(self, template: str, name: str, given: Any, named: dict[str, Any], following: Any) -> Any:
        """Return the variable that a place of a template of `format` names."""
        first, path = formatter_field_name_split(name)
        if not isinstance(first, str) or first == "":
            self.numbering.add(first == "")
        if len(self.numbering) > 1:
            msg = f"{template!r} numbers some of its places, and leaves others to be numbered"
            raise TypingError(NOT_FILLED + msg, loc=self.loc)
        if first == "":
            first = next(following)
        try:
            value = given[first] if isinstance(first, int) else named[first]
        except (IndexError, KeyError):
            msg = f"{template!r} has a place for {first!r}, and no value is given for it"
            raise TypingError(NOT_FILLED + msg, loc=self.loc) from None
        for is_attribute, key in path:
            made = ir.Expr.getattr(value, key, self.loc) if is_attribute else self._item(value, key)
            value = self.assigned(made)
        return value

    def _fields(self, template: str) -> list[Any]:
        try:
            return list(Formatter().parse(template))
        except ValueError as error:
            msg = f"{template!r} isn't one: {error}"
            raise TypingError(NOT_FILLED + msg, loc=self.loc) from None

    def _percents(self, template: str, values: Any) -> list[Any]:
        """Return the parts of a template of ``%``."""
        parts: list[Any] = []
        end = taken = 0
        places = list(_PLACE.finditer(template))
        if "%" in _PLACE.sub("", template):
            msg = f"{template!r} isn't one: it ends within a place"
            raise TypingError(NOT_FILLED + msg, loc=self.loc)
        count = sum(place["kind"] != "%" for place in places)
        given = self._values(values, places, count, template)
        for place in places:
            parts.append(template[end : place.start()])
            end = place.end()
            if place["kind"] == "%":
                parts.append("%")
                continue
            parts.append(self._shown(place, given[taken], template))
            taken += 1
        parts.append(template[end:])
        return [part for part in parts if part != ""]

    def _values(self, values: Any, places: list[Any], count: int, template: str) -> Any:
        """Return the variables for the places of a template, one after the other."""
        found = self.definition(values)
        keys = [place["key"] for place in places if place["kind"] != "%"]
        if isinstance(found, ir.Expr) and found.op == "build_map" and None not in keys:
            named = {self._text(key): value for key, value in found.items}
            if set(keys) <= set(named):
                return [named[key] for key in keys]
        if any(key is not None for key in keys):
            msg = f"the names in {template!r} are looked up in a dict that isn't written behind the `%`"
            raise TypingError(NOT_FILLED + msg, loc=self.loc)
        if isinstance(found, ir.Expr) and found.op == "build_tuple":
            if len(found.items) != count:
                msg = f"{template!r} has {count} places, and there are {len(found.items)} values"
                raise TypingError(NOT_FILLED + msg, loc=self.loc)
            return found.items
        if count != 1:
            msg = f"what fills the {count} places of {template!r} isn't written as a tuple behind the `%`"
            raise TypingError(NOT_FILLED + msg, loc=self.loc)
        return [self._called(only, values)]

    def _shown(self, place: Any, value: Any, template: str) -> Any:
        """Return a variable that holds what stands in one place of a template of ``%``."""
        flags, width, precision, kind = place["flags"], place["width"], place["precision"], place["kind"]
        point = "" if precision is None else f".{precision or 0}"
        side = "<" if "-" in flags else ">"
        if kind in _SHOWN:
            text = self._called(_SHOWN[kind], value)
            spec = f"{side}{width}{point}" if width or point else ""
            return self._called(format, text, spec) if spec else text
        sign = "+" if "+" in flags else " " if " " in flags else ""
        zero = "0" if "0" in flags and "-" not in flags else ""
        alternate = "#" if "#" in flags else ""
        whole = kind in tuple("diuxXo")
        if kind not in tuple("diuxXoeEfFgG") or (whole and point) or (not whole and alternate):
            msg = f"{place.group()!r} in {template!r} isn't known in compiled code"
            raise TypingError(NOT_FILLED + msg, loc=self.loc)
        if kind in tuple("diu"):
            value, kind, alternate = self._called(whole_part, value), "d", ""
        spec = f"{'<' if '-' in flags else ''}{sign}{alternate}{zero}{width}{point}{kind}"
        return self._called(format, value, spec)

    # -- statements ---------------------------------------------------------------------------------------

    def _item(self, value: Any, key: int | str) -> Any:
        index = self.assigned(ir.Const(key, self.loc))
        return ir.Expr.static_getitem(value, key, index, self.loc)

    def _in_place(self, value: Any) -> Any:
        named = self.assigned(ir.Global(IN_PLACE, str, self.loc))
        return self.assigned(ir.Expr.call(named, (value,), (), self.loc))

    def _called(self, function: Any, value: Any, *others: Any) -> Any:
        named = self.assigned(ir.Global(function.__name__, function, self.loc))
        given = [self.assigned(ir.Const(one, self.loc)) if isinstance(one, str) else one for one in others]
        return self.assigned(ir.Expr.call(named, (value, *given), (), self.loc))

"""Before types are inferred: ``json.dumps({"a": a, "b": [b, 1]})`` becomes its constant parts and its values.

Values of a dict may be of unlike types, which no dict of compiled code holds; written in the call, or in a
variable that nothing else reads, none is made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from numba.core import ir
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.lowering.json.dumps import dumped, dumped_wide, key_of
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value, replace_value
from dataflare_vec.compiler.jit.passes.rewriting import Rewriting

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What isn't a constant: one may be None.
_UNKNOWN = object()


def write_json(func_ir: FunctionIR) -> bool:
    """Replace such calls in the IR of one function; whether there were any."""
    unread: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            call = getattr(statement, "value", None)
            if (
                isinstance(statement, ir.Assign)
                and isinstance(call, ir.Expr)
                and call.op == "call"
                and outer_value(func_ir, call.func) is json.dumps
            ):
                writing = _Writing(func_ir, block, statement)
                writing.write()
                body += writing.before
                unread |= writing.unread
            body.append(statement)
        block.body = body
    drop_unread(func_ir, unread)
    drop_unused(func_ir, unread)
    return bool(unread)


class _Writing(Rewriting):
    """What becomes of one call."""

    def __init__(self, func_ir: FunctionIR, block: Any, statement: Any) -> None:
        super().__init__(func_ir, block, statement)
        self.function: Any = dumped
        self.marks = (", ", ": ")
        self.sorts = False

    def write(self) -> None:
        """Let the call be the parts of its text."""
        call = self.statement.value
        given = dict(call.kws)
        if len(call.args) > 1 or call.vararg is not None or call.varkwarg is not None:
            self._refuse("its options have to be named")
        value = call.args[0] if call.args else given.pop("obj", None)
        if value is None:
            self._refuse("there is no value")
        self.unread.add(call.func.name)
        self._options(given)
        parts = self._parts(value)
        texts: list[Any] = []
        for part in parts:
            if isinstance(part, str) and texts and isinstance(texts[-1], str):
                texts[-1] += part
            else:
                texts.append(part)
        replace_value(self.func_ir, self.statement, self.joined(texts))

    def _options(self, given: dict[str, Any]) -> None:
        if "ensure_ascii" in given and not self._constant(given.pop("ensure_ascii"), "ensure_ascii"):
            self.function = dumped_wide
        if "sort_keys" in given:
            self.sorts = bool(self._constant(given.pop("sort_keys"), "sort_keys"))
        if "separators" in given:
            marks = self._constant(given.pop("separators"), "separators")
            self.marks = tuple(marks) if marks is not None else self.marks
        if given:
            self._refuse(f"`{next(iter(given))}=` isn't known there")

    def _constant(self, var: Any, name: str) -> Any:
        self.unread.add(var.name)
        found = self._value(var)
        if found is _UNKNOWN:
            self._refuse(f"`{name}=` has to be a constant")
        return found

    def _value(self, var: Any) -> Any:
        """Return the constant that a variable is."""
        found = self.definition(var)
        if isinstance(found, ir.Const | ir.Global | ir.FreeVar):
            return found.value
        if isinstance(found, ir.Expr) and found.op == "build_tuple":
            items = tuple(map(self._value, found.items))
            self.unread.update(item.name for item in found.items)
            return _UNKNOWN if _UNKNOWN in items else items
        return _UNKNOWN

    def _parts(self, var: Any) -> list[Any]:
        """Return the parts of a value's text: constants, and variables that hold some."""
        found = self._own(var)
        if found is None:
            return [self._dumped(var)]
        if found.op != "build_map":
            texts = [self._parts(item) for item in found.items]
            return self._between("[", texts, "]")
        keys = [self._key(key) for key, _ in found.items]
        if len(keys) > 1 and not all(isinstance(key, str) for key in keys):
            self._refuse("of more than one key of a dict each has to be a constant")
        values = dict(zip(keys, (value for _, value in found.items), strict=True))
        pairs = [[key, self.marks[1], *self._parts(values[key])] for key in self._order(found, keys)]
        return self._between("{", pairs, "}")

    def _order(self, found: Any, keys: list[Any]) -> list[Any]:
        """Return the texts of keys in the order in which they are written."""
        plain = {text: self._value(key) for text, (key, _) in zip(keys, found.items, strict=True)}
        if not self.sorts or len(plain) < 2:
            return list(plain)
        try:
            return sorted(plain, key=plain.__getitem__)
        except TypeError:
            self._refuse("keys of unlike types can't be sorted")

    def _key(self, var: Any) -> Any:
        """Return the text of a key, or a variable that holds it."""
        value = self._value(var)
        if value is _UNKNOWN:
            function = self.assigned(ir.Global("key_of", key_of, self.loc))
            return self._dumped(self.assigned(ir.Expr.call(function, (var,), (), self.loc)))
        self.unread.add(var.name)
        if not isinstance(value, str | int | float | None):
            self._refuse(f"{value!r} can't be a key in JSON")
        shown = json.dumps({value: 0}, ensure_ascii=self.function is dumped)
        return shown[1 : shown.rindex(":")]

    def _between(self, opening: str, items: list[list[Any]], closing: str) -> list[Any]:
        parts: list[Any] = [opening]
        for i, item in enumerate(items):
            parts += [self.marks[0], *item] if i else item
        return [*parts, closing]

    def _own(self, var: Any) -> Any:
        """Return the dict, list or tuple that a variable is, if it is made here and nothing else reads it."""
        chain = []
        while True:
            definitions = self.func_ir._definitions.get(var.name, ())
            chain.append(var.name)
            if len(definitions) != 1 or self._reads(var.name) != 1:
                return None
            found = definitions[0]
            if not isinstance(found, ir.Var):
                break
            var = found
        if not isinstance(found, ir.Expr) or found.op not in ("build_map", "build_list", "build_tuple"):
            return None
        if not any(getattr(one, "value", None) is found for one in self.block.body):
            return None
        self.unread.update(chain)
        return found

    def _reads(self, name: str) -> int:
        """Return how many statements read a variable."""
        count = 0
        for block in self.func_ir.blocks.values():
            for statement in block.body:
                if not isinstance(statement, ir.Del):
                    names = [var.name for var in statement.list_vars()]
                    if isinstance(statement, ir.Assign) and statement.target.name in names:
                        names.remove(statement.target.name)
                    count += names.count(name)
        return count

    def _dumped(self, var: Any) -> Any:
        function = self.assigned(ir.Global("dumps", self.function, self.loc))
        marks = [self.assigned(ir.Const(mark, self.loc)) for mark in self.marks]
        return self.assigned(ir.Expr.call(function, (var, *marks), (), self.loc))

    def _refuse(self, why: str) -> NoReturn:
        msg = f"`json.dumps` can't be compiled: {why}"
        raise TypingError(msg, loc=self.loc)

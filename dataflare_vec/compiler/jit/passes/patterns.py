"""Regular expressions before types are inferred: functions of `re` become methods of patterns that are known.

``re.search("a+", s)`` is what ``re.compile("a+").search(s)`` is. A pattern is compiled here, so that a wrong
one is said to be so before anything else.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.lowering.regex.charsets import ASCII, BYTES
from dataflare_vec.compiler.jit.lowering.regex.engine import engine_of
from dataflare_vec.compiler.jit.lowering.regex.program import RefusedPattern
from dataflare_vec.compiler.jit.lowering.regex.templates import Template
from dataflare_vec.compiler.jit.passes.lookups import replace_value
from dataflare_vec.definition.attributes import NotReadable, attribute

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: Functions of `re` that are methods of a pattern → names of their parameters behind the pattern's.
_METHODS = {
    re.search: ("search", ("string", "flags")),
    re.match: ("match", ("string", "flags")),
    re.fullmatch: ("fullmatch", ("string", "flags")),
    re.findall: ("findall", ("string", "flags")),
    re.finditer: ("finditer", ("string", "flags")),
    re.split: ("split", ("string", "maxsplit", "flags")),
    re.sub: ("sub", ("repl", "string", "count", "flags")),
    re.subn: ("subn", ("repl", "string", "count", "flags")),
}
#: Methods that take a template first.
_WITH_TEMPLATE = ("sub", "subn")
#: Those that give constants of constants.
_FOLDED = (re.compile, re.escape)


class _NotConstant(Exception):  # not an error: it is known at run time only
    """A value isn't known while compiling."""


def compile_patterns(func_ir: FunctionIR) -> bool:
    """Replace functions of `re` in the IR of one function; whether there were any.

    Raises
    ------
    re.error
        If a pattern isn't one.
    TypingError
        If it isn't a constant, or is one that compiled code doesn't take.
    """
    changed = False
    unused: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Global | ir.FreeVar) and isinstance(value.value, re.Pattern):
                _check(value.value, value.loc)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr) and value.op == "call":
                function = _function(func_ir, value)
                if function in _FOLDED:
                    unused |= {value.func.name, *_names(value.args, value.kws)}
                    try:
                        new = _constant(func_ir, value)
                    except (_NotConstant, TypeError):
                        msg = f"the pattern of `re.{function.__name__}` is known at run time"
                        raise TypingError(msg, loc=value.loc) from None
                    replace_value(func_ir, statement, ir.Global(function.__name__, new, value.loc))
                    if isinstance(new, re.Pattern):
                        _check(new, value.loc)
                    changed = True
                elif function in _METHODS:
                    unused.add(value.func.name)
                    body += _method_call(func_ir, block, statement, function, unused)
                    changed = True
                else:
                    found = _method_of_pattern(func_ir, value)
                    if found is not None:
                        pattern, name = found
                        unused |= _names(value.args[:1], {k: v for k, v in value.kws if k == "repl"})
                        body.append(_read_template(func_ir, block, statement, pattern, name))
                        changed = True
            body.append(statement)
        block.body = body
    drop_unread(func_ir, unused)
    return changed


def _function(func_ir: FunctionIR, call: Any) -> Any:
    """Return the function of `re` that is called; None if it is none of ours."""
    try:
        found = _value(func_ir, call.func)
        return found if found in _METHODS or found in _FOLDED else None
    except (_NotConstant, TypeError):  # not hashable
        return None


def _names(variables: Any, named: Any = ()) -> set[str]:
    return {one.name for one in (*variables, *dict(named).values())}


def _method_call(
    func_ir: FunctionIR, block: Any, statement: Any, function: Any, unused: set[str]
) -> list[Any]:
    """Turn the call of a function into that of a method; return what goes before."""
    call = statement.value
    name, names = _METHODS[function]
    given = dict(zip(("pattern", *names), call.args, strict=False)) | dict(call.kws)
    unused |= _names(given[one] for one in ("pattern", "flags", "repl") if one in given)
    flags = _flags(func_ir, given.pop("flags", None), name, call)
    pattern = _pattern(func_ir, given.pop("pattern", None), flags, name, call)
    method = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_method"), call.loc)
    owner = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_pattern"), call.loc)
    before = [
        (owner, ir.Global("pattern", pattern, call.loc)),
        (method, ir.Expr.getattr(owner, name, call.loc)),
    ]
    if name in _WITH_TEMPLATE:
        template = _template(func_ir, given.get("repl"), pattern, name, call.loc)
        given["repl"] = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_template"), call.loc)
        before.append((given["repl"], ir.Global("template", template, call.loc)))
    for variable, value in before:
        func_ir._definitions[variable.name].append(value)
    replace_value(func_ir, statement, ir.Expr.call(method, (), tuple(given.items()), call.loc))
    return [ir.Assign(value, variable, call.loc) for variable, value in before]


def _method_of_pattern(func_ir: FunctionIR, call: Any) -> tuple[re.Pattern[Any], str] | None:
    """Return the pattern of which a method is called that takes a template, and its name."""
    try:
        method = ir_utils.get_definition(func_ir, call.func)
        if not isinstance(method, ir.Expr) or method.op != "getattr" or method.attr not in _WITH_TEMPLATE:
            return None
        pattern = _value(func_ir, method.value)
    except (ir_utils.GuardException, _NotConstant, TypeError):
        return None
    return (pattern, method.attr) if isinstance(pattern, re.Pattern) else None


def _read_template(
    func_ir: FunctionIR, block: Any, statement: Any, pattern: re.Pattern[Any], name: str
) -> Any:
    """Let a method of a pattern have its template as a constant; return what goes before the call."""
    call = statement.value
    given = dict(zip(("repl", "string", "count"), call.args, strict=False)) | dict(call.kws)
    variable = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_template"), call.loc)
    template = _template(func_ir, given.get("repl"), pattern, name, call.loc)
    value = ir.Global("template", template, call.loc)
    func_ir._definitions[variable.name].append(value)
    given["repl"] = variable
    replace_value(func_ir, statement, ir.Expr.call(call.func, (), tuple(given.items()), call.loc))
    return ir.Assign(value, variable, call.loc)


def _template(func_ir: FunctionIR, variable: Any, pattern: re.Pattern[Any], name: str, loc: Any) -> Template:
    """Return the template that a variable holds.

    Raises
    ------
    TypingError
        If it isn't known, is a function, or isn't a template for the pattern.
    """
    msg = f"the replacement of `re.{name}` is known at run time"
    try:
        if variable is None:
            raise _NotConstant
        written = _value(func_ir, variable)
    except (_NotConstant, TypeError):
        if _is_function(func_ir, variable):
            msg = f"the replacement of `re.{name}` is a function"
        raise TypingError(msg, loc=loc) from None
    if callable(written):
        msg = f"the replacement of `re.{name}` is a function"
        raise TypingError(msg, loc=loc)
    if not isinstance(written, type(pattern.pattern)):
        own = "strings" if isinstance(pattern.pattern, str) else "bytes"
        msg = f"a pattern of {own} can't be searched for in {type(written).__name__}"
        raise TypingError(msg, loc=loc)
    try:
        return Template(written, pattern)
    except (re.error, IndexError) as error:
        msg = f"the replacement {written!r} of `re.{name}` isn't one: {error}"
        raise TypingError(msg, loc=loc) from None


def _is_function(func_ir: FunctionIR, variable: Any) -> bool:
    try:
        definition = ir_utils.get_definition(func_ir, variable)
    except (ir_utils.GuardException, KeyError):
        return False
    return isinstance(definition, ir.Expr) and definition.op == "make_function"


def _pattern(func_ir: FunctionIR, variable: Any, flags: int, name: str, call: Any) -> re.Pattern[Any]:
    try:
        if variable is None:
            raise _NotConstant
        pattern = re.compile(_value(func_ir, variable), flags)
    except (_NotConstant, TypeError):
        msg = f"the pattern of `re.{name}` is known at run time"
        raise TypingError(msg, loc=call.loc) from None
    _check(pattern, call.loc)
    return pattern


def _flags(func_ir: FunctionIR, variable: Any, name: str, call: Any) -> int:
    try:
        return 0 if variable is None else int(_value(func_ir, variable))
    except (_NotConstant, TypeError):
        msg = f"the flags of `re.{name}` are known at run time"
        raise TypingError(msg, loc=call.loc) from None


def _check(pattern: re.Pattern[Any], loc: Any) -> None:
    """Raise TypingError if compiled code doesn't take a pattern."""
    try:
        alphabet = ASCII if isinstance(pattern.pattern, str) else BYTES
        engine_of(pattern.pattern, pattern.flags & ~int(re.DEBUG), alphabet).check()
    except RefusedPattern as error:
        msg = f"the pattern {pattern.pattern!r} can't be compiled: {error}"
        raise TypingError(msg, loc=loc) from None


def _value(func_ir: FunctionIR, variable: Any) -> Any:
    """Return the value of a variable that is known: a constant, or what is made of constants alone."""
    try:
        definition = ir_utils.get_definition(func_ir, variable)
    except ir_utils.GuardException:
        raise _NotConstant from None
    return _constant(func_ir, definition)


def _constant(func_ir: FunctionIR, definition: Any) -> Any:
    if isinstance(definition, ir.Const | ir.Global | ir.FreeVar):
        return definition.value
    if not isinstance(definition, ir.Expr):
        raise _NotConstant
    if definition.op == "getattr":
        try:
            return attribute(_value(func_ir, definition.value), definition.attr)
        except NotReadable:
            raise _NotConstant from None
    if definition.op == "binop" and definition.fn in (operator.add, operator.or_):
        return definition.fn(_value(func_ir, definition.lhs), _value(func_ir, definition.rhs))
    if definition.op == "build_tuple":
        return tuple(_value(func_ir, one) for one in definition.items)
    if definition.op == "call":
        given = [_value(func_ir, one) for one in definition.args]
        if (separator := _separator(func_ir, definition)) is not None:
            return separator.join(*given)
        function = _value(func_ir, definition.func)
        if function is str and type(given[0]) in (str, int):  # in an f-string
            return str(*given)
        if function in _FOLDED:
            named = {name: _value(func_ir, one) for name, one in definition.kws}
            return function(*given, **named)
    raise _NotConstant


def _separator(func_ir: FunctionIR, call: Any) -> str | bytes | None:
    """Return the constant whose `join` is called; None if something else is."""
    method = ir_utils.get_definition(func_ir, call.func)
    if not isinstance(method, ir.Expr) or method.op != "getattr" or method.attr != "join":
        return None
    found = _value(func_ir, method.value)
    return found if type(found) in (str, bytes) else None

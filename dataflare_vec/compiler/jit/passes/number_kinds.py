"""After Numba has inferred types: numbers of unlike kinds in one variable, where the kind would show.

Numba makes a float of an integer that meets one in a variable, a list or a result (``i if c else x``), and an
integer of a bool. What is computed is the same; text, JSON, `isinstance` and `type` would tell ``2.0`` from
Python's ``2``. Such a kernel is refused.

Of each variable it is found which other kinds its value may have in Python, also through helpers, which are
gone through again for what they are given.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable
from itertools import chain, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import ir, types
from numba.core.errors import TypingError
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.lowering import told
from dataflare_vec.compiler.jit.lowering.containers import method_name
from dataflare_vec.compiler.jit.lowering.instances import asked
from dataflare_vec.compiler.jit.lowering.json.dumps import dumped, dumped_wide
from dataflare_vec.compiler.jit.lowering.standard.sequences import fold
from dataflare_vec.compiler.jit.lowering.strings.base import known_value
from dataflare_vec.compiler.jit.lowering.strings.numbers.specification import KINDS
from dataflare_vec.compiler.jit.lowering.strings.representation import ascii_of, repr_of
from dataflare_vec.compiler.jit.lowering.strings.text import format_at, format_of, in_place_of, text_of
from dataflare_vec.compiler.jit.passes.exact_integers import plain_kind
from dataflare_vec.compiler.jit.passes.single_precision import single
from dataflare_vec.compiler.jit.types.state_sequences import ContainerType
from dataflare_vec.compiler.jit.types.strings import StringType
from dataflare_vec.compiler.jit.types.tables import TableType
from dataflare_vec.compiler.jit.types.temporal import TemporalType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType
from dataflare_vec.definition.tables.kinds import MIXED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dataflare_vec.definition.tables.kinds import Kind

#: Kinds of numbers, each of which becomes the next ones; NumPy's float of 32 bits is one of its own.
_CLASSES = {"bool": bool, "int": int, "float": float, "Float32": np.float32, "complex": complex}
_RANKS = {kind: rank for rank, kind in enumerate(_CLASSES)}
_NONE: frozenset[str] = frozenset()

_SHOW = {
    text_of,
    in_place_of,
    repr_of,
    ascii_of,
    told.tell,
    told.tell_several,
    told.tell_key,
    dumped,
    dumped_wide,
    print,
}
_FORMAT = {format_of, format_at}
_CHOOSE = {min, max, fold, single}
#: What begins with a number of its own, which is left where there are no items.
_TOTAL = {"sum": "int", "_sum_of": "int", "prod": "int"}
_ARITHMETIC = {
    getattr(operator, prefix + name): name
    for prefix in ("", "i")
    for name in ("add", "sub", "mul", "floordiv", "mod", "pow")
} | {pow: "pow", divmod: "divmod", abs: "abs", operator.neg: "neg", operator.pos: "pos", operator.abs: "abs"}
_TAKES_OUT = (
    "getitem",
    "static_getitem",
    "exhaust_iter",
    "getiter",
    "iternext",
    "pair_first",
    "typed_getitem",
)
_CONTAINERS = types.List | types.Set | types.DictType | types.ListType | ContainerType
_PUTS_IN = ("append", "appendleft", "add", "insert", "setdefault", "extend", "extendleft", "update")


def check_kinds(blocks: Any, typemap: Any, calltypes: Any, arguments: int) -> None:
    """Raise TypingError where a function shows the kind of a number that it holds as one of another."""
    _Function(blocks, typemap, calltypes, [_NONE] * arguments, {}).returned()


class _Function:
    """A typed function, and which other kinds its numbers may have in Python.

    Such kinds are a set, of what a container holds too; of a tuple there is one for each item.
    """

    def __init__(self, blocks: Any, typemap: Any, calltypes: Any, given: Any, known: dict[Any, Any]) -> None:
        self.typemap, self.calltypes, self.given, self.known = typemap, calltypes, given, known
        self.statements = [statement for block in blocks.values() for statement in block.body]
        self.found: dict[str, Any] = {}
        self.changed = True
        self.values: dict[str, list[Any]] = {}
        for statement in self.statements:
            if isinstance(statement, ir.Assign):
                self.values.setdefault(statement.target.name, []).append(statement.value)

    def returned(self) -> Any:
        """Return the kinds of what the function returns, after a look at all that shows some."""
        while self.changed:
            self.changed = False
            for statement in self.statements:
                self._take(statement)
        for statement in self.statements:
            self._check(statement)
        results = [self._of(s.value) for s in self.statements if isinstance(s, ir.Return)]
        return _joined(results)

    # -- what variables hold ------------------------------------------------------------------------------

    def _of(self, var: Any) -> Any:
        """Return the other kinds of a variable."""
        ty = self.typemap.get(var.name)
        own = _of_table(ty) if isinstance(ty, TableType) else _NONE
        return self.found.get(var.name, own)

    def _add(self, name: str, kinds: Any) -> None:
        before = self.found.get(name, _NONE)
        after = _joined([before, kinds])
        if after != before and _flat(after):
            self.found[name] = after
            self.changed = True

    def _cast(self, var: Any, wanted: Any) -> Any:
        return _cast(self._of(var), self.typemap.get(var.name), wanted)

    def _take(self, statement: Any) -> None:
        if isinstance(statement, ir.SetItem | ir.StaticSetItem):
            self._put_in(statement.target, [statement.value])
        if not isinstance(statement, ir.Assign) or statement.target.name not in self.typemap:
            return
        target, value = statement.target, statement.value
        wanted = self.typemap[target.name]
        if isinstance(value, ir.Arg):
            self._add(target.name, self.given[value.index] if value.index < len(self.given) else _NONE)
        elif isinstance(value, ir.Var):
            self._hand_on(target, [value])
        elif isinstance(value, ir.Expr):
            if value.op == "phi":
                self._hand_on(target, [var for var in value.incoming_values if isinstance(var, ir.Var)])
            elif value.op == "cast":
                self._hand_on(target, [value.value])
            else:
                self._add(target.name, self._expression(value, target, wanted))

    def _hand_on(self, target: Any, sources: Iterable[Any]) -> None:
        wanted = self.typemap[target.name]
        for var in sources:
            self._add(target.name, self._cast(var, wanted))
            if isinstance(wanted, _CONTAINERS):  # one object, whatever it is called
                self._add(var.name, self._of(target))

    def _put_in(self, container: Any, items: Iterable[Any]) -> None:
        """Have a container hold some variables, or what these hold."""
        wanted = _item(self.typemap.get(container.name))
        for item in items:
            given = self.typemap.get(item.name)
            held = _item(given)
            self._add(container.name, _flat(_cast(self._of(item), given if held is None else held, wanted)))

    # -- what expressions give ----------------------------------------------------------------------------

    def _expression(self, value: Any, target: Any, wanted: Any) -> Any:
        """Return the other kinds of what an expression gives, whose type is ``wanted``."""
        if value.op in ("binop", "inplace_binop", "unary"):
            operands = [value.value] if value.op == "unary" else [value.lhs, value.rhs]
            if value.fn in _ARITHMETIC:
                return self._computed(_ARITHMETIC[value.fn], operands, wanted)
            return _NONE
        if value.op == "call":
            return self._call(value, wanted)
        if value.op == "build_tuple":
            return tuple(map(self._of, value.items))
        if value.op == "build_map":
            self._put_in(target, [item for _, item in value.items])
            keys = [self._cast(key, getattr(wanted, "key_type", None)) for key, _ in value.items]
            return _flat(_joined(keys))
        if value.op in ("build_list", "build_set"):
            self._put_in(target, value.items)
            return _NONE
        if value.op == "getattr":
            held, kinds = plain_kind(self.typemap[value.value.name]), self._of(value.value)
            if isinstance(held, types.BaseNamedTuple) and value.attr in held.fields:
                place = held.fields.index(value.attr)
                if isinstance(wanted, _CONTAINERS):  # one object, wherever it is taken from
                    put = self._of(target)
                    self._add(value.value.name, tuple(put if i == place else _NONE for i in range(len(held))))
                if isinstance(kinds, tuple):
                    return kinds[place]
            return _spread(_flat(kinds), wanted)
        if value.op in _TAKES_OUT:
            kinds = self._of(value.value)
            held = plain_kind(self.typemap[value.value.name])
            items = held.types if isinstance(held, types.BaseTuple) else ()
            if items and value.op == "exhaust_iter":
                return self._cast(value.value, wanted)
            if items and value.op == "static_getitem" and isinstance(value.index, int):
                return (
                    kinds[value.index]
                    if isinstance(kinds, tuple)
                    else _cast(kinds, items[value.index], wanted)
                )
            return _joined([_spread(_flat(kinds), wanted), *(_cast(_NONE, item, wanted) for item in items)])
        return _NONE

    def _computed(self, name: str, operands: Iterable[Any], wanted: Any) -> Any:
        """Return the other kinds of what is computed of some variables."""
        operands = list(operands)
        if (held := _item(wanted)) is not None:  # of lists one is made
            each = [_cast(_flat(self._of(var)), _item(self.typemap[var.name]), held) for var in operands]
            return _flat(_joined(each))
        if not any(_flat(self._of(var)) for var in operands):
            return _NONE
        each = [_flat(self._of(var)) | _kinds_in(self.typemap.get(var.name)) for var in operands]
        results = {_result(name, kinds) for kinds in product(*each)}
        return _spread(frozenset(results), wanted)

    def _call(self, value: Any, wanted: Any) -> Any:
        function = self.typemap[value.func.name]
        given = [*value.args, *(var for name, var in value.kws if name != "key")]
        if isinstance(function, types.Dispatcher):
            return self._helper(function.dispatcher, value)
        owner = self._owner(value)
        if owner is not None:
            return self._method(method_name(function), owner, given, wanted)
        called = _called(function)
        name = getattr(called, "__name__", "")
        if isinstance(function, types.NamedTupleClass):
            return tuple(map(self._of, given)) if not value.kws else _spread(self._union(given), wanted)
        if called in _CHOOSE:
            return _joined(
                [_spread(self._union(given), wanted), *(self._chosen(var, wanted) for var in given)]
            )
        if name in _TOTAL and given:
            return self._total(_TOTAL[name], given, wanted)
        if called in _ARITHMETIC:
            return self._computed(_ARITHMETIC[called], given, wanted)
        if called is round and len(given) == 2:
            # Without digits, which an optional may say, a float becomes an integer.
            whole = isinstance(self.typemap[given[1].name], types.Optional)
            return _joined([self._of(given[0]), _spread(frozenset(["int"] if whole else []), wanted)])
        if _has_one_kind(called, function):
            return _NONE
        return _spread(self._union(given) | self._handed_on(given), wanted)

    def _chosen(self, var: Any, wanted: Any) -> Any:
        """Return the kinds of what is chosen of a variable: the number itself, or one of what it holds."""
        held = plain_kind(self.typemap[var.name])
        if cpu_target.typing_context.can_convert(held, plain_kind(wanted)) is not None:
            return self._cast(var, wanted)
        return _joined(_cast(_NONE, item, wanted) for item in _items(held))

    def _handed_on(self, given: list[Any]) -> frozenset[str]:
        """Return the kinds of what helpers return that a function is given beside their arguments."""
        kinds = self._union(given)
        helpers = [
            one.dispatcher for var in given if isinstance(one := self.typemap[var.name], types.Dispatcher)
        ]
        made = [one for helper in helpers for one in helper.overloads.values()]
        return _flat(
            _joined(self._given(one, [_spread(kinds, ty) for ty in one.signature.args]) for one in made)
        )

    def _union(self, given: Iterable[Any]) -> frozenset[str]:
        return frozenset().union(*(_flat(self._of(var)) for var in given))

    def _owner(self, call: Any) -> Any:
        """Return the variable whose method a call is."""
        if not isinstance(self.typemap[call.func.name], types.BoundFunction):
            return None
        names: list[str] = [call.func.name]
        seen: set[str] = set()
        while names:  # an argument that is a choice makes several variables of it
            name = names.pop()
            seen.add(name)
            for made in self.values.get(name, []):
                if isinstance(made, ir.Expr) and made.op == "getattr":
                    return made.value
                sources = [made] if isinstance(made, ir.Var) else getattr(made, "incoming_values", [])
                names += [var.name for var in sources if isinstance(var, ir.Var) and var.name not in seen]
        return None

    def _method(self, name: str, owner: Any, given: list[Any], wanted: Any) -> Any:
        if name in _PUTS_IN:
            self._put_in(owner, given[1:] if name in ("insert", "setdefault") else given)
        kinds = _spread(_flat(self._of(owner)), wanted)
        if name in ("get", "pop", "setdefault"):
            return _joined([kinds, *(self._cast(var, wanted) for var in given[1:])])
        return kinds

    def _total(self, start: str, given: list[Any], wanted: Any) -> Any:
        """Return the kinds of a sum or a product: where there are no items, what it begins with."""
        items, *others = given
        total = frozenset([start])
        if others:
            total = _flat(self._of(others[0])) | _kinds_in(self.typemap[others[0].name])
        if written := self._written(items):
            for item in written:
                kinds = _flat(self._of(item)) | _kinds_in(self.typemap[item.name])
                total = frozenset(_result("add", pair) for pair in product(total, kinds))
        else:
            kinds = _flat(self._of(items)) | _kinds_in(self.typemap[items.name])
            total |= {_result("add", pair) for pair in product(total, kinds)}
        return _spread(total, wanted)

    def _written(self, var: Any) -> list[Any]:
        """Return the items of a list or tuple that is written with them, and isn't changed; else none."""
        names = {var.name}
        while len(made := self.values.get(var.name, [])) == 1 and isinstance(made[0], ir.Var):
            var = made[0]
            names.add(var.name)
        if len(made) != 1 or getattr(made[0], "op", "") not in ("build_list", "build_tuple"):
            return []
        uses = (value for value in chain(*self.values.values()) if getattr(value, "op", "") == "getattr")
        return [] if any(value.value.name in names for value in uses) else list(made[0].items)

    def _helper(self, helper: Any, call: Any) -> Any:
        """Return the kinds of what a helper returns for what it is given."""
        positions = {name: i for i, name in enumerate(helper._compiler.pysig.parameters)}
        given = dict(enumerate(call.args)) | {
            positions[name]: var for name, var in call.kws if name in positions
        }
        kinds = tuple(self._of(given[i]) if i in given else _NONE for i in range(len(positions)))
        compiled = helper.overloads.get(self.calltypes[call].args)
        if compiled is None or call.vararg:  # it calls itself, and is being compiled
            return _spread(self._union(given.values()), compiled)
        try:
            return self._given(compiled, kinds)
        except TypingError as error:  # what it is given is from here
            raise TypingError(error.msg, loc=call.loc) from None

    def _given(self, compiled: Any, kinds: Iterable[Any]) -> Any:
        """Return the kinds of what a compiled function returns where its arguments have some."""
        key = id(compiled), tuple(kinds)
        if key not in self.known:
            self.known[key] = _NONE  # of a recursive one
            about = compiled.type_annotation
            made = _Function(about.blocks, about.typemap, about.calltypes, key[1], self.known)
            self.known[key] = made.returned()
        return self.known[key]

    # -- what shows them ----------------------------------------------------------------------------------

    def _check(self, statement: Any) -> None:
        """Raise TypingError if a statement shows of which kind a number is that may be of another."""
        value = getattr(statement, "value", None)
        if not isinstance(statement, ir.Assign) or not isinstance(value, ir.Expr):
            return
        if value.op == "getattr":
            self._show(value.value, f"`.{value.attr}`", statement.loc, lambda cls: hasattr(cls, value.attr))
        if value.op != "call":
            return
        called = _called(self.typemap[value.func.name])
        handed_on = (_called(self.typemap[var.name]) for var in value.args)
        if called in _SHOW or not _SHOW.isdisjoint(handed_on):
            for var in value.args:
                self._show(var, "text", statement.loc)
        elif called in _FORMAT and value.args:
            self._format(value, statement.loc)
        elif called is type:
            self._show(value.args[0], "a type", statement.loc)
        elif called is asked:
            classes = self.typemap[value.args[1].name].classes
            self._show(value.args[0], "a type", statement.loc, lambda cls: issubclass(cls, classes))

    def _format(self, call: Any, loc: Any) -> None:
        """Look at a call of `format`: formats for integers, and for floats, show all numbers alike."""
        var = call.args[0]
        wanted: Any = known_value(self.typemap[call.args[1].name]) if len(call.args) > 1 else ""  # type: ignore[no-untyped-call]
        if not isinstance(wanted, str) or not wanted:
            self._show(var, "text", loc)
        elif wanted[-1] not in "".join(KINDS.values()):  # no type is said: those of bools are integers
            self._show(var, "text", loc, lambda cls: issubclass(cls, int))

    def _show(self, var: Any, what: str, loc: Any, answer: Callable[[Any], Any] = lambda cls: cls) -> None:
        """Raise TypingError if the kinds of a variable are shown, unless the answer is the same for all."""
        others = _flat(self._of(var))
        if not others:
            return
        kinds = others | _kinds_in(self.typemap.get(var.name))
        if len({answer(_CLASSES[kind]) for kind in kinds}) > 1:
            names = " or ".join(f"`{kind}`" for kind in sorted(kinds, key=_RANKS.__getitem__))
            msg = f"a number that is {names} seen as {what}"
            raise TypingError(msg, loc=loc)


# -- kinds of types ------------------------------------------------------------------------------------------


def _kind(ty: Any) -> str | None:
    """Return the kind of a type's values; None if these are no numbers."""
    ty = plain_kind(ty)
    if isinstance(ty, types.Boolean):
        return "bool"
    if isinstance(ty, types.Integer | WideIntType):
        return "int"
    if isinstance(ty, types.Float):
        return "Float32" if ty == types.float32 else "float"
    return "complex" if isinstance(ty, types.Complex) else None


def _kinds_in(ty: Any) -> frozenset[str]:
    """Return the kinds of a type's values, or of what they hold."""
    kind, ty = _kind(ty), plain_kind(ty)
    if kind is not None:
        return frozenset([kind])
    if isinstance(ty, types.BaseTuple):
        return frozenset().union(*map(_kinds_in, ty))
    held = _item(ty)
    return _NONE if held is None else _kinds_in(held)


def _item(ty: Any) -> Any:
    """Return the type of what a container holds, of a dict as values; None if it is none."""
    held = getattr(ty, "value_type", None) or getattr(ty, "dtype", None)
    return held if isinstance(held, types.Type) and _kind(ty) is None else None


def _items(ty: Any) -> Iterable[Any]:
    """Return the types of what is gone over, or of a tuple's items."""
    if isinstance(ty, types.BaseTuple):
        return list(ty)
    return [ty.iterator_type.yield_type] if isinstance(ty, types.IterableType) else []


def _of_table(table: TableType) -> frozenset[str]:
    """Return the kinds of numbers of a table that has them as others."""
    return frozenset(["int"]) if any(map(_mixes, (table.key_kind, table.value_kind))) else _NONE


def _mixes(kind: Kind | None) -> bool:
    if kind is None:
        return False
    within = (kind.about.key, kind.about.value) if kind.name == "inner" else ()
    return kind.about == MIXED or any(map(_mixes, (*kind.items, *within)))


def _called(function: Any) -> Any:
    """Return what a type of functions stands for; None if it can't be looked for."""
    called: Any = next(
        (found for key in ("overlay", "stand_in", "typing_key") if (found := getattr(function, key, None))),
        None,
    )
    while hasattr(called, "original"):
        called = called.original
    return called if isinstance(called, Hashable) else None


def _has_one_kind(called: Any, function: Any) -> bool:
    """Whether all results of a function are of one kind, whatever it is given."""
    if called in (int, float, bool, len, ord, round) or isinstance(function, types.NumberClass):
        return True
    if isinstance(called, np.ufunc):
        return not any(kind[-1] in "bhilq" for kind in called.types)
    return getattr(called, "__module__", "") == "math"


# -- sets of kinds, and tuples of these ----------------------------------------------------------------------


def _flat(kinds: Any) -> frozenset[str]:
    """Return all kinds of a tuple."""
    return frozenset().union(*map(_flat, kinds)) if isinstance(kinds, tuple) else kinds


def _joined(all_kinds: Iterable[Any]) -> Any:
    """Return what a value may be that is one of several."""
    given = [kinds for kinds in all_kinds if _flat(kinds)]
    if given and all(isinstance(kinds, tuple) and len(kinds) == len(given[0]) for kinds in given):
        return tuple(map(_joined, zip(*given, strict=True)))
    return frozenset().union(*map(_flat, given))


def _spread(kinds: frozenset[str], wanted: Any) -> Any:
    """Return which of some kinds a value of a type may have in Python: those that become its own."""
    wanted = plain_kind(wanted)
    if isinstance(wanted, types.BaseTuple):
        return tuple(_spread(kinds, item) for item in wanted)
    if (kind := _kind(wanted)) is not None:
        return frozenset(
            other for other in kinds if _RANKS[other] < _RANKS[kind] or "Float32" in (other, kind)
        ) - {kind}
    return _NONE if isinstance(wanted, StringType | types.NoneType | TemporalType) else kinds


def _cast(kinds: Any, given: Any, wanted: Any) -> Any:
    """Return the other kinds of a value of one type that becomes one of another."""
    given, wanted = plain_kind(given), plain_kind(wanted)
    if (
        isinstance(wanted, types.BaseTuple)
        and isinstance(given, types.BaseTuple)
        and len(given) == len(wanted)
    ):
        each = kinds if isinstance(kinds, tuple) else [kinds] * len(given)
        return tuple(map(_cast, each, given, wanted))
    own = _kind(given)
    return _spread(_flat(kinds) | ({own} if own else _NONE), wanted)


def _result(name: str, kinds: Iterable[str]) -> str:
    """Return the kind of what is computed of some: a float of 32 bits stays one beside Python's numbers."""
    highest = max(kinds, key=_RANKS.__getitem__)
    return "int" if highest == "bool" else highest

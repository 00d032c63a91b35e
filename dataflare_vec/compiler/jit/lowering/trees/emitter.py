"""Values with their validity, and the walk over a tree that computes each node once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir

from dataflare_vec.definition.trees.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.jit.lowering.math.emit import Mode
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context
    from dataflare_vec.definition.trees.kinds import Kind
    from dataflare_vec.definition.trees.nodes import Node

BIT = ir.IntType(1)
TRUE, FALSE = BIT(1), BIT(0)

_FLOATS = {32: ir.FloatType(), 64: ir.DoubleType()}


class Maybe(NamedTuple):
    """A value, and whether there is one; what the value is where there is none doesn't matter."""

    value: ir.Value
    valid: ir.Value = TRUE


def llvm_type(kind: Kind) -> ir.Type:
    """Return the LLVM type of values of a kind."""
    return _FLOATS[kind.bits] if kind.is_float else ir.IntType(kind.bits)


OPERATIONS: dict[str, Callable[[Emitter, Node], Maybe]] = {}


def operation(*names: str) -> Callable[[Callable[[Emitter, Node], Maybe]], Callable[[Emitter, Node], Maybe]]:
    """Say that a function writes the code of operations."""

    def register(function: Callable[[Emitter, Node], Maybe]) -> Callable[[Emitter, Node], Maybe]:
        for name in names:
            OPERATIONS[name] = function
        return function

    return register


class Emitter:
    """Writes what a tree computes for one row.

    Parameters
    ----------
    context, builder
        Numba's target context, and where instructions go.
    columns, constants
        The row's values, and the call's, by their numbers in the tree.
    mode
        Which variant of the mathematical functions.

    Attributes
    ----------
    failed : list
        Truth values: the row has no result if one of them is true.
    rare : list
        The same, of what only the general variant can compute.
    """

    def __init__(
        self,
        context: Context,
        builder: Builder,
        columns: Sequence[Maybe],
        constants: Sequence[ir.Value],
        mode: Mode,
    ) -> None:
        self.context = context
        self.builder = builder
        self.mode = mode
        self.failed: list[ir.Value] = []
        self.rare: list[ir.Value] = []
        self._columns = columns
        self._constants = constants
        self._done: dict[Node, Maybe] = {}

    def __call__(self, node: Node) -> Maybe:
        """Return the value of a node."""
        if node not in self._done:
            self._done[node] = self._emit(node)
        return self._done[node]

    def _emit(self, node: Node) -> Maybe:
        if node.operation == "column":
            column: Maybe = self._columns[node.options[0]]
            return column
        if node.operation == "constant":
            return Maybe(self._constants[node.options[0]])
        if node.operation == "null":
            return Maybe(ir.Constant(llvm_type(self.kind(node)), None), FALSE)
        return OPERATIONS[node.operation](self, node)

    def all_of(self, node: Node) -> tuple[list[ir.Value], ir.Value]:
        """Return the values of a node's arguments, and whether all are there."""
        found = [self(argument) for argument in node.arguments]
        return [one.value for one in found], self.both(*(one.valid for one in found))

    def kind(self, node: Node) -> Kind:
        """Return what the values of a node are."""
        kind = kind_of(node.dtype)
        assert kind is not None
        return kind

    def both(self, *bits: ir.Value) -> ir.Value:
        """Return whether all are true."""
        found: Any = TRUE
        for bit in bits:
            if FALSE in (found, bit):
                return FALSE
            found = bit if found is TRUE else found if bit is TRUE else self.builder.and_(found, bit)
        return found

    def either(self, *bits: ir.Value) -> ir.Value:
        """Return whether one is true."""
        found: Any = FALSE
        for bit in bits:
            if TRUE in (found, bit):
                return TRUE
            found = bit if found is FALSE else found if bit is FALSE else self.builder.or_(found, bit)
        return found

    def neither(self, bit: ir.Value) -> ir.Value:
        """Return the opposite."""
        if bit in (TRUE, FALSE):
            return FALSE if bit is TRUE else TRUE
        return self.builder.not_(bit)

    def choose(self, bit: ir.Value, then: ir.Value, otherwise: ir.Value) -> ir.Value:
        """Return one of two values."""
        if bit in (TRUE, FALSE):
            return then if bit is TRUE else otherwise
        return self.builder.select(bit, then, otherwise)

    def is_nan(self, value: ir.Value) -> ir.Value:
        """Return whether a float is NaN."""
        return self.builder.fcmp_unordered("uno", value, value)

    def intrinsic(self, name: str, *values: ir.Value) -> ir.Value:
        """Call one of LLVM's functions, of values of one type."""
        ty = values[0].type
        function = self.builder.module.declare_intrinsic(
            f"llvm.{name}", [ty], ir.FunctionType(ty, [ty] * len(values))
        )
        return self.builder.call(function, values)

"""A tree as a function of a row's values, for kernels to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dataflare_vec.definition.trees.kinds import BOOL, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.definition.trees.nodes import Tree


class Evaluate:
    """A tree, to be called with the values of its columns and constants. Only compiled code can.

    Parameters
    ----------
    tree
        The tree.
    """

    __name__ = "expression"

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def __call__(self, *values: Any) -> NoReturn:
        """Say that a row has no result, which is all that is known: Polars says why.

        Raises
        ------
        ValueError
            Always.
        """
        msg = "an expression has no result for it"
        raise ValueError(msg)


def function_of(tree: Tree) -> Callable[..., Any]:
    """Return a function of as many parameters as a tree has columns and constants.

    The constants have defaults that mean nothing, so that trees that differ in their values only are alike.
    """
    count = len(tree.columns) + len(tree.constants)
    names = ", ".join(f"v{i}" for i in range(count))
    scope: dict[str, Any] = {"evaluate": Evaluate(tree), "__name__": __name__}
    exec(f"def expression({names}):\n    return evaluate({names})\n", scope)  # of numbers alone
    function: Callable[..., Any] = scope["expression"]
    function.__defaults__ = tuple(map(zero_of, tree.constants))
    return function


def zero_of(dtype: Any) -> float:
    """Return a constant of a dtype, as a kernel gets it."""
    kind = kind_of(dtype)
    assert kind is not None
    return False if kind == BOOL else 0.0 if kind.is_float else 0

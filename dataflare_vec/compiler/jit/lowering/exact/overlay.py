"""Calls of Python's functions that Numba knows, but not for all types with Python's meaning.

An overlay stands for such a function in a kernel. By the types of the arguments it chooses what is called: a
function of ours, or that itself, as Numba has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.registry import cpu_target
from numba.core.typing.typeof import typeof_impl

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import TypingContext

#: Python's function → its overlay, or a function of ours that stands for it whatever its arguments are.
OVERLAYS: dict[Any, Any] = {}


class Overlay:
    """What stands for one of Python's functions in a kernel.

    Parameters
    ----------
    original
        The function.
    names
        Of its parameters.
    choose
        Given Numba's types of the arguments (literal ones for constants, optional ones only of ``nullable``):
        what is called with them, one of our functions for compiled code; None for the original.
    nullable
        The parameters that None has a meaning for.
    """

    def __init__(
        self, original: Any, names: tuple[str, ...], choose: Callable[..., Any], nullable: frozenset[str]
    ) -> None:
        self.original = original
        self.names = names
        self.nullable = nullable
        self.choose = choose
        self.__name__ = original.__name__
        self.__module__ = getattr(original, "__module__", "numpy")  # before NumPy 2.2 its ufuncs have none

    def held(self, args: tuple[Any, ...], kws: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the types of what arguments hold, but of those that may be None."""
        names = [*self.names, *[""] * len(args)]
        return (
            tuple(ty if name in self.nullable else _held(ty) for name, ty in zip(names, args, strict=False)),
            {name: ty if name in self.nullable else _held(ty) for name, ty in kws.items()},
        )

    def chosen(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Return what is called with arguments of these types."""
        given = [*args, *(kws[name] for name in self.names[len(args) :] if name in kws)]
        fits = len(given) == len(args) + len(kws) and len(given) <= len(self.names)
        return (self.choose(*given) if fits else None) or self.original


def overlay(
    original: Any, *names: str, nullable: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what chooses for a function of Python, whose parameters have these names."""

    def register(choose: Callable[..., Any]) -> Callable[..., Any]:
        OVERLAYS[original] = Overlay(original, names, choose, frozenset(nullable))
        return choose

    return register


class OverlayType(types.Callable, types.Opaque):  # type: ignore[misc]
    """Numba's type of an overlay."""

    def __init__(self, value: Overlay) -> None:
        self.overlay = value
        super().__init__(f"dfv.{value.__module__}.{value.__name__}")

    def get_call_type(self, context: TypingContext, args: Any, kws: Any) -> Any:
        """Return the signature of what is called."""
        # Numba casts the arguments to the signature's types; that of None raises.
        held = self.overlay.held(args, kws)
        called = self.overlay.chosen(*held)
        if called is self.overlay.original:
            held = args, kws
        return context.resolve_value_type(called).get_call_type(context, *held)

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        """Return nothing: what fits depends on the arguments."""
        return [], True

    def get_impl_key(self, sig: Any) -> Any:
        """Return under which name the call is lowered."""
        called = self.overlay.chosen(*self.overlay.held(sig.args, {}))
        return cpu_target.typing_context.resolve_value_type(called).get_impl_key(sig)


register_default(OverlayType)(models.OpaqueModel)


@typeof_impl.register(Overlay)
def _typeof_overlay(value: Overlay, context: Any) -> OverlayType:
    return OverlayType(value)


def _held(ty: types.Type) -> Any:
    return ty.type if isinstance(ty, types.Optional) else ty

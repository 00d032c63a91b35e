"""Numba types of compiled patterns, which are constants, and of what they have found."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.core.typing.typeof import typeof_impl
from numba.extending import make_attribute_wrapper, register_model

from dataflare_vec.compiler.jit.types.strings import ViewType, bytes_view

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context


class PatternType(types.Opaque):  # type: ignore[misc]
    """A compiled pattern: all there is to know of it is in its type.

    Attributes
    ----------
    pattern : str or bytes
        As it is written.
    flags : int
        Those of `re`.
    names : dict of str to int
        The numbers of its named groups.
    """

    def __init__(self, compiled: re.Pattern[Any]) -> None:
        self.pattern = compiled.pattern
        self.flags = compiled.flags & ~int(re.DEBUG)
        self.groups = compiled.groups
        self.names = dict(compiled.groupindex)
        digest = hashlib.sha256(repr((self.pattern, self.flags)).encode()).hexdigest()
        super().__init__(f"pattern {digest[:32]}")

    @property
    def is_text(self) -> bool:
        """Whether it is of strings, not of bytes."""
        return isinstance(self.pattern, str)

    def takes(self, view: Any) -> bool:
        """Whether it can be searched for in values of a type."""
        return isinstance(view, ViewType) and (view == bytes_view) != self.is_text


class MatchType(types.Type):  # type: ignore[misc]
    """What a pattern has found in a text: where it, and each of its groups, starts and ends, in bytes."""

    def __init__(self, pattern: PatternType, view: ViewType) -> None:
        self.pattern = pattern
        self.view = view
        super().__init__(f"match of {pattern} in {view}")


@register_model(PatternType)
class _PatternModel(models.OpaqueModel):  # type: ignore[misc]
    """Nothing: the pattern is in the type."""


@register_model(MatchType)
class _MatchModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: MatchType) -> None:
        ends = [(f"end{i}", types.int64) for i in range(2 + 2 * fe_type.pattern.groups)]
        super().__init__(dmm, fe_type, [("text", fe_type.view), *ends])


@typeof_impl.register(re.Pattern)  # type: ignore[untyped-decorator]
def _typeof_pattern(value: re.Pattern[Any], context: Any) -> PatternType:
    return PatternType(value)


@lower_constant(PatternType)  # type: ignore[untyped-decorator]
def _lower_pattern(context: Context, builder: Builder, kind: PatternType, value: re.Pattern[Any]) -> Any:
    return context.get_dummy_value()


make_attribute_wrapper(MatchType, "text", "string")

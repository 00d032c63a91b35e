"""Numba types of dates, instants, spans and times of day: an integer each, days or microseconds.

Microseconds, because that is what Python's `datetime` knows: whatever unit a column has, the kernel computes
what its plain Python function would. These have no time zone; those that do are in `types.clocks`.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, register_model

from dataflare_vec.definition.python_values import is_long, ticks_of

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )


class TemporalType(types.Type):  # type: ignore[misc]
    """What a value of one of `datetime`'s classes is in a kernel."""

    def __init__(self, python: type, name: str = "") -> None:
        self.python = python
        super().__init__(name=name or f"datetime.{python.__name__}")


class DateType(TemporalType):
    """Days since 1970."""


class DatetimeType(TemporalType):
    """Microseconds since 1970."""


class TimedeltaType(TemporalType):
    """Microseconds."""


class TimeType(TemporalType):
    """Microseconds since midnight."""


date = DateType(datetime.date)
instant = DatetimeType(datetime.datetime)
span = TimedeltaType(datetime.timedelta)
time_of_day = TimeType(datetime.time)

#: By the class that a parameter is annotated with.
BY_CLASS: dict[Any, TemporalType] = {ty.python: ty for ty in (date, instant, span, time_of_day)}


class _Ticks(models.PrimitiveModel):  # type: ignore[misc]
    """A 64-bit integer."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, dmm.lookup(types.int64).get_value_type())


for _kind in (DateType, DatetimeType, TimedeltaType, TimeType):
    register_model(_kind)(_Ticks)


def _constant(python: type, kind: type) -> None:
    """Let a kernel use a global of one of `datetime`'s classes."""

    @typeof_impl.register(python)
    def typeof(value: Any, context: Any) -> TemporalType | None:
        return None if is_long(value) or type(value) is not python else BY_CLASS[python]

    @lower_constant(kind)
    def lower(context: Context, builder: Builder, ty: types.Type, value: Any) -> Any:
        return context.get_constant(types.int64, ticks_of(value))


for _kind, _type in ((DateType, date), (TimedeltaType, span)):
    _constant(_type.python, _kind)


@intrinsic
def ticks(typing_context: TypingContext, value: Any) -> Any:
    """Return a value's days or microseconds; of a clock, what it shows."""
    if not isinstance(value, TemporalType):
        return None

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        (found,) = arguments
        return builder.extract_value(found, 0) if isinstance(found.type, ir.BaseStructType) else found

    return types.int64(value), generate


def _maker(kind: TemporalType) -> Any:
    @intrinsic
    def make(typing_context: TypingContext, value: Any) -> Any:
        return kind(types.int64), lambda context, builder, signature, arguments: arguments[0]

    return make


#: Days or microseconds as a value, unchecked.
as_date, as_instant, as_span, as_time = map(_maker, (date, instant, span, time_of_day))

"""Kernels of a module with postponed annotations, of which some can't be evaluated."""

from __future__ import annotations

# ruff: noqa: UP007, UP045, E741  # the older forms are among what is tested
import datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple, NewType, Optional, Union

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date as Day
    from decimal import Decimal

    import numpy as np
    import numpy.typing as npt
    from nowhere import Config, Frame

Seconds = NewType("Seconds", float)
Maybe = Optional[float]


class Trip(NamedTuple):
    start: datetime.datetime
    fare: float | None
    stops: Sequence[int]


def union(x: Union[float, None], config: Config = 3) -> float:
    return -1.0 if x is None else x


def span(span: datetime.timedelta, config: Config = 3) -> datetime.timedelta:
    return span + span


def day(d: Day) -> int:
    return d.year


def price(p: Decimal, n: Sequence[int]) -> Decimal:
    return p + n[0]


def array(l: npt.NDArray[np.float64]) -> float:
    return l.sum()


def alias(x: Maybe, s: Annotated[Seconds, Config(3)]) -> Frame:
    return s if x is None else x


def trip(t: Trip) -> tuple[int, float | None]:
    return t.start.hour + t.stops[0], t.fare


def unknown(x: Frame | None, span: datetime.timedelta):
    return span.days if x is None else 0


class Partly(NamedTuple):
    start: datetime.datetime
    config: Config


def partly(p: Partly):
    return p.start.hour + p.config


class Ages:
    """A plugin of class."""

    def __init__(self):
        self.year = 2020

    def process(self, born: datetime.date | None) -> int:
        """Return an age."""
        return -1 if born is None else self.year - born.year

    def info(self):
        return dfv.PluginInfo(name="ages")


def local(register):
    """Return a kernel whose annotations are names of this function."""
    from datetime import timedelta

    class Pair(NamedTuple):
        left: timedelta
        right: int

    def total(pair: Pair, more: Optional[timedelta]):
        return pair.left * pair.right if more is None else more

    return register("total of a local pair", total, replace=True)

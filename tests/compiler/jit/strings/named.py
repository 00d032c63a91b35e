"""Strings and bytes as a user's modules hold them: `test_sources` reads them from kernels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

CUR = "DE"
MARK = "é€"
LONG = "a name of more than twelve bytes"
RAW = b"DE"
WORDS = ("DE", "é€")
RAWS = (b"DE", b"\xff")
SOME = frozenset({"DE", "é€"})
PAIRS = (("DE", 1), ("é€", 2))

inner = ModuleType("inner")
inner.CUR = "DE"
inner.deeper = ModuleType("deeper")
inner.deeper.MARK = "é€"
inner.deeper.RAW = b"DE"


class Status(str, Enum):
    PAID = "DE"
    OPEN = "é€"


class Color(Enum):
    RED = "DE"
    BLUE = "é€"
    GREEN = "DE " * 9


class Raw(bytes, Enum):
    PAID = b"DE"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Code(str):
    __slots__ = ()


CODE = Code("DE")


class Config:
    CUR = "DE"
    RAW = b"DE"
    RATE = 2.5
    WORDS = ("DE", "é€")

    class Nested:
        MARK = "é€"


class Special(Config):
    RATE = 3.5


class Record(NamedTuple):
    cur: str
    rate: float
    words: tuple[str, ...]
    status: Status


RECORD = Record("DE", 1.5, ("é€", "DE"), Status.PAID)


@dataclass(frozen=True)
class Data:
    raw: bytes
    cur: str = "DE"
    rate: float = 4.5


@dataclass(frozen=True, slots=True)
class Slotted:
    cur: str


DATA = Data(b"DE")
SLOTTED = Slotted("DE")
SPACE = SimpleNamespace(cur="DE", data=DATA)

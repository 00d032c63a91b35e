"""Damage: bytes flipped, cut off, put in, moved; lengths made huge; and what each format minds most."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, NamedTuple

from seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seeds import Seed

FORMATS = ("parquet", "ipc", "ipc_stream", "csv", "ndjson")

#: Numbers that lengths and offsets are made to.
_NUMBERS = (0, 1, 2, 3, 10, 12, 41, 255, 256, 1 << 15, 1 << 16, 1 << 20, 1 << 31, (1 << 31) - 1, 1 << 32)
_HUGE = (1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8)
#: What a text minds.
_SIGNS = (b'"', b"\n", b"\r", b",", b"\x00", b"\xff", b"\xf0\x9f", b"\\", b"{", b"}", b"[", b"]", b":", b"'")
_TEXTS = (
    b'""',
    b'"\n"',
    b"\xef\xbb\xbf",
    b"1e999",
    b"99999999999999999999999999",
    b"null",
    b"NaN",
    b'{"a":' * 50,
    b"[" * 300,
    b",,,,",
    b"\n\n",
    b"\\ud800",
    b"-",
    b"a" * 2000,
)


class Mutation(NamedTuple):
    """A damaged file."""

    label: str
    format: str
    end: str
    content: bytes
    rows: int  # before


def _flip(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at] ^= 1 << numbers.randrange(8)


def _set(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at] = numbers.choice((0, 1, 0x7F, 0x80, 0xFF, numbers.randrange(256)))


def _add(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at] = (data[at] + numbers.choice((-16, -2, -1, 1, 2, 16))) % 256


def _several(data: bytearray, at: int, numbers: random.Random) -> None:
    for _ in range(numbers.choice((2, 4, 16))):
        data[numbers.randrange(len(data))] = numbers.randrange(256)


def _cut(data: bytearray, at: int, numbers: random.Random) -> None:
    del data[at:]


def _take_out(data: bytearray, at: int, numbers: random.Random) -> None:
    del data[at : at + numbers.choice((1, 2, 4, 8, 64, 500))]


def _put_in(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at:at] = numbers.randbytes(numbers.choice((1, 2, 4, 8, 64)))


def _swap(data: bytearray, at: int, numbers: random.Random) -> None:
    size, other = numbers.choice((1, 4, 8, 64)), numbers.randrange(len(data))
    one, two = data[at : at + size], data[other : other + size]
    data[at : at + len(two)], data[other : other + len(one)] = two, one


def _repeat(data: bytearray, at: int, numbers: random.Random) -> None:
    size = numbers.choice((1, 8, 64, 600))
    data[at:at] = data[at : at + size]


def _length(data: bytearray, at: int, numbers: random.Random) -> None:
    """Write another number of 16, 32 or 64 bits, mostly where one may be."""
    width = numbers.choice((2, 4, 4, 8, 8))
    if numbers.random() < 0.8:
        at -= at % width
    number = numbers.choice(_NUMBERS + _HUGE) % (1 << 8 * width)
    data[at : at + width] = number.to_bytes(width, "little")


def _neighbour(data: bytearray, at: int, numbers: random.Random) -> None:
    """Change a number by a little."""
    at -= at % 4
    if at + 4 <= len(data):
        (number,) = struct.unpack_from("<I", data, at)
        struct.pack_into("<I", data, at, (number + numbers.choice((-8, -4, -1, 1, 4, 8))) % (1 << 32))


def _varint(data: bytearray, at: int, numbers: random.Random) -> None:
    """Put a number of Thrift's in the place of another."""
    stop = at
    while stop < len(data) and data[stop] & 0x80:
        stop += 1
    number, made = numbers.choice(_NUMBERS + _HUGE) * numbers.choice((1, 2)), bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    data[at : stop + 1] = [*made, number & 0x7F]


def _sign(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at : at + numbers.choice((0, 1))] = numbers.choice(_SIGNS)


def _text(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at : at + numbers.choice((0, 0, 1, 10))] = numbers.choice(_TEXTS)


_ANY = (_flip, _flip, _set, _add, _several, _cut, _take_out, _put_in, _swap, _repeat)
_DAMAGES = {
    "parquet": (*_ANY, _varint, _varint, _add, _length),
    "ipc": (*_ANY, _length, _length, _neighbour, _neighbour),
    "ipc_stream": (*_ANY, _length, _length, _neighbour, _neighbour),
    "csv": (*_ANY, _sign, _sign, _text),
    "ndjson": (*_ANY, _sign, _sign, _text),
}


def _place(seed: Seed, size: int, numbers: random.Random) -> int:
    """Return where to do damage: often in what describes the data."""
    if numbers.random() < 0.5:
        return numbers.randrange(size)
    content = seed.content
    if seed.format == "parquet":
        footer = int.from_bytes(content[-8:-4], "little") + 8
        return numbers.randrange(size - footer, size)
    if seed.format == "ipc" and numbers.random() < 0.5:
        footer = int.from_bytes(content[-10:-6], "little") + 10
        return numbers.randrange(size - footer, size)
    if seed.format in ("ipc", "ipc_stream"):  # a message
        starts = [at for at in range(0, size - 8, 8) if content[at : at + 4] == b"\xff\xff\xff\xff"]
        return min(size - 1, numbers.choice(starts) + numbers.randrange(300))
    return numbers.randrange(min(60, size)) if numbers.random() < 0.4 else numbers.randrange(size)


def mutations(count: int, seed: int, formats: tuple[str, ...] = FORMATS) -> Iterator[Mutation]:
    """Yield ``count`` damaged files of each format, the same for the same seed."""
    for kind in formats:
        numbers = random.Random(f"{seed} {kind}")
        whole = seeds(kind)
        for index in range(count):
            one = whole[index % len(whole)]
            data = bytearray(one.content)
            names = []
            for _ in range(numbers.choice((1, 1, 1, 2, 3))):
                if data:
                    damage = numbers.choice(_DAMAGES[kind])
                    at = min(_place(one, len(one.content), numbers), len(data) - 1)
                    damage(data, at, numbers)
                    names.append(f"{damage.__name__[1:]} at {at}")
            label = f"{kind} {seed}-{index} ({one.name}; {', '.join(names)})"
            yield Mutation(label, kind, one.end, bytes(data), one.rows)

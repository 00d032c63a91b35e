"""What a file's name says about its content: the format, how it is compressed, what separates its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Format by the end of a file's name, in any case.
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".ipc": "ipc",
    ".feather": "ipc",
    ".arrows": "ipc_stream",
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
#: What may follow the end of a text's name, and how it is compressed then.
COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
#: Ends of names of files that are packed in one way or another.
_PACKED = (*COMPRESSED, ".bz2", ".xz", ".zip", ".lz4", ".7z", ".z", ".zstd")
#: Formats of text; the others compress their columns themselves.
TEXT = ("csv", "ndjson")

READABLE = ("parquet", "ipc", "ipc_stream", "csv", "ndjson")
WRITABLE = (*READABLE, "delta")

#: The end of the name of a file in a format that a folder's files are turned to.
ENDS = {"parquet": ".parquet", "ipc": ".arrow", "ipc_stream": ".arrows", "csv": ".csv", "ndjson": ".ndjson"}

#: How each can be compressed.
CODECS = {
    "parquet": ("zstd", "lz4", "snappy", "gzip", "brotli", "uncompressed"),
    "ipc": ("zstd", "lz4", "uncompressed"),
    "ipc_stream": ("zstd", "lz4", "uncompressed"),
    "csv": ("gzip", "zstd", "uncompressed"),
    "ndjson": ("gzip", "zstd", "uncompressed"),
}


@dataclass(frozen=True)
class Named:
    """What a name says."""

    format: str
    end: str  # of the name
    compression: str | None = None  # of a text as a whole

    @property
    def separator(self) -> str:
        """What separates the values of a CSV file."""
        return "\t" if self.end.startswith(".tsv") else ","


def named(path: str | Path) -> Named | None:
    """Return what the end of a name says, None if it says nothing.

    Examples
    --------
    >>> named("Trips.CSV.gz")
    Named(format='csv', end='.csv.gz', compression='gzip')
    """
    name = str(path).lower()
    for end, kind in FORMATS.items():
        if name.endswith(end):
            return Named(kind, end)
        for more, compression in COMPRESSED.items() if kind in TEXT else ():
            if name.endswith(end + more):
                return Named(kind, end + more, compression)
    return None


def is_packed_otherwise(path: str | Path) -> bool:
    """Whether a name says data in a form that can't be read: ``trips.csv.bz2``, ``trips.parquet.gz``."""
    name = str(path).lower()
    end = next((end for end in _PACKED if name.endswith(end)), None)
    return end is not None and named(name) is None and named(name[: -len(end)]) is not None


def without_end(name: str) -> str:
    """Return a name without the end that says its format.

    Examples
    --------
    >>> without_end("trips.csv.gz")
    'trips'
    """
    found = named(name)
    return name if found is None else name[: -len(found.end)]


def names() -> str:
    """Return the ends that are known, for a message."""
    return f"{', '.join(FORMATS)}; CSV and NDJSON also with {' or '.join(COMPRESSED)} after it"


def check_format(argument_name: str, format: str | None, allowed: tuple[str, ...]) -> None:
    """Raise if a format isn't one, given as an argument.

    Raises
    ------
    ValueError
        Saying which there are.
    """
    if format is not None and format not in allowed:
        expected = f"one of {', '.join(allowed)}"
        raise ArgumentError(argument=argument_name, expected=expected, got=repr(format))


def output_format(path: str | Path, format: str | None) -> str:
    """Return the format to write: as given, or as the name says.

    Raises
    ------
    ValueError
        If neither says one that can be written.
    """
    check_format("format", format, WRITABLE)
    found = named(path)
    if format is not None:
        return format
    if found is None:
        raise ArgumentError(
            problem=f"`{path}`: can't infer the output format",
            file=path,
            argument="format",
            hint=Phrase(
                f"the name must end in one of {names()}; or pass ",
                Argument("format"),
                f" one of {', '.join(WRITABLE)}; a folder's name ends in `/`",
            ),
        )
    return found.format


def writer_options(path: str | Path, format: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the writer of a file has to be told, by the file's name and by ``options``.

    Raises
    ------
    ValueError
        If the compression isn't one of the format, or isn't what the name says.
    """
    found = dict(options)
    codec = found.get("compression")
    if format not in CODECS:
        if codec is not None:
            msg = Phrase(Argument("compression"), f": not available for {format}")
            raise ArgumentError(msg, argument="compression", got=codec)
        return found
    codecs = CODECS[format]
    if codec is not None and codec not in codecs:
        expected = f"one of {', '.join(codecs)} for {format}"
        raise ArgumentError(argument="compression", expected=expected, got=repr(codec))
    if format in TEXT:
        says = named(path)
        if says is None or says.format != format:  # then the name is any
            return {**found, "check_extension": False}
        by_name = says.compression
        if codec is not None and codec != (by_name or "uncompressed"):
            ends = {codec: end for end, codec in COMPRESSED.items()}
            right = ENDS[format] + ends.get(codec, "")
            msg = Phrase(
                Argument("compression", codec), f" needs a name that ends in `{right}`, got `{path}`"
            )
            raise ArgumentError(msg, argument="compression", file=path, got=codec)
        if by_name is not None:
            found["compression"] = by_name
        if format == "csv":
            found.setdefault("separator", says.separator)
        found["check_extension"] = False  # the name that is written to is a temporary one
    return found

"""Options that say how input files are read: their format, and what a CSV file is like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.cli.dtypes import dtype_of, split_types

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_reading_options(parser: ArgumentParser) -> None:
    """Add them to a command that reads files."""
    parser.add_argument(
        "--input-format",
        metavar="FORMAT",
        help="parquet, ipc, ipc_stream, csv, ndjson; by default inferred from the name",
    )
    group = parser.add_argument_group("reading CSV and NDJSON")
    group.add_argument("--separator", metavar="CHARACTER", help=r"separator of values, such as ';' or \t")
    group.add_argument(
        "--quote-char", metavar="CHARACTER", help="quotes around values (default: \"); '' for none"
    )
    group.add_argument(
        "--no-header",
        action="store_true",
        help="the first line is data; columns are named column_0, column_1, …",
    )
    group.add_argument(
        "--null-value",
        action="append",
        default=[],
        metavar="TEXT",
        help="text that means null, besides the empty field; COLUMN=TEXT for one column; may be repeated",
    )
    group.add_argument(
        "--dtype",
        "--schema",
        action="append",
        default=[],
        metavar="COLUMN=TYPE",
        help="dtype of a column, such as zip=String, day=date or price=decimal[10,2]; by default that of the "
        "parameter's annotation, else inferred from the first 10,000 rows; may be repeated",
    )
    group.add_argument(
        "--encoding", help="encoding of the text, such as latin1, cp1252, utf16 (default: utf8)"
    )
    group.add_argument(
        "--decimal-comma", action="store_true", help="read 1,5 as a number; needs another separator"
    )


def read_options(options: Namespace) -> dict[str, Any]:
    """Return the options that were given, as `dataflare_vec.stream` takes them.

    Raises
    ------
    ValueError
        If one makes no sense.
    """
    found: dict[str, Any] = {}
    if options.separator is not None:
        found["separator"] = options.separator.replace("\\t", "\t")
    if options.quote_char is not None:
        found["quote_char"] = options.quote_char or None
    if options.no_header:
        found["has_header"] = False
    if options.null_value:
        found["null_values"] = _null_values(options.null_value)
    if options.dtype:
        found["schema_overrides"] = _types(options.dtype)
    if options.encoding is not None:
        found["encoding"] = options.encoding
    if options.decimal_comma:
        if found.get("separator", ",") == ",":
            msg = "--decimal-comma needs a separator other than a comma, such as --separator ';'"
            raise ValueError(msg)
        found["decimal_comma"] = True
    return found


def _null_values(texts: list[str]) -> list[str] | dict[str, str]:
    columns = dict(text.split("=", 1) for text in texts if "=" in text)
    if not columns:
        return texts
    if len(columns) < len(texts):
        msg = "--null-value: give either TEXT for all columns or COLUMN=TEXT for some of them"
        raise ValueError(msg)
    return columns


def _types(texts: list[str]) -> dict[str, Any]:
    found = {}
    for text in (each for several in texts for each in split_types(several)):
        column, sign, name = text.rpartition("=")
        if not sign or not column:
            msg = f"--dtype: expected COLUMN=TYPE, got `{text}`"
            raise ValueError(msg)
        found[column.strip()] = dtype_of(name, "--dtype")
    return found

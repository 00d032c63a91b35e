"""Text into columns, file by file."""

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

import dataflare_vec as dfv

LINE = re.compile(r"(\S+) (\S+) (\d+)")


class Access(NamedTuple):
    when: datetime
    path: str
    status: int


@dfv.plugin
def access(line: str) -> Access:
    found = LINE.match(line)
    if found is None:
        raise ValueError("no line of a log")
    return Access(datetime.fromisoformat(found.group(1)), found.group(2), int(found.group(3)))


def convert(source: Path, target: Path) -> int:
    stream = dfv.stream(str(source), access, on_error="drop", memory="256MiB")
    done = stream.write(target, errors=target.with_suffix(".failed.parquet"))
    return done.error_count


lines = ["2026-12-01T10:00:00 /index.html 200", "damaged"]
pl.DataFrame({"line": lines}).write_parquet("lines.parquet")
assert convert(Path("lines.parquet"), Path("access.parquet")) == 1
assert pl.read_parquet("access.parquet")["status"].to_list() == [200]

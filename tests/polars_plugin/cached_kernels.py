"""Says where the library of a kernel is, what it computes, and whether Numba was imported for it."""

import json
import sys

import polars as pl

import dataflare_vec as dfv

SCALE = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0


@dfv.plugin
def kept_toll(km, lanes):
    if km < 0:
        raise ValueError("km is negative")
    return km * lanes * SCALE


if __name__ == "__main__":
    frame = pl.DataFrame({"km": [1.5, -1.0], "lanes": [2.0, 3.0]})
    it = frame.select(dfv.expr(kept_toll, on_error="struct", native=True).alias("it")).unnest("it")
    (call,) = dfv.explain(frame.lazy().select(dfv.expr(kept_toll, native=True))).plan.splitlines()[:1]
    file = call.partition('col("km").')[2].partition(":kept_toll")[0]
    sys.stdout.write(json.dumps([it["value"].to_list(), it["error"].to_list(), file, "numba" in sys.modules]))

"""Plugins and rows of the streams' tests."""

from __future__ import annotations

import polars as pl

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def share(x):
    return 100 // x


def small(x):
    return x < 900


SHARE = define(share, name="share", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
SMALL = define(small, name="small", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)


def rows(start: int, stop: int) -> pl.DataFrame:
    """Rows of which each 100th makes `share` fail."""
    x = pl.int_range(start, stop, eager=True)
    return pl.DataFrame({"x": x % 100, "id": x, "s": (x % 7).cast(pl.String)})


def ordered(folder) -> list:
    return sorted(path for path in folder.rglob("*") if path.is_file())

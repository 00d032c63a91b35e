"""Kernels over columns; hypothesis profile as of the laws."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

import dataflare_vec as dfv

settings.register_profile("fast", max_examples=60, derandomize=True, deadline=None)
settings.load_profile("fast")


def _over_columns(name, outputs=None, bindings=None, **columns):
    columns = {key: np.atleast_1d(np.asarray(values, float)) for key, values in columns.items()}
    rows = max(map(len, columns.values()))
    df = pl.DataFrame({key: np.broadcast_to(values, rows) for key, values in columns.items()})
    result = dfv.apply(df, name, keep=False, **bindings or {})
    arrays = [result[column].to_numpy() for column in result.columns]
    return arrays[0] if len(arrays) == 1 else dict(zip(result.columns, arrays, strict=True))


@pytest.fixture(scope="session")
def over():
    """Call a kernel over arrays and numbers; returns an array, or a dict of them."""
    return _over_columns

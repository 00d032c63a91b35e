"""Kernels over columns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import is_hypothesis_test, settings

import dataflare_vec as dfv

_more: set = set()


def pytest_itemcollected(item):
    """Draw more examples than elsewhere: they cost little where nothing is compiled for them."""
    test = item.obj
    if is_hypothesis_test(test) and test not in _more:
        _more.add(test)
        settings(max_examples=max(60, settings().max_examples))(test)


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

"""A frame of sales, and expressions over it as they are written all day."""

from __future__ import annotations

import numpy as np
import polars as pl

gross, tax, cost, pieces = map(pl.col, ("gross", "tax", "cost", "pieces"))
net = gross - tax
FOUR = {
    "net": net,
    "margin": (net - cost) / gross,
    "rate": pl.when(pieces > 10).then((cost / gross).clip(0, 1)).otherwise(0.5),
    "score": ((gross + 1) * cost).sqrt(),
}


def sales(rows: int) -> pl.DataFrame:
    """Return so many, always the same; some taxes are null."""
    random = np.random.default_rng(7)
    columns = {
        "gross": random.random(rows) * 100,
        "tax": random.random(rows) * 10,
        "cost": random.random(rows) * 50,
        "pieces": random.integers(-5, 50, rows),
        "key": random.integers(0, 5, rows),
        "text": random.choice(["a", "bb", "ccc"], rows),
    }
    return pl.DataFrame(columns).with_columns(tax=pl.when(tax > 1).then(tax))

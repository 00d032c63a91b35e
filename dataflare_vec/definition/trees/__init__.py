"""Polars expressions as trees: read, typed as Polars types them, and what of them can be compiled."""

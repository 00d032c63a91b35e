"""Parquet files below their values: footers, row groups, pages."""

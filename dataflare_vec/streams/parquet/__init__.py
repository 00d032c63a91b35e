"""Low-level reading of Parquet files: footers, row groups, pages."""

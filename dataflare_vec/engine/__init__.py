"""The engine: chunk ranges, threads, output columns, failed rows."""

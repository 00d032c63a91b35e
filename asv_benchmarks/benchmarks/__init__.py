"""Benchmarks for asv: one file a topic; data is seeded, kernels are compiled in `setup`."""

"""What the tests and the benchmarks share: the oracle, strategies, peers. It isn't shipped."""

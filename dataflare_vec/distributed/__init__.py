"""Plugins over the frames of engines that run on many machines: Ray Data, Spark, Dask and Daft.

Nothing here schedules, shuffles or retries: that is what the engine is for. What is asked of one is `Engine`,
and each has one file that does it. What its workers run is a `Work`, of batches in, batches out.
"""

"""Tuners: the size of the next chunk, from the latency and throughput of the chunks so far."""

from dataflare_vec.engine.tuner.base import TracedTuner, Tuner
from dataflare_vec.engine.tuner.chunk import ChunkTuner
from dataflare_vec.engine.tuner.memory import TunerMemory, make_tuner
from dataflare_vec.engine.tuner.plot import plot_trace
from dataflare_vec.engine.tuner.rules import CallableTuner, FixedTuner, RuleTuner
from dataflare_vec.engine.tuner.trace import TraceEntry, trace_frame
from dataflare_vec.engine.tuner.whole import Cut, WholeFrames

__all__ = [
    "CallableTuner",
    "ChunkTuner",
    "Cut",
    "FixedTuner",
    "RuleTuner",
    "TraceEntry",
    "TracedTuner",
    "Tuner",
    "TunerMemory",
    "WholeFrames",
    "make_tuner",
    "plot_trace",
    "trace_frame",
]

"""Tables in compiled code: how keys are found in them, and what Python does with dicts, sets and lists."""

from dataflare_vec.compiler.jit.lowering.tables import inner as inner  # registers them with Numba
from dataflare_vec.compiler.jit.lowering.tables import methods as methods  # likewise

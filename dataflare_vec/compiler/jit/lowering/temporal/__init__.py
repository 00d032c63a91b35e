"""Python's `datetime` in kernels: integers that know that they are dates, instants, spans or times."""

from dataflare_vec.compiler.jit.lowering.temporal import arithmetic as arithmetic
from dataflare_vec.compiler.jit.lowering.temporal import attributes as attributes
from dataflare_vec.compiler.jit.lowering.temporal import classmethods as classmethods
from dataflare_vec.compiler.jit.lowering.temporal import clock_methods as clock_methods
from dataflare_vec.compiler.jit.lowering.temporal import clocks as clocks
from dataflare_vec.compiler.jit.lowering.temporal import constructors as constructors
from dataflare_vec.compiler.jit.lowering.temporal import replacing as replacing
from dataflare_vec.compiler.jit.lowering.temporal.text import iso as iso
from dataflare_vec.compiler.jit.lowering.temporal.text import parsing as parsing
from dataflare_vec.compiler.jit.lowering.temporal.text import writing as writing

"""Trees of Polars' operations in machine code: branch-free, so that loops over them vectorise."""

from dataflare_vec.compiler.jit.lowering.trees import (  # registers the operations
    arithmetic as arithmetic,
)
from dataflare_vec.compiler.jit.lowering.trees import (
    choices as choices,
)
from dataflare_vec.compiler.jit.lowering.trees import (
    comparisons as comparisons,
)
from dataflare_vec.compiler.jit.lowering.trees import (
    conversions as conversions,
)
from dataflare_vec.compiler.jit.lowering.trees import (
    functions as functions,
)
from dataflare_vec.compiler.jit.lowering.trees import (
    moments as moments,
)

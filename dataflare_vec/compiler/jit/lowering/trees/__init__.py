"""Trees of Polars' operations in machine code: branch-free, so that loops over them vectorise."""

from dataflare_vec.compiler.jit.lowering.trees import (  # registers the operations
    arithmetic as arithmetic,
    choices as choices,
    comparisons as comparisons,
    conversions as conversions,
    functions as functions,
)

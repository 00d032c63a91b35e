"""The same loops are vector code for processors other than this one, as LLVM optimises and lowers them.

That shows that they vectorise there, and how wide; not how fast they are.
"""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from evaluate import compiled
from numba.core.codegen import CPUCodeLibrary
from test_same_bits import NAMES, haversine, kernel_of

# Processor, and a fused multiply-add of whole vectors of f64.
TARGETS = {
    "x86_64-unknown-linux-gnu": ("haswell", r"vfn?m(add|sub)\d+pd\s.*%ymm"),
    "x86_64-pc-linux-gnu": ("skylake-avx512", r"vfn?m(add|sub)\d+pd\s.*%[yz]mm"),
    "aarch64-unknown-linux-gnu": ("neoverse-n1", r"fml[as]\s+v\d+\.2d"),
    "arm64-apple-darwin": ("apple-m1", r"fml[as]\.2d\s+v\d+"),
}
KERNELS = [
    *(name for name in NAMES if name not in ("exp2", "sqrt", "cube", "ieee_remainder", "modulo")),
    "haversine",
]


@pytest.fixture(scope="module")
def unoptimised():
    """Return each kernel's loop as LLVM IR that isn't optimised for any processor yet."""
    texts = {}
    optimise = CPUCodeLibrary._optimize_final_module

    def noted(library):
        noted.last = str(library._final_module)
        optimise(library)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CPUCodeLibrary, "_optimize_final_module", noted)
        for name in KERNELS:
            kernel = compiled(haversine if name == "haversine" else kernel_of(name), np.zeros(1))
            kernel.loop(nulls=False)
            texts[name] = noted.last
    return texts


def assembly(text: str, triple: str, processor: str) -> str:
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    module = llvm.parse_assembly(re.sub(r"(?m)^target (datalayout|triple) = .*$", "", text))
    module.triple, module.data_layout = triple, str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)


@pytest.mark.parametrize("triple", TARGETS)
@pytest.mark.parametrize("name", KERNELS)
def test_loop_is_vectorised_for(name, triple, unoptimised):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    processor, fused = TARGETS[triple]
    assert re.search(fused, assembly(unoptimised[name], triple, processor))

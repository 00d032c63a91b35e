"""The coefficients are what the script in the repository fits, and nobody has touched them since."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dataflare_vec.compiler.jit.lowering.math import coefficients

SCRIPT = Path(__file__).parents[4] / "tools" / "fit_math.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fit_math", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["fit_math"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["EXP", "COS", "LOG"])
def test_fit_again(script, name):
    assert script.fit(script.FITS[name], single=True) == coefficients.F32[name]


def test_constants(script):
    for single, table in ((False, coefficients.F64), (True, coefficients.F32)):
        for name, parts in script.constants(single=single).items():
            assert table[name] == parts
    assert script.two_over_pi() == coefficients.TWO_OVER_PI

"""The ready-made kernels in a native library: some each day, over columns of what they document.

Days repeat themselves with ``--hypothesis-seed``, which is the date.
"""

from __future__ import annotations

import inspect
import random
import re

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from dataflare_vec.polars_plugin.build import build_those
from testing.oracle import identical

KERNELS = {one.name: one for one in dfv.plugins() if one.__module__.startswith("dataflare_vec_kernels.")}
A_DAY = 4
#: Those that can't be built, and what is said of it.
REFUSED = {
    "damerau_levenshtein": "it needs `PyErr_SetString` when it runs",
    "point_in_polygon": "its constant `polygon` is ",
}

LISTS = pl.List(pl.Float64()), lambda r: [r.uniform(-1, 1) for _ in range(3)]
TEXT = (
    pl.String(),
    lambda r: r.choice(["", "Zoë", "4 bds, 1,560 sqft", "https://a.org/b?c=1", "1h 20m", "DE89"]),
)
#: What a docstring calls a column's values: its dtype, and one of them.
DOCUMENTED = {
    "float": (pl.Float64(), lambda r: r.choice([r.uniform(0, 50), r.uniform(-1, 1), float(r.randrange(9))])),
    "float or int": (pl.Float64(), lambda r: r.uniform(0, 2e9)),
    "int": (pl.Int64(), lambda r: r.randrange(1000)),
    "str": TEXT,
    "str or bytes": (pl.Binary(), lambda r: TEXT[1](r).encode()),
    "array of float": LISTS,
    "array of numbers": LISTS,
    "array of int": (pl.List(pl.Int64()), lambda r: sorted(r.sample(range(400), 3))),
}


def columns_of(kernel):
    text = inspect.getdoc(kernel.function)
    names = [parameter.name for parameter in kernel.parameters if parameter.is_column]
    said = {name: re.search(rf"^(?:\w+, )*{name}(?:, \w+)* : (.*)$", text, re.MULTILINE)[1] for name in names}
    return {name: DOCUMENTED[what] for name, what in said.items()}


@pytest.fixture(scope="module")
def chance(pytestconfig):
    return random.Random(int(pytestconfig.option.hypothesis_seed))


@pytest.fixture(scope="module")
def of_the_day(chance, tmp_path_factory):
    """Return the kernels, the library of those that can be built, and why the others can't."""
    some = [KERNELS[name] for name in chance.sample(sorted(KERNELS), A_DAY)]
    wanted = {one: ({name: dtype for name, (dtype, _) in columns_of(one).items()},) for one in some}
    folder = tmp_path_factory.mktemp("library")
    return some, *build_those(wanted, output=folder, name="ready_made", may_fail=KERNELS)


def test_results_are_those_of_apply(of_the_day, chance):
    kernels, library, left_out = of_the_day
    for name, why in left_out.items():
        assert REFUSED.get(name, "it can be built") in str(why)
    for kernel in kernels:
        if kernel.name in left_out:
            continue
        columns = columns_of(kernel)
        values = {name: [draw(chance) for _ in range(300)] for name, (_, draw) in columns.items()}
        frame = pl.DataFrame(values, schema={name: dtype for name, (dtype, _) in columns.items()})
        frame = frame.with_columns(pl.when(pl.int_range(300) % 11 > 0).then(pl.first()).name.keep())
        got = frame.select(library.expr(kernel.name, *columns, on_error="null").alias("it"))
        keep = {} if kernel.form is Form.REDUCE else {"keep": False}
        wanted = dfv.apply(frame, kernel, on_error="null", **keep)
        it = (
            wanted.rename({wanted.columns[0]: "it"})
            if wanted.width == 1
            else wanted.to_struct("it").to_frame()
        )
        assert identical(got, it), kernel.name

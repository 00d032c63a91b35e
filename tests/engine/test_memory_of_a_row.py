"""What the strings of one row may take together: what earlier rows took doesn't count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

# With a limit of its own, and so in a process of its own: with the real one it would take gigabytes.
PROGRAM = """
    import json
    import polars as pl
    from dataflare_vec.compiler.jit.lowering.strings import arena

    arena.LIMIT = 1 << 20
    import dataflare_vec as dfv

    doubled = dfv.plugin(lambda s: len(s + s), name="doubled")
    parts = dfv.plugin(lambda s: len(s + "x") + len(s + s), name="parts")
    sizes = [250_000, 370_000, 10, 520_000, 500_000, 600_000, 10, 520_000]
    for plugin in (doubled, parts):
        for order in (sizes, sizes[::-1]):
            outcome = dfv.run(pl.DataFrame({"s": ["a" * size for size in order]}), plugin, keep=False)
            errors = outcome.errors.select("row", "error", "message").rows()
            print(json.dumps([outcome.frame.to_series().to_list(), errors]))
"""


def test_the_limit_is_of_one_row(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    environment = {**os.environ, "DATAFLARE_VEC_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, script], check=True, capture_output=True, text=True, env=environment
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    sizes = [250_000, 370_000, 10, 520_000, 500_000, 600_000, 10, 520_000]
    limit = 1 << 20
    expected = []
    for extra, times in ((0, 2), (1, 3)):
        for order in (sizes, sizes[::-1]):
            values = [size * times + extra if size * times + extra <= limit else None for size in order]
            expected.append(values)
    assert [values for values, _ in lines] == expected
    for values, errors in lines:
        assert [row for row, _, _ in errors] == [i for i, value in enumerate(values) if value is None]
        for _, error, message in errors:
            assert error == "MemoryError"
            assert (
                message
                == "the strings of one row take more than 2 GiB, or than there is memory; make shorter ones"
            )

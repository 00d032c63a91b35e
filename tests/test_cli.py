"""The command line."""

from __future__ import annotations

import dataflare_vec_kernels

from dataflare_vec.cli import main


def test_list_shows_families(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    families = [line for line in lines if line and not line.startswith(" ")]
    assert set(dataflare_vec_kernels.__all__) <= set(families)
    geo = lines[lines.index("geo") : lines.index("geo") + 8]
    assert "  haversine              Great-circle distance between two points, on a sphere." in geo

"""What an extra brings is asked for where it is needed, before any work."""

import re
import sys
from argparse import Namespace
from importlib.metadata import distribution, requires

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.cli import demo
from dataflare_vec.config.extras import LIBRARIES
from dataflare_vec.engine.tuner.chunk import ChunkTuner
from dataflare_vec.engine.tuner.plot import plot_trace


def _write_delta():
    def frames():
        yield pl.DataFrame({name: [1.0] for name in ("lat1", "lon1", "lat2", "lon2")})  # for the schema
        pytest.fail("rows are read before it is known whether they can be written")

    dfv.stream(frames(), "haversine").write("table", format="delta")


#: By extra, what needs it.
USES = {
    "delta": _write_delta,
    "demo": lambda: demo.run(Namespace()),
    "duckdb": lambda: dfv.duckdb.register(None, "haversine"),
    "plot": lambda: plot_trace(ChunkTuner(dfv.BatchConfig())),
    "prometheus": lambda: dfv.prometheus.register(dfv.PluginManager()),
    "report": lambda: dfv.PluginManager().export_performance_report("page.html"),
}


@pytest.mark.parametrize(
    ("extra", "library"), [(extra, library) for extra, all_ in LIBRARIES.items() for library in all_]
)
def test_what_is_missing_is_named_before_any_work(extra, library, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(dfv.MissingDependencyError) as caught:
        USES[extra]()
    error = caught.value
    assert isinstance(error, ImportError)
    assert (error.library, error.extra) == (library, extra)
    assert str(error).endswith(
        f' needs `{library}`, which isn\'t installed; python -m pip install "dataflare_vec[{extra}]"'
    )
    assert not list(tmp_path.iterdir())


def test_extras_bring_what_is_asked_for():
    for extra, libraries in LIBRARIES.items():
        brought = [each for each in requires("dataflare_vec") if each.endswith(f"extra == '{extra}'")]
        names = [re.match(r"[\w.-]+", each)[0] for each in brought]
        packages = {path.parts[0] for name in names for path in distribution(name).files}
        assert packages >= set(libraries), extra

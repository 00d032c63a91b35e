"""The report as JSON adds up; as HTML it needs nothing else and escapes what users named."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime, timedelta
from html import escape
from html.parser import HTMLParser

import altair
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec._util.formatting import amount, duration
from dataflare_vec.config.extras import LIBRARIES
from dataflare_vec.engine.tuner.plot import trace_chart
from dataflare_vec.service.report import charts

NASTY = """<script>alert('x')</script> & "quoted" ' é"""
VOID = {"meta"}


def failing(x):
    if x > 2.0:
        raise ValueError("too large")
    return x


@pytest.fixture(scope="module")
def manager():
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2.0)
    manager.register_plugin(failing)
    manager.register_plugin(NASTY, lambda x: x + 1.0)
    manager.register_plugin("idle", lambda x: x)
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0] * 5_000})
    config = dfv.BatchConfig(default_batch_size=1024, tuner="fixed", enable_parallel=False)
    for _ in range(3):
        manager.process_batch(["double", "failing"], frame)
    manager.process_batch(NASTY, frame, config=config)
    manager.process_batch("double", frame.head(0))
    manager.health_check(["double", NASTY])
    return manager


@pytest.fixture
def report(manager, tmp_path):
    path = tmp_path / "report.json"
    manager.export_performance_report(path)
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def page(manager, tmp_path):
    path = tmp_path / "report.HTML"
    manager.export_performance_report(str(path))
    return path.read_text(encoding="utf-8")


# -- JSON ---------------------------------------------------------------------------------------------------


def test_json_adds_up(report):
    plugins = {one["plugin"]: one for one in report["plugins"]}
    assert set(plugins) == {"double", "failing", NASTY, "idle"}
    assert plugins["idle"] == {"plugin": "idle", "state": "registered"}
    run = [one for one in plugins.values() if "runs" in one]
    assert report["total_processed"] == sum(one["total_processed"] for one in run) == 105_000
    assert report["error_count"] == sum(one["error_count"] for one in run) == 15_000
    assert (plugins["double"]["runs"], plugins["failing"]["runs"]) == (4, 3)
    assert plugins[NASTY]["batches"] == 15
    for one in run:
        assert one["average_latency"] == pytest.approx(one["busy_time"] / one["batches"], abs=1e-6)
        assert one["average_throughput"] == pytest.approx(one["total_processed"] / one["busy_time"])
        assert one["error_rate"] == one["error_count"] / one["total_processed"]
        assert 0 < one["p50"] <= one["p95"] <= one["p99"]
        assert datetime.fromisoformat(one["last_run"]).utcoffset() == timedelta(0)


def test_json_of_the_memory_pool_adds_up(report):
    pool = report["memory_pool"]
    classes = pool["classes"]
    assert [one["size"] for one in classes[:5]] == ["tiny", "small", "medium", "large", "huge"]
    for total, each in (("hits", "hits"), ("misses", "misses"), ("in_use_buffers", "in_use")):
        assert pool[total] == sum(one[each] for one in classes)
    assert pool["idle_bytes"] == sum(one["idle"] * one["capacity"] for one in classes)
    assert pool["cache_hit_rate"] == pool["hits"] / (pool["hits"] + pool["misses"])


def test_json_of_tuners_health_and_settings(report):
    traced = [one for one in report["tuners"] if one["plugins"] == [NASTY]]
    assert [one["kind"] for one in traced] == ["FixedTuner"]
    assert sum(chunk["rows"] for chunk in traced[0]["trace"]) == 15_000
    assert any(one["plugins"] == ["double", "failing"] for one in report["tuners"])
    assert report["health"]["double"]["status"] == "healthy"
    assert report["healthy"] is True
    assert report["config"]["batch_config"]["target_latency"] == 0.1
    assert report["config"]["max_plugin_instances"] is None


def test_a_manager_that_did_nothing(tmp_path):
    manager = dfv.PluginManager()
    for suffix in ("json", "html", "htm"):
        manager.export_performance_report(tmp_path / f"report.{suffix}")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["plugins"], report["tuners"], report["health"], report["healthy"]) == ([], [], None, None)
    assert "not checked" in (tmp_path / "report.html").read_text()


def test_other_files_are_refused(tmp_path):
    manager = dfv.PluginManager()
    for name in ("report.txt", "report"):
        with pytest.raises(ValueError, match=rf"must end in `\.json` or `\.html`, got `{name}`"):
            manager.export_performance_report(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# -- HTML ---------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Checks that tags are closed in their order, and collects tags and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_html_loads_nothing(page):
    names = r' xmlns(:xlink)?="http://www\.w3\.org/[\w/]+"'  # of the charts' languages: nobody asks there
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(names, "", page))
    reader = read(page)
    assert reader.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "use", "base"})
    assert {name for name, _ in reader.attributes}.isdisjoint({"src", "href", "xlink:href", "onload"})


def test_html_has_each_plugin_and_escapes_names(page):
    reader = read(page)
    text = "".join(reader.text)
    for name in ("double", "failing", "idle", NASTY, "double → failing"):
        assert name in text
    assert "<script" not in page
    assert not [value for _, value in reader.attributes if "alert(" in value.replace(NASTY, "")]


def test_html_says_what_is_unhealthy_and_has_all_settings(tmp_path):
    manager = dfv.PluginManager()
    manager.register_plugin("broken <i>", lambda x: x.mend())
    with pytest.raises(dfv.KernelCompileError):
        manager.process_batch("broken <i>", [{"x": 1}])
    path = tmp_path / "report.html"
    manager.export_performance_report(path)
    assert "can't be compiled" not in "".join(read(path.read_text(encoding="utf-8")).text)
    manager.health_check()
    manager.export_performance_report(path)
    text = "".join(read(path.read_text(encoding="utf-8")).text)
    assert "broken <i>: unhealthyplugin `broken <i>` can't be compiled" in text
    for setting in ("enable_debug_mode", "min_throughput", "max_huge_buffers"):
        assert setting in text


def test_html_stays_small(tmp_path):
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2.0)
    config = dfv.BatchConfig(default_batch_size=64, tuner="fixed", enable_parallel=False)
    manager.process_batch("double", pl.DataFrame({"x": [1.0] * 100_000}), config=config)
    path = tmp_path / "report.html"
    manager.export_performance_report(path)
    page = path.read_text(encoding="utf-8")
    assert len(page) < 600_000
    assert "last 300 chunks" in page


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.5, 1.0])
def test_charts_with_any_numbers(share):
    plugin = {"plugin": NASTY, "average_throughput": share, "p50": 1e-7 * share, "p95": share, "p99": 1e4}
    kind = {"size": "tiny", "capacity": 256, "in_use": 0, "idle": 0, "hits": share, "misses": 3 * share}
    entry = {"index": 0, "size": 64, "rows": 64, "latency": share, "throughput": share * 1e12, "reason": "?"}
    for chart in (
        charts.throughput([plugin, {**plugin, "plugin": "b"}]),
        charts.latency([plugin], 0.1),
        charts.pool([kind, {**kind, "capacity": 1 << 30, "idle": 1, "size": None}]),
        trace_chart([entry], 64, 0.1),
        trace_chart([entry, {**entry, "index": 1, "size": 1 << 22}], 4096, 0.1),
    ):
        drawn = charts.svg(chart)
        read(drawn)
        assert "NaN" not in drawn
        assert "Infinity" not in drawn


KIND = {"size": "tiny", "capacity": 256, "in_use": 0, "idle": 0, "hits": 3, "misses": 1}


def widths(drawn):
    """Return width and colour of each bar."""
    return re.findall(r'd="\S+?h([\d.]+)v16h\S+" fill="var\(--c(\d)\)"', drawn)


def test_charts_show_what_they_are_given():
    plugins = [
        {"plugin": "quick", "average_throughput": 2e6, "p50": 1e-5, "p95": 2e-5, "p99": 3e-4},
        {"plugin": "slow", "average_throughput": 1e6, "p50": 1e-3, "p95": 2e-2, "p99": 0.25},
    ]
    bars = charts.svg(charts.throughput(plugins))
    assert read(bars).text == ["quick", "slow", "2.00 M rows/s", "1.00 M rows/s"]
    assert widths(bars) == [("330", "1"), ("165", "1")]
    spans = read(charts.svg(charts.latency(plugins, 0.1))).text
    assert {"quick", "slow", "p50", "p95", "p99", "300.0 µs", "250.0 ms", "time for a chunk"} <= set(spans)
    pool = charts.svg(charts.pool([KIND]))
    assert sorted(read(pool).text) == ["256 B (tiny)", "75.00 % of 4", "fresh", "recycled"]
    assert widths(pool) == [("247.5", "1"), ("82.5", "2")]


def test_a_name_that_xml_cannot_hold_is_shown_without_it():
    """It would end the process: vl-convert measures text as XML."""
    plugin = {"plugin": "a\x1b[2J\0\ud800\ufffe", "average_throughput": 1.0}
    drawn = charts.svg(charts.throughput([plugin]))
    assert "a\ufffd[2J\ufffd\ufffd\ufffd" in drawn


def test_charts_take_no_theme_of_the_users():
    plain = charts.svg(charts.pool([KIND]))
    theme = altair.theme if hasattr(altair.theme, "enable") else altair.themes  # so before Altair 5.5
    with theme.enable("dark"):
        assert charts.svg(charts.pool([KIND])) == plain


@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_a_report_that_cannot_be_finished_leaves_the_old_one(name, manager, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_text("old")
    with monkeypatch.context() as during:
        during.setattr(os, "replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            manager.export_performance_report(path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == [name]
    with pytest.raises(dfv.SinkError, match=f"can't write `{tmp_path}/none/{name}`: No such file"):
        manager.export_performance_report(tmp_path / "none" / name)
    manager.export_performance_report(path)
    assert path.read_text() != "old"


def test_json_needs_no_library(manager, tmp_path, monkeypatch):
    for library in LIBRARIES["report"]:
        monkeypatch.setitem(sys.modules, library, None)
    manager.export_performance_report(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["version"] == dfv.__version__


def test_cards_escape(manager):
    shown = [
        manager.get_metrics(NASTY),
        manager.get_system_status(),
        manager.health_check([NASTY]),
        manager.get_memory_pool_stats(),
    ]
    for one in shown:
        text = one._repr_html_()
        read(text)
        assert "<script" not in text
    assert escape(NASTY) in shown[0]._repr_html_()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 s"),
        (5e-9, "5 ns"),
        (1.5e-6, "1.50 µs"),
        (0.000_999_999, "1.00 ms"),
        (0.009_999, "10.0 ms"),
        (0.999_999, "1.00 s"),
        (12.34, "12.3 s"),
        (119, "119.0 s"),
        (timedelta(minutes=2), "2.0 min"),
        (timedelta(days=3), "3.0 d"),
    ],
)
def test_durations_at_a_glance(value, expected):
    assert duration(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (999, "999"), (0.25, "0.25"), (1234.5, "1,234"), (999_999, "999,999"), (2.5e9, "2.50 G")],
)
def test_amounts_at_a_glance(value, expected):
    assert amount(value) == expected

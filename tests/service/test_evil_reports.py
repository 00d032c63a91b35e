"""A performance report that somebody else wrote: nothing in it reaches a browser or a terminal as it is."""

from __future__ import annotations

import copy
import json

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.cli import main
from dataflare_vec.service.report import page

EVIL = "<script>alert('x')</script>\"'>\x1b[2J\x1b]0;title\x07\r\ud800"


def places(value, way=()):
    """Yield the way to each value inside a report, but for those of further items of the same kind."""
    items = (
        value.items()
        if isinstance(value, dict)
        else list(enumerate(value))[:2]
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield (*way, key)
        yield from places(item, (*way, key))


def changed(report, way, value):
    result = copy.deepcopy(report)
    inside = result
    for key in way[:-1]:
        inside = inside[key]
    inside[way[-1]] = value
    return result


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2.0)
    manager.register_plugin("broken", lambda x: x.mend())
    manager.process_batch("double", pl.DataFrame({"x": [1.0] * 5_000}))
    with pytest.raises(dfv.KernelCompileError):
        manager.process_batch("broken", pl.DataFrame({"x": [1.0]}))
    manager.health_check()
    path = tmp_path_factory.mktemp("report") / "report.json"
    manager.export_performance_report(path)
    return json.loads(path.read_text())


def remembered(function):
    known = {}

    def call(*arguments):
        key = repr(arguments)
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return call


@pytest.fixture
def each_chart_is_drawn_once(monkeypatch):
    """Most values are in no chart: the same ones would be drawn a thousand times."""
    for name in ("throughput", "latency", "pool", "trace_chart", "svg"):
        monkeypatch.setattr(page, name, remembered(getattr(page, name)))


@pytest.mark.usefixtures("each_chart_is_drawn_once")
def test_each_value_is_escaped_or_refused(report, tmp_path, capsys):
    path, html = tmp_path / "evil.json", tmp_path / "evil.html"
    codes = []
    values = (EVIL, [EVIL], {EVIL: EVIL}, None, -1, 1e308, float("nan"), True)
    for way in places(report):
        for value in values:
            path.write_text(json.dumps(changed(report, way, value)))
            html.unlink(missing_ok=True)
            codes += [main(["report", str(path), "-o", str(html)]), main(["report", str(path)])]
            assert set(codes[-2:]) <= {0, 3}, way
            shown = html.read_text(encoding="utf-8") if html.exists() else ""
            text = capsys.readouterr()
            assert html.exists() == (codes[-2] == 0)
            assert "<script" not in shown, way
            assert "\x1b" not in text.out + text.err, way
    assert codes.count(0) > len(codes) / 4
    assert codes.count(3) > len(codes) / 20


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "null", "5", '{"plugins": "abc"}', '{"plugins": 5}', "\0", "é"]
)
def test_what_is_no_report(text, tmp_path, capsys):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin1"))
    assert main(["report", str(path)]) == 3
    assert main(["report", str(path), "-o", str(tmp_path / "x.html")]) == 3
    assert capsys.readouterr().err.count("is not a performance report") == 2
    assert not (tmp_path / "x.html").exists()


def test_a_device_without_end(capsys):
    assert main(["report", "/dev/zero"]) == 3
    assert "`/dev/zero`: it is not a performance report" in capsys.readouterr().err

"""The report as one HTML page: everything is in it, nothing is loaded."""

from __future__ import annotations

from html import escape
from typing import Any

from dataflare_vec._util.html import amount, duration, percent, size, table
from dataflare_vec.service.report.charts import bars, pool_classes, ranges, trace

_STYLE = """
:root { color-scheme:light dark; --page:#f5f6f8; --card:#fff; --ink:#1b2230; --soft:#667085;
  --grid:#e6e9ef; --c1:#3567d6; --c2:#e08a2e; --c3:#2f9e7d; --bad:#c93c37; --good:#2f9e7d }
@media (prefers-color-scheme:dark) { :root { --page:#12151b; --card:#1a1f28; --ink:#e7eaf0;
  --soft:#98a2b3; --grid:#2b323f; --c1:#7aa5ff; --c2:#f0a860; --c3:#5cc8a5; --bad:#ff7b72;
  --good:#5cc8a5 } }
* { box-sizing:border-box }
body { margin:0; background:var(--page); color:var(--ink);
  font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif }
main { max-width:1320px; margin:0 auto; padding:36px 28px 48px }
h1 { font-size:26px; margin:0 0 4px; letter-spacing:-.01em }
h2 { font-size:15px; margin:0 0 2px }
.note { color:var(--soft); font-size:13px; margin:0 0 14px }
header .note { margin-bottom:24px }
.tiles,div.grid,.thirds { display:grid; gap:16px; margin-bottom:16px; align-items:start }
.tiles { align-items:stretch }
.thirds { grid-template-columns:repeat(auto-fit,minmax(280px,1fr)); gap:4px 40px; margin:0 }
.tiles { grid-template-columns:repeat(auto-fit,minmax(150px,1fr)) }
div.grid { grid-template-columns:repeat(auto-fit,minmax(min(520px,100%),1fr)) }
.tile,section { background:var(--card); border:1px solid var(--grid); border-radius:12px;
  padding:16px 20px }
.tile b { display:block; font-size:24px; font-weight:650; font-variant-numeric:tabular-nums }
.tile span { color:var(--soft); font-size:13px }
.tile .good { color:var(--good) } .tile .bad { color:var(--bad) }
section { overflow-x:auto } section.wide { margin-bottom:16px }
section table { width:100%; font-size:14px }
td,th { white-space:nowrap; border-bottom:1px solid var(--grid)!important; padding-top:5px!important;
  padding-bottom:5px!important }
svg { width:100%; height:auto; display:block; font-size:12.5px }
text { fill:var(--ink) } text.axis { fill:var(--soft); font-size:11px }
text.number { font-variant-numeric:tabular-nums; fill:var(--soft) }
line.grid { stroke:var(--grid) }
line.target { stroke:var(--c2); stroke-dasharray:5 4; stroke-width:1.2 }
line.range { stroke:var(--c1); stroke-width:3; stroke-linecap:round; opacity:.35 }
.track { fill:var(--grid); opacity:.45 } .area { fill:var(--c3); opacity:.22 }
.path { fill:none; stroke:var(--c1); opacity:.4; stroke-width:1.3 }
.c1 { fill:var(--c1) } .c2 { fill:var(--c2) } .c3 { fill:var(--c3) }
.faint { fill:var(--soft); opacity:.55 }
.key { display:inline-block; width:10px; height:10px; border-radius:3px; margin:0 5px 0 12px }
.key:first-child { margin-left:0 }
dl { margin:0 } dt { font-weight:600; margin-top:8px }
dd { margin:0; overflow-wrap:anywhere; white-space:pre-line }
footer { color:var(--soft); font-size:12.5px }
"""


def page(content: dict[str, Any]) -> str:
    """Return the page for what `collect` returned."""
    done = [one for one in content["plugins"] if one.get("batches")]
    parts = [_head(content), _tiles(content)]
    if done:
        parts += ['<div class="grid">', _throughput(done), _latency(done, content), "</div>"]
    parts += [_plugins(content), _health(content["health"] or {})]
    traces = [_trace(tuner) for tuner in content["tuners"] if tuner["trace"]]
    parts += ['<div class="grid">', *traces, _pool(content["memory_pool"]), "</div>"]
    parts.append(_config(content["config"]))
    footer = f"dataflare_vec {content['version']} · Python {content['python']} · {content['machine']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>dataflare_vec performance report</title><style>{_STYLE}</style></head><body><main>"
        + "".join(parts)
        + f"<footer>{escape(footer)}</footer></main></body></html>"
    )


def _head(content: dict[str, Any]) -> str:
    when = content["generated_at"].replace("T", " ").replace("+00:00", " UTC")
    note = f"{when} · manager up {duration(content['uptime'])}"
    return f'<header><h1>Performance report</h1><p class="note">{escape(note)}</p></header>'


def _tiles(content: dict[str, Any]) -> str:
    pool, rows = content["memory_pool"], content["total_processed"]
    failed = content["error_count"]
    health = {None: ("not checked", ""), True: ("healthy", "good"), False: ("unhealthy", "bad")}
    shown, kind = health[content["healthy"]]
    tiles = [
        (amount(rows), "rows processed", ""),
        (percent(failed / rows if rows else 0.0), f"failed, {amount(failed)} rows", "bad" if failed else ""),
        (size(pool["peak_bytes"]), "memory at the peak", ""),
        (percent(pool["cache_hit_rate"]), "buffers recycled", ""),
        (percent(pool["memory_efficiency"]), "memory efficiency", ""),
        (shown, "health", kind),
    ]
    cells = "".join(
        f'<div class="tile"><b class="{kind}">{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name, kind in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _section(title: str, note: str, body: str, kind: str = "") -> str:
    return f'<section class="{kind}"><h2>{escape(title)}</h2><p class="note">{note}</p>{body}</section>'


def _key(*items: tuple[str, str]) -> str:
    return "".join(
        f'<i class="key" style="background:var(--{colour})"></i>{escape(name)}' for colour, name in items
    )


def _throughput(done: list[dict[str, Any]]) -> str:
    rows = sorted(done, key=lambda one: -one["average_throughput"])
    chart = bars(
        [
            (one["plugin"], [(one["average_throughput"], "c1")], f"{amount(one['average_throughput'])}/s")
            for one in rows
        ],
        "throughput by plugin",
    )
    return _section("Throughput", "rows a second of one thread", chart)


def _latency(done: list[dict[str, Any]], content: dict[str, Any]) -> str:
    rows = sorted(done, key=lambda one: -one["average_throughput"])
    target = content["config"]["batch_config"]["target_latency"]
    chart = ranges(
        [(one["plugin"], one["p50"], one["p95"], one["p99"]) for one in rows], target, "latency by plugin"
    )
    key = _key(("c1", "p50"), ("c2", "p95"), ("c3", "p99"))
    return _section("Latency of a chunk", f"{key} · target {duration(target)} (dashed)", chart)


def _plugins(content: dict[str, Any]) -> str:
    rows = []
    for one in content["plugins"]:
        if not one.get("runs"):
            rows.append((one["plugin"], one["state"], *[""] * 7))
            continue
        rows.append(
            (
                one["plugin"],
                one["state"],
                amount(one["total_processed"]),
                f"{amount(one['error_count'])} ({percent(one['error_rate'])})",
                f"{amount(one['average_throughput'])}/s",
                duration(one["average_latency"]),
                duration(one["p99"]),
                amount(one["runs"]),
                amount(one["batches"]),
            )
        )
    header = ("plugin", "state", "rows", "failed", "throughput", "mean chunk", "p99", "runs", "chunks")
    return _section("Plugins", "since they were registered", table(rows, header, 2), "wide")


def _health(checks: dict[str, Any]) -> str:
    """Return what the last health check didn't like; nothing if it liked all."""
    wrong = {name: one for name, one in checks.items() if one["status"] in ("unhealthy", "unknown")}
    if not wrong:
        return ""
    items = [
        f"<dt>{escape(name)}: {escape(one['status'])}</dt><dd>{escape(one['message'])}</dd>"
        for name, one in wrong.items()
    ]
    return _section("Health", "what the last check found", f"<dl>{''.join(items)}</dl>", "wide")


#: Chunks in the chart of a tuner, the latest.
_SHOWN = 300


def _trace(tuner: dict[str, Any]) -> str:
    name = " → ".join(tuner["plugins"])
    key = _key(("c1", "trying"), ("c3", "holding"), ("c2", "reacting"), ("soft", "rest"))
    entries = tuner["trace"]
    note = f"best {int(tuner['best_size']):,} (dashed) · {key}"
    if tuner["kind"] != "ChunkTuner":
        note += f" · {escape(tuner['kind'])}"
    if len(entries) > _SHOWN:
        note += f" · last {_SHOWN} chunks"
    return _section(f"Chunk size: {name}", note, trace(entries[-_SHOWN:], tuner["best_size"], name))


def _pool(pool: dict[str, Any]) -> str:
    note = (
        f"{_key(('c1', 'recycled'), ('c2', 'fresh'))} · in use {size(pool['in_use_bytes'])}, "
        f"idle {size(pool['idle_bytes'])}, peak {size(pool['peak_bytes'])}"
    )
    return _section("Memory pool: requests by size class", note, pool_classes(pool["classes"]))


def _config(config: dict[str, Any]) -> str:
    own = {name: value for name, value in config.items() if not isinstance(value, dict)}
    groups = {"manager": own, "batch": config["batch_config"], "memory pool": config["memory_pool_config"]}
    tables = "".join(table(values.items(), (name, "")) for name, values in groups.items())
    return _section("Settings", "durations in seconds", f'<div class="thirds">{tables}</div>', "wide")

"""The report as one HTML page: everything is in it, nothing is loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dataflare_vec._util import formatting
from dataflare_vec.engine.tuner.plot import trace_chart
from dataflare_vec.service.report.charts import latency, pool, svg, throughput

if TYPE_CHECKING:
    from jinja2 import Template

#: Chunks in the chart of a tuner, the latest.
_SHOWN = 300
#: What says that a size class of the pool is in use, or was.
_USES = ("hits", "misses", "in_use", "idle")


def page(content: dict[str, Any]) -> str:
    """Return the page for what `collect` returned.

    Raises
    ------
    LookupError
        If something is missing from it.
    """
    from jinja2 import UndefinedError

    done = [one for one in content["plugins"] if one.get("batches")]
    done.sort(key=lambda one: -one["average_throughput"])
    target = content["config"]["batch_config"]["target_latency"]
    used = [kind for kind in content["memory_pool"]["classes"] if any(kind[name] for name in _USES)]
    figures = {
        "throughput": svg(throughput(done)) if done else "",
        "latency": svg(latency(done, target)) if done else "",
        "pool": svg(pool(used)) if used else "",
        "traces": [(tuner, _trace(tuner)) for tuner in content["tuners"]],
    }
    try:
        return _template().render(content=content, figures=figures, shown=_SHOWN)
    except UndefinedError as error:
        raise LookupError(str(error)) from error


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dataflare_vec.service.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("amount", "duration", "percent", "size"):
        environment.filters[name] = getattr(formatting, name)
    return environment.get_template("page.html")


def _trace(tuner: dict[str, Any]) -> str:
    entries = [entry for entry in tuner["trace"][-_SHOWN:] if entry["rows"] > 0]
    return svg(trace_chart(entries, tuner["best_size"], tuner["target_latency"])) if entries else ""

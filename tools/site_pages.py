"""Pages of the documentation that are made of what is elsewhere: figures, changelog, notebooks.

A hook of MkDocs (``mkdocs.yml``). Links that leave ``docs/`` lead to these pages, or are left as plain text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parent.parent

PERFORMANCE = """# Performance

{figures}

## Kernels and their peers

{peers}
"""


def section(title: str) -> str:
    """Return a section of the README, without its heading."""
    readme = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
    if found is None:
        msg = f"the README has no section `{title}`"
        raise ValueError(msg)
    return found[1].strip().replace("(asv_benchmarks/figures.svg)", "(figures.svg)")


@event_priority(100)  # before notebooks are looked for
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    figures, peers = section("Figures"), section("Kernels and their peers")
    made = {
        "performance.md": PERFORMANCE.format(figures=figures, peers=peers),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    files.append(File.generated(config, "figures.svg", abs_src_path=str(ROOT / "asv_benchmarks/figures.svg")))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(
            File(
                f"notebooks/{path.name}",
                src_dir=str(ROOT),
                dest_dir=config.site_dir,
                use_directory_urls=config.use_directory_urls,
            )
        )
    return files


def mistakes() -> str:
    """Return the table of what isn't compiled: what is said of it, and what to write."""
    from dataflare_vec.compiler.jit.diagnostics.mistakes import MISTAKES

    lines = ["| | it says | write instead |", "|---|---|---|"]
    for mistake in MISTAKES:
        said = (re.sub(r"\{\w+\}", "…", text) for text in (mistake.reason, mistake.advice))
        cells = [text.replace("{{", "{").replace("}}", "}").replace("|", "\\|") for text in said]
        if not re.search(r"\w{4}", cells[0]):
            continue  # all that it says depends on the kernel
        lines.append(f"| {mistake.name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Have links to notebooks lead to their pages, and drop those to files that the site hasn't."""
    if "<!-- mistakes -->" in markdown:
        markdown = markdown.replace("<!-- mistakes -->", mistakes())
    markdown = re.sub(
        r"`[^`\n]+`", lambda code: code[0].replace(r"\|", "|"), markdown
    )  # as GitHub wants them
    markdown = re.sub(r"\]\(\.\./(notebooks/[\w.]+)\)", r"](\1)", markdown)
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", markdown)

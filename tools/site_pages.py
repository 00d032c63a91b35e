"""Pages of the documentation that are made of what is elsewhere: changelog, notebooks, mistakes, figures.

A hook of MkDocs (``mkdocs.yml``). Links that leave ``docs/`` lead to these pages, or are left as plain text.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
#: Pages that answer questions: the search shows them before those that explain or list.
FIRST = {"files.md", "production.md", "python.md", "recipes.md", "start.md", "troubleshooting.md"}


@event_priority(100)  # before notebooks are looked for
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changelog.md", content=changelog))
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


def beside() -> dict[str, str]:
    """Return what is said of a kernel beside others: how many times faster, and by how much values differ."""
    performance = (ROOT / "docs" / "performance.md").read_text()
    races: dict[str, list[str]] = {}
    race = r"^\| (\w+)((?: by key)?, [^:|]*): times faster than ([^|]+?) \| ([\d.]+) "
    for kernel, how, library, times in re.findall(race, performance, re.MULTILINE):
        races.setdefault(kernel, []).append(f"{times} × {library} ({how.strip(', ')})")
    said = {}
    table = performance.partition("<!-- peers -->")[2]
    for kernel, libraries, within in re.findall(
        r"^\| `(\w+)`[^|]*\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE
    ):
        names = libraries.replace("*", "")
        values = f"Values are compared with {names}: {within}."
        speed = f" Speed: {', '.join(races[kernel])}." if kernel in races else ""
        said[kernel] = values + speed
    return said


def _with_peers(html: str) -> str:
    """Put what is said of them below the headings of kernels."""
    said = beside()
    heading = r'(<h[34] id="dataflare_vec_kernels\.[\w.]+\.(\w+)"[^>]*>.*?</h[34]>)'

    def following(found: re.Match[str]) -> str:
        text = said.get(found[2])
        link = ' <a href="../performance/">Machine and date</a>.'
        return f"{found[1]}<p>{escape(text)}{link}</p>" if text else found[1]

    return re.sub(heading, following, html, flags=re.DOTALL)


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Have links to notebooks lead to their pages, and drop those to files that the site hasn't."""
    if page.file.src_uri == "changelog.md":
        page.meta["search"] = {"exclude": True}  # whatever one looks for is in it
    elif page.file.src_uri in FIRST:
        page.meta["search"] = {"boost": 2}
    if "<!-- mistakes -->" in markdown:
        markdown = markdown.replace("<!-- mistakes -->", mistakes())
    markdown = markdown.replace("(../asv_benchmarks/figures.svg)", "(figures.svg)")
    markdown = re.sub(
        r"`[^`\n]+`", lambda code: code[0].replace(r"\|", "|"), markdown
    )  # as GitHub wants them
    markdown = re.sub(r"\]\(\.\./(notebooks/[\w.]+)\)", r"](\1)", markdown)
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", markdown)


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Put peers beside kernels; have links of notebooks lead to pages, and each heading an own anchor."""
    if page.file.src_uri == "kernels.md":
        return _with_peers(html)
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    page.meta["search"] = {"boost": 0.5}  # a tour; sections of other pages answer first
    html = re.sub(r'<a class="anchor-link"[^>]*>¶</a>', "", html)
    html = re.sub(r'href="(\d\d_\w+)\.ipynb', r'href="../\1/', html)
    html = re.sub(r'href="\.\./docs/([\w/-]+?)(?:/index)?\.md', r'href="../../\1/', html)
    html = re.sub(r'<a href="\.\./examples/[^"]*">(.*?)</a>', r"\1", html)
    seen: dict[str, int] = {}

    def own(heading: re.Match[str]) -> str:
        name = heading[2]
        seen[name] = seen.get(name, -1) + 1
        return f'{heading[1]}{name}_{seen[name]}"' if seen[name] else heading[0]

    return re.sub(r'(<h[1-6] id=")([^"]+)"', own, html)

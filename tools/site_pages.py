"""Pages of the documentation that are made of what is elsewhere: changelog, notebooks, the table of mistakes.

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
    """Have links of notebooks lead to pages, and each heading of theirs an anchor of its own."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    page.meta["search"] = {"boost": 0.5}  # a tour; sections of other pages answer first
    html = re.sub(r'<a class="anchor-link"[^>]*>¶</a>', "", html)
    html = re.sub(r'href="(\d\d_\w+)\.ipynb', r'href="../\1/', html)
    html = re.sub(r'href="\.\./docs/([\w-]+)\.md', r'href="../../\1/', html)
    html = re.sub(r'<a href="\.\./examples/[^"]*">(.*?)</a>', r"\1", html)
    seen: dict[str, int] = {}

    def own(heading: re.Match[str]) -> str:
        name = heading[2]
        seen[name] = seen.get(name, -1) + 1
        return f'{heading[1]}{name}_{seen[name]}"' if seen[name] else heading[0]

    return re.sub(r'(<h[1-6] id=")([^"]+)"', own, html)

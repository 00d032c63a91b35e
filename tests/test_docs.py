"""What documents name is there: paths, modules, tests, classes and functions."""

from __future__ import annotations

import io
import re
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

import dataflare_vec as dfv
from testing import pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dataflare_vec"
FOLDERS = "asv_benchmarks dataflare_vec docs examples kernels notebooks testing tests tools".split()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DOCUMENTS = {"architecture.md": ARCHITECTURE, "CONTRIBUTING.md": (ROOT / "CONTRIBUTING.md").read_text()}

#: What `docs/architecture.md` makes up as an example.
EXAMPLES = {"common_prefix"}


def words_in_code(text):
    """Return what stands between backticks, word by word; a word has no space in it."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [word for span in re.findall(r"`([^`]+)`", prose) for word in span.split()]


def paths_in(text):
    """Return the paths that a document names in code, and in links; ``<…>`` in them stands for anything."""
    words = [*words_in_code(text), *re.findall(r"\]\((?!https?:)([^)#]+)\)", text)]
    kinds = r"(?:[\w.<>-]+/)+[\w.<>-]*|[\w-]+\.(?:py|md|toml|ipynb)"
    return [word.partition("::")[0] for word in words if re.fullmatch(kinds, word.partition("::")[0])]


def found(path):
    """Return the files and folders that a path may mean: from the root, from the package, or a bare name."""
    pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
    if "/" in path:
        return [*ROOT.glob(pattern), *PACKAGE.glob(pattern)]
    return [*ROOT.glob(pattern), *(one for folder in FOLDERS for one in (ROOT / folder).rglob(pattern))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_are_there(name):
    paths = paths_in(DOCUMENTS[name])
    assert len(paths) > 10
    assert [path for path in paths if not found(path)] == []


def test_tests_of_the_laws_are_there():
    named = [word.split("::") for word in words_in_code(ARCHITECTURE) if "::" in word]
    assert len(named) >= 6
    assert [one for one in named if f"\ndef {one[1]}(" not in (ROOT / one[0]).read_text()] == []


@cache
def names_in(file):
    """Return every name in the code of a file."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text()).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def is_there(dotted):
    """Whether a dotted name is a module, or begins with one and goes on with a name in its code."""
    top, *names = dotted.split(".")
    path = ROOT / top
    for name in names:
        if (path / name).is_dir():
            path /= name
        elif (path / f"{name}.py").exists():
            path = path / f"{name}.py"
        else:
            return name in names_in(path if path.is_file() else path / "__init__.py")
    return True


def test_modules_named_anywhere_are_there():
    """In strings and comments, too: programs that run in processes of their own import by name."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("*.toml")]
    files += [one for folder in FOLDERS for one in (ROOT / folder).rglob("*") if one.is_file()]
    wrong = {}
    for file in files:
        if file.suffix not in (".py", ".md", ".toml", ".ipynb") or file.name == "CHANGELOG.md":
            continue
        for dotted in re.findall(r"\b(?<![./\w-])(?:dataflare_vec|testing)(?:\.\w+)+", file.read_text()):
            if not is_there(dotted):
                wrong.setdefault(dotted, set()).add(str(file.relative_to(ROOT)))
    assert wrong == {}


def test_classes_and_functions_are_there():
    written = {word for word in words_in_code(ARCHITECTURE) if re.fullmatch(r"\w*(?:[A-Z]|[a-z]_)\w*", word)}
    assert len(written) > 20
    folders = ("dataflare_vec", "kernels", "testing", "tests")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert written - EXAMPLES - set().union(*map(names_in, files)) == set()


def test_the_diagram_names_rooms_and_their_files():
    diagram = re.search(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL).group(1)
    room = None
    for folder, file in re.findall(r"<b>([\w/]+)</b>|(\w+\.py)", diagram):
        room = PACKAGE / folder if folder else room
        assert (room / file).exists(), f"{folder}{file}"


def test_the_layers_are_those_of_the_contracts():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        if contract["type"] != "layers":
            continue
        (container,) = contract["containers"]
        folder = container.replace(".", "/").removeprefix("dataflare_vec").removeprefix("/")
        shown = " → ".join(contract["layers"]).replace("|", r"\|").replace("_", r"\_")
        assert f"| `{folder}/` | {shown} |" in ARCHITECTURE.replace("| the package |", "| `/` |")


@pytest.mark.parametrize("page", ["files.md", "production.md", "recipes.md", "start.md"])
def test_python_on_pages_runs(page, tmp_path):
    blocks = pages.python_in(ROOT / "docs" / page)
    pages.run("from __future__ import annotations\n" + "\n".join(blocks), tmp_path)


def test_each_public_name_has_an_entry():
    import dataflare_vec as dfv

    reference = (ROOT / "docs" / "reference").glob("*.md")
    entries = [
        name
        for page in reference
        for name in re.findall(r"^::: dataflare_vec\.(\w+)$", page.read_text(), re.M)
    ]
    assert sorted(entries) == sorted(name for name in dfv.__all__ if not name.startswith("_"))


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert cited[1] == newest[1] == dfv.__version__


#: Headings of `docs/troubleshooting.md` that quote no message of ours.
ASKED = {"runs in the interpreter, or is slower than expected", "ZeroDivisionError", "all results are null"}


def test_messages_in_troubleshooting_are_those_of_the_code():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    quoted = set(re.findall(r"^### (.+)$", page, re.MULTILINE))
    assert quoted >= ASKED
    said = set()
    for path in PACKAGE.rglob("*.py"):
        # Fields of f-strings and of formats as on the page; literals that stand side by side are one.
        text = re.sub(r"\{[^{}]*\}", "…", path.read_text())
        said.add(re.sub(r'"\s*f?"', "", text))
    unknown = [
        one
        for one in quoted - ASKED
        if not any(all(part.strip() in text for part in one.split("…")) for text in said)
    ]
    assert not unknown


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_public_names_on_pages_are_there(page):
    named = set(re.findall(r"\bdfv\.([A-Za-z]\w*)", page.read_text()))
    assert [name for name in named if not hasattr(dfv, name)] == []

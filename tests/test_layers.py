"""The structure: which module may import which, and what is in the wheel."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import grimp
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.cache.environment import KERNEL_MODULES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dataflare_vec"


def imports_of(path: Path) -> set[str]:
    """Modules of dataflare_vec that a file imports when it runs (not for the type checker only)."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            if node.module == "dataflare_vec":
                found.update(f"dataflare_vec.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.fixture(scope="module")
def graph():
    """Return which module imports which, for the type checker and inside functions too."""
    return grimp.build_graph("dataflare_vec", cache_dir=None)


def test_the_layers_are_those_of_the_contracts_in_pyproject():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def between_circles(imports):
    """Leave out the modules that import nothing any more, again and again."""
    left = dict(imports)
    while ends := [module for module, others in left.items() if left.keys().isdisjoint(others)]:
        for module in ends:
            del left[module]
    return left


def test_modules_import_each_other_in_no_circle(graph):
    upwards = between_circles({one: graph.find_modules_directly_imported_by(one) for one in graph.modules})
    circles = between_circles({one: graph.find_modules_that_directly_import(one) for one in upwards})
    assert not circles, {one: sorted(circles.keys() & upwards[one]) for one in sorted(circles)}


def test_nobody_imports_the_root(graph):
    """It imports everything: whoever asks it for a name closes a circle."""
    assert not graph.find_modules_that_directly_import("dataflare_vec")


#: Modules that bring Numba with them.
HEAVY = ("numba", "dataflare_vec.compiler.jit")


def heavy_imports(node, outer=()):
    """Each deferred import of the compiler, with the functions that it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom) and outer:
            if child.module == "numba" or (child.module or "").startswith(tuple(f"{one}." for one in HEAVY)):
                yield child, outer
        inside = (*outer, child) if isinstance(child, ast.FunctionDef) else outer
        yield from heavy_imports(child, inside)


def goes_through_the_door(import_, functions):
    calls = [node for one in functions for node in ast.walk(one) if isinstance(node, ast.Call)]
    return any(ast.unparse(call) == "import_compiler()" and call.lineno < import_.lineno for call in calls)


def test_the_compiler_is_imported_through_its_door_only():
    """Numba's modules import each other in circles: two threads would each get half of one."""
    found = 0
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "compiler" / "jit"):
            continue
        for import_, functions in heavy_imports(ast.parse(path.read_text())):
            found += 1
            assert goes_through_the_door(import_, functions), f"{path}:{import_.lineno}"
    assert found > 10


def test_kernels_use_public_names_only():
    allowed = {"dataflare_vec", "dataflare_vec_kernels", "numba", "numpy", "math", "typing", "__future__"}
    for path in (ROOT / "kernels").rglob("*.py"):
        for module in imports_of(path):
            assert module.split(".")[0] in allowed, f"{path.name} imports {module}"
            own = module.startswith("dataflare_vec.") and module.split(".")[1] not in KERNEL_MODULES
            assert not own, f"{path.name} reaches into {module}"


def test_import_is_light():
    code = (
        "import sys, polars, dataflare_vec; "
        "dataflare_vec.apply; "  # what a call on few rows needs
        "heavy = {'numba', 'llvmlite', 'pyarrow', 'pandas', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow"])
def test_the_command_is_light_on_a_small_file(suffix, tmp_path):
    """Once its kernel is in the cache: what it would import takes longer than all else that it does."""
    data, kernel, out = tmp_path / f"a.{suffix}", tmp_path / "kernel.py", tmp_path / f"b.{suffix}"
    write = {"parquet": "write_parquet", "csv": "write_csv", "ndjson": "write_ndjson", "arrow": "write_ipc"}
    getattr(pl.DataFrame({"x": [1.0, 2.0]}), write[suffix])(data)
    kernel.write_text("import dataflare_vec as dfv\n\n\n@dfv.plugin\ndef half(x):\n    return x / 2\n")
    arguments = ["run", "half", str(data), "-o", str(out), "--plugins", str(kernel), "--overwrite"]
    code = (
        "import sys; from dataflare_vec.cli import main; "
        f"assert main({arguments}) == 0; "
        "heavy = {'numba', 'llvmlite', 'pyarrow', 'pandas', 'numpy'} & set(sys.modules); "
        "assert not heavy or sys.argv[1:], heavy"
    )
    for more in (["compiles"], []):
        subprocess.run([sys.executable, "-c", code, *more], check=True)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson, "arrow": pl.read_ipc}
    assert read[suffix](out)["half"].to_list() == [0.5, 1.0]


#: What the package reads at run time; some of it looks like modules, and none of it is one.
DATA = {
    path.relative_to(ROOT).as_posix()
    for path in PACKAGE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
    if path.suffix != ".py" or "templates" in path.parts
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def test_wheel_holds_the_two_packages_and_nothing_else(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"dataflare_vec", "dataflare_vec_kernels", f"dataflare_vec-{dfv.__version__}.dist-info"}
    assert {"dataflare_vec/py.typed", "dataflare_vec/cli/templates/pyproject.toml"} <= DATA <= names
    assert not [name for name in names - DATA if "test" in name]


def test_source_distribution_holds_the_data_files(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert DATA <= names


def test_a_pack_out_of_the_wheel_is_that_of_the_source_tree(built, tmp_path):
    code = "from dataflare_vec.cli import main; raise SystemExit(main(['new', 'my-kernels']))"
    packs = []
    for name, source in {"wheel": built[0], "tree": ROOT}.items():
        folder = tmp_path / name
        folder.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(source)}
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
        packs.append({path.relative_to(folder): path.read_text() for path in folder.rglob("*.*")})
    assert packs[0] == packs[1]
    assert len(packs[0]) == 5
    assert not [path for path, text in packs[0].items() if "MY_" in text or "MY_" in str(path)]


def test_files_of_tests_have_names_of_their_own():
    """Two that are called alike can't be collected together."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, following in pairwise(names) if name == following] == []

"""The README's test command in each Python, and with the oldest dependencies that pyproject.toml allows.

``nox`` runs these, ``nox -s tests-3.12`` one; what follows ``--`` goes to pytest. ``nox -s packages`` builds
and tries what is released, ``nox -s engines`` runs plugins over Ray Data, Spark, Dask and Daft.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nox
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]

nox.options.sessions = ["tests", "oldest"]
nox.options.error_on_missing_interpreters = True


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the newest dependencies."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run the tests with each dependency at its lower bound."""
    constraints = Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in lower_bounds()))
    session.install(".[test]", "--constraint", str(constraints))
    session.run("pytest", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Run plugins over frames of Ray Data, Spark (which needs Java), Dask and Daft."""
    session.install(".[test,daft,ray,spark]", "pyspark[connect]")
    session.run("pytest", "tests/distributed", *session.posargs)


@nox.session
def packages(session: nox.Session) -> None:
    """Build wheel and source archive into dist/, check them, list what they need, and try the wheel."""
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    session.install("build", "twine", "check-wheel-contents", "cyclonedx-bom")
    session.run("python", "-m", "build")
    archives = sorted(map(str, dist.iterdir()))
    session.run("twine", "check", "--strict", *archives)
    (wheel,) = (one for one in archives if one.endswith(".whl"))
    session.run("check-wheel-contents", wheel)
    fresh = Path(session.create_tmp()) / "fresh"
    session.run("python", "-m", "venv", "--clear", str(fresh))
    python = next(str(path) for path in (fresh / "bin/python", fresh / "Scripts/python.exe") if path.exists())
    session.run(python, "-m", "pip", "install", "--quiet", wheel, external=True)
    session.run(python, ".ci/try_package.py", external=True)
    bill = dist / f"{Path(wheel).stem}.cdx.json"
    session.run("cyclonedx-py", "environment", python, "--output-file", str(bill))


def lower_bounds() -> Iterator[str]:
    """Yield each requirement of pyproject.toml that has a lower bound, pinned to it."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    for texts in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in map(Requirement, texts):
            for bound in requirement.specifier:
                if bound.operator == ">=":
                    marker = f"; {requirement.marker}" if requirement.marker else ""
                    yield f"{requirement.name}=={bound.version}{marker}"

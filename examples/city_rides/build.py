"""Builds the wheels: ``python build.py`` one for machines like this, ``python build.py all`` for all."""

from __future__ import annotations

import sys
from pathlib import Path

import dataflare_vec as dfv
import kernels

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
TARGETS = ["linux-x86_64", "linux-aarch64", "macos-arm64", "macos-x86_64", "windows-x86_64"]


def build(target: str | None, output: Path) -> Path:
    """Build the kernels for a target, and return the wheel."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    plugins = [kernels.trip_km, kernels.price, kernels.plausible]
    library = dfv.build(plugins, output=output / "libraries", name=project["name"], target=target)
    return library.write_wheel(output, version=project["version"])


if __name__ == "__main__":
    wanted = sys.argv[1:] or [None]
    for one in TARGETS if wanted == ["all"] else wanted:
        print(build(one, Path("dist")))

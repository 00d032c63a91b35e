"""The terminal output of ``dataflare-vec demo`` as the README's picture: python tools/draw_demo.py."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from dataflare_vec.cli.flights import run_demo

PICTURE = Path(__file__).parent.parent / "docs" / "demo.svg"

if __name__ == "__main__":
    console = Console(record=True, width=84, file=io.StringIO(), color_system="truecolor")
    run_demo(console)
    console.save_svg(str(PICTURE), title="dataflare-vec demo")

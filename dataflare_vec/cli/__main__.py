"""``python -m dataflare_vec.cli``."""

from __future__ import annotations

from dataflare_vec.cli import command

command()

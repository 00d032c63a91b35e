"""The laws hold on both roads: for frames that are never cut into chunks, and for all others."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def _both_roads(both_roads):
    """Take each example through both."""

"""Fixtures of tests that look at what is prepared."""

from __future__ import annotations

import pytest

import dataflare_vec as dfv
from dataflare_vec.engine.planning import kept as planning


@pytest.fixture
def plans(monkeypatch):
    """Return the plans that are made, in order."""
    made = []

    class Noted(planning.Plan):
        __slots__ = ()

        def __init__(self, *arguments, **options):
            made.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(planning, "Plan", Noted)
    return made


@pytest.fixture
def scaled():
    def scaled(a, factor=2.0, kind="x"):
        return a * factor + len(kind)

    return dfv.register("scaled", scaled, replace=True)

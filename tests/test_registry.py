"""Plugins by name: packs that use the same one."""

from __future__ import annotations

import importlib.metadata
from types import SimpleNamespace

import pytest

from dataflare_vec.definition import Form, PluginType, define
from dataflare_vec.registry import Registry


def pack(registry, module):
    """Return the entry point of a pack whose module registers a plugin `shared` when it is imported."""

    def shared(x):
        return x

    shared.__module__ = module

    def load():
        registry.add(define(shared, name=None, form=Form.ROW, plugin_type=PluginType.TRANSFORMER))

    return SimpleNamespace(load=load, module=module)


def test_a_pack_that_hides_another_ones_plugin_is_told(monkeypatch):
    registry = Registry()
    packs = [pack(registry, "first_pack.kernels"), pack(registry, "second_pack")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: packs)
    with pytest.warns(UserWarning, match="`shared` of pack `second_pack` is hidden by that of `first_pack`"):
        registry.load_packs()
    assert registry.get("shared").__module__ == "first_pack.kernels"


def test_the_users_own_plugin_hides_a_packs_without_a_word(monkeypatch):
    registry = Registry()
    pack(registry, "__main__").load()
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [pack(registry, "some_pack")])
    registry.load_packs()
    assert registry.get("shared").__module__ == "__main__"

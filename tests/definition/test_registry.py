"""Plugins by name: packs that use the same one."""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, PluginType, define
from dataflare_vec.definition.registry import Registry


def pack(registry, module):
    """Return the entry point of a pack whose module registers a plugin `shared` when it is imported."""

    def shared(x):
        return x

    shared.__module__ = module

    def load():
        registry.add(define(shared, name=None, form=Form.ROW, plugin_type=PluginType.TRANSFORMER))

    return SimpleNamespace(load=load, module=module, value=module)


def test_a_pack_that_hides_another_ones_plugin_is_told(monkeypatch):
    registry = Registry()
    packs = [pack(registry, "first_pack.kernels"), pack(registry, "second_pack")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: packs)
    with pytest.warns(
        UserWarning, match="`shared` of pack `second_pack` is shadowed by the one of pack `first_pack`"
    ):
        registry.load_packs()
    assert registry.get("shared").__module__ == "first_pack.kernels"


def test_the_users_own_plugin_hides_a_packs_without_a_word(monkeypatch):
    registry = Registry()
    pack(registry, "__main__").load()
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [pack(registry, "some_pack")])
    registry.load_packs()
    assert registry.get("shared").__module__ == "__main__"


GOOD = "import dataflare_vec as dfv\n\n@dfv.plugin\ndef {name}(x):\n    return x + 1\n"


def install(folder, **packs):
    """Lay packs into a folder as pip would: each a module of the source given, and its entry point."""
    for name, source in packs.items():
        (folder / f"{name}.py").write_text(source)
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[dataflare_vec.plugins]\n{name} = {name}\n")


def run(folder, code):
    """Run Python with packs that are installed in a folder; return what it prints."""
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    head = "import warnings\nimport dataflare_vec as dfv\n"
    head += "from dataflare_vec.definition.registry import default_registry\nget = default_registry.get\n"
    done = subprocess.run(
        [sys.executable, "-c", head + code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "failure",
    ["import no_such_module_of_mine", "raise SystemExit(1)", "raise BaseException('panic')", "x ="],
)
def test_a_pack_that_fails_to_import_takes_no_others_away(failure, tmp_path):
    half = GOOD.format(name="half") + failure + "\n"
    if failure == "x =":
        half = failure
    install(tmp_path, a_bad_pack=half, good_pack=GOOD.format(name="plus_one"))
    code = """
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert get("plus_one").name == "plus_one"
    names = {plugin.name for plugin in dfv.plugins()}
    assert "plus_one" in names and "half" not in names and len(names) > 1
    try:
        get("half")
    except dfv.PluginNotFoundError as error:
        print(error.args[0])
(warning,) = told
assert warning.filename == "<string>", warning.filename
print(warning.message)
"""
    out = run(tmp_path, code)
    assert "pack `a_bad_pack (a-bad-pack)` can't be imported: " in out
    assert "the plugins of pack `a_bad_pack (a-bad-pack)`, which is installed, are missing" in out


def test_a_pack_whose_import_is_interrupted_is_imported_the_next_time(tmp_path):
    source = "import sys\nif not hasattr(sys, 'again'):\n    sys.again = 1\n    raise KeyboardInterrupt\n"
    install(tmp_path, a_pack=source + GOOD.format(name="plus_one"))
    code = """
try:
    get("plus_one")
except KeyboardInterrupt:
    print(get("plus_one").name)
"""
    assert run(tmp_path, code) == "plus_one\n"


def test_a_pack_is_imported_in_one_thread_and_asked_for_in_another(tmp_path):
    slow = "import time, started\nstarted.event.set()\ntime.sleep(0.5)\n"
    install(tmp_path, a_pack=slow + GOOD.format(name="plus_one"))
    (tmp_path / "started.py").write_text("import threading\nevent = threading.Event()\n")
    code = """
import faulthandler, threading
import started
faulthandler.dump_traceback_later(20, exit=True)
thread = threading.Thread(target=lambda: __import__("a_pack"))
thread.start()
started.event.wait()
{call}
thread.join()
import a_pack
assert "remove" in {call!r} or get("plus_one") is a_pack.plus_one
"""
    for call in ("get('plus_one')", "dfv.plugins()", "default_registry.remove('plus_one')"):
        run(tmp_path, code.format(call=call))


def test_what_others_register_meanwhile_is_theirs(tmp_path):
    slow = "import time, started\nstarted.event.set()\nstarted.done.wait(10)\n"
    install(tmp_path, a_pack=slow + GOOD.format(name="plus_one") + GOOD.format(name="own"))
    (tmp_path / "started.py").write_text(
        "import threading\nevent, done = threading.Event(), threading.Event()\n"
    )
    code = """
import threading
import started
thread = threading.Thread(target=lambda: get("plus_one"))
thread.start()
started.event.wait()
@dfv.plugin
def own(x):
    return x
try:
    dfv.plugin(lambda x: x + 2, name="own")
    raise SystemExit("a second one of that name was taken without a word")
except dfv.DuplicatePluginError:
    pass
started.done.set()
thread.join()
assert get("own") is own
assert get("plus_one").__module__ == "a_pack"
"""
    run(tmp_path, code)


def test_a_notebook_shows_plugins_as_a_table():
    shown = dfv.plugins()
    html = shown[:3]._repr_html_()
    assert html.count("<tr>") == 4
    assert shown[0].name in html
    assert "3 plugins" in html
    assert isinstance(shown[0], dfv.Plugin)
    assert type(pickle.loads(pickle.dumps(shown[:1]))) is list

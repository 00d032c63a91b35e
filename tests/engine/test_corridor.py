"""One call on its way: down through the layers, each entered once, and up again when it returns."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.api.apply import apply

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGE = "dataflare_vec."

#: What each call passes, from the door to the loop and back.
LAYERS = {
    "api.apply": "the door",
    "engine.planning.steps": "plugins are found, and their parameters bound",
    "interop.runner": "data of any kind becomes columns",
    "engine.execution.execute": "the run is noted",
    "engine.planning.plan": "steps become stages",
    "engine.execution.fast_path": "stages are run over the rows",
    "interop": "columns become data of the same kind",
}


def places():
    """Return the place of each room and of each part of the engine, by the contracts in pyproject."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found = {}
    for contract in contracts:
        for container in contract.get("containers", ()):
            for i, layer in enumerate(contract["layers"]):
                for name in layer.split(" | "):
                    found[f"{container}.{name}"] = i
    return found


def place_of(module, known):
    """Return where a module stands: its room, then its place within, and so on; lower ones are greater."""
    parts = (module + 4 * ".").split(".")
    return tuple(known.get(PACKAGE + ".".join(parts[: i + 1]), 0) for i in range(4))


@pytest.fixture(scope="module")
def calls():
    """Return caller and callee of each call of one function of ours by another, from `apply` on."""
    frame = pl.DataFrame({name: [0.1, 0.2] for name in ("lat1", "lon1", "lat2", "lon2")})
    for _ in range(2):  # compiled, and planned
        apply(frame, "haversine")
    seen = []
    stack = []

    def note(python_frame, event, _):
        module = python_frame.f_globals.get("__name__", "")
        if not module.startswith(PACKAGE):
            return
        name = module.removeprefix(PACKAGE)
        if event == "call":
            seen.append((len(stack), stack[-1] if stack else None, name, python_frame.f_code.co_name))
            stack.append(name)
        elif event == "return":
            stack.pop()

    function = apply.__wrapped__  # without what knows other libraries' frames
    before = sys.getprofile()
    gc.disable()  # what it frees has nothing to do with the call
    sys.setprofile(note)
    try:
        function(frame, "haversine")
    finally:
        sys.setprofile(before)
        gc.enable()
    return [call for call in seen if call[-1] != "__del__"]


def test_each_layer_is_entered_once(calls):
    entered = [(name, function) for _, caller, name, function in calls if name in LAYERS and caller != name]
    for name, function in entered:
        sys.stdout.write(f"{name:28} {function:12} {LAYERS[name]}\n")
    assert Counter(name for name, _ in entered) == dict.fromkeys(LAYERS, 1)
    assert [name for name, _ in entered] == list(LAYERS)


def test_no_call_goes_up(calls):
    known = places()
    for depth, caller, name, function in calls:
        sys.stdout.write(f"{'  ' * depth}{name}.{function}\n")
        if caller is not None:
            assert place_of(name, known) >= place_of(caller, known), f"{caller} calls {name}.{function}"


def test_the_trace_is_of_a_call_that_computes(calls):
    assert ("compiler.kernel", "loop") in {(name, function) for _, _, name, function in calls}
    assert dfv.apply is apply

"""CPython's own tests of `re` as an oracle: their calls of findall, split and sub, compiled.

A run takes some of the calls, the profile ``deep`` all of them.
"""

from __future__ import annotations

import random
import re
import warnings
from contextlib import suppress
from unittest import mock

import polars as pl
import pytest
from hypothesis import settings

from dataflare_vec.compiler.jit.lowering.regex.charsets import ASCII, BYTES
from dataflare_vec.compiler.jit.lowering.regex.engine import Engine
from dataflare_vec.compiler.jit.lowering.regex.program import RefusedPattern
from testing.oracle import check, plugin

test_re = pytest.importorskip("test.test_re", reason="the interpreter has no tests of its own")

#: Functions → where the text is among their arguments.
PLACES = {"findall": 1, "split": 1, "sub": 2, "subn": 2}
#: Calls of one kernel.
TOGETHER = 12


def is_plain(value):
    if isinstance(value, str):
        return all(not "\ud800" <= one <= "\udfff" for one in value)
    return type(value) in (bytes, int) or isinstance(value, re.RegexFlag)


def harvest():
    """Run CPython's tests; return what they call, and with which arguments."""
    found = {}

    def noting(name):
        original = getattr(re, name)

        def call(*args, **kwargs):
            result = original(*args, **kwargs)
            plain = all(map(is_plain, (*args, *kwargs.values())))
            if plain and type(args[0]) is type(args[PLACES[name]]) in (str, bytes):
                found[name, args, tuple(kwargs.items())] = None
            return result

        return call

    with mock.patch.multiple(re, **{name: noting(name) for name in PLACES}):
        for name in dir(test_re.ReTests):
            if name.startswith("test_") and "memory" not in name and "zerowidth" not in name:
                with suppress(Exception):  # what they check besides
                    getattr(test_re.ReTests(name), name)()
    return list(found)


def flags_of(args, kwargs, name):
    place = PLACES[name] + 1 if name == "findall" else PLACES[name] + 2
    return dict(kwargs).get("flags", args[place] if len(args) > place else 0)


def is_compiled(call):
    """Whether compiled code takes a call's pattern, and `re` takes it without a warning."""
    name, args, kwargs = call
    re.purge()  # it warns when it compiles
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        flags = re.compile(args[0], flags_of(args, kwargs, name)).flags
    if warned:
        return False
    try:
        Engine(args[0], flags, ASCII if isinstance(args[0], str) else BYTES).check()
    except RefusedPattern:
        return False
    return True


def joined(pieces):
    """Return pieces as one text, those that are missing too."""
    text = ""
    for piece in pieces:
        text += "|" + ("-" if piece is None else piece)
    return text


def statement(index, call):
    """Return a call as source, which leaves a text in a variable of its own."""
    name, args, kwargs = call
    place = PLACES[name]
    values = [f"s{index}" if i == place else repr(one) for i, one in enumerate(args[: place + 1])]
    names = {"findall": ("flags",), "split": ("maxsplit", "flags")}.get(name, ("count", "flags"))
    more = [*zip(names, args[place + 1 :], strict=False), *kwargs]
    source = f"re.{name}({', '.join([*values, *(f'{key}={int(value)}' for key, value in more)])})"
    if name == "subn":
        source = f"{source}[0]"
    elif name != "sub":
        groups = re.compile(args[0], flags_of(args, kwargs, name)).groups
        bar = "b'|'" if isinstance(args[0], bytes) else "'|'"
        if name == "findall" and groups > 1:
            items = ", ".join(f"g{i}" for i in range(groups))
            source = f"[{f' + {bar} + '.join(f'g{i}' for i in range(groups))} for {items} in {source}]"
        is_text = name == "split" and groups and isinstance(args[0], str)
        source = f"joined({source})" if is_text else f"{bar}.join({source})"
    return f"    r{index} = {source}"


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    CALLS = list(filter(is_compiled, harvest()))
if settings.get_current_profile_name() != "deep":
    CALLS = random.Random(1).sample(CALLS, min(len(CALLS), 2 * TOGETHER))


@pytest.mark.parametrize("start", range(0, len(CALLS), TOGETHER))
def test_calls(start):
    calls = CALLS[start : start + TOGETHER]
    numbers = range(len(calls))
    lines = [statement(i, call) for i, call in enumerate(calls)]
    result = ", ".join(f"r{i}" for i in numbers)
    scope = {"re": re, "joined": joined}
    exec("\n".join([f"def kernel({result.replace('r', 's')}):", *lines, f"    return {result},"]), scope)
    texts = [args[PLACES[name]] for name, args, _ in calls]
    frame = pl.DataFrame({f"s{i}": [text] for i, text in enumerate(texts)})
    check(plugin(scope["kernel"]), frame)

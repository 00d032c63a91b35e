"""Every public name has a reference entry with parameters, errors, and an example that the doctests run."""

from __future__ import annotations

import doctest
import inspect
import re
from enum import Enum
from types import ModuleType

import pytest

import dataflare_vec as dfv

#: What raises no error of its own: arithmetic that is defined for all values, and what only notes or lists.
CANT_FAIL = {
    "bits.add",
    "bits.count_ones",
    "bits.float_bits",
    "bits.leading_zeros",
    "bits.multiply",
    "bits.rotate_left",
    "bits.word",
    "plugins",
    "step",
    "text.match_bits",
    "text.utf8",
    "vectors.norm",
    "vectors.power_sums",
    "vectors.total",
}


def entries() -> dict[str, object]:
    """Return each public object by its name, also those of public modules."""
    found: dict[str, object] = {}
    for name in dfv.__all__:
        value = getattr(dfv, name)
        found[name] = value
        if isinstance(value, ModuleType):
            members = inspect.getmembers(value, lambda one: inspect.isclass(one) or inspect.isfunction(one))
            del found[name]
            found |= {
                f"{name}.{member}": one
                for member, one in members
                if not member.startswith("_") and one.__module__ == value.__name__
            }
    return found


ENTRIES = entries()
FUNCTIONS = sorted(name for name, one in ENTRIES.items() if inspect.isfunction(one))
#: Classes whose objects have fields; of errors, those of their bases too, and of others only methods.
CLASSES = sorted(
    name
    for name in ENTRIES.keys() - set(FUNCTIONS) - {"PooledBuffer", "Stream", "Table"}
    if not issubclass(ENTRIES[name], (Exception, Enum))
)


def sections(name: str) -> set[str]:
    """Return the headings in a docstring."""
    text = inspect.cleandoc(ENTRIES[name].__doc__ or "")
    return set(re.findall(r"^([A-Z]\w+)\n-+$", text, re.MULTILINE))


def test_modules_are_looked_into():
    assert {"bits.load64", "duckdb.register", "prometheus.ManagerCollector", "vectors.dot"} < ENTRIES.keys()


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_it_has_an_example(name):
    assert "Examples" in sections(name)
    (found,) = doctest.DocTestFinder(recurse=False).find(ENTRIES[name], name, globs={})
    assert any(example.want for example in found.examples)
    assert not any(doctest.SKIP in example.options for example in found.examples)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_takes_gives_and_raises(name):
    text, headings = inspect.getdoc(ENTRIES[name]), sections(name)
    signature = inspect.signature(ENTRIES[name])
    if signature.parameters:
        described = re.search(r"^Parameters\n-+\n(.*?)(?=^[A-Z]\w+\n-+$|\Z)", text, re.M | re.S)[1]
        listed = re.findall(r"^(\S.*)$", described, re.MULTILINE)
        names = {one.strip("* ") for line in listed for one in line.partition(" : ")[0].split(",")}
        assert names == set(signature.parameters)
    assert ("Returns" in headings) == (signature.return_annotation != "None")
    assert ("Raises" in headings) != (name in CANT_FAIL)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_says_what_it_holds(name):
    assert sections(name) & {"Attributes", "Parameters"}


@pytest.mark.parametrize(
    "name", sorted(one.name for one in dfv.plugins() if one.info.author == "dataflare_vec")
)
def test_a_ready_made_kernel_has_parameters_and_an_example(name):
    plugin = next(one for one in dfv.plugins() if one.name == name)
    text = inspect.cleandoc(getattr(plugin.function, "py_func", plugin.function).__doc__)
    assert {"Parameters", "Returns", "Examples"} <= set(re.findall(r"^([A-Z]\w+)\n-+$", text, re.MULTILINE))

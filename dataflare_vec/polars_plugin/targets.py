"""Systems and processors that libraries are built for."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.exceptions import ArgumentError, BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Level(NamedTuple):
    """Processors of a target, those that have some instructions.

    Attributes
    ----------
    processor
        A model of LLVM's, or a level of the architecture.
    features
        What the choice of instructions depends on elsewhere, as LLVM names it.
    """

    processor: str
    features: str


@dataclass(frozen=True)
class Target:
    """A system, and processors of one architecture.

    Attributes
    ----------
    name
        What it is called here.
    triple, zig
        What LLVM and ``zig cc`` call it.
    wheels
        Tag of its wheels; on Linux what the version of glibc is put into.
    levels
        Levels of its processors by name: a library needs the first, and has faster loops for others.
    link
        Arguments for its linker.
    suffix
        How its libraries are called: what Polars takes for one, on macOS too.
    """

    name: str
    triple: str
    zig: str
    wheels: str
    levels: Mapping[str, Level]
    link: tuple[str, ...] = ()
    suffix: str = field(default=".so")

    @property
    def lowest(self) -> str:
        """The level that a library needs."""
        return next(iter(self.levels))

    @property
    def is_here(self) -> bool:
        """Whether its libraries run on the machine at hand."""
        return self.name == this_machine()


_V3 = "+avx2,+bmi2,+fma,+popcnt,+sse4.2,+ssse3"
_V4 = f"{_V3},+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl"
#: Levels of x86-64: of 2013 and later, and with AVX-512. Each has the features of those before it.
_X86 = {"v3": Level("x86-64-v3", _V3), "v4": Level("x86-64-v4", _V4)}
# What is missing is said when the library is built, not when it is loaded; and what is the same has one name.
_MACH_O = ("-Wl,-S", "-Wl,-x")
_ELF = ("-s", "-Wl,--no-undefined", "-Wl,--build-id=none", "-lm", "-lpthread")

#: Targets by name. Those of glibc run on systems of 2014 and later, whatever the machine at hand has.
TARGETS = {
    target.name: target
    for target in (
        Target(
            "linux-x86_64",
            "x86_64-unknown-linux-gnu",
            "x86_64-linux-gnu.2.19",
            "manylinux_2_{glibc}_x86_64",
            _X86,
            _ELF,
        ),
        Target(
            "linux-aarch64",
            "aarch64-unknown-linux-gnu",
            "aarch64-linux-gnu.2.19",
            "manylinux_2_{glibc}_aarch64",
            {"v8": Level("generic", "+fp-armv8,+neon")},
            _ELF,
        ),
        Target(
            "macos-arm64",
            "arm64-apple-macosx11.0.0",
            "aarch64-macos.11.0",
            "macosx_11_0_arm64",
            {"m1": Level("apple-m1", "+fp-armv8,+fullfp16,+neon")},
            _MACH_O,
        ),
        # The system switches AVX-512 on for a thread when that first needs it: its processors never say so.
        Target(
            "macos-x86_64",
            "x86_64-apple-macosx11.0.0",
            "x86_64-macos.11.0",
            "macosx_11_0_x86_64",
            {"v3": _X86["v3"]},
            _MACH_O,
        ),
        Target(
            "windows-x86_64",
            "x86_64-pc-windows-gnu",
            "x86_64-windows-gnu",
            "win_amd64",
            _X86,
            ("-s",),
            suffix=".dll",
        ),
    )
}

_SYSTEMS = {"darwin": "macos", "win32": "windows"}
_MACHINES = {"amd64": "x86_64"}


def this_machine() -> str:
    """Return the name of a target as the machine at hand would have it."""
    machine = platform.machine().lower()
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{_MACHINES.get(machine, machine)}"


def target_of(name: str | None) -> Target:
    """Return a target by its name, by default that of the machine at hand.

    Raises
    ------
    ArgumentError
        If there is none of that name.
    BuildError
        If there is none for the machine at hand.
    """
    known = ", ".join(TARGETS)
    found = TARGETS.get(this_machine() if name is None else name)
    if found is not None:
        return found
    if name is None:
        msg = f"native libraries can be built for {known}, and this is {this_machine()}; pass `target`"
        raise BuildError(msg, expected=known, got=this_machine())
    near = near_matches(name, TARGETS)
    hint = near if near.startswith("did you mean") else ""  # all of them are named already
    raise ArgumentError(argument="target", expected=f"one of {known}", got=repr(name), hint=hint)

"""LLVM's own word on why a loop wasn't vectorised.

LLVM prints its remarks to standard error, and only if an option of the whole process asks for them (llvmlite
0.50 has no other way); so a child process, which imports llvmlite alone, optimises the loop once more.
"""

from __future__ import annotations

import re
import subprocess
import sys

_CHILD = """
import sys, llvmlite.binding as llvm
llvm.initialize_native_target()
llvm.set_option("", "-pass-remarks-missed=loop-vectorize")
llvm.set_option("", "-pass-remarks-analysis=loop-vectorize")
module = llvm.parse_assembly(sys.stdin.read())
machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
    cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3)
tuning = llvm.create_pipeline_tuning_options(speed_level=3)
tuning.loop_vectorization = True
builder = llvm.create_pass_builder(machine, tuning)
builder.getModulePassManager().run(module, builder)
"""
_SECONDS = 30
_REMARK = re.compile(r"^remark: [^ ]* (?:loop not vectorized: )?(?P<text>.*)$", re.MULTILINE)
_DEFINITION = re.compile(r"^define .*?^}\n", re.MULTILINE | re.DOTALL)
_LINKAGE = re.compile(r"^define (?:(?:internal|private|linkonce_odr|weak_odr|hidden|dso_local) )*")


def missed(module: str, function: str) -> tuple[str, ...]:
    """Return LLVM's remarks on the loops of one function; none if they can't be had.

    Parameters
    ----------
    module
        Optimised LLVM IR.
    function
        Name of the function; all others are only declared to the child, and leave no remarks.
    """

    def shortened(match: re.Match[str]) -> str:
        text = match.group()
        head = text.partition("\n")[0]
        if f'@"{function}"' in head or f"@{function}(" in head:
            return _LINKAGE.sub("define ", text)
        head = re.sub(r" (?:personality .*)?\{$", "", head)
        return _LINKAGE.sub("declare ", head) + "\n"

    text = _DEFINITION.sub(shortened, module)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    found = (match["text"] for match in _REMARK.finditer(done.stderr))
    # Whether it would interleave what it doesn't vectorise is nothing to act on.
    return tuple(
        dict.fromkeys(text for text in found if text != "loop not vectorized" and "interleaving" not in text)
    )

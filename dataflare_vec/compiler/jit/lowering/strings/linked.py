"""Numba's compiler for functions that are only ever linked into a kernel.

Numba optimises each function that another calls, and emits its machine code, before the caller is compiled
and all of it is optimised again. A method of strings is some small functions, so that took most of a kernel's
compilation (measured: more than half). Here they stay as LLVM IR until the kernel is finished; and what was
compiled before on this machine is read (`stored.py`).
"""

from __future__ import annotations

import llvmlite.binding as llvm
from numba.core import bytecode, compiler
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.core.untyped_passes import ExtractByteCode

from dataflare_vec.compiler.jit.lowering.strings import stored


class LinkedLibrary(JITCodeLibrary):  # type: ignore[misc]
    """Code that waits to be linked into somebody else's."""

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True


# Passes that change nothing in functions without closures, `with`, literally() and array expressions.
_NOT_NEEDED = {
    "WithLifting",
    "InlineClosureLikes",
    "RewriteDynamicRaises",
    "MakeFunctionToJitFunction",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "InlineOverloads",
    "NopythonRewrites",
    "NoPythonSupportedFeatureValidation",
    "AnnotateTypes",
    "DumpParforDiagnostics",
}


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerForLinking(NativeLowering):  # type: ignore[misc]
    """To LLVM IR, no further."""

    _name = "dfv_lower_for_linking"

    def run_pass(self, state):
        """Lower one function."""
        state.flags.no_compile = True
        if state.library is None:
            state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        super().run_pass(state)
        lowered = state["cr"]
        state["cr"] = lowered._replace(cfunc=_entry_point(state.targetctx, lowered.fndesc, state.library))
        return True


def _entry_point(target, fndesc, library):
    """Register a compiled function, and return what Numba knows it by."""
    # Numba wants a built-in function: one that is equal to no other.
    function = [].append
    target.insert_user_function(function, fndesc, [library])
    return function


class LinkedCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's default pipeline up to LLVM IR."""

    def compile_extra(self, func):
        """Compile a function, or read what it was compiled to."""
        state = self.state
        key = stored.key_of(func, state.args, state.flags)
        if key is None:
            return super().compile_extra(func)
        found = stored.read(key)
        if found is not None:
            return self._read(found)
        state.func_id = bytecode.FunctionIdentity.from_function(func)
        state.func_id.unique_id = stored.identifier(key)
        state.func_id.unique_name = f"{state.func_id.func_qualname}${state.func_id.unique_id}"
        ExtractByteCode().run_pass(state)
        state.lifted, state.lifted_from = (), None
        result = self._compile_bytecode()
        stored.write(key, result)
        return result

    def _read(self, found):
        """Return the result of a compilation that was made before."""
        target = self.state.targetctx
        library = LinkedLibrary(target.codegen(), found.fndesc.qualname)
        library._final_module = llvm.parse_bitcode(found.bitcode)
        library._finalize_final_module()
        stored.define_symbols(library._final_module)
        return compiler.compile_result(
            typing_context=self.state.typingctx,
            target_context=target,
            entry_point=_entry_point(target, found.fndesc, library),
            library=library,
            signature=found.signature,
            objectmode=False,
            lifted=(),
            fndesc=found.fndesc,
            metadata={},
            reload_init=[],
        )

    def define_pipelines(self):
        """Return the one pipeline."""
        manager = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (LowerForLinking if entry is NativeLowering else entry, about)
            for entry, about in manager.passes
            if entry.__name__ not in _NOT_NEEDED
        ]
        manager.finalize()
        return [manager]

"""Numba's compiler for functions that are only ever linked into a kernel.

Numba optimises each function that another calls, and emits its machine code, before the caller is compiled
and all of it is optimised again. A method of strings is some small functions, so that took most of a kernel's
compilation (measured: more than half). Here they stay as LLVM IR until the kernel is finished.
"""

from __future__ import annotations

from numba.core import compiler
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


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
        # Numba knows a compiled function by its entry point, and wants a built-in function: one that is equal
        # to no other.
        function = [].append
        lowered = state["cr"]
        state.targetctx.insert_user_function(function, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=function)
        return True


class LinkedCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's default pipeline up to LLVM IR."""

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

"""Numba's compiler, with our passes."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import compiler, typed_passes, types
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.untyped_passes import (
    InlineClosureLikes,
    InlineInlinables,
    LiteralPropagationSubPipelinePass,
    MakeFunctionToJitFunction,
    TranslateByteCode,
)

from dataflare_vec.compiler.jit.lowering.containers import check_items
from dataflare_vec.compiler.jit.lowering.dict_items import OwnLowering
from dataflare_vec.compiler.jit.lowering.instances import replace_tests
from dataflare_vec.compiler.jit.lowering.nested.defaults import give_defaults
from dataflare_vec.compiler.jit.lowering.strings.constants import replace_strings
from dataflare_vec.compiler.jit.lowering.strings.formats import mark_formats
from dataflare_vec.compiler.jit.lowering.strings.members import shows
from dataflare_vec.compiler.jit.passes.assigned_values import read_assigned
from dataflare_vec.compiler.jit.passes.calls import (
    OwnCompiler,
    Variant,
    has_try,
    replace_calls,
    with_constants,
)
from dataflare_vec.compiler.jit.passes.definite_assignment import CheckDefiniteAssignment
from dataflare_vec.compiler.jit.passes.empty_dicts import hint_at_items
from dataflare_vec.compiler.jit.passes.exact_integers import compute_exactly
from dataflare_vec.compiler.jit.passes.exploded import return_columns, return_yielded
from dataflare_vec.compiler.jit.passes.generators import inline_generators
from dataflare_vec.compiler.jit.passes.handed_functions import hand_on, replace_reduce
from dataflare_vec.compiler.jit.passes.handed_on import name_functions, return_lists
from dataflare_vec.compiler.jit.passes.handlers import interpret
from dataflare_vec.compiler.jit.passes.identity import compare_identity
from dataflare_vec.compiler.jit.passes.inlined import own_functions
from dataflare_vec.compiler.jit.passes.interrupts import look_in_loops
from dataflare_vec.compiler.jit.passes.joined_calls import join_calls
from dataflare_vec.compiler.jit.passes.json_texts import write_json
from dataflare_vec.compiler.jit.passes.known_instances import answer_tests
from dataflare_vec.compiler.jit.passes.lookups import outer_value, read_attributes, read_items
from dataflare_vec.compiler.jit.passes.made_by_class import make_by_class
from dataflare_vec.compiler.jit.passes.named_zones import make_zones
from dataflare_vec.compiler.jit.passes.notes import NOTES
from dataflare_vec.compiler.jit.passes.number_kinds import check_kinds
from dataflare_vec.compiler.jit.passes.numpy_bools import keep_bools
from dataflare_vec.compiler.jit.passes.optional import compare_none
from dataflare_vec.compiler.jit.passes.patterns import compile_patterns
from dataflare_vec.compiler.jit.passes.raises import drop_arguments, forget_exceptions, note_messages
from dataflare_vec.compiler.jit.passes.set_order import check_order
from dataflare_vec.compiler.jit.passes.single_precision import keep_single
from dataflare_vec.compiler.jit.passes.starred_tuples import fill_tuples
from dataflare_vec.compiler.jit.passes.tables import look_up_in_tables
from dataflare_vec.compiler.jit.passes.templates import fill_templates
from dataflare_vec.compiler.jit.passes.told import tell_messages
from dataflare_vec.compiler.jit.passes.translations import translate_by_tables
from dataflare_vec.compiler.jit.passes.widen_integers import compute_wide

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.math import emit


class TryInGuardedVariant(Exception):  # not an error: the kernel is compiled in its general variant
    """A ``try`` would catch the status of a large angle."""


class _Pass(FunctionPass):  # type: ignore[misc]
    """A pass; ``state.own`` is the compiler that it is a part of."""

    def __init__(self) -> None:
        FunctionPass.__init__(self)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Translate(TranslateByteCode):  # type: ignore[misc]
    """From bytecode to Numba's IR; f-strings with a format too, ``:=`` within conditions, and handlers."""

    _name = "dfv_translate_bytecode"

    def run_pass(self, state: Any) -> bool:
        fill_tuples(state.bc)
        mode = state.own.variant.mode
        mark_formats(state.bc, messages=mode is not None and (mode.notes or mode.tells))
        read_assigned(state.bc)
        state.func_ir = interpret(state.func_id, state.bc, tells=mode is not None and mode.tells)
        if state.own.variant.gives_rows:
            return_yielded(state.func_ir)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlineGenerators(_Pass):
    _name = "dfv_inline_generators"

    def run_pass(self, state: Any) -> bool:
        changed = replace_reduce(state.func_ir)
        return inline_generators(state.func_ir) or changed


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlineFunctions(InlineClosureLikes):  # type: ignore[misc]
    """Functions within a function that are called."""

    _name = "dfv_inline_functions"

    def run_pass(self, state: Any) -> bool:
        with own_functions():
            return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _MakeFunctions(MakeFunctionToJitFunction):  # type: ignore[misc]
    """Functions within a function that are handed on."""

    _name = "dfv_make_functions"

    def run_pass(self, state: Any) -> bool:
        with own_functions():
            return bool(super().run_pass(state))


@register_pass(mutates_CFG=False, analysis_only=False)
class _Replace(_Pass):
    """Before types are inferred: what the function names, by what we have for it."""

    _name = "dfv_replace"

    def run_pass(self, state: Any) -> bool:
        function, func_ir, mode = state.func_id.func, state.func_ir, state.own.variant.mode
        if mode is not None and not mode.general and has_try(function):
            raise TryInGuardedVariant
        replace_tests(func_ir)
        noted = mode is not None and mode.notes
        if mode is not None and mode.tells:
            changed = tell_messages(func_ir)
        else:
            changed = note_messages(func_ir) if noted else drop_arguments(func_ir)
        changed |= forget_exceptions(func_ir)
        changed |= look_in_loops(func_ir)
        changed |= read_items(func_ir)
        changed |= make_zones(func_ir, outer_value)
        changed |= compile_patterns(func_ir)
        changed |= translate_by_tables(func_ir)
        changed |= name_functions(func_ir)
        changed |= hand_on(func_ir)
        changed |= keep_bools(func_ir, state.args)
        changed |= compute_wide(func_ir, state.args)
        changed |= return_lists(func_ir)
        if state.own.variant.gives_rows:
            changed |= return_columns(func_ir)
        changed |= make_by_class(func_ir)
        changed |= hint_at_items(func_ir)
        changed |= read_attributes(func_ir)
        changed |= fill_templates(func_ir)
        changed |= write_json(func_ir)
        tables = look_up_in_tables(func_ir, state.args)
        changed |= give_defaults(func_ir, outer_value)
        changed |= replace_strings(func_ir)
        changed |= join_calls(func_ir)
        changed |= replace_calls(func_ir, state.own)
        NOTES[function].tables = tables
        return changed or bool(tables)


@register_pass(mutates_CFG=True, analysis_only=False)
class _AnswerTests(_Pass):
    """`isinstance`, where its answer is known, and what follows from that."""

    _name = "dfv_answer_tests"

    def run_pass(self, state: Any) -> bool:
        def inferred() -> Any:
            typed_passes.PartialTypeInference().run_pass(state)
            return state.typemap

        changed = answer_tests(state.func_ir, state.args, inferred)
        state.typemap = state.calltypes = None  # which were those of a part
        return changed


@register_pass(mutates_CFG=False, analysis_only=False)
class _KeepSingle(_Pass):
    """After types are inferred: numbers of Python's that meet a Float32."""

    _name = "dfv_keep_single"

    def run_pass(self, state: Any) -> bool:
        changed = False
        defaults = {i for i, ty in enumerate(state.args) if isinstance(ty, types.Omitted)}
        numbers = state.own.variant.constants | {
            i for i in defaults if not isinstance(state.args[i].value, np.generic)
        }
        while keep_single(state.func_ir, state.typemap, numbers, partial(with_constants, own=state.own)):
            state.return_type = None  # which would be taken for given
            changed = typed_passes.NopythonTypeInference().run_pass(state)
        return changed


@register_pass(mutates_CFG=False, analysis_only=False)
class _ComputeExactly(_Pass):
    """After types are inferred: integers beyond 64 bits, and comparisons with None."""

    _name = "dfv_compute_exactly"

    def run_pass(self, state: Any) -> bool:
        mode = state.own.variant.mode
        general = mode is None or mode.general
        check_items(state.func_ir, state.typemap, state.calltypes)
        check_order(state.func_ir, state.typemap)
        check_kinds(state.func_ir.blocks, state.typemap, state.calltypes, len(state.args))
        compared = compare_identity(state.func_ir, state.typemap, state.calltypes)
        compared |= compare_none(state.func_ir, state.typemap, state.calltypes)
        changed, leaves = compute_exactly(state.func_ir, state.typemap, state.calltypes, general=general)
        NOTES[state.func_id.func].has_angles |= leaves
        return changed or compared


@register_pass(mutates_CFG=False, analysis_only=True)
class _NoteTexts(_Pass):
    """Note how a function shows strings."""

    _name = "dfv_note_texts"

    def run_pass(self, state: Any) -> bool:
        NOTES[state.func_id.func].shows |= shows(state.func_ir, state.typemap)
        return False


#: Passes of ours instead of Numba's.
_OWN = {
    TranslateByteCode: _Translate,
    InlineClosureLikes: _InlineFunctions,
    MakeFunctionToJitFunction: _MakeFunctions,
    LiteralPropagationSubPipelinePass: _AnswerTests,
    typed_passes.NativeLowering: OwnLowering,
}
#: Numba's, which would put in the code of `inline="always"` functions as it reads them: they are called.
_LEFT_OUT = {InlineInlinables}


class _Compiler(OwnCompiler):
    def define_pipelines(self) -> list[Any]:
        self.state.own = type(self)
        manager = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes = [entry for entry, _ in manager.passes]
        # For `isinstance` types are looked at already.
        manager.passes.insert(passes.index(LiteralPropagationSubPipelinePass), (_Replace, _Replace._name))
        # The last one that is added is the first one to run.
        manager.add_pass_after(_NoteTexts, typed_passes.NopythonTypeInference)
        manager.add_pass_after(_ComputeExactly, typed_passes.NopythonTypeInference)
        manager.add_pass_after(_KeepSingle, typed_passes.NopythonTypeInference)
        closures = passes.index(InlineClosureLikes)
        manager.add_pass_after(_InlineGenerators, passes[closures - 1])
        ssa = passes.index(CheckDefiniteAssignment.before)
        manager.add_pass_after(CheckDefiniteAssignment, passes[ssa - 1])
        kept = [one for one in manager.passes if one[0] not in _LEFT_OUT]
        manager.passes = [(_OWN.get(entry, entry), about) for entry, about in kept]
        manager.finalize()
        return [manager]


@cache
def _of_variant(variant: Variant) -> type[OwnCompiler]:
    return type("Compiler", (_Compiler,), {"variant": variant, "of_variant": staticmethod(_of_variant)})


def pipeline(
    mode: emit.Mode | None,
    *,
    is_outermost: bool,
    constants: frozenset[int] = frozenset(),
    gives_rows: bool = False,
) -> type[OwnCompiler]:
    """Return Numba's default compiler with our passes; the parameters are those of `Variant`."""
    return _of_variant(Variant(mode, is_outermost, constants, gives_rows))

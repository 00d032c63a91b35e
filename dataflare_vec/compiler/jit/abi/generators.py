"""What a generator holds, it gives back: lists, arrays, dicts and sets, whose references are counted.

A generator of Numba's lies in the frame of the function that makes it, and nobody knows when it is read no
more: what it holds between two values is lost with it. One that may hold something lies in memory of its own
here, whose references are counted as a list's are. It is dropped with the last of them, wherever that is:
behind a loop, at a `break`, on the way out of a function that fails, in a list or another generator.

Between two values such memory has each reference once: what the code has in variables goes there at a
`yield`, and back when the code goes on. So the `yield` that a generator stands at tells what there is to
drop: nothing while its code runs, nor when it is done.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import default_manager
from numba.core.datamodel.models import GeneratorModel
from numba.core.generators import GeneratorLower, LowerYield
from numba.core.pythonapi import PythonAPI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import Builder

_ARGUMENTS, _KEPT, _HEAD = 1, 2, 3
_DONE = ir.Constant(ir.IntType(32), -1)


def _is_counted(models: Any, kind: types.Type) -> bool:
    """Return whether values of a type hold references that are counted."""
    model = models[kind]
    return model.has_nrt_meminfo() or any(_is_counted(models, one) for one, _ in model.traverse(None))


class CountedModel(GeneratorModel):  # type: ignore[misc]
    """Numba's model; of what may hold references ``{i32 position, arguments, kept, i8* head}*``, counted."""

    def __init__(self, dmm: Any, fe_type: types.Generator) -> None:
        super().__init__(dmm, fe_type)
        held = [*fe_type.arg_types, *fe_type.state_types]
        self.counted = any(_is_counted(dmm, one) for one in held if not isinstance(one, types.Omitted))
        if self.counted:
            self._be_type = ir.LiteralStructType([*super().get_data_type().elements, cgutils.voidptr_t])
            self._be_ptr_type = self._be_type.as_pointer()
        self.struct: ir.Type = super().get_data_type()

    def get_return_type(self) -> ir.Type:
        """Return how it comes back from a function."""
        return self.get_data_type()

    def get_data_type(self) -> ir.Type:
        """Return how it lies in memory: in a list, a tuple, another generator."""
        return self._be_ptr_type if self.counted else self._be_type

    def as_data(self, builder: Builder, value: ir.Value) -> ir.Value:
        """Return what lies in memory."""
        return value if self.counted else super().as_data(builder, value)

    def from_data(self, builder: Builder, value: ir.Value) -> ir.Value:
        """Return what functions have of it."""
        return value if self.counted else super().from_data(builder, value)

    def has_nrt_meminfo(self) -> bool:
        """Return whether its references are counted."""
        return self.counted

    def get_nrt_meminfo(self, builder: Builder, value: ir.Value) -> ir.Value:
        """Return the head of its memory; none of a variable that is empty, and of one that is Python's."""
        none = cgutils.alloca_once(builder, cgutils.voidptr_t)
        head = cgutils.gep(builder, value, 0, _HEAD)
        return builder.load(builder.select(cgutils.is_null(builder, value), none, head))


default_manager.register(types.Generator, CountedModel)


class OwnGeneratorLower(GeneratorLower):  # type: ignore[misc]
    """How generators are made, go on, and are dropped."""

    @property
    def counted(self) -> bool:
        """Whether it may hold references."""
        found: bool = self.context.data_model_manager[self.gentype].counted
        return found

    def lower_init_func(self, lower: Any) -> None:
        """Write the function that makes a generator."""
        if not self.counted:
            super().lower_init_func(lower)
            return
        lower.setup_function(self.fndesc)
        context, builder = self.context, lower.builder
        context.insert_generator(self.gentype, self.gendesc, [self.library])
        lower.extract_function_arguments()
        lower.pre_lower()
        struct = context.data_model_manager[self.gentype].struct
        size = ir.Constant(cgutils.intp_t, context.get_abi_sizeof(struct))
        head = context.nrt.meminfo_alloc_dtor(builder, size, self._dropping(lower.module))
        made = builder.bitcast(context.nrt.meminfo_data(builder, head), struct.as_pointer())
        builder.store(ir.Constant(struct, None), made)
        for kind, value in zip(self.fndesc.argtypes, lower.fnargs, strict=True):
            context.nrt.incref(builder, kind, value)
        arguments = self.arg_packer.as_data(builder, lower.fnargs)
        builder.store(arguments, self.get_args_ptr(builder, made))
        builder.store(head, cgutils.gep_inbounds(builder, made, 0, _HEAD))
        self.call_conv.return_value(builder, made)
        lower.post_lower()

    def _dropping(self, module: ir.Module) -> ir.Function:
        """Return what is called before the memory of a generator is freed."""
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, cgutils.intp_t, cgutils.voidptr_t])
        function = cgutils.get_or_insert_function(module, kind, f"drop_{self.gendesc.mangled_name}")
        function.linkage = "internal"
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        pointer = self.context.get_value_type(self.gentype)
        self.lower_finalize_func_body(builder, builder.bitcast(function.args[0], pointer))
        return function

    def lower_next_func(self, lower: Any) -> None:
        """Write the function that goes on to the next value; one that fails is done with, as in Python."""
        super().lower_next_func(lower)
        builder = lower.builder
        prologue = next(one for one in lower.function.blocks if one.name.startswith("generator_prologue"))
        builder.position_before(prologue.terminator)
        builder.store(_DONE, self.resume_index_ptr)

    def lower_finalize_func_body(self, builder: Builder, genptr: ir.Value) -> None:
        """Write what lets go of all that a generator holds."""
        if self.counted:
            for kind, value in self.arg_packer.load(builder, self.get_args_ptr(builder, genptr)):
                self.context.nrt.decref(builder, kind, value)
            self._let_go_of_kept(builder, genptr)
        builder.ret_void()

    def _let_go_of_kept(self, builder: Builder, genptr: ir.Value) -> None:
        """Write what lets go of what a `yield` has kept, if the generator stands at one."""
        behind = builder.append_basic_block("behind")
        position = builder.load(self.get_resume_index_ptr(builder, genptr))
        places = builder.switch(position, behind)
        for index, point in self.geninfo.yield_points.items():
            place = builder.append_basic_block(f"at_{index}")
            places.add_case(ir.Constant(position.type, index), place)
            builder.position_at_end(place)
            for name in sorted(point.live_vars):
                number = self.geninfo.state_vars.index(name)
                kind = self.gentype.state_types[number]
                slot = cgutils.gep_inbounds(builder, genptr, 0, _KEPT, number)
                self.context.nrt.decref(builder, kind, self.context.unpack_value(builder, kind, slot))
            builder.branch(behind)
        builder.position_at_end(behind)


class OwnYield(LowerYield):  # type: ignore[misc]
    """How variables are kept at a `yield`, and found again: a reference goes with its variable."""

    def __init__(self, lower: Any, point: Any) -> None:
        super().__init__(lower, point, sorted(point.live_vars))

    def _slots(self) -> Any:
        for number, name in zip(self.live_var_indices, self.live_vars, strict=True):
            slot = cgutils.gep_inbounds(self.builder, self.gen_state_ptr, 0, number)
            yield slot, self.gentype.state_types[number], name

    def lower_yield_suspend(self) -> None:
        """Keep the variables that are read afterwards; what is yielded is the caller's, too."""
        for slot, kind, name in self._slots():
            value = self.lower.loadvar(name)
            if name == self.inst.value.name:
                self.context.nrt.incref(self.builder, kind, value)
            self.context.pack_value(self.builder, kind, value, slot)
        for name in sorted(self.yp.weak_live_vars - {self.inst.value.name}):
            self.lower.delvar(name)
        index = ir.Constant(self.resume_index_ptr.type.pointee, self.inst.index)
        self.builder.store(index, self.resume_index_ptr)

    def lower_yield_resume(self) -> None:
        """Find the variables again."""
        self.genlower.create_resumption_block(self.lower, self.inst.index)
        for slot, kind, name in self._slots():
            self.lower.storevar(self.context.unpack_value(self.builder, kind, slot), name)


_give, _take = PythonAPI.from_native_generator, PythonAPI.to_native_generator


@contextmanager
def _whole(model: Any) -> Iterator[None]:
    """Have Numba see a generator as what its memory has: so it lies in an object of Python's."""
    counted, model.counted = model.counted, False
    try:
        yield
    finally:
        model.counted = counted


def _given_to_python(api: PythonAPI, value: ir.Value, kind: types.Generator, env: Any = None) -> ir.Value:
    """Return an object of Python's for a generator: what that holds goes over to it."""
    builder, context = api.builder, api.context
    model = context.data_model_manager[kind]
    if not model.has_nrt_meminfo():
        return _give(api, value, kind, env)
    slot = cgutils.gep_inbounds(builder, value, 0, _HEAD)
    head = builder.load(slot)
    builder.store(ir.Constant(cgutils.voidptr_t, None), slot)
    with _whole(model):
        made = _give(api, value, kind, env)  # a copy, that has no head
    builder.store(head, slot)
    arguments = cgutils.gep_inbounds(builder, value, 0, _ARGUMENTS)
    builder.store(ir.Constant(arguments.type.pointee, None), arguments)
    builder.store(_DONE, cgutils.gep_inbounds(builder, value, 0, 0))
    context.nrt.decref(builder, kind, value)
    return made


def _taken_from_python(api: PythonAPI, obj: ir.Value, kind: types.Generator) -> Any:
    """Return the generator that lies in an object of Python's."""
    with _whole(api.context.data_model_manager[kind]):
        return _take(api, obj, kind)


# Generators of libraries are made, given to Python, and taken from there, in the same way.
PythonAPI.from_native_generator = _given_to_python
PythonAPI.to_native_generator = _taken_from_python

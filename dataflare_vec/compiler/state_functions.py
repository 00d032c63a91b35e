"""What becomes of a reduce's state when no row is left: ``merge`` and ``finish`` compiled, its columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.definition.declared import by_field, declared_dtypes
from dataflare_vec.definition.plugin import plain
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dataflare_vec.compiler.jit.codegen.driver import CompiledKernel
    from dataflare_vec.compiler.jit.codegen.scans import FoldKernel
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.state_layout import StateLayout

_SOURCE = """
def values(_state):
    return {values}
"""


def state_columns(
    plugin: Plugin, state_layout: StateLayout, dtypes: Mapping[str, Any]
) -> tuple[list[str] | None, list[Any]]:
    """Return the columns that the state itself comes to: names (None for one value) and dtypes.

    Parameters
    ----------
    dtypes
        Of the columns that it reads, by parameter.

    Raises
    ------
    KernelResultError
        If that isn't what is declared.
    """
    init, fields = state_layout.init, None
    if isinstance(init, tuple):
        named = hasattr(init, "_fields")
        fields = [leaf.name if named else f"{plugin.name}_{leaf.name}" for leaf in state_layout.leaves]
    empty = state_layout.records(0)
    own = [state_layout.series(leaf, empty).dtype for leaf in state_layout.leaves]
    declared = declared_dtypes(plugin, dict(dtypes))
    if isinstance(plugin.returns, dict):
        declared = by_field(plugin, fields, dict(dtypes))
    if declared is None:
        return fields, own
    if len(declared) != len(own):
        msg = f"its state has {len(own)} values, but `returns` declares {len(declared)}"
        raise KernelResultError(msg, plugin=plugin.name)
    return fields, [dtype if wanted is None else wanted for wanted, dtype in zip(declared, own, strict=True)]


def returning_state(plugin: Plugin, dtypes: Sequence[Any]) -> Plugin:
    """Return a reduce that has no ``finish`` with one that returns the state's values, as some dtypes."""
    assert plugin.stateful is not None
    init = plugin.stateful.init
    shown = ", ".join(_paths(init, "_state"))
    namespace: dict[str, Any] = {}
    source = _SOURCE.format(values=f"({shown},)" if isinstance(init, tuple) else shown)
    exec(compile(source, f"<state of {plugin.name}>", "exec"), namespace)
    stateful = replace(plugin.stateful, finish=namespace["values"])
    return replace(plugin, stateful=stateful, returns=tuple(dtypes))


def _paths(state: Any, path: str) -> Iterator[str]:
    if not isinstance(state, tuple):
        yield path
        return
    for i, item in enumerate(state):
        yield from _paths(item, f"{path}[{i}]")


def compile_finish(
    plugin: Plugin, state_type: Any, dtypes: Mapping[str, Any], *, notes: bool = False
) -> CompiledKernel:
    """Compile a plugin's ``finish``.

    Parameters
    ----------
    state_type
        Of its state, as its kernel has it.
    dtypes
        Of the columns that it reads, by parameter.
    notes
        Whether exceptions leave their messages, for a native library.

    Raises
    ------
    KernelCompileError, KernelResultError
        As for a kernel; the message says that it is that function.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.driver import compile_kernel
    from dataflare_vec.compiler.jit.codegen.folds import StateInput

    inputs = [StateInput(state_type, is_column=True)]
    finish = plugin.stateful.finish  # type: ignore[union-attr]
    assert finish is not None

    def compiled(declared: list[Any] | None) -> Any:
        return _explained(
            plugin,
            "finish",
            [inputs[0].kernel_type],
            lambda: compile_kernel(finish, inputs, declared, math=plugin.math, notes=notes),
        )

    kernel: CompiledKernel = compiled(declared_dtypes(plugin, dict(dtypes)))
    if isinstance(plugin.returns, dict):
        kernel = compiled(by_field(plugin, kernel.field_names, dict(dtypes)))
    return kernel


def compile_merge(plugin: Plugin, state_type: Any, *, notes: bool = False) -> FoldKernel:
    """Compile a plugin's ``merge``, as a reduce whose rows are states.

    Parameters
    ----------
    state_type
        Of its state, as its kernel has it.
    notes
        As for `compile_finish`.

    Raises
    ------
    KernelCompileError, KernelResultError
        As for a kernel; the message says that it is that function.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.folds import StateInput
    from dataflare_vec.compiler.jit.codegen.scans import compile_fold

    inputs, state = [StateInput(state_type, is_column=True)], state_type.inner
    stateful = plugin.stateful
    assert stateful is not None
    merge, init = stateful.merge, stateful.init
    assert merge is not None
    return _explained(  # type: ignore[no-any-return]
        plugin,
        "merge",
        [state, state],
        lambda: compile_fold(
            merge, init, inputs, math=plugin.math, gives_values=False, state=state, notes=notes
        ),
    )


def _explained(plugin: Plugin, what: str, arguments: Sequence[Any], compile_it: Callable[[], Any]) -> Any:
    """Return what is compiled; or raise an error that names the function."""
    import_compiler()
    from dataflare_vec.compiler.jit.diagnostics import explain_function, inner_cause

    function = plain(getattr(plugin.stateful, what))

    def explained(error: Exception) -> Exception:
        return explain_function(plugin.name, function, arguments, error, part=what)

    try:
        kernel = compile_it()
        kernel.check()
    except KernelResultError as error:
        error.fill(plugin=plugin.name, problem=f"`{what}`: {error.problem}")
        raise
    except Exception as error:  # Numba's own, and whatever its passes stumble over
        raise explained(error) from inner_cause(error)
    kernel.explained = explained
    return kernel

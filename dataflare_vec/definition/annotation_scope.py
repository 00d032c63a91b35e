"""The names that an annotation is written with: of its function, class and module, and for type checkers."""

from __future__ import annotations

import ast
import builtins
import importlib
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Unknown(type):
    """A class that stands for a name that can't be evaluated: its unions and aliases can be."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):  # what `typing` looks for
            raise AttributeError(name)
        return Unknown(f"{cls.__name__}.{name}", (), {})

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return cls


def raw_annotations(owner: Any) -> Mapping[str, Any]:
    """Return the annotations of a function or class as they are written, each by itself."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)
    return getattr(owner, "__annotations__", None) or {}


class AnnotationScope:
    """Where the names in an annotation are looked up.

    Parameters
    ----------
    mappings
        From the innermost to the outermost.
    filename
        Of the source, for what is imported for the type checker only.
    package
        Which relative imports there start from.
    """

    def __init__(
        self, mappings: tuple[Mapping[str, Any], ...] = (), filename: str = "", package: str = ""
    ) -> None:
        self._mappings = (*mappings, vars(builtins))
        self._filename = filename
        self._package = package

    @classmethod
    def of_function(cls, function: Any) -> AnnotationScope:
        """Return where a function's annotations are looked up; those of the functions around it included."""
        code = function.__code__
        names = function.__globals__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=False)
        closure = {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}
        parameters = {p.__name__: p for p in getattr(function, "__type_params__", ())}
        around = [*_locals_around(function), *_classes_around(function)]
        return cls((parameters, closure, *around, names), code.co_filename, names.get("__package__") or "")

    def inside(self, owner: type) -> AnnotationScope:
        """Return where the annotations of a class are looked up, which is used here."""
        module = sys.modules.get(owner.__module__)
        names = vars(module) if module is not None else {}
        filename = getattr(module, "__file__", None) or ""
        return AnnotationScope(
            (vars(owner), names, *self._mappings[:-1]), filename, names.get("__package__") or ""
        )

    def evaluate(self, annotation: Any) -> Any:
        """Return what an annotation is, with an `Unknown` for each name in it that can't be evaluated."""
        for _ in range(8):  # a string may be one of a string
            text = getattr(annotation, "__forward_arg__", annotation)
            if not isinstance(text, str):
                return annotation
            try:
                annotation = eval(text, {}, _Names(self._value_of))  # the author's own
            except Exception:  # whatever it does, it says nothing
                return Unknown(text, (), {})
        return annotation

    def _value_of(self, name: str) -> Any:
        for mapping in self._mappings:
            if name in mapping:
                return mapping[name]
        found = _for_type_checkers(self._filename).get(name)
        value = None if found is None else _imported(*found, self._package)
        return Unknown(name, (), {}) if value is None else value


class _Names(dict[str, Any]):
    """Names for `eval`, of which there is each."""

    def __init__(self, value_of: Callable[[str], Any]) -> None:
        super().__init__()
        self._value_of = value_of

    def __missing__(self, name: str) -> Any:
        return self._value_of(name)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _locals_around(function: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the local names of the functions that a function is defined in, as far as they still run."""
    around = function.__qualname__.split(".")[:-1]
    frame: Any = sys._getframe(1)
    while frame is not None and "<locals>" in around:
        if frame.f_globals is function.__globals__ and frame.f_code.co_name in around:
            yield frame.f_locals
        frame = frame.f_back


def _classes_around(function: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the names in the body of the class that a method belongs to."""
    owner, *parts = function.__qualname__.split(".")[:-1] or [""]
    found = function.__globals__.get(owner)
    for part in parts:
        found = getattr(found, part, None)
    if isinstance(found, type):
        yield vars(found)


def _for_type_checkers(filename: str) -> dict[str, tuple[int, str, str]]:
    """Return what a source imports under ``if TYPE_CHECKING:``: name → level, module, name there."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for branch in ast.walk(tree):
        if not isinstance(branch, ast.If) or "TYPE_CHECKING" not in ast.dump(branch.test):
            continue
        for statement in branch.body:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    key = statement.level, statement.module or "", alias.name
                    found[alias.asname or alias.name] = key
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    module = alias.name if alias.asname else alias.name.split(".")[0]
                    found[alias.asname or module] = 0, module, ""
    return found


def _imported(level: int, module: str, name: str, package: str) -> Any:
    """Return what such an import means, None if that can't be told without running anybody's module.

    What isn't imported yet is imported out of the standard library and NumPy only: those don't import the
    module back whose annotations are read.
    """
    if level:
        parents = package.split(".")
        module = ".".join(part for part in (*parents[: len(parents) - level + 1], module) if part)
    found = sys.modules.get(module)
    if found is None and module.split(".")[0] in (*sys.stdlib_module_names, "numpy"):
        try:
            found = importlib.import_module(module)
        except ImportError:
            return None
    if not name or found is None:
        return found
    return getattr(found, name, None) or sys.modules.get(f"{module}.{name}")

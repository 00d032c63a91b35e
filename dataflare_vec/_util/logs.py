"""Logging: one logger for each module, silent unless the application, or debug mode, wants to hear it."""

from __future__ import annotations

import logging
import threading

PACKAGE = "dataflare_vec"

_lock = threading.Lock()
_debuggers = 0
_before = logging.NOTSET
_handler: logging.Handler | None = None


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module; the package's has a handler that drops everything."""
    package = logging.getLogger(PACKAGE)
    if not package.handlers:
        package.addHandler(logging.NullHandler())
    return logging.getLogger(module)


def start_debugging() -> None:
    """Let debug messages through, to stderr unless the application has set up logging itself."""
    global _debuggers, _before, _handler
    with _lock:
        _debuggers += 1
        if _debuggers > 1:
            return
        package = logging.getLogger(PACKAGE)
        _before = package.level
        package.setLevel(logging.DEBUG)
        own = [one for one in package.handlers if not isinstance(one, logging.NullHandler)]
        if not own and not logging.getLogger().handlers:
            _handler = logging.StreamHandler()
            _handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
            package.addHandler(_handler)


def stop_debugging() -> None:
    """Take back one `start_debugging`."""
    global _debuggers, _handler
    with _lock:
        _debuggers -= 1
        if _debuggers:
            return
        package = logging.getLogger(PACKAGE)
        package.setLevel(_before)
        if _handler is not None:
            package.removeHandler(_handler)
            _handler = None

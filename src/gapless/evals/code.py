"""Python that a suite names: its own file, or the functions it judges with. Code is found by name, never unpickled."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from gapless.records.value import digest

_PREFIX = "gapless_suite_"
_found: dict[tuple[str, str], Callable[..., Any]] = {}
"""(reference, digest of the code) -> the function, so that a file is run once however many cases name it."""


def find_function(
    reference: str, folder: Path | None = None, source: str | None = None
) -> Callable[..., Any]:
    """The function behind "module:function" or "file.py:function".

    Args:
        reference: Where it is; a file relative to `folder`.
        folder: Folder of the suite.
        source: Digest of its code, if it was found before.

    Raises:
        ValueError: It is not there, or cannot be called.
    """
    if source is not None and (reference, source) in _found:
        return _found[reference, source]
    place, _, name = reference.rpartition(":")
    if not place or not name:
        raise ValueError(f"{reference!r} names no function. Write module:function or file.py:function")
    function: Any = import_place(place, folder)
    for part in name.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        raise ValueError(f"{place} has no function {name!r}")
    return function


def remember(reference: str, function: Callable[..., Any]) -> str:
    """Keeps a function under its reference; returns the digest of its code, which makes a changed check another suite."""
    source = _digest(function)
    _found[reference, source] = function
    return source


def reference_to(function: Callable[..., Any]) -> str:
    """The name under which a live function goes into a suite.

    Raises:
        ValueError: It is no plain function, or takes along values from the function round it.
    """
    if not hasattr(function, "__code__"):
        raise ValueError(f"{function!r} is no plain function; write one that calls it")
    if getattr(function, "__closure__", None):
        raise ValueError(
            f"{function.__qualname__} uses variables of the function round it, which a suite cannot name; "
            "move it to the top of a module"
        )
    place = function.__module__
    if place.startswith(_PREFIX):
        place = Path(function.__code__.co_filename).name
    return f"{place}:{function.__qualname__}"


def _run_file(file: Path) -> ModuleType:
    """Runs a Python file as a module of its own; files beside it can be imported."""
    if not file.is_file():
        raise ValueError(f"{file} does not exist, or is no file")
    version = digest(str(file.resolve()).encode() + file.read_bytes())
    name = f"{_PREFIX}{file.stem}_{version[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    _on_path(file.resolve().parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"{file} raised {type(error).__name__}: {error}") from error
    return module


def import_place(place: str, folder: Path | None = None) -> ModuleType:
    """The module behind "file.py" (relative to `folder`) or a module's name.

    Raises:
        ValueError: It is not there, or raises.
    """
    if place.endswith(".py"):
        return _run_file((folder or Path()) / place)
    for extra in (Path.cwd(), folder):
        if extra is not None:
            _on_path(extra.resolve())
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise ValueError(f"module {place} cannot be imported: {type(error).__name__}: {error}") from error


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _digest(function: Callable[..., Any]) -> str:
    """Digest of the file a function is written in; without a file, or without a name of its own, of its byte code."""
    import inspect

    code: Any = getattr(function, "__code__", None)
    mark = b""
    if code is not None and "<" in function.__qualname__:  # several lambdas share a name and a file
        atoms = [const for const in code.co_consts if not hasattr(const, "co_code")]
        mark = repr((code.co_code, code.co_names, code.co_firstlineno, atoms)).encode()
    try:
        return digest(Path(inspect.getfile(function)).read_bytes() + mark)
    except (OSError, TypeError):
        return digest(mark or repr((code.co_code, code.co_names) if code else function).encode())

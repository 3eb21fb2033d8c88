"""Finds the workflow a user named: "app.py:graph", "package.module:name", a live object."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from gapless.boundary.contract import Contract
from gapless.boundary.ending import Ending
from gapless.errors import InvalidTarget, MissingExtra
from gapless.frameworks.guard import guard
from gapless.records.workflow import Shape
from gapless.settings import StepSettings

ADAPTERS: Mapping[str, tuple[str, str]] = {
    "langgraph": ("langgraph", "gapless.frameworks.langgraph.workflow:adopt"),
    "runnable": ("langchain_core", "gapless.frameworks.runnable:adopt"),
    "function": ("builtins", "gapless.frameworks.function:adopt"),
}
"""Framework -> the library whose objects it takes, and where its `adopt` is; asked in this order."""


class Adapted(Protocol):
    """What every adapter gives: a workflow that reports its steps to the session in progress."""

    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def shape(self) -> Shape: ...  # noqa: D102
    async def run(self, value: Any, *, trial: str) -> Ending: ...  # noqa: D102
    async def run_step(self, step: str, golden: Any) -> Any: ...  # noqa: D102
    def state_before(self, step: str, value: Any, golden: dict[str, Any]) -> Any: ...  # noqa: D102


def load(
    target: str,
    *,
    steps: Mapping[str, StepSettings] | None = None,
    root: Path | None = None,
    contracts: Mapping[str, Contract] | None = None,
) -> Adapted:
    """The workflow behind a target.

    Args:
        target: "app.py:graph", "package.module:name", or without a name where there is only one graph.
        steps: What the user says about steps.
        root: Folder that relative files and packages are looked for in; the current one by default.
        contracts: Step -> the contract it is put under.

    Raises:
        InvalidTarget: It cannot be imported, is ambiguous, or is nothing gapless can run.
    """
    module, name = _opened(target, root)
    found = _member(target, module, name) if name else _only_graph(target, module)
    return adapt(found, steps=steps, target=target, home=module.__name__, contracts=contracts)


def find(target: str, root: Path | None = None) -> Any:
    """The live object behind "app.py:name" or "package.module:name", whatever it is.

    Raises:
        InvalidTarget: It cannot be imported, or no name is given.
    """
    module, name = _opened(target, root)
    if not name:
        raise InvalidTarget(f"{target}: names no object. Write {target}:NAME.")
    return _member(target, module, name)


def _opened(target: str, root: Path | None) -> tuple[ModuleType, str]:
    place, _, name = target.partition(":") if not _is_drive(target) else target[2:].partition(":")
    place = target[:2] + place if _is_drive(target) else place
    return _import(target, place, (root or Path.cwd()).resolve()), name


def adapt(
    value: Any,
    *,
    steps: Mapping[str, StepSettings] | None = None,
    target: str | None = None,
    home: str | None = None,
    contracts: Mapping[str, Contract] | None = None,
) -> Adapted:
    """The workflow of a live object: a graph, a runnable, a function, or something that makes one without arguments.

    Raises:
        InvalidTarget: It is nothing gapless can run.
    """
    name = (
        target or getattr(value, "__qualname__", None) or getattr(value, "name", None) or type(value).__name__
    )
    home = home or getattr(value, "__module__", None)
    if all(
        hasattr(value, attribute) for attribute in ("fingerprint", "shape", "run", "run_step", "state_before")
    ):
        return cast("Adapted", value)
    made = _make(str(name), value) if _is_factory(value) else value
    # a function whose arguments all have defaults may make a workflow or be one
    candidates = [made] if made is value or not inspect.signature(value).parameters else [made, value]
    for candidate in candidates:
        for library, reference in ADAPTERS.values():
            if library in sys.modules:
                held = guard(candidate, contracts) if contracts else candidate
                adopted = _resolve(reference)(held, target=str(name), settings=steps or {}, home=home)
                if adopted is not None:
                    return cast("Adapted", adopted)
    raise InvalidTarget(
        f"{name}: {type(made).__name__} is nothing gapless can run. Name a LangGraph graph, a LangChain runnable, "
        "a function of one case's input, or a function without arguments that returns one of these."
    )


def _import(target: str, place: str, root: Path) -> ModuleType:
    path = root / place
    if place.endswith(".py") or path.is_file():
        if not path.is_file():
            raise InvalidTarget(
                f"{target}: there is no file {path}. Give the path of a Python file, or module:name."
            )
        return _guarded(target, lambda: _import_file(path.resolve()))
    _add_path(root)
    return _guarded(target, lambda: importlib.import_module(place))


def _import_file(path: Path) -> ModuleType:
    """Imports a file under its own name; within a package under its full name, so that relative imports work."""
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        folder, parts = folder.parent, [folder.name, *parts]
    name = ".".join(parts if path.stem != "__init__" else parts[:-1])
    _add_path(folder)
    loaded = sys.modules.get(name)
    if loaded is not None and Path(getattr(loaded, "__file__", None) or "").resolve() == path:
        return loaded
    if loaded is None and importlib.util.find_spec(name) is not None:
        module = importlib.import_module(name)
        if Path(module.__file__ or "").resolve() == path:
            return module
    return _import_as(f"gapless_target_{path.stem}", path)  # another module already has this name


def _import_as(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:  # half a module must not stay, whatever stopped it
        del sys.modules[name]
        raise
    return module


def _guarded(target: str, work: Any) -> Any:
    """Runs the user's own code; whatever it raises becomes one error that names the place."""
    try:
        return work()
    except MissingExtra:
        raise
    except (Exception, SystemExit) as error:
        last = traceback.format_exception_only(error)[-1].strip()
        raise InvalidTarget(
            f"{target}: {last}{_where(error)}. Fix that, or install what it needs, and try again."
        ) from error


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    own = [f for f in frames if f.filename != __file__]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _member(target: str, module: ModuleType, name: str) -> Any:
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            names = ", ".join(name for name, _ in _members(module)) or "nothing public"
            raise InvalidTarget(f"{target}: {module.__name__} has no {name!r}. It has {names}.")
        value = getattr(value, part)
    return value


def _only_graph(target: str, module: ModuleType) -> Any:
    names: list[str] = []
    if "langgraph" in sys.modules:
        names = _resolve("gapless.frameworks.langgraph.workflow:names_of")(_members(module))
    if len({id(getattr(module, name)) for name in names}) == 1:
        return getattr(module, names[0])
    if names:
        choices = ", ".join(f"{target}:{name}" for name in names)
        raise InvalidTarget(f"{target} holds several graphs. Name one: {choices}.")
    public = ", ".join(name for name, _ in _members(module)) or "nothing public"
    raise InvalidTarget(f"{target} holds no graph; it has {public}. Name what to run: {target}:NAME.")


def _members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if not name.startswith("_") and not inspect.ismodule(value):
            yield name, value


def _is_factory(value: Any) -> bool:
    if not inspect.isfunction(value):
        return False
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(value).parameters.values()
    return all(p.default is not inspect.Parameter.empty or p.kind in variadic for p in parameters)


def _make(target: str, factory: Any) -> Any:
    made = _guarded(target, factory)
    if inspect.iscoroutine(made):
        return _guarded(target, lambda: _awaited(made))
    return made


def _awaited(made: Coroutine[Any, Any, Any]) -> Any:
    # A thread of its own: whoever measures may be running an event loop in this one.
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, made).result()


def _resolve(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def _add_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # for good: a step may import a neighbour when it first runs


def _is_drive(target: str) -> bool:
    return len(target) > 2 and target[1] == ":" and target[2] in "\\/"

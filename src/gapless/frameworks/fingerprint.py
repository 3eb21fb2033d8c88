"""Digest of the code a workflow runs: every definition its steps reach in the workflow's own modules.

Definitions are compared as syntax trees, so that neither comments nor line numbers matter, and constants a step
refers to (a prompt, a model's name) count. Code of installed libraries counts by name only.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib.util
import inspect
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gapless.records.value import digest, encode
from gapless.records.workflow import Shape

Hook = Callable[[Any], list[Any] | None]
_MOST = 20_000
"""Collections looked into, and members looked at in one that is not all plain data: a closure may hold a database."""
_LONG, _LARGE = 1_000, 10**100
_PLAIN = (str, int, float, bool, bytes, type(None))
_CONTRACTS = "gapless.boundary."
_SIGNALS = "gapless.boundary.signals."
_DEEP = 12
_FRAMEWORKS = ("langgraph", "langchain", "langchain_core", "gapless")
# A virtual environment may be behind a symbolic link, and the files it is held against are resolved.
_LIBRARIES = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def fingerprint_code(
    roots: list[Any], *, home: str | None = None, extra: Any = None, hook: Hook | None = None
) -> str:
    """Digest of the code reachable from `roots`, the same in every process until a definition changes.

    Args:
        roots: Functions, classes, or plain data that the workflow consists of.
        home: Module the workflow was loaded from: its package is the workflow's own code even if it is installed.
        extra: Plain data that belongs to the identity (the shape).
        hook: Takes a framework's object apart; answers None for what it does not know.
    """
    reader = CodeReader(home, hook)
    for root in roots:
        reader.visit(root)
    return digest(encode([sorted(reader.found.items()), extra]))


class Identified:
    """A workflow of any framework, as the others speak of it."""

    def __init__(self, *, target: str, fingerprint: str, shape: Shape) -> None:
        self._target, self._fingerprint, self._shape = target, fingerprint, shape

    @property
    def target(self) -> str:
        """As the user named it."""
        return self._target

    @property
    def fingerprint(self) -> str:
        """Digest of its code and everything it reaches."""
        return self._fingerprint

    @property
    def shape(self) -> Shape:
        """Its steps and boundaries, as well as they are known before anything ran."""
        return self._shape


@dataclass(slots=True)
class CodeReader:
    """Collects definitions, following names from one to the next."""

    home: str | None = None
    hook: Hook | None = None
    found: dict[str, str] = field(default_factory=dict[str, str])
    """What was reached -> its code, or "" where the name alone counts."""
    _seen: dict[int, Any] = field(default_factory=dict[int, Any])
    _collections: int = 0

    def visit(self, value: Any) -> None:
        """Adds the code of a function, class, or object, and everything that reaches from there."""
        waiting = [value]  # a stack of our own: data may be nested deeper than Python's
        while waiting:
            here = waiting.pop()
            if type(here) in _PLAIN:
                self.found.setdefault(_named(here), "")
            elif id(here) not in self._seen:
                self._seen[id(here)] = here  # kept alive, else another object could get its id
                waiting.extend(self._safe_parts(here))

    def _safe_parts(self, value: Any) -> list[Any]:
        try:
            return self._parts(value)
        except (
            Exception
        ):  # what cannot be looked at (a proxy without its object, a key without a text) counts by its class
            kind = type(value)
            self._define(kind.__module__, kind.__qualname__)
            return []

    def _apart(self, value: Any) -> list[Any] | None:
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith(_CONTRACTS):
            self.found[f"contract {digest(encode(_drawn(value)))}"] = ""
            return _fields(value)
        return self.hook(value) if self.hook is not None else None

    def _parts(self, value: Any) -> list[Any]:
        apart = self._apart(value)
        if apart is not None:
            return apart
        if isinstance(value, functools.partial):
            bound = cast("functools.partial[Any]", value)
            return [bound.func, *bound.args, *(bound.keywords[key] for key in sorted(bound.keywords))]
        if isinstance(value, types.MethodType):
            return [value.__func__, type(value.__self__)]
        if isinstance(value, types.FunctionType):
            return self._function(inspect.unwrap(value))
        if isinstance(value, (list, tuple)):
            return self._items(list(cast("list[Any]", value)))
        if isinstance(value, dict):
            pairs = cast("dict[Any, Any]", value).items()
            return self._items([part for pair in pairs for part in pair])
        if isinstance(value, _PLAIN):  # of a class of its own: an enum, a text that carries more
            self.found.setdefault(_named(value), "")
        if not isinstance(value, (type, types.ModuleType)):
            value = cast("type[Any]", type(value))
        if isinstance(value, type):
            self._define(value.__module__, value.__qualname__)
        return []

    def _items(self, items: list[Any]) -> list[Any]:
        """What is left to visit in a collection: nothing if it is all plain data, and not without limit."""
        self._collections += 1
        if items and all(type(item) in _PLAIN for item in items):
            self.found.setdefault(f"data {digest(encode([_named(item) for item in items]))}", "")
            return []
        return items[:_MOST] if self._collections < _MOST else []

    def _function(self, function: Any) -> list[Any]:
        if not isinstance(function, types.FunctionType):
            return [function]
        if not self._define(function.__module__, function.__qualname__) and self._own(function.__module__):
            self._compiled(function)
        # a framework's closures count as well: an agent keeps the user's prompt and model in them
        if not self._own(function.__module__) and function.__module__.partition(".")[0] not in _FRAMEWORKS:
            return []
        return [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]

    def _define(self, module: str, qualname: str) -> bool:
        """Adds a top-level definition; False when its source cannot be read, and then its name alone counts."""
        name = qualname.partition(".")[0]
        key = f"{_known_as(module)}:{name}"
        if key in self.found:
            return bool(self.found[key])
        self.found[key] = ""
        self.found.setdefault(f"{_known_as(module)}:{qualname}", "")
        names = _definitions(module) if self._own(module) else {}
        nodes = names.get(name, [])
        self.found[key] = "\n".join(ast.dump(node) for node in nodes)
        described = _described(module, name) if nodes else None
        if described is not None:
            self.found[f"{key} as made"] = described
        for node in nodes:
            self._follow(module, node)
        return bool(nodes)

    def _follow(self, module: str, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            for alias in node.names:
                inside = f"{source}.{alias.name}"
                self._module(inside) if inside in sys.modules else self._define(source, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                self._module(alias.name)
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and inner.id in _definitions(module):
                    self._define(module, inner.id)

    def _module(self, module: str) -> None:
        if self._own(module):
            for name in _definitions(module):
                self._define(module, name)

    def _compiled(self, function: types.FunctionType) -> None:
        key = f"{_known_as(function.__module__)}:{function.__qualname__}#code"
        self.found[key] = digest(encode(list(_code_parts(function.__code__))))

    def _own(self, module: str) -> bool:
        package = module.partition(".")[0]
        if package in _FRAMEWORKS:
            return False
        if self.home is not None and package == self.home.partition(".")[0]:
            return True
        file = getattr(sys.modules.get(module), "__file__", None)
        return file is None or not str(Path(file).resolve()).startswith(_LIBRARIES)


def _described(module: str, name: str) -> str | None:
    """What a model, prompt or chain of LangChain's says of itself once its module is imported; None for anything else.

    Its definition alone does not tell: the environment may name the model.
    """
    if "langchain_core" not in sys.modules:
        return None
    from gapless.frameworks.langchain_parts import described

    return described(getattr(sys.modules.get(module), name, None))


def _fields(contract: Any) -> list[Any]:
    """What a contract consists of: its numbers, and the user's functions in it."""
    fields = [f for f in dataclasses.fields(contract) if f.compare]  # the rest is no part of what it is
    return [
        type(contract).__qualname__,
        *(part for f in fields for part in (f.name, getattr(contract, f.name))),
    ]


def _drawn(value: Any, depth: int = 0) -> Any:
    """Which value stands in which place of a contract: two thresholds exchanged are another contract."""
    if type(value) in _PLAIN:
        return _named(value)
    if depth > _DEEP:
        return str(type(value))
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith(_CONTRACTS):
        named = [
            [f.name, _drawn(getattr(value, f.name), depth + 1)]
            for f in dataclasses.fields(value)
            if f.compare
        ]
        return [type(value).__qualname__, _source(type(value).__module__), named]
    if isinstance(value, dict):
        return [
            [_drawn(k, depth + 1), _drawn(v, depth + 1)] for k, v in cast("dict[Any, Any]", value).items()
        ]
    if isinstance(value, (list, tuple)):
        return [_drawn(item, depth + 1) for item in cast("list[Any]", value)]
    what: Any = value if hasattr(value, "__qualname__") else type(value)
    return f"{_known_as(str(what.__module__))}:{what.__qualname__}"


def _source(module: str) -> str:
    """Digest of a signal's own code: what a certificate says of its numbers holds for these numbers alone."""
    if not module.startswith(_SIGNALS):
        return ""
    nodes = (node for found in _definitions(module).values() for node in found)
    return digest(encode([ast.dump(node) for node in nodes]))


def _known_as(module: str) -> str:
    """A module's name: a program that is run by itself goes by its file's, as if it had been imported."""
    if module != "__main__":
        return module
    main = sys.modules[module]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    return spec.name if spec is not None else Path(file).stem if file is not None else module


def _definitions(module: str) -> dict[str, list[ast.stmt]]:
    """Top-level name -> the statements that bind it."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not file.endswith(".py"):
        return {}
    try:
        return _parsed(file, Path(file).stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}


@functools.lru_cache(maxsize=256)
def _parsed(file: str, changed_ns: int) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    names: dict[str, list[ast.stmt]] = {}
    for statement in _statements(tree.body):
        for name in _bound_names(statement):
            names.setdefault(name, []).append(statement)
    return names


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for block in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, block, []))
            for handler in getattr(statement, "handlers", []):
                yield from _statements(handler.body)


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    spec = sys.modules.get(module)
    package = getattr(spec, "__package__", None) or module.rpartition(".")[0]
    try:
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:
        return node.module or ""


def _code_parts(code: types.CodeType) -> Iterator[Any]:
    yield code.co_code
    yield list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield list(_code_parts(constant))
        elif isinstance(constant, frozenset):
            yield sorted(map(repr, cast("frozenset[Any]", constant)))
        else:
            yield repr(constant)


def _named(value: Any) -> str:
    """A plain value's name; long ones by their digest."""
    if isinstance(value, int):
        return (
            f"value {value!r}" if abs(value) < _LARGE else f"value {value:#x}"
        )  # its digits may not be asked for
    text = repr(value)
    return f"value {text}" if len(text) < _LONG else f"value {digest(text.encode())}"


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True

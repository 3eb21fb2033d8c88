"""What a node's own code is seen to do: keys it returns, where it sends the run, whether it asks a person. Read, not run.

Silence proves nothing: what a function calls is not followed, and what it computes is not known.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from langgraph.types import Command, Send, interrupt

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MANY = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.For, ast.AsyncFor, ast.While)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of one function."""

    writes: tuple[str, ...] = ()
    """Keys of the dicts that it returns, plain or in a Command, in their order."""
    goes: tuple[str, ...] = ()
    """Nodes beside it that a Command or a Send of it names."""
    leaves_to: tuple[str, ...] = ()
    """Nodes of the graph around its own that a Command of it names."""
    anywhere: bool = False
    """Whether it computes where a Command or a Send goes."""
    fans: tuple[str, ...] = ()
    """Nodes to which it makes several Sends at once."""
    asks: bool = False
    """Whether it calls `interrupt`, which waits for a person."""
    partly: bool = False
    """Whether it also returns what is not seen: anything but dicts of known keys, plain or in a Command."""
    only_to: str | None = None
    """Node to which everything that it returns are Sends, so that it decides nothing; None where it is not seen to be so."""
    leads: tuple[str, ...] = ()
    """Nodes whose names it returns, as a conditional edge does."""
    counts: tuple[str, ...] = ()
    """Comparisons of what it reads from the state with a whole number, as written: `s['n'] < 3`."""


def seen_in(function: Any) -> Seen:
    """What a function's code shows; nothing where it cannot be read.

    Example:
        >>> import textwrap
        >>> seen_in(textwrap.dedent).asks
        False
    """
    if not callable(function):
        return Seen()
    while isinstance(function, functools.partial):
        function = function.func
    try:
        function = inspect.unwrap(function)
    except ValueError:  # it wraps itself
        return Seen()
    tree = _source(function)
    return Seen() if tree is None else _Reading(function, tree).seen()


def _source(function: Any) -> ast.AST | None:
    """The function's own node; None where its source is not to be had, or is shared with another lambda."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    name = getattr(function, "__name__", "")
    if name == "<lambda>":
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        return found[0] if len(found) == 1 else None
    named = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return next((node for node in named if node.name == name), None)


class _Reading:
    """One function that is read."""

    def __init__(self, function: Any, tree: Any) -> None:
        self._known = {**getattr(function, "__globals__", {}), **_closure(function)}
        self._given = {one.arg for one in (*tree.args.posonlyargs, *tree.args.args)} - {"self", "cls"}
        body = [tree.body] if isinstance(tree, ast.Lambda) else tree.body
        self._nodes = [found for part in body for found in _own(part, many=False)]
        self._returned = [tree.body] if isinstance(tree, ast.Lambda) else list(self._returns())

    def seen(self) -> Seen:
        commands = [node for node, _ in self._nodes if self._calls(node, Command)]
        ways = [(self._targets(goto), up) for goto, up in map(_goto, commands) if goto is not None]
        sends = [(self._target(node), many) for node, many in self._nodes if self._calls(node, Send)]
        beside = [name for targets, up in ways if not up for name in targets]
        names = [name for name, _ in sends]
        fans = [name for name, many in sends if many or self._twice(name)]
        every = [*(name for targets, _ in ways for name in targets), *names]
        return Seen(
            writes=_each(key for value in self._returned for key in self._keys(value)),
            goes=_each([*beside, *names]),
            leaves_to=_each(name for targets, up in ways if up for name in targets),
            anywhere=None in every,
            fans=_each(fans),
            asks=any(self._calls(node, interrupt) for node, _ in self._nodes),
            partly=not all(map(self._whole, self._returned)),
            only_to=self._only_to(),
            leads=_each(name for value in self._returned for name in self._targets(value)),
            counts=_each(ast.unparse(node) for node, _ in self._nodes if self._counting(node)),
        )

    def _whole(self, value: ast.expr) -> bool:
        """Whether all keys of what is returned are seen."""
        if isinstance(value, ast.Dict):
            return all(isinstance(key, ast.Constant) for key in value.keys)
        if isinstance(value, ast.Call) and self._calls(value, Command):
            return all(self._whole(k.value) for k in value.keywords if k.arg in ("update", None))
        return isinstance(value, ast.Constant) and value.value is None

    def _only_to(self) -> str | None:
        """The node to which everything that is returned are Sends, however many."""
        sent = [one for value in self._returned for one in self._sent(value)]
        return sent[0] if sent and len(set(sent)) == 1 else None

    def _sent(self, value: ast.expr) -> list[str | None]:
        """Nodes to which a returned value is Sends; None among them for what is anything else, or left out by a condition."""
        if isinstance(value, ast.ListComp | ast.GeneratorExp):
            return self._sent(value.elt) if not any(one.ifs for one in value.generators) else [None]
        if isinstance(value, ast.List | ast.Tuple) and value.elts:
            return [name for one in value.elts for name in self._sent(one)]
        return [self._target(value) if self._calls(value, Send) else None]

    def _counting(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.ops[0], _ORDERS):
            return False
        sides = (node.left, node.comparators[0])
        return any(
            self._whole_number(bound) and self._of_the_state(counted)
            for bound, counted in (sides, sides[::-1])
        )

    def _whole_number(self, expression: ast.expr) -> bool:
        found = expression.value if isinstance(expression, ast.Constant) else self._named(expression)
        return isinstance(found, int) and not isinstance(found, bool) and found >= 1

    def _of_the_state(self, expression: ast.expr) -> bool:
        """Whether it reads what the function was given, at once or by a variable."""
        names = {one.id for one in ast.walk(expression) if isinstance(one, ast.Name)}
        return bool(names & (self._given | self._taken()))

    def _taken(self) -> set[str]:
        """Variables that hold something of what the function was given."""
        assigned = (node for node, _ in self._nodes if isinstance(node, ast.Assign | ast.NamedExpr))
        return {
            target.id
            for node in assigned
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
            and any(isinstance(one, ast.Name) and one.id in self._given for one in ast.walk(node.value))
        }

    def _returns(self) -> Iterator[ast.expr]:
        yield from (
            node.value for node, _ in self._nodes if isinstance(node, ast.Return) and node.value is not None
        )

    def _keys(self, value: ast.expr) -> Iterator[str]:
        if isinstance(value, ast.Dict):
            yield from (
                k.value for k in value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
            )
        elif isinstance(value, ast.List | ast.Tuple):
            yield from (key for one in value.elts for key in self._keys(one))
        elif isinstance(value, ast.Name):
            yield from (key for one in self._assigned(value.id) for key in self._keys(one))
        elif self._calls(value, Command) and isinstance(value, ast.Call):
            yield from (key for k in value.keywords if k.arg == "update" for key in self._keys(k.value))

    def _assigned(self, name: str) -> list[ast.expr]:
        """The dict literals that a variable holds; nothing where it holds anything else as well."""
        found: list[ast.expr] = []
        for node, _ in self._nodes:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(one, ast.Name) and one.id == name for one in targets):
                found.append(getattr(node, "value", None) or ast.Constant(None))
        return found if all(isinstance(one, ast.Dict) for one in found) else []

    def _calls(self, node: ast.AST, what: Any) -> bool:
        if not isinstance(node, ast.Call):
            return False
        called = node.func.value if isinstance(node.func, ast.Subscript) else node.func  # Command[...](...)
        found = self._named(called)
        return found is what or (isinstance(found, str) and found == what.__name__)

    def _named(self, expression: ast.expr) -> Any:
        """What an expression names; the name itself where that is not known (imported in the function, say)."""
        if isinstance(expression, ast.Name):
            return self._known.get(expression.id, expression.id)
        if isinstance(expression, ast.Attribute):
            around = self._named(expression.value)
            return getattr(around, expression.attr, None) if isinstance(around, ModuleType) else None
        return None

    def _targets(self, expression: ast.expr) -> list[str | None]:
        """The nodes that a `goto` names; None among them where one is computed."""
        if isinstance(expression, ast.List | ast.Tuple):
            return [name for one in expression.elts for name in self._targets(one)]
        if isinstance(expression, ast.IfExp):
            return [*self._targets(expression.body), *self._targets(expression.orelse)]
        if isinstance(expression, ast.ListComp | ast.GeneratorExp):
            return self._targets(expression.elt)
        if self._calls(expression, Send):
            return []  # it is among the Sends
        if isinstance(expression, ast.Constant):
            return [expression.value] if isinstance(expression.value, str) else []
        found = self._known.get(expression.id) if isinstance(expression, ast.Name) else None
        return [found if isinstance(found, str) else None]

    def _target(self, send: Any) -> str | None:
        named = [k.value for k in send.keywords if k.arg == "node"]
        first = next(iter([*send.args, *named]), None)
        found = self._targets(first) if first is not None else [None]
        return found[0] if len(found) == 1 else None

    def _twice(self, name: str | None) -> bool:
        """Whether one list holds several Sends to a node."""
        lists = (node.elts for node, _ in self._nodes if isinstance(node, ast.List | ast.Tuple))
        held = ([one for one in elements if self._calls(one, Send)] for elements in lists)
        return any(sum(self._target(one) == name for one in sends) > 1 for sends in held)


def _own(node: ast.AST, *, many: bool) -> Iterator[tuple[ast.AST, bool]]:
    """A function's own nodes in their order, without those of functions in it; and whether each may take place several times."""
    yield node, many
    if not isinstance(node, _NESTED):
        for child in ast.iter_child_nodes(node):
            yield from _own(child, many=many or isinstance(node, _MANY))


def _goto(command: Any) -> tuple[ast.expr | None, bool]:
    """Where a Command goes, and whether that is in the graph around."""
    said = {k.arg: k.value for k in command.keywords}
    around = said.get("graph")
    up = around is not None and not (isinstance(around, ast.Constant) and around.value is None)
    return said.get("goto"), up


def _closure(function: Any) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found: dict[str, Any] = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it is filled later
            continue
    return found


def _each(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))

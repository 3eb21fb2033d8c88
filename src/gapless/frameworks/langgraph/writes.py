"""Which keys a node's own code is seen to hand over: dict literals that it returns. Read, not run; silence proves nothing."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def written_by(function: Any) -> tuple[str, ...]:
    """Keys of the dict literals that a function returns, in their order; none where it shows none.

    Example:
        >>> import textwrap
        >>> written_by(textwrap.dedent)
        ()
    """
    tree = _source(inspect.unwrap(function)) if callable(function) else None
    return tuple(dict.fromkeys(key for value in _returned(tree) for key in _keys(value)))


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


def _returned(tree: ast.AST | None) -> Iterator[ast.expr]:
    if isinstance(tree, ast.Lambda):
        yield tree.body
    elif tree is not None:
        waiting = list(ast.iter_child_nodes(tree))
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, ast.Return) and node.value is not None:
                yield node.value
            elif not isinstance(node, _NESTED):
                waiting[:0] = ast.iter_child_nodes(node)


def _keys(value: ast.expr) -> Iterator[str]:
    for key in value.keys if isinstance(value, ast.Dict) else ():
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value

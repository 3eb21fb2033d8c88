"""Templates of a script's replies: Jinja in a sandbox, so that a borrowed script runs no code of its own."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from typing import Any, cast

NAMES: tuple[str, ...] = (
    "user",
    "system",
    "model",
    "tool_result",
    "tool_results",
    "groups",
    "turn",
    "request",
    "seen",
    "choice",
)
"""What a template may use, besides the named groups of its rule's regexes."""


class TemplateFailed(Exception):
    """A template could not be filled with what this request holds."""


def problem_with(text: str, groups: Iterable[str]) -> str | None:
    """What is wrong with a template before any request came, or None."""
    if "{" not in text:
        return None
    from jinja2 import TemplateSyntaxError, meta

    try:
        names = meta.find_undeclared_variables(_environment().parse(text))
    except TemplateSyntaxError as error:
        return f"{error.message} (line {error.lineno})."
    allowed = [*NAMES, *groups]
    for name in sorted(names - set(allowed) - set(_environment().globals)):
        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"unknown name {name!r}.{hint} Allowed: {', '.join(allowed)}."
    return None


def fill(value: Any, known: Mapping[str, Any]) -> Any:
    """A value with every string in it, at any depth, filled as a template.

    Raises:
        TemplateFailed: A template uses something that this request does not have.

    Example:
        >>> fill({"city": "{{ groups[1] | upper }}"}, {"groups": ["", "rome"]})
        {'city': 'ROME'}
    """
    if isinstance(value, str):
        return _fill_text(value, known) if "{" in value else value
    if isinstance(value, dict):
        return {key: fill(inner, known) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [fill(inner, known) for inner in cast("list[Any]", value)]
    return value


def _fill_text(text: str, known: Mapping[str, Any]) -> str:
    try:
        return _compiled(text).render(known)
    except Exception as error:  # an expression may fail in any way; the sandbox's own refusal is among them
        raise TemplateFailed(f"template {text!r}: {error}") from error


@functools.cache
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )


@functools.lru_cache(maxsize=1024)
def _compiled(text: str) -> Any:
    return _environment().from_string(text)

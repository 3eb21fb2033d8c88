"""Finds the rule for a request, and says of every other rule why it does not apply."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gapless.testing.fake_llm.asked import Asked
from gapless.testing.fake_llm.checking import regexes_of
from gapless.testing.fake_llm.script import Rule, Script, When


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is known about a request besides its content."""

    request: int
    """Its number since the start or the last reset; 1 for the first."""
    seen: int
    """How often the same question came before."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """The rule that applies."""

    number: int
    rule: Rule
    groups: tuple[str, ...]
    """Whole match and groups of the regexes, one regex after the other: of one regex, groups[1] is its first group."""
    named: Mapping[str, str]


def find_rule(script: Script, asked: Asked, now: Circumstances, used: Mapping[int, int]) -> Match | list[str]:
    """The first rule that applies, or why none does: one sentence per rule."""
    reasons: list[str] = []
    for number, rule in enumerate(script.rules):
        why = _used_up(rule, used.get(number, 0)) or _misfit(rule.when, asked, now) or _conflict(rule, asked)
        if why is None:
            groups, named = _groups(rule.when, asked)
            return Match(number=number, rule=rule, groups=groups, named=named)
        reasons.append(f"rule {number}" + (f" ({rule.name})" if rule.name else "") + f": {why}")
    return reasons


def _used_up(rule: Rule, used: int) -> str | None:
    if rule.times is not None and used >= rule.times:
        return f"used up ({used} of {rule.times} times)"
    return None


def _misfit(when: When, asked: Asked, now: Circumstances) -> str | None:
    return next(_misfits(when, asked, now), None)


def _misfits(when: When, asked: Asked, now: Circumstances) -> Iterator[str]:
    counted = {"turn": asked.turn, "request": now.request, "seen": now.seen, "endpoint": asked.endpoint}
    for key, got in counted.items():
        wanted = getattr(when, key)
        if wanted is not None and wanted != got:
            yield f"{key} is {got!r}, not {wanted!r}"
    if when.model is not None and not fnmatch.fnmatchcase(asked.model, when.model):
        yield f"model is {asked.model!r}, not {when.model!r}"
    if when.has_tool_result is not None and when.has_tool_result != bool(asked.tool_results):
        yield f"there are {len(asked.tool_results)} tool results"
    missing = [name for name in when.tools if name not in asked.tools]
    if missing:
        yield f"tools not offered: {', '.join(missing)}"
    for key in ("system", "user", "message", "tool_result"):
        wanted = getattr(when, key)
        if wanted is not None and not any(wanted.lower() in text.lower() for text in _texts(key, asked)):
            yield f"{key} does not contain {wanted!r}"
    for key, pattern in regexes_of(when):
        if _search(key, pattern, asked) is None:
            yield f"{key} does not find {pattern!r}"


def _conflict(rule: Rule, asked: Asked) -> str | None:
    """Why a model that keeps to the protocol could not give this reply to this request."""
    if rule.reply is None:
        return None
    calls = [call.name for call in rule.reply.tool_calls]
    if calls and not asked.tools:
        return "its reply calls a tool, and the request offers none"
    if calls and asked.choice == "none":
        return "its reply calls a tool, and tool_choice is 'none'"
    if asked.choice == "required" and not calls:
        return "its reply calls no tool, and tool_choice demands one"
    if asked.named is not None and any(name != asked.named for name in calls):
        return f"its reply does not call {asked.named}, which tool_choice demands"
    return None


def _groups(when: When, asked: Asked) -> tuple[tuple[str, ...], dict[str, str]]:
    groups: list[str] = []
    named: dict[str, str] = {}
    for key, pattern in regexes_of(when):
        found = _search(key, pattern, asked)
        if found is not None:
            groups += [found[0], *(group or "" for group in found.groups())]
            named |= {name: group or "" for name, group in found.groupdict().items()}
    return tuple(groups), named


def _search(key: str, pattern: str, asked: Asked) -> re.Match[str] | None:
    found = (re.search(pattern, text) for text in _texts(key.removesuffix("_regex"), asked))
    return next((match for match in found if match is not None), None)


def _texts(key: str, asked: Asked) -> list[str]:
    if key == "user":
        return [asked.user]
    if key == "system":
        return [asked.system]
    if key == "tool_result":
        return asked.tool_results
    return [turn.text for turn in asked.turns]

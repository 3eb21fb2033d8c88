"""What no type can say about a script: regexes and templates that compile, rates that add up, rules that can answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast, get_args

from gapless.errors import InvalidSettings
from gapless.testing.fake_llm.script import Fault, FaultName, Latency, Reply, Rule, Script, Spread, When
from gapless.testing.fake_llm.template import problem_with

FAULTS: tuple[str, ...] = get_args(FaultName)
UNANSWERED: frozenset[str] = frozenset({"429", "500", "503", "529", "timeout"})
"""Faults that leave no answer at all, so that the model behind them was never asked."""


def check(script: Script, where: str) -> None:
    """Refuses a script that cannot work.

    Raises:
        InvalidSettings: Naming the place, the rule, the value and what is allowed.
    """
    for number, rule in enumerate(script.rules):
        label = f"{where}, rule {number}" + (f" ({rule.name})" if rule.name else "")
        for problem in _rule_problems(rule):
            raise InvalidSettings(f"{label}: {problem}")
    if script.context < 0:
        raise InvalidSettings(f"{where}: context is {script.context}; allowed is 0 (no limit) and above.")
    for problem in (*_fault_problems(script.faults), *_latency_problems(script.latency)):
        raise InvalidSettings(f"{where}: {problem}")


def unknown_fault(name: str) -> str:
    """The sentence about a fault that does not exist."""
    import difflib

    near = difflib.get_close_matches(name, FAULTS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown fault {name!r}.{hint} Allowed: {', '.join(FAULTS)}."


def regexes_of(when: When) -> Iterator[tuple[str, str]]:
    """The regexes of a condition, in the order in which their groups are kept."""
    for key in ("user_regex", "message_regex", "tool_result_regex"):
        pattern = getattr(when, key)
        if pattern is not None:
            yield key, pattern


def _rule_problems(rule: Rule) -> Iterator[str]:
    if rule.times is not None and rule.times < 1:
        yield f"times is {rule.times}; a rule is used at least once. Leave it out for ever."
    groups: list[str] = []
    for key, pattern in regexes_of(rule.when):
        try:
            groups += re.compile(pattern).groupindex
        except re.error as error:
            yield f"when.{key}: {pattern!r} is no regular expression: {error}."
    if rule.reply is not None:
        yield from _reply_problems(rule.reply, groups)
    elif rule.fault not in UNANSWERED:
        yield (
            f"has no reply. Give it one, or a fault that leaves no answer: {', '.join(sorted(UNANSWERED))}."
        )


def _reply_problems(reply: Reply, groups: list[str]) -> Iterator[str]:
    kinds = [name for name in ("text", "json", "refusal") if getattr(reply, name) is not None]
    if len(kinds) > 1:
        yield f"reply has {' and '.join(kinds)}; a reply is one of text, json, refusal (text may stand beside tool_calls)."
    if reply.tool_calls and kinds and kinds != ["text"]:
        yield f"reply has tool_calls and {kinds[0]}; only text may stand beside tool_calls."
    if not kinds and not reply.tool_calls:
        yield "reply is empty; give it text, tool_calls, json or refusal (text: '' for an empty answer)."
    if reply.logprob is not None and not reply.logprob <= 0:
        yield f"reply.logprob is {reply.logprob}; a log probability is at most 0."
    if any(not call.name for call in reply.tool_calls):
        yield "a tool call has an empty name."
    for text in _texts(reply):
        problem = problem_with(text, groups)
        if problem:
            yield f"template {text!r}: {problem}"


def _texts(reply: Reply) -> Iterator[str]:
    yield from (text for text in (reply.text, reply.refusal) if text is not None)
    yield from _strings(reply.json)
    for call in reply.tool_calls:
        yield from _strings(call.arguments)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in cast("list[Any]", value):
            yield from _strings(inner)


def _fault_problems(faults: dict[str, Fault]) -> Iterator[str]:
    for name, fault in faults.items():
        if name not in FAULTS:
            yield unknown_fault(name)
        if not 0 <= fault.rate <= 1:
            yield f"fault {name}: rate is {fault.rate}; allowed is 0..1."
        if fault.retry_after_s < 0 or (fault.ms is not None and fault.ms < 0):
            yield f"fault {name}: a time below 0."
    total = sum(fault.rate for fault in faults.values())
    if total > 1 + 1e-9:
        yield f"the rates of the faults add up to {total:g}; at most one fault strikes a request, so at most 1 is allowed."


def _latency_problems(latency: Latency) -> Iterator[str]:
    for key in ("ttft_ms", "inter_token_ms"):
        value: float | Spread = getattr(latency, key)
        if isinstance(value, Spread):
            yield from (f"latency.{key}: {problem}" for problem in _spread_problems(value))
        elif not value >= 0:
            yield f"latency.{key} is {value}; allowed is 0 and above."
    if latency.slots < 0:
        yield f"latency.slots is {latency.slots}; allowed is 0 (no limit) and above."
    if latency.pause_every_s < 0 or latency.pause_ms < 0:
        yield "latency: a pause below 0."
    elif latency.pause_ms and latency.pause_ms >= 1e3 * latency.pause_every_s:
        yield "latency: a pause that is as long as its period (pause_every_s) never ends."


def _spread_problems(spread: Spread) -> Iterator[str]:
    if (spread.lognormal is None) == (spread.uniform is None):
        yield "give exactly one of lognormal, uniform."
    if spread.lognormal is not None and not (spread.lognormal.median > 0 and spread.lognormal.sigma >= 0):
        yield "lognormal needs median > 0 and sigma >= 0."
    if spread.uniform is not None and not 0 <= spread.uniform[0] <= spread.uniform[1]:
        yield f"uniform is {list(spread.uniform)}; allowed is [smallest, largest], both 0 and above."

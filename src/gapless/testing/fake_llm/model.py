"""The fake model: decides what a request gets, and remembers what it was asked."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from gapless.records.base import Record
from gapless.testing.fake_llm.answer import Answer, compose, echo, spoil
from gapless.testing.fake_llm.asked import Asked
from gapless.testing.fake_llm.checking import UNANSWERED
from gapless.testing.fake_llm.luck import Luck, Pace
from gapless.testing.fake_llm.matching import Circumstances, Match, find_rule
from gapless.testing.fake_llm.script import Fault, Rule, Script
from gapless.testing.fake_llm.template import TemplateFailed
from gapless.testing.fake_llm.wire.trouble import Trouble, bad, fault_trouble, script_trouble

_CALL_FAULTS = frozenset({"malformed_json", "wrong_tool", "no_call"})
_ANSWER_FAULTS = _CALL_FAULTS | {"truncated_stream", "stream_error", "empty"}
_SLOW_MS = 5_000.0
_HANG_MS = 600_000.0


class Received(Record, frozen=True, kw_only=True):
    """One request, and what became of it."""

    number: int
    """In order of arrival, from 1."""
    at_s: float
    """Seconds since the server started."""
    endpoint: str
    """chat, responses, messages or embeddings."""
    body: Any
    """As received; headers are not kept, they hold keys."""
    status: int | None
    """HTTP status of the answer; None where a fault left none."""
    digest: str | None = None
    """Identity of the question; None when the request was not understood."""
    seen: int = 0
    """How often the same question came before."""
    rule: int | None = None
    """Number of the rule that applied, from 0."""
    rule_name: str | None = None
    unmatched: bool = False
    """Whether no rule applied."""
    why_not: tuple[str, ...] = ()
    """Where no rule applied: why, rule by rule."""
    fault: str | None = None
    """The fault that struck."""
    error: str | None = None
    """The error message it was answered with."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A streamed answer by the server's own clock, in seconds on `time.monotonic()`."""

    read_s: float
    """When the request had been read."""
    first_s: float
    """When the first token was handed to the connection."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a request gets."""

    received: Received
    identity: str
    """Root of the ids in the answer."""
    pace: Pace
    answers: tuple[Answer, ...] = ()
    """One per choice; empty for embeddings."""
    hang_s: float | None = None
    """How long to keep silent before hanging up; None to answer."""


class FakeModel:
    """Answers by a script, one decision at a time; not thread-safe, the server's one event loop calls it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._began = time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Forgets every request, every use of a rule and every stored response."""
        self.received: list[Received] = []
        self._asked = 0
        self._seen: Counter[str] = Counter()
        self._used: Counter[int] = Counter()
        self._conversations: dict[str, list[Any]] = {}
        self.served: list[Served] = []

    def pause_s(self) -> float:
        """How much longer the server stands still; 0 where it does not."""
        latency = self.script.latency
        if not latency.pause_every_s or not latency.pause_ms:
            return 0.0
        since = time.monotonic() - self._began
        # The pause ends each period, so that a server that has just started answers at once.
        left = latency.pause_every_s - since % latency.pause_every_s
        return left if left <= latency.pause_ms / 1000 else 0.0

    def fit(self, asked: Asked) -> Asked:
        """The request as far as the context reaches.

        Raises:
            Trouble: It is longer, and the script does not say that it is cut.
        """
        context = self.script.context
        if not context or asked.tokens <= context:
            return asked
        if self.script.cut_prompts:
            return replace(asked, read=context)
        raise bad(
            "messages",
            f"This model's maximum context length is {context} tokens. However, your messages resulted in {asked.tokens} tokens.",
            "context_length_exceeded",
        )

    def decide(self, asked: Asked, body: Any) -> Decision:
        """What the request gets; it is in the log when this returns or raises.

        Raises:
            Trouble: It gets an error.
        """
        self._asked += 1
        now = Circumstances(request=self._asked, seen=self._seen[asked.digest])
        self._seen[asked.digest] += 1
        facts: dict[str, Any] = {"digest": asked.digest, "seen": now.seen}
        try:
            return self._decide(asked, body, now, facts)
        except Trouble as trouble:
            self._note(asked.endpoint, body, trouble.status, error=str(trouble), **facts)
            raise

    def refused(self, endpoint: str, body: Any, trouble: Trouble) -> None:
        """Keeps a request that was not understood."""
        self._note(endpoint, body, trouble.status, error=str(trouble))

    def remember(self, identity: str, items: list[Any]) -> None:
        """Keeps a conversation under the id of the response that ends it."""
        self._conversations[f"resp_{identity}"] = items

    def recall(self, response_id: str) -> list[Any] | None:
        """The conversation that ends with a response."""
        return self._conversations.get(response_id)

    def _decide(self, asked: Asked, body: Any, now: Circumstances, facts: dict[str, Any]) -> Decision:
        models = self.script.models
        if models and asked.model not in models:
            raise Trouble(
                404,
                f"The model '{asked.model}' does not exist. There are: {', '.join(models)}.",
                param="model",
                code="model_not_found",
            )
        luck = Luck(self.script.seed, asked.digest, now.seen)
        fault = luck.fault(self.script.faults)
        if fault in UNANSWERED:
            return self._unanswered(fault, asked, body, luck, facts)
        answers: tuple[Answer, ...] = ()
        if asked.endpoint == "embeddings":
            fault = None if fault in _ANSWER_FAULTS else fault
        else:
            found = find_rule(self.script, asked, now, self._used)
            if isinstance(found, Match):
                facts |= {"rule": found.number, "rule_name": found.rule.name}
                self._used[found.number] += 1
                if found.rule.fault in UNANSWERED:
                    return self._unanswered(found.rule.fault, asked, body, luck, facts)
                answers, fault = self._scripted(found, asked, now, luck, fault)
            else:
                answers, fault = self._unscripted(found, asked, luck, fault, facts)
        late = self._setting(fault).ms if fault == "slow" else 0.0
        pace = luck.pace(self.script.latency, _SLOW_MS if late is None else late)
        status = None if fault == "disconnect" and not asked.stream else 200
        note = self._note(asked.endpoint, body, status, fault=fault, **facts)
        return Decision(received=note, identity=luck.identity, pace=pace, answers=answers)

    def _unanswered(self, fault: str, asked: Asked, body: Any, luck: Luck, facts: dict[str, Any]) -> Decision:
        facts["fault"] = fault
        setting = self._setting(fault)
        if fault != "timeout":
            raise fault_trouble(fault, setting.retry_after_s)
        note = self._note(asked.endpoint, body, None, **facts)
        hang_s = (_HANG_MS if setting.ms is None else setting.ms) / 1000
        return Decision(
            received=note, identity=luck.identity, pace=luck.pace(self.script.latency), hang_s=hang_s
        )

    def _scripted(
        self, found: Match, asked: Asked, now: Circumstances, luck: Luck, fault: str | None
    ) -> tuple[tuple[Answer, ...], str | None]:
        known = {
            **found.named,
            "user": asked.user,
            "system": asked.system,
            "model": asked.model,
            "tool_results": asked.tool_results,
            "tool_result": asked.tool_results[-1] if asked.tool_results else "",
            "groups": found.groups,
            "turn": asked.turn,
            "request": now.request,
            "seen": now.seen,
        }
        try:
            answers = [
                compose(_reply_of(found.rule), asked, known | {"choice": i}, f"{luck.identity}/{i}")
                for i in range(asked.n)
            ]
        except TemplateFailed as failed:
            raise script_trouble(
                f"Rule {found.number} cannot answer: {failed}", "template_failed"
            ) from failed
        return _spoilt(answers, found.rule.fault or fault, asked)

    def _unscripted(
        self, reasons: list[str], asked: Asked, luck: Luck, fault: str | None, facts: dict[str, Any]
    ) -> tuple[tuple[Answer, ...], str | None]:
        facts |= {"unmatched": True, "why_not": tuple(reasons)}
        if self.script.strict:
            why = "; ".join(reasons) or "the script has no rules"
            raise script_trouble(f"No rule of the script applies: {why}.", "no_rule_applies")
        return _spoilt([echo(asked, f"{luck.identity}/{i}") for i in range(asked.n)], fault, asked)

    def _setting(self, fault: str | None) -> Fault:
        return self.script.faults.get(fault or "", Fault(rate=0.0))

    def _note(self, endpoint: str, body: Any, status: int | None, **facts: Any) -> Received:
        note = Received(
            number=len(self.received) + 1,
            at_s=round(time.monotonic() - self._began, 6),
            endpoint=endpoint,
            body=body,
            status=status,
            **facts,
        )
        self.received.append(note)
        return note


def _reply_of(rule: Rule) -> Any:
    assert rule.reply is not None, "checked when the script was read"
    return rule.reply


def _spoilt(answers: list[Answer], fault: str | None, asked: Asked) -> tuple[tuple[Answer, ...], str | None]:
    """The answers after the fault, and the fault; none where it has nothing to strike."""
    if fault in _CALL_FAULTS and not any(answer.calls for answer in answers):
        fault = None
    if fault == "stream_error" and not asked.stream:
        fault = None
    return tuple(spoil(answer, fault, asked) for answer in answers), fault

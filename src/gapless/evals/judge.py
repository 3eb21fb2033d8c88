"""Judges a trial when it has ended: the suite's checks on its steps and on the whole, and what needs no check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from gapless.evals.checks.base import MISSING, Check, CheckContext, build, judge_all, overall
from gapless.records.suite import END, Case, CheckSpec
from gapless.records.trial import StepEvent, Verdict
from gapless.records.value import OMITTED, decode
from gapless.records.workflow import Shape

_written = msgspec.msgpack.Encoder().encode


class Judge:
    """All checks of a suite, built once.

    Args:
        shape: The workflow's steps; those marked `review` escalate a trial that reaches them.
    """

    def __init__(self, shape: Shape) -> None:
        self.review_steps = frozenset(step.name for step in shape.steps if step.review)
        self._built: dict[tuple[str, str], tuple[Check, ...]] = {}
        self._equal: dict[bytes, Check] = {}

    def overall(self, verdicts: tuple[Verdict, ...]) -> bool | None:
        """One verdict over several: a fail fails, else an unknown (or none at all) is unknown."""
        return overall(verdicts)

    async def judge(
        self,
        case: Case,
        events: tuple[StepEvent, ...],
        payloads: Mapping[str, bytes],
        output: str | None,
        *,
        elapsed_ms: float,
        error: BaseException | None,
    ) -> tuple[tuple[StepEvent, ...], tuple[Verdict, ...]]:
        """Judges every step event, and the whole trial if it ended.

        Args:
            case: What was expected.
            events: What happened, in time order.
            payloads: Digest -> bytes of every recorded value.
            output: Digest of the final output; None when the trial raised.
            elapsed_ms: Wall time of the trial in milliseconds.
            error: What it raised.

        Returns:
            The events with their verdicts, and the verdicts on the whole.
        """

        def load(digest: str) -> Any:
            return decode(payloads[digest])

        last: dict[str, int] = {}
        for event in events:
            last[event.step] = max(event.visit, last.get(event.step, 0))
        judged = [await self._judge_event(case, event, events, load, last[event.step]) for event in events]
        if error is not None or output is None:
            return tuple(judged), ()
        context = CheckContext(
            case=case,
            where=END,
            value=load(output),
            golden=case.golden.get(END, MISSING),
            events=events,
            elapsed_ms=elapsed_ms,
            load=load,
        )
        return tuple(judged), await _judge_kept(self._checks(case, END), context)

    async def judge_update(
        self, case: Case, step: str, update: Any, elapsed_ms: float
    ) -> tuple[Verdict, ...]:
        """Judges what a step handed over when it ran alone on its golden input."""
        context = CheckContext(
            case=case,
            where=step,
            value=update,
            golden=golden_of(case, step, None),
            elapsed_ms=elapsed_ms,
            load=_nothing_recorded,
        )
        return await judge_all(self._checks(case, step), context)

    async def _judge_event(
        self,
        case: Case,
        event: StepEvent,
        events: tuple[StepEvent, ...],
        load: Callable[[str], Any],
        last_visit: int,
    ) -> StepEvent:
        if event.status == "paused":
            return event
        if event.status != "ok":
            return msgspec.structs.replace(event, ok=False, verdicts=(_not_ended(event),))
        golden = golden_of(case, event.step, event.visit, last_visit)
        checks = self._checks(case, event.step)
        if golden is MISSING and event.step in case.golden:  # it holds for another visit
            checks = tuple(check for check in checks if getattr(check, "name", None) != "golden")
        if not checks or event.output is None:
            return event
        context = CheckContext(
            case=case,
            where=event.step,
            value=load(event.output),
            golden=golden,
            state=load(event.input) if event.input is not None else None,
            events=events,
            visit=event.visit,
            elapsed_ms=event.ms,
            load=load,
        )
        verdicts = await _judge_kept(checks, context)
        return msgspec.structs.replace(event, ok=overall(verdicts), verdicts=verdicts)

    def _checks(self, case: Case, where: str) -> tuple[Check, ...]:
        key = (case.id, where)
        built = self._built.get(key)
        if built is None:
            specs = case.checks.get(where, ())
            if not specs and where in case.golden:
                specs = (CheckSpec(name="golden"),)
            built = tuple(self._build(spec) for spec in specs)
            self._built[key] = built
        return built

    def _build(self, spec: CheckSpec) -> Check:
        """One check for all equal specs: the same schema on a thousand cases is read once."""
        try:
            written = _written(spec)
        except (TypeError, ValueError, OverflowError):  # parameters that only Python can hold
            return build(spec)
        check = self._equal.get(written)
        if check is None:
            check = self._equal[written] = build(spec)
        return check


async def _judge_kept(checks: tuple[Check, ...], context: CheckContext) -> tuple[Verdict, ...]:
    """Verdicts on a recorded value. One that was not kept is unknown: its stand-in is no answer that could be wrong."""
    if not (isinstance(context.value, dict) and OMITTED in context.value):
        return await judge_all(checks, context)
    omitted = cast("dict[str, Any]", context.value)
    reason = f"the value was not kept: {omitted[OMITTED]}. Raise max_payload_bytes in gapless.toml"
    return tuple(
        Verdict(check=getattr(check, "name", type(check).__name__), status="unknown", reason=reason)
        for check in checks
    )


def _not_ended(event: StepEvent) -> Verdict:
    if event.error is not None:
        reason = f"raised {event.error.type}: {event.error.message}"
    else:
        reason = f"had not ended after {event.ms / 1000:.1f} s, when the trial was abandoned"
    return Verdict(check="ended", status="fail", reason=reason)


def golden_of(case: Case, step: str, visit: int | None, last_visit: int | None = None) -> Any:
    """The golden update of a visit, MISSING where there is none: a list holds one per visit, a single value the last one's."""
    golden = case.golden.get(step, MISSING)
    if not isinstance(golden, list):
        return golden if visit == last_visit else MISSING
    position = len(golden) - 1 if visit is None else visit - 1
    return golden[position] if 0 <= position < len(golden) else MISSING


def _nothing_recorded(digest: str) -> Any:
    raise KeyError(digest)

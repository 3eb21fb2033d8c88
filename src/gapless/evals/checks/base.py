"""The promise of a check, the shelf's table, and how checks are run: whatever a check does, a verdict comes out."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

import msgspec

from gapless.errors import InvalidSuite
from gapless.evals.pointer import Nowhere, nan_in, parse
from gapless.records.suite import Case, CheckSpec
from gapless.records.trial import ErrorInfo, StepEvent, Verdict, VerdictStatus

GROUP = "gapless.checks"
"""Entry points of this group are checks too."""
TABLE = {
    name: f"gapless.evals.checks.{name}:{''.join(word.capitalize() for word in name.split('_'))}"
    for name in (
        "exact", "numeric", "contains", "regex", "json_schema", "set", "recall_at_k", "grounded_figures",
        "grounded_names", "trajectory", "latency", "golden", "python", "llm_judge",
    )
}  # fmt: skip
"""Name in a suite -> "module:class"."""


class Missing(enum.Enum):
    """Stands for a value that is not there, where None could be one."""

    MISSING = "missing"


MISSING = Missing.MISSING


def _nothing_recorded(digest: str) -> Any:
    raise KeyError(digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """All a check may look at. Values are plain data: what JSON knows, and bytes."""

    case: Case
    """What went in and what was expected."""
    where: str
    """ "end" for the whole trial, else the step."""
    value: Any = None
    """The final output, or the update the step handed over."""
    golden: Any = MISSING
    """What should have been handed over; MISSING when the case does not say."""
    state: Any = None
    """What the step was given; None at the end."""
    events: tuple[StepEvent, ...] = ()
    """All step events of the trial, in time order; none when a step ran alone."""
    visit: int = 1
    """Which visit of the step this is."""
    elapsed_ms: float = 0.0
    """Duration of the trial or of the step, in milliseconds."""
    error: ErrorInfo | None = None
    """What the trial or step raised, if it did."""
    load: Callable[[str], Any] = _nothing_recorded
    """Payload digest -> the recorded value; KeyError when it was not kept."""


class Check(Protocol):
    """Judges after a trial. It may be slow, and it may raise: then its verdict is unknown."""

    def judge(self, context: CheckContext) -> Verdict | Awaitable[Verdict]:
        """Pass, fail or unknown, with a reason for the latter two."""
        ...


@dataclass(frozen=True, kw_only=True)
class BaseCheck:
    """What the checks of this shelf share. A check's fields are its parameters in a suite."""

    name: ClassVar[str]
    """Its name in a suite."""
    example: ClassVar[dict[str, Any]]
    """Parameters that make sense, for docs and for the conformance suite."""
    shorthand: ClassVar[str | None] = None
    """The parameter meant when a suite gives a single value instead of a mapping: `regex: "^yes"`."""

    def passed(self, reason: str = "", score: float | None = None) -> Verdict:
        """The verdict "pass"."""
        return Verdict(check=self.name, status="pass", reason=reason, score=score)

    def failed(self, reason: str, score: float | None = None) -> Verdict:
        """The verdict "fail"."""
        return Verdict(check=self.name, status="fail", reason=reason, score=score)

    def unknown(self, reason: str) -> Verdict:
        """The verdict "unknown": it counts as no success, and the report bounds the result both ways."""
        return Verdict(check=self.name, status="unknown", reason=reason)


@dataclass(frozen=True, kw_only=True)
class ValueCheck(BaseCheck):
    """A check on one value. A value that is not where the suite says it should be is a failure."""

    path: str = ""
    """Where in the output the value is; the whole output when empty."""

    def __post_init__(self) -> None:
        parse(self.path)

    def judge(self, context: CheckContext) -> Verdict:
        """Finds the value and judges it."""
        found = parse(self.path).read(context.value)
        return self.failed(str(found)) if isinstance(found, Nowhere) else self.judge_value(found, context)

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges the value that was found."""
        raise NotImplementedError

    def golden_at(self, context: CheckContext) -> Any:
        """What the case's golden output has at the same path; a golden that is a single value is meant itself."""
        if context.golden is MISSING or not isinstance(context.golden, (dict, list)):
            return context.golden
        found = parse(self.path).read(context.golden)
        return MISSING if isinstance(found, Nowhere) else found


@dataclass(frozen=True, kw_only=True)
class ComparingCheck(ValueCheck):
    """A check that compares with an expected value: the suite's `value`, else the golden output."""

    value: Any = MISSING
    """What is expected."""

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges the value that was found; without an expectation nothing is known."""
        expected = self.golden_at(context) if self.value is MISSING else self.value
        if expected is MISSING:
            return self.unknown(
                "nothing to compare with: the check has no `value`, the case no golden output here"
            )
        return self.compare(found, expected)

    def compare(self, found: Any, expected: Any) -> Verdict:
        """Compares what was found with what was expected."""
        raise NotImplementedError


def available() -> list[str]:
    """Names of all checks, those of installed plug-ins included."""
    return sorted({*TABLE, *_plug_ins()})


@cache
def check_class(name: str) -> type[Any]:
    """The class behind a check's name.

    Raises:
        InvalidSuite: No check has that name, or the plug-in that has it cannot be imported.
    """
    place = TABLE.get(name) or _plug_ins().get(name)
    if place is None:
        near = difflib.get_close_matches(name, available(), 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise InvalidSuite(f"unknown check `{name}`.{hint} Available: {', '.join(available())}.")
    module, _, attribute = place.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidSuite(
            f"check `{name}`: {place} cannot be imported: {error}. Is its package whole?"
        ) from error


def prepare(spec: CheckSpec, folder: Path) -> CheckSpec:
    """A spec that says everything itself: files it names, relative to the suite's folder, are read or digested.

    Raises:
        InvalidSuite: A file or function it names is not there.
    """
    kind = check_class(spec.name)
    if not hasattr(kind, "prepare"):
        return spec
    try:
        return CheckSpec(name=spec.name, params=kind.prepare(spec.params, folder))
    except ValueError as error:
        raise InvalidSuite(f"check `{spec.name}`: {error}.") from error


def build(spec: CheckSpec) -> Check:
    """The check that a spec describes.

    Raises:
        InvalidSuite: There is no such check, or it has no such parameter, or not with such a value.
    """
    kind = check_class(spec.name)
    _check_params(spec, kind)
    try:
        if dataclasses.is_dataclass(kind):
            return cast("Check", msgspec.convert(spec.params, kind))
        return cast("Check", kind(**spec.params))
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise InvalidSuite(f"check `{spec.name}`: {error}. Given: {spec.params}.") from error


async def judge_all(checks: Iterable[Check], context: CheckContext) -> tuple[Verdict, ...]:
    """The verdict of every check, in order."""
    return tuple([await run_check(check, context) for check in checks])


async def run_check(check: Check, context: CheckContext) -> Verdict:
    """The verdict of one check. One that raises, or answers with a NaN or with no verdict, is unknown."""
    try:
        said = check.judge(context)
        verdict: Any = said if isinstance(said, Verdict) or not inspect.isawaitable(said) else await said
    except (Exception, SystemExit) as error:  # a broken check must cost its verdict, not the measurement
        return _verdict(check, "unknown", f"the check raised {type(error).__name__}: {str(error)[:500]}")
    if not isinstance(verdict, Verdict):
        return _verdict(check, "unknown", f"the check answered {type(verdict).__name__}, not a Verdict")
    if verdict.score is not None and not math.isfinite(verdict.score):
        return _verdict(check, "unknown", f"the check's score is {verdict.score}, which is no number")
    if verdict.status != "pass" and not verdict.reason:
        return msgspec.structs.replace(verdict, reason="the check gave no reason")
    return verdict


def overall(verdicts: Iterable[Verdict]) -> bool | None:
    """One verdict over several: any fail is False, else any unknown (or no verdict at all) is None, else True."""
    statuses = {verdict.status for verdict in verdicts}
    if "fail" in statuses:
        return False
    return None if "unknown" in statuses or not statuses else True


def _check_params(spec: CheckSpec, kind: type[Any]) -> None:
    if (place := nan_in(spec.params)) is not None:
        raise InvalidSuite(
            f"check `{spec.name}`: {place} is no number (NaN or infinite). Write a finite one."
        )
    if not dataclasses.is_dataclass(kind):
        return
    allowed = _parameters(kind)
    for key in spec.params:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise InvalidSuite(
                f"check `{spec.name}`: unknown parameter `{key}`.{hint} Allowed: {', '.join(allowed)}."
            )


@cache
def _parameters(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _verdict(check: Check, status: VerdictStatus, reason: str) -> Verdict:
    return Verdict(check=getattr(check, "name", type(check).__name__), status=status, reason=reason)


def _plug_ins() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)}

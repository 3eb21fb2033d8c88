"""The report as JUnit XML, for a build server: one test case per trial, named as `gapless label` names it.

A delivered wrong answer, an escalation and a loud failure are each a failure: none of them is a correct automatic answer,
so `1 - (failures + skipped) / tests` is the end-to-end success with each trial counting the same. A trial without a
verdict is skipped: it is neither passed nor failed. The elements and attributes are those that Surefire writes.
"""

from __future__ import annotations

import datetime as dt
import math
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from gapless.records.gap import CRASH, ESCALATION, UNJUDGED, UNOBSERVED
from gapless.records.report import Report
from gapless.records.trial import Outcome, Run
from gapless.report.printable import printable
from gapless.report.wording import OUTCOMES, passage, shortened

_LOST: tuple[Outcome, ...] = ("wrong", "escalated", "failed")
_CLOSING = ("</testsuite>", "</testsuites>")
_AT_NO_STEP = {
    UNOBSERVED: "and no step's check saw it",
    ESCALATION: "with no failed check before it",
    CRASH: "with no failed check before it",
    UNJUDGED: "with no failed check and no end verdict",
}
_WORDS = dict(OUTCOMES)
_ROOM = 200


def render(report: Report, runs: Iterable[Run]) -> str:
    """The trials of a report as JUnit XML; what a build server cannot show is replaced.

    Args:
        report: What was measured, and what the arithmetic says of it.
        runs: The run table that the report was computed from.
    """
    report, counts, cases, ms = printable(report), Counter[Outcome](), list[str](), list[float]()
    receivers = {row.exit: row.receivers for row in report.gap.boundaries}
    for run in runs:
        counts[run.outcome] += 1
        ms.append(run.ms)
        cases.append(_case(report, printable(run), receivers))
    return "".join(line + "\n" for line in (*_opening(report, counts, ms), *cases, *_CLOSING))


def _opening(report: Report, counts: Counter[Outcome], ms: Sequence[float]) -> Iterator[str]:
    m = report.measurement
    totals = {
        "tests": counts.total(),
        "failures": sum(counts[outcome] for outcome in _LOST),
        "errors": 0,
        "skipped": counts["unjudged"],
        **_time(sum(known) if (known := [one for one in ms if not math.isnan(one)]) else math.nan),
    }
    stamp = {"timestamp": _stamp(m.created_at)} if m.created_at else {}
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f"<testsuites{_attributes({'name': _cut(f'gapless {m.target}')} | totals)}>"
    yield f"<testsuite{_attributes({'name': _cut(m.suite or m.target)} | totals | stamp)}>"
    yield "<properties>"
    for name, value in _properties(report):
        yield f"<property{_attributes({'name': name, 'value': value})}/>"
    yield "</properties>"


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    m = report.measurement
    yield "gapless.measurement", m.id
    yield "gapless.target", _cut(m.target)
    yield "gapless.condition", _cut(m.condition)
    yield "gapless.fingerprint", m.fingerprint
    yield "gapless.suite_digest", m.suite_digest
    yield "gapless.input_digest", _cut(report.input_digest)
    yield "gapless.headline", report.headline


def _case(report: Report, run: Run, receivers: dict[str, tuple[str, ...]]) -> str:
    suite = report.measurement.suite or report.measurement.target
    name = f"{_cut(run.case)}#{run.trial}"
    opening = f"<testcase{_attributes({'name': name, 'classname': _cut(suite)} | _time(run.ms))}"
    if run.outcome == "correct":
        return f"{opening}/>"
    if run.outcome == "unjudged":
        why = run.why or "no check and no label says whether the answer was right"
        return f"{opening}><skipped{_attributes({'message': _cut(f'not judged: {why}')})}/></testcase>"
    where = _where(run, receivers)
    message = _cut(f"{_WORDS[run.outcome]}, {where}{f': {run.why}' if run.why else ''}")
    kind = _attributes({"message": message, "type": run.outcome})
    body = escape("\n".join(_told(report, run, where)))
    return f"{opening}><failure{kind}>{body}</failure></testcase>"


def _where(run: Run, receivers: dict[str, tuple[str, ...]]) -> str:
    if run.blame is None:
        return "placed nowhere"
    if run.blame in _AT_NO_STEP:
        return _AT_NO_STEP[run.blame]
    known = tuple(_cut(name, 60) for name in receivers.get(run.blame, ()))
    return f"lost at {passage(_cut(run.blame, 60), known)}"


def _told(report: Report, run: Run, where: str) -> Iterator[str]:
    yield f"Outcome: {_WORDS[run.outcome]}"
    yield f"Where: {where}"
    if run.why:
        yield f"Reason: {run.why}"
    if run.faults:
        yield f"Weather: {', '.join(run.faults)}"
    yield f"Look at it: gapless label {shlex.quote(f'{run.case}#{run.trial}')} --measurement {report.measurement.id}"


def _attributes(values: Mapping[str, object]) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in values.items())


def _cut(text: str, room: int = _ROOM) -> str:
    return shortened(text, room)


def _time(ms: float) -> dict[str, str]:
    """Seconds; nothing where nobody took the time."""
    return {} if math.isnan(ms) else {"time": f"{ms / 1000:.3f}"}


def _stamp(unix: float) -> str:
    return dt.datetime.fromtimestamp(unix, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")

"""What is left of a trace at the border of a process: whether requests carry it on, and whether the clocks agree."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.gap.clustered import clustered
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import at_most, share_figure, together
from gapless.probes.observability.recorded import on_record
from gapless.records.finding import Figure, Finding
from gapless.records.trial import Call, TrialRecord

CONTEXT = Card(
    probe="trace-context",
    layer="observability",
    title="the trace goes on in other processes",
    target="every HTTP request of a step carries a traceparent",
    source="W3C Trace Context, section 3.2",
)
CLOCKS = Card(
    probe="clock-skew",
    layer="observability",
    title="clocks of other processes agree with this one",
    target="at most 2 seconds apart",
    source="RFC 9110, section 6.6.1: Date; spans of several hosts are put in order by their clocks",
)
_TOGETHER_S = 2.0
_DATE_S = 2.0
"""How much less than the time a date may say: a second by its resolution, another by a server that keeps it."""


_QUICK = "an answer that comes quickly"


def context_passed(subject: Subject) -> Iterable[Finding]:
    """Share of recorded HTTP requests with a traceparent, and where they go without."""
    sent = [(record, call) for record, call in _calls(subject) if call.traced is not None]
    if not sent:
        raise ProbeUnavailable(
            "no recorded step asked another process over HTTP (what MCP carries over stdio is not looked at)"
        )
    traced = [bool(call.traced) for _, call in sent]
    rate = clustered(traced, [record.group for record, _ in sent])
    figures = (share_figure("requests with a traceparent", rate),)
    lost = list(dict.fromkeys(call.name for _, call in sent if not call.traced))
    if not lost:
        yield CONTEXT.finding(
            "ok", f"{len(sent)} of {len(sent)} requests carry a traceparent", figures=figures
        )
        return
    some = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
    said = f"{traced.count(False)} of {len(sent)} requests carry no traceparent ({some}): what happens there belongs to no trace"
    step = "Instrument the client (opentelemetry-instrumentation-httpx), or inject the current context into the request's headers."
    # Where some carry it, somebody meant all of them to.
    yield CONTEXT.finding("fail" if any(traced) else "warn", said, figures=figures, next_step=step)


def clock_skew(subject: Subject) -> Iterable[Finding]:
    """How far the clock of each host that answered over HTTP is from this one's."""
    found: dict[str, list[Call]] = {}
    for _, call in _calls(subject):
        if call.ahead_s is not None:
            found.setdefault(_host(call), []).append(call)
    if not found:
        raise ProbeUnavailable("no recorded HTTP answer says its date, so other clocks were not seen")
    skews = {host: _off_by(host, *_between(seen), len(seen)) for host, seen in found.items()}
    held = {host: at_most(skew, _TOGETHER_S, missed="warn", needs=_QUICK) for host, skew in skews.items()}
    off = [host for host, one in held.items() if one.status != "ok"]
    if off:
        first = skews[off[0]]
        said = f"the clock of {', '.join(off)} is not this one's: {first.name} {first.low:.0f} to {first.high:.0f} s"
        step = "Let both hosts keep time with NTP (chrony, systemd-timesyncd): traces across them are out of order."
    else:
        said = f"the clocks of {len(skews)} host{'s' if len(skews) != 1 else ''} agree with this one's to {_TOGETHER_S:g} s"
        step = ""
    yield CLOCKS.held(together(*held.values()), said, figures=tuple(skews.values()), next_step=step)


def _between(calls: list[Call]) -> tuple[float, float]:
    """Where the answers put the truth, in seconds ahead of this clock.

    A date is cut to the second, many servers write it anew once a second only, and it was written at most the whole call
    before it was read: so it says up to two seconds and that call too little. The ends of all of them, where no one
    offset fits: one of the clocks was set in between.
    """
    least = [call.ahead_s or 0.0 for call in calls]
    most = [ahead + call.ms / 1e3 + _DATE_S for ahead, call in zip(least, calls, strict=True)]
    return (max(least), min(most)) if max(least) <= min(most) else (min(least), max(most))


def _off_by(host: str, low: float, high: float, dates: int) -> Figure:
    """By how much a clock is ahead, or behind."""
    ahead = low + high >= 0
    return Figure(
        name=f"{host} {'ahead' if ahead else 'behind'} by",
        value=abs(low + high) / 2,
        unit="s",
        low=low if ahead else -high,
        high=high if ahead else -low,
        spread=f"what {dates} date{'s' if dates != 1 else ''} to the second, up to a second old, leave open, and their travel",
    )


def _host(call: Call) -> str:
    return call.name.partition(" ")[2].partition("/")[0] or call.name


def _calls(subject: Subject) -> Iterable[tuple[TrialRecord, Call]]:
    for record in on_record(subject).sample:
        for event in record.events:
            for call in event.calls:
                yield record, call

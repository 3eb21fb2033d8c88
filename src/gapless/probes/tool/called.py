"""How servers answer calls: honestly, as declared, in time, and still after a call was given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from gapless.gap.latency import quantile, ranks
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import Judged, not_estimable, quantile_at_most, together
from gapless.probes.tool.described import locked
from gapless.probes.tool.reading import data_of, disguise_in, doubt_in, failed
from gapless.probes.tool.schemas import breach, fault_of
from gapless.probes.tool.survey import heard
from gapless.probes.tool.visit import Tried, Visit
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding
from gapless.records.tools import ToolAnswer
from gapless.report.wording import count

HONESTY = Card(
    probe="tool-honesty",
    layer="tool",
    title="failures are called failures",
    target="an unknown tool, wrong arguments and an error's text are never a success",
    source="MCP, tools: error handling",
)
OUTPUT = Card(
    probe="tool-output",
    layer="tool",
    title="answers are as declared",
    target="every structured answer fits the tool's output schema",
    source="MCP, tools: output schema",
)
LATENCY = Card(
    probe="tool-latency",
    layer="tool",
    title="tools answer in time",
    target="p95 at most 1000 ms",
    source="gapless' own: a loop of ten calls stays within ten seconds",
)
GIVEN_UP = Card(
    probe="tool-cancel",
    layer="tool",
    title="a call that was given up holds nobody up",
    target="the next request is answered",
    source="MCP, cancellation",
)
_MOST_MS, _SHOWN = 1000.0, 120
_P95 = 0.95
_QUANTILES = (0.5, 0.75, 0.9, _P95)
_TIME_LIMIT = "Put a timeout on the step that calls it, and look at what the server waits for."
_NO_SAFE = (
    "no tool is declared read-only, or idempotent and not destructive, in a way that its words bear out"
)


def uncalled(seen: Iterable[Visit]) -> str:
    """Why tools were not called."""
    return next((visit.uncalled for visit in seen if visit.uncalled), _NO_SAFE)


def only_errors(seen: Iterable[Visit], *, acting: bool = False) -> str:
    """Tools that answered nothing but errors, as the end of a sentence: what is said of them then says little.

    Args:
        seen: What the servers showed.
        acting: Whether tools that act are looked at too.
    """
    tools = [
        f"{visit.name}: {tool}"
        for visit in seen
        for tool, answers in answers_by_tool(visit, acting=acting).items()
        if all(map(failed, answers))
    ]
    if not tools:
        return ""
    return f"; only errors came from {', '.join(tools)}: name arguments that work ([checkup.servers.NAME.arguments])"


def unanswered(seen: Iterable[Visit]) -> str:
    """Why there is no answer to look at: every call failed, or none could be made."""
    seen = tuple(seen)
    first = next((" ".join(tried.answer.text.split()) for visit in seen for tried in visit.called), None)
    if first is None:
        return uncalled(seen)
    return f"no call was answered, first: {first[:_SHOWN]}{only_errors(seen)}"


def answers_by_tool(visit: Visit, *, acting: bool = True) -> dict[str, list[ToolAnswer]]:
    """Tool -> its answers to arguments that its schema takes, one call after the other."""
    found: dict[str, list[ToolAnswer]] = {}
    for tried in visit.called:
        found.setdefault(tried.tool, []).append(tried.answer)
    for one in visit.repeated if acting else ():
        found.setdefault(one.tool, []).extend((one.first, one.second))
    return found


def honesty(subject: Subject) -> Iterable[Finding]:
    """Whether what cannot be right is refused, and whether what failed says so."""
    wrong: list[str] = []
    tries = refused = 0
    for visit in heard(subject):
        asked = [Tried("an unknown tool", visit.unknown)] if visit.unknown is not None else []
        for tried in (*asked, *visit.refused):
            tries += 1
            if tried.answer.ended in ("tool-error", "protocol-error"):
                refused += 1
            else:
                how = "not answered" if tried.answer.ended == "timeout" else "answered with success"
                wrong.append(f"{visit.name}: {' '.join((tried.tool, tried.why)).strip()} was {how}")
        wrong += [
            f"{visit.name}: {tool} answered success with the text {text[:_SHOWN]!r}"
            for tool, text in _said(visit, lambda tool, answer: disguise_in(answer)).items()
        ]
    figures = (Figure(name="impossible calls", value=tries), Figure(name="refused", value=refused))
    if wrong:
        yield HONESTY.finding(
            "fail",
            "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
            figures=figures,
            next_step="Let the server answer `isError: true`, or guard the step: a model takes success at its word.",
        )
    elif not tries:
        raise ProbeUnavailable(f"no call that must fail could be made: {uncalled(heard(subject))}")
    else:
        yield _honest(heard(subject), f"{refused} of {tries} impossible calls were refused", figures)


def _honest(seen: tuple[Visit, ...], said: str, figures: tuple[Figure, ...]) -> Finding:
    """Where nothing is a lie for sure: what reads like one, and what was not tried."""
    doubts = [
        f"{visit.name}: {tool} answered success with {text[:_SHOWN]!r}"
        for visit in seen
        for tool, text in _said(
            visit, lambda tool, answer, of=visit: doubt_in(answer, of.schema(tool).output_schema)
        ).items()
    ]
    if doubts:
        return HONESTY.finding(
            "warn",
            f"reads like an error, and may be what was asked for: {'; '.join(doubts[:3])}",
            figures=figures,
            next_step="Where it is an error, answer `isError: true`; where it is not, declare an output schema that takes it.",
        )
    untried = [visit.name for visit in seen if not visit.refused]
    why = f"wrong arguments were not tried with {', '.join(untried)}: {_untried(seen)}" if untried else ""
    return HONESTY.held(Judged("ok", why), said, figures=figures)


def _untried(seen: Iterable[Visit]) -> str:
    """Why a server was sent no wrong arguments: none of its tools may be called, or each takes anything."""
    silent = tuple(visit for visit in seen if not visit.refused)
    if any(visit.called or visit.repeated for visit in silent):
        return "no arguments that its tools must refuse are known (name some under [checkup.servers.NAME.failing])"
    return uncalled(silent)


def _said(visit: Visit, read: Callable[[str, ToolAnswer], str]) -> dict[str, str]:
    """Tool -> the first that is read in its answers."""
    found: dict[str, str] = {}
    for tool, answers in answers_by_tool(visit).items():
        if said := next(filter(None, (read(tool, answer) for answer in answers)), ""):
            found[tool] = said
    return found


def output(subject: Subject) -> Iterable[Finding]:
    """Whether structured answers fit what their tools declare, else what was inferred when they were locked."""
    lock = locked(subject)
    wrong: dict[bool, dict[str, str]] = {False: {}, True: {}}
    judged = {False: 0, True: 0}
    unfit: dict[str, str] = {}
    for visit in heard(subject):
        reviewed = lock.servers[visit.name].tools if visit.name in lock.servers else {}
        for tried in visit.called:
            schema = visit.schema(tried.tool).output_schema
            inferred = schema is None
            if inferred and tried.tool in reviewed:
                schema = reviewed[tried.tool].inferred_output_schema
            if schema is None or tried.answer.ended != "answered":
                continue
            name = f"{visit.name}: {tried.tool}"
            if name not in unfit:
                unfit[name] = fault_of(schema)
            if unfit[name]:
                continue  # nothing breaks, and nothing fits, what is no schema
            judged[inferred] += 1
            if why := _broken(schema, tried.answer, inferred=inferred):
                wrong[inferred].setdefault(name, why)
    left = "; ".join(
        f"{name}: its output schema cannot be used: {why[:_SHOWN]}" for name, why in unfit.items() if why
    )
    if not any(judged.values()):
        raise ProbeUnavailable(left or _unjudged(heard(subject)))
    yield _as_declared(wrong, judged, left)


def _unjudged(seen: Iterable[Visit]) -> str:
    """Why no answer could be held against a schema."""
    seen = tuple(seen)
    if not any(tried.answer.ended == "answered" for visit in seen for tried in visit.called):
        return unanswered(seen)
    return (
        "no tool that answered declares an output schema, and none was learnt (gapless tools lock --sample 5 learns one"
        f" from answers){only_errors(seen)}"
    )


def _broken(schema: object, answer: ToolAnswer, *, inferred: bool) -> str:
    if inferred:
        return breach(schema, data_of(answer))
    return breach(schema, answer.structured) if answer.has_structured else "no structured answer"


def _as_declared(wrong: Mapping[bool, Mapping[str, str]], judged: Mapping[bool, int], left: str) -> Finding:
    figures = (
        Figure(name="answers held against a declared schema", value=judged[False]),
        Figure(name="answers held against an inferred one", value=judged[True]),
    )
    if wrong[False]:
        name, why = next(iter(wrong[False].items()))
        return OUTPUT.finding(
            "fail",
            f"{count(len(wrong[False]), 'tool')} with answers that break the output schema; {name}: {why[:300]}",
            figures=figures,
            next_step="Mend the server, or put a contract on the step: callers read what is not there.",
        )
    if wrong[True]:
        name, why = next(iter(wrong[True].items()))
        return OUTPUT.finding(
            "warn",
            f"{count(len(wrong[True]), 'tool')} with answers unlike those that a schema was inferred from (the server"
            f" declares none); {name}: {why[:300]}",
            figures=figures,
            next_step="Look at the answers: they changed, or too few were sampled. Then infer it again.",
            command="gapless tools lock --sample 20",
        )
    parts = [f"{judged[False]} answers fit their output schemas"] if judged[False] else []
    parts += [f"{judged[True]} fit inferred ones (not declared)"] if judged[True] else []
    return OUTPUT.held(Judged("ok", left and f"not judged: {left}"), ", ".join(parts), figures=figures)


def latency(subject: Subject) -> Iterable[Finding]:
    """How long safe tools take, called one after the other with the least arguments."""
    most = subject.targets.get(LATENCY.probe, _MOST_MS)
    times, hung = _times(heard(subject))
    if not times and not hung:
        raise ProbeUnavailable(unanswered(heard(subject)))
    found = {name: {q: quantile(taken, q) for q in _QUANTILES} for name, taken in times.items()}
    figures = tuple(_figures(found))
    held = {name: _in_time(name, taken, found[name], most) for name, taken in times.items()}
    slow = [name for name, one in held.items() if one.status != "ok"]
    shown = slow if hung or slow else [max(times, key=lambda name: times[name][-1])]
    said = [*hung, *(f"{name}: {_told(times[name], found[name], most)}" for name in shown)]
    yield LATENCY.held(
        together(*held.values(), *(Judged("fail") for _ in hung)),
        "; ".join(said) + ("" if hung or slow else only_errors(heard(subject))),
        figures=figures,
        target=f"p95 at most {most:g} ms",
        next_step=_TIME_LIMIT if hung or slow else "",
    )


def _times(seen: Iterable[Visit]) -> tuple[dict[str, list[float]], list[str]]:
    """Milliseconds of each tool's calls in rising order, and the tools that did not answer, in words.

    How soon a tool fails says nothing of how long its work takes: calls that failed are left out.
    """
    times: dict[str, list[float]] = {}
    hung: list[str] = []
    for visit in seen:
        for tried in visit.called:
            name = f"{visit.name}: {tried.tool}"
            if tried.answer.ended == "timeout":
                hung.append(f"{name} did not answer within {tried.answer.ms / 1e3:.1f} s")
            elif not failed(tried.answer):
                times.setdefault(name, []).append(tried.answer.ms)
    # the first call warms the tool up
    return {name: sorted(taken[1:] or taken) for name, taken in times.items()}, hung


def _in_time(name: str, taken: list[float], found: Mapping[float, Estimate], most: float) -> Judged:
    """A tool's times against the target of p95; from few calls its lower limit is known long before p95 itself is."""
    if _least(taken) > most or taken[0] > most:
        return Judged("warn")
    if all(one.point is None for one in found.values()):
        return Judged("ok", f"{name}: {not_estimable(_P95, len(taken))}")
    judged = quantile_at_most(found, most, missed="warn")
    return Judged(judged.status, judged.undecided and f"{name}: {judged.undecided}")


def _least(taken: list[float]) -> float:
    """The lower limit of p95; 0 where it has none."""
    rank = ranks(len(taken), _P95).low
    return taken[rank - 1] if rank is not None else 0.0


def _told(taken: list[float], found: Mapping[float, Estimate], most: float) -> str:
    """The quantiles that are estimable, in words; where none is, how long the slowest call took."""
    known = [f"p{100 * q:g} {found[q].point:.1f} ms" for q in _shown(found)]
    if found[_P95].point is None and (least := _least(taken)) > most:
        known.append(f"p95 at least {least:.1f} ms")
    return f"{', '.join(known) or f'{taken[-1]:.1f} ms at most'} in {count(len(taken), 'call')}"


def _figures(found: Mapping[str, Mapping[float, Estimate]]) -> Iterator[Figure]:
    for name, quantiles in found.items():
        for q in _shown(quantiles):
            one = quantiles[q]
            yield Figure(
                name=f"{name}, p{100 * q:g}",
                value=one.point or 0.0,
                unit="ms",
                low=one.low,
                high=one.high,
                spread=f"95 % interval, n={one.n_runs}",
            )


def _shown(found: Mapping[float, Estimate]) -> list[float]:
    """The median and the highest of the quantiles that are estimable."""
    known = [q for q, one in found.items() if one.point is not None]
    return list(dict.fromkeys([*known[:1], *known[-1:]]))


def given_up(subject: Subject) -> Iterable[Finding]:
    """Whether a server answers after a call to it was given up; whether it stopped the work itself cannot be seen."""
    asked = [visit for visit in heard(subject) if visit.given_up is not None]
    silent = [visit.silent for visit in asked if visit.silent]
    if not asked:
        raise ProbeUnavailable(f"nothing could be called and given up: {uncalled(heard(subject))}")
    if silent:
        yield GIVEN_UP.finding(
            "fail",
            "; ".join(silent) + ", after a call was given up",
            next_step="Let the tool await what it waits for (or run it in a thread): one call must not stop the others.",
        )
        return
    early = [
        visit.name for visit in asked if visit.given_up is not None and visit.given_up.ended != "timeout"
    ]
    if len(early) == len(asked):
        raise ProbeUnavailable(
            f"{', '.join(early)} had answered before the call could be given up: name a tool that takes longer"
        )
    said = f"{', '.join(visit.name for visit in asked)} answered the next request after a call was given up"
    if early:
        said += f" ({', '.join(early)} had answered that one already)"
    yield GIVEN_UP.finding(
        "ok", said, figures=(Figure(name="calls given up", value=len(asked) - len(early)),)
    )

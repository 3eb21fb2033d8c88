"""Whether calling twice is as calling once, and whether calls at the same time get in each other's way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.tool.called import answers_by_tool, only_errors, uncalled
from gapless.probes.tool.linting import safe
from gapless.probes.tool.reading import failed, same
from gapless.probes.tool.survey import heard
from gapless.probes.tool.visit import Mixed, Repeated, Together, Visit
from gapless.records.finding import Figure, Finding
from gapless.records.tools import ToolAnswer
from gapless.report.wording import count

TWICE = Card(
    probe="tool-twice",
    layer="tool",
    title="calling twice is as calling once",
    target="the same call is answered the same; a tool declared idempotent acts once",
    source="MCP, tools: idempotentHint, readOnlyHint",
)
AT_ONCE = Card(
    probe="tool-at-once",
    layer="tool",
    title="calls at the same time are answered as one after the other",
    target="each call its own answer, and the server stays up",
    source="gapless' own: agents call tools in parallel",
)
_UNTRIED = (
    "different arguments at the same time were not compared: none are known that are answered differently and always the"
    " same (name some in a list under [checkup.servers.NAME.arguments])"
)
_UNSEEN = "an effect that no reading tool of the server shows cannot be seen"


def twice(subject: Subject) -> Iterable[Finding]:
    """Whether the same call does and says the same again."""
    seen = heard(subject)
    repeated = [(visit, one) for visit in seen for one in visit.repeated]
    answers = {(visit.name, tool): told for visit in seen for tool, told in _told(visit)}
    acting = {(visit.name, one.tool) for visit, one in repeated}
    turned = [
        f"{name}: {tool}"
        for (name, tool), told in answers.items()
        if (name, tool) not in acting and not _same(told)
    ]
    turned += [f"{visit.name}: {one.tool}" for visit, one in repeated if _answers_otherwise(one)]
    tools = acting | set(answers)
    if not tools:
        raise ProbeUnavailable(f"nothing could be called twice: {uncalled(seen)}")
    worked = tools - _failing(seen)
    broken = [said for visit, one in repeated for said in _broken(visit, one)]
    figures = (
        Figure(name="tools called again", value=len(tools)),
        Figure(name="of these, tools that act", value=len(acting)),
    )
    if broken:
        yield TWICE.finding(
            "fail",
            "; ".join(broken),
            figures=figures,
            next_step="Do not say idempotentHint, or key the effect by its arguments: whoever retries acts twice.",
        )
    elif turned:
        yield TWICE.finding(
            "warn",
            f"the same call was answered otherwise by {', '.join(turned)}: a retry or a replay sees something else",
            figures=figures,
            next_step="Fix the order and the clock in the answer, or say in the description that it changes. Of a tool that acts"
            " nobody can tell whether it acted twice: let the second answer be the first one.",
        )
    elif not worked:
        raise ProbeUnavailable(
            f"no call worked, so that none says what a second one does{only_errors(seen, acting=True)}"
        )
    else:
        said = "; ".join(_fine(seen, len(worked), repeated)) + only_errors(seen, acting=True)
        yield TWICE.finding("ok", said, figures=figures)


def _failing(seen: Iterable[Visit]) -> set[tuple[str, str]]:
    """Tools of which nothing but errors came: that they say the same again says nothing."""
    return {
        (visit.name, tool)
        for visit in seen
        for tool, told in answers_by_tool(visit).items()
        if all(map(failed, told))
    }


def _told(visit: Visit) -> Iterator[tuple[str, list[ToolAnswer]]]:
    for tool in dict.fromkeys(tried.tool for tried in visit.called):
        told = [t.answer for t in visit.called if t.tool == tool and t.answer.ended != "timeout"]
        if len(told) > 1:
            yield tool, told


def _same(told: list[ToolAnswer]) -> bool:
    return all(same(told[0], other) for other in told)


def _broken(visit: Visit, one: Repeated) -> Iterator[str]:
    """What a tool that is declared idempotent did not keep."""
    if not one.declared:
        return
    name = f"{visit.name}: {one.tool} is declared idempotent, yet"
    if one.moved:
        yield f"{name} its second call shows in {', '.join(one.moved)}"
    elif not failed(one.first) and failed(one.second):
        yield f"{name} its second call failed: {' '.join(one.second.text.split())[:120]}"


def _answers_otherwise(one: Repeated) -> bool:
    """Whether a tool that is declared to act once says something else the second time, and no reading tool shows more."""
    worked = not failed(one.first) and not failed(one.second)
    return one.declared and not one.moved and worked and not same(one.first, one.second)


def _fine(seen: tuple[Visit, ...], tools: int, repeated: list[tuple[Visit, Repeated]]) -> Iterator[str]:
    yield f"{count(tools, 'tool')} did and said the same again"
    for visit, one in repeated:
        if one.moved:
            yield f"{visit.name}: {one.tool} acts each time, as it says: retry it only with a key"
    if repeated:
        watched = sorted({name for _, one in repeated for name in one.watched})
        yield (
            f"watched through {', '.join(watched)}; {_UNSEEN}"
            if watched
            else f"{_UNSEEN}, and here none does"
        )
    left = [
        tool.name
        for visit in seen
        for tool in (visit.offer.tools if visit.offer is not None else ())
        if not safe(tool)
        and tool.name not in {one.tool for one in visit.repeated}
        and tool.name not in {tried.tool for tried in visit.called}
    ]
    if left:
        yield (
            f"not called, for want of a hint that says they are safe and words that bear it out: {', '.join(left)}"
            " (--allow-effects)"
        )


def at_once(subject: Subject) -> Iterable[Finding]:
    """Whether calls at the same time disturb each other."""
    seen = heard(subject)
    made = [(visit, one) for visit in seen for one in visit.together]
    if not made:
        raise ProbeUnavailable(f"nothing that only reads could be called: {uncalled(seen)}")
    broken = [f"{visit.name}: {one.tool} {said}" for visit, one in made if (said := _disturbed(one))]
    broken += [
        f"{visit.name}: {one.tool} {said}"
        for visit in seen
        for one in visit.mixed
        if (said := _mixed_up(one))
    ]
    broken += [f"{visit.stayed_up}, after calls at the same time" for visit in seen if visit.stayed_up]
    calls = sum(len(one.answers) for _, one in made)
    mixed = sum(len(one.answers) for visit in seen for one in visit.mixed if _comparable(one))
    figures = (
        Figure(name="calls at the same time", value=calls + mixed),
        Figure(name="of these, with different arguments", value=mixed),
    )
    if broken:
        yield AT_ONCE.finding(
            "fail",
            "; ".join(broken[:3]),
            figures=figures,
            next_step="Keep what belongs to a call in that call, never in a variable that calls share: agents call in parallel.",
        )
        return
    loose = [one.tool for _, one in made if not one.steady]
    said = f"{calls} calls at the same time to {count(len(made), 'tool')} were answered as before"
    if loose:
        said += f" ({', '.join(loose)}: answered at all, for its answers differ one after the other too)"
    said += _apart(seen) + only_errors(seen)
    yield AT_ONCE.finding("ok", said, figures=figures, undecided="" if mixed else _UNTRIED)


def _apart(seen: Iterable[Visit]) -> str:
    """What became of different arguments at the same time, as the end of a sentence."""
    tried = [one for visit in seen for one in visit.mixed]
    fine = [one for one in tried if _comparable(one)]
    vary = [one.tool for one in tried if not _comparable(one)]
    calls = sum(len(one.answers) for one in fine)
    said = (
        f"; {calls} with different arguments to {count(len(fine), 'tool')} had each its own answer"
        if fine
        else ""
    )
    if vary:
        said += (
            f"; not compared with different arguments: {', '.join(vary)}, whose answers change by themselves"
        )
    return said


def _comparable(one: Mixed) -> bool:
    """Whether every arguments' answer was the same before and after: a clock, a counter or chance is not."""
    return all(same(told[0], other) for told in one.alone for other in told)


def _mixed_up(one: Mixed) -> str:
    """What went otherwise than one after the other, with different arguments; empty where nothing did."""
    total = len(one.answers)
    lost = sum(answer.ended == "timeout" for answer in one.answers)
    if lost:
        return f"left {lost} of {total} calls at the same time, with different arguments, unanswered"
    if not _comparable(one):
        return ""
    wrong = [
        (answer, own[0])
        for answer, own in zip(one.answers, one.alone, strict=True)
        if not same(answer, own[0])
    ]
    if not wrong:
        return ""
    swapped = sum(any(same(answer, other[0]) for other in one.alone) for answer, _ in wrong)
    if swapped:
        return f"gave {swapped} of {total} calls at the same time the answer to another call's arguments"
    return f"answered otherwise in {len(wrong)} of {total} calls at the same time with different arguments"


def _disturbed(one: Together) -> str:
    """What went otherwise than one after the other; empty where nothing did."""
    total = len(one.answers)
    lost = sum(answer.ended == "timeout" for answer in one.answers)
    if lost:
        return f"left {lost} of {total} calls at the same time unanswered"
    failed = [answer for answer in one.answers if answer.ended != one.alone.ended]
    if failed:
        return f"ended otherwise in {len(failed)} of {total} calls at the same time: {' '.join(failed[0].text.split())[:100]}"
    other = sum(not same(answer, one.alone) for answer in one.answers) if one.steady else 0
    return f"answered otherwise in {other} of {total} calls at the same time" if other else ""

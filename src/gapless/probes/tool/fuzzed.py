"""What fuzzing from the schema found: right arguments that break a tool, wrong ones that it takes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from itertools import chain

from gapless.frameworks.tools.source import typed
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import Judged
from gapless.probes.tool.called import only_errors, uncalled
from gapless.probes.tool.linting import safe
from gapless.probes.tool.survey import heard
from gapless.probes.tool.visit import Failure, Fault, Visit
from gapless.records.finding import Figure, Finding
from gapless.report.wording import count

FUZZ = Card(
    probe="tool-fuzz",
    layer="tool",
    title="a tool takes what its schema takes, and refuses the rest",
    target="no arguments that fit break it, none that do not are answered",
    source="MCP, tools: servers must validate all tool inputs; fuzzed with hypothesis-jsonschema",
)
_SAID: Mapping[Fault, str] = {
    "died": "ended its server",
    "crash": "broke inside",
    "hung": "did not answer",
    "breach": "answered something else than its output schema says",
    "accepted": "answered arguments that its schema refuses",
    "cast": "made something else of a value that its schema refuses",
    "ignored": "was given a forbidden argument, and dropped it in silence",
}
_WORST: tuple[Fault, ...] = tuple(_SAID)
_MOST_SHOWN, _MOST_TYPED = 160, 500


def fuzzed(subject: Subject) -> Iterable[Finding]:
    """Whether tools keep to their schemas under arguments that nobody chose for them."""
    seen = heard(subject)
    made = list(chain.from_iterable(visit.fuzzed for visit in seen))
    valid, invalid = sum(one.valid for one in made), sum(one.invalid for one in made)
    if not made:
        raise ProbeUnavailable(f"nothing could be called: {uncalled(seen)}")
    unable = [f"{one.tool}: {one.unable}" for one in made if one.unable]
    unable += [
        f"{one.tool}: there was no time for a call"
        for one in made
        if not (one.unable or one.valid + one.invalid)
    ]
    unable += [
        f"{one.tool}: time ended the search after {count(one.valid + one.invalid, 'call')} (--seconds)"
        for one in made
        if one.cut and one.valid + one.invalid
    ]
    unable += [only.removeprefix("; ")] if (only := only_errors(seen)) else []
    if not valid + invalid:
        raise ProbeUnavailable("; ".join(unable) or "there was no time for a call")
    figures = (
        Figure(name="calls with arguments that fit", value=valid),
        Figure(name="calls with arguments that do not", value=invalid),
    )
    found = sorted(
        ((visit, failed) for visit in seen for one in visit.fuzzed for failed in one.failures),
        key=lambda pair: _WORST.index(pair[1].fault),
    )
    if not found:
        said = f"{valid} calls with arguments that fit and {invalid} with ones that do not, to {count(sum(bool(one.valid + one.invalid) for one in made), 'tool')}"
        untried = f"not tried, or not wholly: {'; '.join(unable)}" if unable else ""
        yield FUZZ.held(Judged("ok", untried), said, figures=figures)
        return
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    lenient = all(failed.fault in ("cast", "ignored") for _, failed in found)
    yield FUZZ.finding(
        "warn" if lenient else "fail",
        "; ".join(_line(visit, failed) for visit, failed in found[:3]) + more,
        figures=figures,
        next_step="Check the arguments in the tool before it acts, and say in the schema what it cannot take.",
        command=_again(subject, *found[0]),
    )


def _line(visit: Visit, failed: Failure) -> str:
    arguments = json.dumps(failed.arguments, ensure_ascii=False)
    shown = arguments if len(arguments) <= _MOST_SHOWN else f"{arguments[:_MOST_SHOWN]}…"
    why = f" ({failed.said[:_MOST_SHOWN]})" if failed.fault != "ignored" else ""
    return f"{visit.name}: {failed.tool} {_SAID[failed.fault]}: {shown}{why}"


def _again(subject: Subject, visit: Visit, failed: Failure) -> str:
    """What to type to see it again; empty where that would be too long to be typed."""
    leave = "" if safe(visit.schema(failed.tool)) else " --allow-effects"
    arguments = shlex.quote(json.dumps(failed.arguments))
    tool = f"--tool {shlex.quote(failed.tool)} --arguments {arguments}{leave}"
    server = subject.servers[visit.name]
    # What is no command stands first, so that a line cut short in a terminal still says whose tool it is.
    where = f"{tool} {typed(server)}" if server.command else f"{typed(server)} {tool}"
    command = f"gapless tools call {where}"
    return command if len(command) <= _MOST_TYPED else ""

"""Function calling: a call where one is needed, the right one with right arguments, none where none fits; never silence with 200."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from gapless.gap.rate import proportion
from gapless.probes.base import Card, Subject
from gapless.probes.judging import share_at_least, share_figure, together
from gapless.probes.model.corpus import FunctionCase
from gapless.probes.model.endpoints.base import Question, Reply
from gapless.probes.model.function_cases import Call, cases, matched, parsed, truth, valid
from gapless.probes.model.measured import CHECKLIST, all_of, answering
from gapless.probes.model.saying import example, left_out, refused
from gapless.records.finding import Figure, Finding

_TOKENS, _TARGET = 64, 0.95
CARD = Card(
    probe="function-calling",
    layer="model",
    title="function calls are made, and right",
    target=f">= {100 * _TARGET:g} % of cases answered by exactly the right calls, and no fewer with a call where one is needed",
    source=CHECKLIST,
)


_NO_TOOLS = "Ask for a json_schema over {name, arguments} instead, or serve the model with tool support."


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one case."""

    case: FunctionCase
    made: list[Call] | None
    """None where a call's arguments are no JSON object, or no answer came."""
    reply: Reply

    @property
    def needed(self) -> bool:
        """Whether a call is right at all."""
        return bool(self.case.calls) or self.case.any_call

    @property
    def silent(self) -> bool:
        """A call was needed, and there is none, with status 200."""
        return self.needed and self.made == []

    @property
    def named(self) -> bool:
        """Whether the right tools were called, whatever the arguments."""
        return sorted(name for name, _ in self.made or ()) == sorted(name for name, _ in self.case.calls)

    @property
    def valid(self) -> bool:
        """Whether every call fits its tool's schema."""
        return self.made is not None and all(valid(self.case, call) for call in self.made)

    @property
    def right(self) -> bool:
        """Whether exactly the right calls were made."""
        if self.case.any_call:
            return bool(self.made) and self.valid
        return self.made is not None and matched(self.case, self.made)

    @property
    def said(self) -> str:
        """What was asked, expected and got."""
        if self.case.any_call:
            expected = "any call that fits its schema"
        else:
            expected = (
                " and ".join(_call(name, json.dumps(given)) for name, given in truth(self.case)) or "no call"
            )
        got = " and ".join(_call(name, given) for name, given in self.reply.calls)
        return example(
            str(self.case.messages[-1]["content"]),
            expected,
            got or f"no call, but the text {self.reply.text!r}",
        )


def probe(subject: Subject) -> Iterable[Finding]:
    """Each case once, `tool_choice` required where a call is needed."""
    endpoint = answering(subject)
    asked, source = cases(subject.function_cases)
    questions = [_question(case) for case in asked]
    found = all_of(endpoint, questions, seconds=subject.seconds, shuffled=True)
    pairs = [(case, reply) for case, reply in zip(asked, found, strict=True) if reply is not None]
    answered = [Answered(case, parsed(reply.calls) if reply.ok else None, reply) for case, reply in pairs]
    if not any(one.needed and one.reply.ok for one in answered):
        yield refused(CARD, found, "tools are", next_step=_NO_TOOLS)
        return
    yield _finding(answered, source + left_out(found), subject.targets.get(CARD.probe, _TARGET))


def _finding(answered: list[Answered], source: str, target: float) -> Finding:
    needed = [one for one in answered if one.needed]
    irrelevant = [one for one in answered if not one.needed]
    called = [one for one in needed if one.reply.ok and one.made != []]
    silent = sum(one.silent for one in needed)
    share = proportion(sum(one.right for one in answered), len(answered))
    quiet = proportion(sum(one.reply.ok and not one.silent for one in needed), len(needed))
    figures = [
        share_figure("cases with exactly the right calls", share),
        share_figure("a call where one is needed", quiet),
        Figure(name="silence with status 200", value=silent),
    ]
    if called:
        figures.append(share_figure("right tools", proportion(sum(o.named for o in called), len(called))))
        figures.append(share_figure("fits the schema", proportion(sum(o.valid for o in called), len(called))))
    if irrelevant:
        kept = proportion(sum(one.made == [] for one in irrelevant), len(irrelevant))
        figures.append(share_figure("no call where none fits", kept))
    parallel = [one for one in needed if len(one.case.calls) > 1]
    if parallel:
        figures.append(
            share_figure("parallel calls right", proportion(sum(o.right for o in parallel), len(parallel)))
        )
    held = together(
        share_at_least("exactly the right calls", share, target),
        share_at_least("a call where needed", quiet, target),
    )
    said = f"{sum(one.right for one in answered)} of {len(answered)} cases right ({source}); {silent} of {len(needed)} needed calls silently missing"
    wrong = next((one for one in answered if one.reply.ok and not one.right), None)
    said += f"; for example {wrong.said}" if wrong is not None else ""
    next_step = "" if held.status == "ok" else _next_step(silent, len(needed))
    return CARD.held(held, said, figures=tuple(figures), next_step=next_step)


def _call(name: str, arguments: str) -> str:
    return f"{name}({arguments})"


def _next_step(silent: int, needed: int) -> str:
    if silent > needed / 2:
        return "The endpoint answers tool_choice required with prose and status 200: its chat template has no tools. Ask for a json_schema anyOf over {name, arguments} instead, or serve another template."
    return "Validate name and arguments at the boundary before anything is called, and gate calls with an effect."


def _question(case: FunctionCase) -> Question:
    needed = bool(case.calls) or case.any_call
    return Question(messages=case.messages, tokens=_TOKENS, tools=case.tools, must_call=needed)

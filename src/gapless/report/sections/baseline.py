"""The workflow beside one plain prompt on the same cases, and whether it is worth its steps."""

from __future__ import annotations

from gapless.records.baseline import PromptBaseline
from gapless.records.gap import Gap
from gapless.report.baseline import verdict
from gapless.report.sections.base import Section
from gapless.report.wording import count, percent, points, rate


def baseline(gap: Gap) -> Section | None:
    """The section; None where no prompt was measured."""
    found = gap.baseline
    if found is None:
        return None
    said = verdict(found)
    return Section(
        title="One plain prompt",
        lead=f"{said[0].upper()}{said[1:]}.",
        heads=("Figure", "Value"),
        rows=tuple(_rows(found)),
        under=" ".join([*_under(found), *_judged(gap)]),
        ours=True,
    )


def _rows(found: PromptBaseline) -> list[tuple[str, str]]:
    rows = [
        ("S of the workflow", rate(found.workflow)),
        ("S of the prompt", rate(found.prompt)),
        ("Workflow minus prompt, paired by case", points(found.difference)),
    ]
    if found.prompt_at_least is not None:
        rows.append(("S of the prompt, at least (one-sided 95 %)", percent(found.prompt_at_least)))
    if found.workflow_cost is not None and found.prompt_cost is not None and found.cost_in is not None:
        rows.append(("Cost of a trial: workflow, prompt", _cost(found)))
    rows.append(("Margin; stakes", f"{100 * found.margin:g} points; {found.stakes}"))
    return rows


def _cost(found: PromptBaseline) -> str:
    workflow, prompt = found.workflow_cost or 0.0, found.prompt_cost or 0.0
    return f"{workflow:,.0f}, {prompt:,.0f} {found.cost_in}"


def _judged(gap: Gap) -> list[str]:
    by_model = gap.judge is not None and gap.judge.decided
    return ["A model judged both: how far it is to be trusted stands under The judge."] if by_model else []


def _under(found: PromptBaseline) -> list[str]:
    asked = f"{found.model} was asked" if found.model else "The prompt was asked"
    said = [f"{asked} about the same {count(found.cases, 'case')}, judged by the same end checks."]
    if found.unshared:
        said.append(f"{count(found.unshared, 'case')} only one of the two has answered: left out.")
    return [*said, *found.notes]

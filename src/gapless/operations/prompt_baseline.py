"""`gapless measure --baseline prompt`: the same cases and end checks answered by one plain prompt, and what follows from it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.operations.measure import Ask, Measured, measure_into
from gapless.operations.open import open_suite
from gapless.operations.progress import Stop, Tell, silent
from gapless.operations.prompt import PromptWorkflow, prompt_workflow
from gapless.records.baseline import PROMPT_ONLY, PromptBaseline
from gapless.records.measurement import Measurement
from gapless.records.suite import END, Case, Suite
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow
    from gapless.gap.table import Table
    from gapless.stores.store import Store

_ABOUT_STEPS = ("trajectory",)
"""End checks that judge the way and not the answer: a prompt has no way."""


async def measure_both(
    store: Store,
    workflow: Any,
    suite: Any,
    ask: Ask,
    *,
    place: Place,
    tell: Tell = silent,
    stop: Stop | None = None,
) -> Measured:
    """Measures a workflow, then the plain prompt that `[prompt]` describes on the same cases, as often.

    Args:
        store: Where the trials are kept; the same call goes on where it stopped.
        workflow: As for `measure_into`.
        suite: Its cases.
        ask: How to measure the workflow. The prompt is asked without weather, under its own condition.
        place: The settings.
        tell: Is told the progress.
        stop: Ends it early.

    Returns:
        The workflow's measurement; complete if both are.

    Raises:
        InvalidSettings: `[prompt]` names nobody to ask. Then nothing is measured.
    """
    cases = open_suite(suite, place)
    runner = _runner(place, cases)
    first = await measure_into(store, workflow, suite, ask, place=place, tell=tell, stop=stop)
    if not first.complete:
        return first
    asked = Ask(
        trials=first.measurement.trials,
        condition=PROMPT_ONLY,
        seed=first.measurement.seed,
        concurrency=ask.concurrency,
        timeout_s=ask.timeout_s,
    )
    second = await measure_into(store, runner, answers_only(cases), asked, place=place, tell=tell, stop=stop)
    _link(store, second.measurement, first.measurement.suite_digest, place)
    if second.complete:
        return first
    return dataclasses.replace(second, measurement=first.measurement)


def answers_only(suite: Suite) -> Suite:
    """The same questions and end checks for a workflow without steps."""
    return msgspec.structs.replace(suite, cases=tuple(_answer_only(case) for case in suite.cases))


def baseline(store: Store, measurement: Measurement, table: Table) -> PromptBaseline | None:
    """A finished workflow held against the newest prompt on its cases; None where none was measured.

    Args:
        store: Where both are.
        measurement: The workflow's.
        table: Its run table.
    """
    from gapless.gap.baseline import Terms, held_against
    from gapless.gap.table import Table
    from gapless.operations.report import run_table

    prompt = _prompt_for(store, measurement) if measurement.condition != PROMPT_ONLY else None
    if prompt is None:
        return None
    said: dict[str, Any] = prompt.settings.get("prompt") or {}
    terms = Terms(
        stakes=prompt.settings.get("stakes", "high"),
        margin=said.get("margin", 0.03),
        evidence=said.get("evidence", True),
    )
    found = held_against(table, Table.of(run_table(store, prompt)), terms)
    model = said.get("model") if said.get("workflow") is None else None
    return msgspec.structs.replace(
        found, measurement=prompt.id, model=model, notes=tuple(_notes(store, measurement, prompt, said))
    )


def _link(store: Store, prompt: Measurement, suite_digest: str, place: Place) -> None:
    """Makes this prompt the one that the suite's workflows are held against, under the terms that hold now."""
    for other in store.measurements():
        if other.baseline_of == suite_digest and other.id != prompt.id:
            store.update(msgspec.structs.replace(other, baseline_of=None))
    terms = {"stakes": place.settings.stakes, "prompt": msgspec.to_builtins(place.settings.prompt)}
    settings = prompt.settings | terms
    store.update(msgspec.structs.replace(prompt, baseline_of=suite_digest, settings=settings))


def _runner(place: Place, suite: Suite) -> Workflow | PromptWorkflow:
    from gapless.frameworks.target import load

    target = place.settings.prompt.workflow
    if target is None:
        return prompt_workflow(place, suite)
    return load(target, steps={}, root=Path(place.root))


def _answer_only(case: Case) -> Case:
    kept = tuple(spec for spec in case.checks.get(END, ()) if spec.name not in _ABOUT_STEPS)
    golden = {END: case.golden[END]} if END in case.golden else {}
    return msgspec.structs.replace(case, path=None, golden=golden, checks={END: kept} if kept else {})


def _prompt_for(store: Store, measurement: Measurement) -> Measurement | None:
    suite = measurement.suite_digest
    return next(
        (m for m in store.measurements() if m.baseline_of == suite and m.seed == measurement.seed), None
    )


def _notes(store: Store, workflow: Measurement, prompt: Measurement, said: dict[str, Any]) -> list[str]:
    notes: list[str] = []
    if said.get("workflow") is None and said.get("template") is None:
        notes.append(
            "The prompt was the case's input alone. Write a better one ([prompt] template) before you believe that the workflow wins."
        )
    if workflow.weather is not None:
        notes.append("The workflow was measured with weather, the prompt without.")
    if workflow.trials != prompt.trials:
        notes.append(
            f"The workflow has {workflow.trials} trials per case, the prompt {prompt.trials}: each case counts the same."
        )
    if any(
        spec.name in _ABOUT_STEPS
        for case in store.suite(workflow.suite_digest).cases
        for spec in case.checks.get(END, ())
    ):
        notes.append("End checks of the path taken were left out: a prompt has no steps.")
    return notes

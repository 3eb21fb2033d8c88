"""LangChain runnables as workflows: every element of a sequence is a step, anything else is one step."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence

from gapless.boundary.ending import Ending
from gapless.boundary.session import Passage, current_session
from gapless.errors import UnknownName, UsageError
from gapless.frameworks.calls import recorded_calls
from gapless.frameworks.fingerprint import Identified, fingerprint_code
from gapless.frameworks.langchain_parts import parts_of
from gapless.frameworks.layers import describe_step
from gapless.records.workflow import FINISH, START, Edge, Shape
from gapless.settings import StepSettings
from gapless.trace.recorder import current_step


class RecordedElement(Runnable[Any, Any]):
    """An element of a sequence; passes through the session while there is one."""

    def __init__(self, name: str, inner: Runnable[Any, Any]) -> None:
        self.name = name
        self._inner = inner

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Runs the element in this thread."""
        session, inner = current_session.get(), self._inner
        if session is None:
            return inner.invoke(input, config, **kwargs)
        return session.cross(self._passage(), input, lambda state: inner.invoke(state, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Awaits the element."""
        session, inner = current_session.get(), self._inner
        if session is None:
            return await inner.ainvoke(input, config, **kwargs)
        return await session.across(
            self._passage(), input, lambda state: inner.ainvoke(state, config, **kwargs)
        )

    def _passage(self) -> Passage:
        enclosing = current_step.get()
        return Passage(step=str(self.name) if enclosing is None else f"{enclosing.step}/{self.name}")


class RunnableWorkflow(Identified):
    """A runnable, recorded."""

    def __init__(
        self,
        runnable: Runnable[Any, Any],
        *,
        target: str,
        settings: Mapping[str, StepSettings],
        home: str | None,
    ) -> None:
        elements = runnable.steps if isinstance(runnable, RunnableSequence) else [runnable]
        self._elements = {
            name: RecordedElement(name, element)
            for name, element in zip(_names(elements), elements, strict=True)
        }
        steps = tuple(describe_step(name, settings) for name in self._elements)
        ends = [START, *self._elements, FINISH]
        edges = tuple(Edge(source=a, target=b) for a, b in itertools.pairwise(ends))
        digest = fingerprint_code([runnable], home=home, extra=list(self._elements), hook=parts_of)
        super().__init__(target=target, fingerprint=digest, shape=Shape(steps=steps, edges=edges))

    async def run(self, value: Any, *, trial: str) -> Ending:
        """Runs the elements one after the other."""
        elements = list(self._elements.values())
        whole = RunnableSequence(*elements) if len(elements) > 1 else elements[0]
        with recorded_calls():
            return Ending(output=await cast("Runnable[Any, Any]", whole).ainvoke(value))

    async def run_step(self, step: str, golden: Any) -> Any:
        """Runs one element on what the one before it should hand over."""
        self._known(step)
        with recorded_calls():
            return await self._elements[step].ainvoke(golden)

    def state_before(self, step: str, value: Any, golden: dict[str, Any]) -> Any:
        """What the element before hands over; the case's input for the first.

        Raises:
            UsageError: There is no golden for the element before.
        """
        self._known(step)
        names = list(self._elements)
        place = names.index(step)
        if place == 0:
            return value
        before = names[place - 1]
        if before not in golden:
            raise UsageError(f"step {step!r} needs the golden of {before!r}, the element before it.")
        return golden[before]

    def _known(self, step: str) -> None:
        if step not in self._elements:
            raise UnknownName(f"no step {step!r} in {self._target}; it has {', '.join(self._elements)}.")


def adopt(
    value: Any, *, target: str, settings: Mapping[str, StepSettings], home: str | None
) -> RunnableWorkflow | None:
    """The workflow of a runnable; None for anything else."""
    if not isinstance(value, Runnable):
        return None
    return RunnableWorkflow(cast("Runnable[Any, Any]", value), target=target, settings=settings, home=home)


def _names(elements: list[Any]) -> list[str]:
    """Each element's own name, numbered where several share one."""
    names: list[str] = []
    for element in elements:
        name, number = element.get_name(), 2
        while name in names:
            name, number = f"{element.get_name()}-{number}", number + 1
        names.append(name)
    return names

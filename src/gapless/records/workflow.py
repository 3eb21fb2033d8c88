"""The shape of a workflow: its steps, the boundaries between them, and the only acyclic route if there is one."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record

START = "__start__"
FINISH = "__end__"
Layer = Literal["hardware", "model", "context", "tool", "orchestration", "observability"]
LAYERS: tuple[Layer, ...] = ("hardware", "model", "context", "tool", "orchestration", "observability")
LayerSource = Literal["settings", "metadata", "calls", "name", "default"]


class StepGate(Record, frozen=True, kw_only=True):
    """A confidence gate, as calibration has to know it."""

    at: str
    """Where it stands: the step, or `a->b`."""
    signals: tuple[str, ...] = ()
    """Names of what it reads; empty where it reads one signal."""
    low: float = 0.0
    high: float = 1.0
    """What its one signal may say."""
    file: str | None = None
    """Where its thresholds are kept; None where they stand in the code."""
    fingerprint: str | None = None
    """Of the workflow and what else its certificate rests on; None where its thresholds stand in the code."""
    certificate: str | None = None
    """Digest of the thresholds in force; None where there are none."""
    void: str | None = None
    """Why the thresholds of its file are not in force."""


class Step(Record, frozen=True, kw_only=True):
    """One component of the workflow."""

    name: str
    """Its address; `sub/step` inside a subgraph."""
    layer: Layer = "orchestration"
    """The layer it belongs to."""
    layer_source: LayerSource = "default"
    """Where the layer was read; anything but settings and metadata is a guess, shown with "?"."""
    effect: bool = False
    """Whether it changes the world outside the workflow."""
    review: bool = False
    """Whether it is a human review step (never guessed from its name)."""
    router: bool = False
    """Whether it is a conditional edge: recorded, but on the planned path only if a case lists it."""
    guards: tuple[str, ...] = ()
    """What its contract consists of, and those of single edges it leaves by (`->b: schema`); empty where there is none."""
    limit_s: float | None = None
    """Seconds its contract lets it take at most, further attempts and waits included; None where nothing limits it."""

    gates: tuple[StepGate, ...] = ()
    """Its confidence gate, and those of single edges it leaves by."""

    @property
    def layer_guessed(self) -> bool:
        """Whether the layer is a guess."""
        return self.layer_source not in ("settings", "metadata")


class Edge(Record, frozen=True, kw_only=True):
    """A directed passage between two steps; `__start__` and `__end__` are ends."""

    source: str
    target: str
    conditional: bool = False
    """Whether a router decides it at run time."""


class Shape(Record, frozen=True, kw_only=True):
    """Steps in topological order where there is one, else in the order of declaration; and their edges."""

    steps: tuple[Step, ...] = ()
    edges: tuple[Edge, ...] = ()

    def step(self, name: str) -> Step | None:
        """The step of that name, or None."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def gates(self) -> tuple[StepGate, ...]:
        """Every confidence gate."""
        return tuple(gate for step in self.steps for gate in step.gates)

    @property
    def guarded(self) -> bool:
        """Whether any step is under a contract."""
        return any(step.guards for step in self.steps)

    def receivers(self, name: str) -> tuple[str, ...]:
        """The steps an exit may hand over to, in edge order."""
        return tuple(dict.fromkeys(edge.target for edge in self.edges if edge.source == name))

    def only_route(self) -> tuple[str, ...] | None:
        """The only route from start to end, review steps left out; None when there are several or a loop.

        Example:
            >>> shape = Shape(steps=(Step(name="a"),), edges=(Edge(source=START, target="a"), Edge(source="a", target=FINISH)))
            >>> shape.only_route()
            ('a',)
        """
        review = {step.name for step in self.steps if step.review or step.router}
        route: list[str] = []
        here = START
        while here != FINISH:
            following = [target for target in self.receivers(here) if self._leads_on(target)]
            if len(following) != 1 or following[0] in route:
                return None
            here = following[0]
            route.append(here)
        return tuple(name for name in route[:-1] if name not in review)

    def _leads_on(self, target: str) -> bool:
        step = self.step(target)
        return step is None or not step.review

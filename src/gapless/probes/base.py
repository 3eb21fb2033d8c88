"""The promise of a probe: it looks at a subject and answers with findings; what it cannot measure it says, with the reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.probes.judging import Judged
from gapless.records.baseline import PromptBaseline
from gapless.records.cost import Prices
from gapless.records.crash import CrashTable
from gapless.records.finding import Finding, Status
from gapless.records.measurement import Measurement
from gapless.records.trial import Run, TrialRecord
from gapless.records.wiring import Wiring
from gapless.records.workflow import Layer
from gapless.settings import ModelSettings, ServerSettings

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow
    from gapless.records.replay import Fidelity
    from gapless.retrievers.base import Embedder
    from gapless.retrievers.labelled import LabelledQuery
    from gapless.stores.store import Store

YOURS = "[checkup.targets] in gapless.toml"
"""Where a target comes from that the user set."""


class ProbeUnavailable(Exception):
    """A probe cannot measure here; the text says why. It becomes a finding that is not applicable."""


class Unusable(ProbeUnavailable):
    """What was named for a layer cannot be used: the first of its lines to meet that fails, the others point there.

    Attributes:
        layer: Whose lines it was named for.
        step: What to do about it; empty where it is mended in gapless.toml.
    """

    def __init__(self, why: str, layer: Layer, step: str = "") -> None:
        super().__init__(why)
        self.layer: Layer = layer
        self.step = step


def unusable_key(why: str) -> str:
    """Where a subject's memo keeps the first line that met what cannot be used."""
    return f"unusable: {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is on record of a workflow."""

    measurement: Measurement
    runs: tuple[Run, ...]
    sample: tuple[TrialRecord, ...]
    """Whole trials, a few of them."""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Payload digest -> plain value, of the sample's handoffs; what cannot be read is missing."""
    unfinished: int = 0
    """Trials that began and are not on record."""
    no_replay: str = ""
    """Why the sample could not be replayed."""
    baseline: PromptBaseline | None = None
    """The workflow held against one plain prompt on the same cases; None where none was asked."""
    fidelity: Fidelity | None = None
    """How replays of the sample came out; None where they were not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a checkup looks at."""

    root: Path = Path("/")
    """Where the host's own files are; another folder in tests."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """Environment variables that probes read."""
    exports: Callable[[Store, Measurement], Mapping[str, str]] | None = None
    """Every way in which records leave the store: name -> what it says; the run table alone when None."""
    redact: tuple[str, ...] = ()
    """Keys that the settings keep out of the record."""
    workflow: Workflow | None = None
    no_workflow: str = ""
    """Why the one that was named could not be opened."""
    own_workflow: bool = True
    """Whether it is the user's; else the reference agent stands in."""
    named: str = ""
    """What names it on a command line; nothing where `gapless.toml` does."""
    has_suite: bool = True
    """Whether `gapless.toml` names the cases to run it on."""
    wiring: Wiring | None = None
    """How the graph behind it is wired; None where it is no graph."""
    records: Records | None = None
    crash: CrashTable | None = None
    """What kills of the workflow came to; None where none were made."""
    no_crash: str = ""
    """Why none were made, where there is more to say than that nobody gave leave."""
    model: ModelSettings = field(default_factory=ModelSettings)
    """The model that steps ask: `CheckupModelSettings`, or plain ones of an OpenAI-compatible endpoint; without a name, none."""
    chat: Any = None
    """The LangChain chat model that `model.target` names; the exception where it could not be imported."""
    results: tuple[Path, ...] = ()
    """Result files of a load generator, where times of the model are read instead of taken."""
    no_model: str = ""
    """Why none is named, where there is more to say than that."""
    beside: Mapping[str, Callable[[], object]] = field(default_factory=dict[str, Callable[[], object]])
    """Name -> a part of the pipeline to run beside the model; called once per run."""
    runs_per_s: float = 2.0
    """How often the pipeline runs beside the model."""
    streams: int = 4
    """How many requests a closed loop keeps in flight at the model."""
    function_cases: Path | None = None
    """Folder with function-calling cases in BFCL's form."""
    servers: Mapping[str, ServerSettings] = field(default_factory=dict[str, ServerSettings])
    """Name -> where tools come from that steps call."""
    allow_effects: bool = False
    """Whether tools may be called that are not declared safe."""
    tools_lock: Path | None = None
    """Where their reviewed tools are kept."""
    retrieve: Callable[[str], Any] | None = None
    """A function of a query that returns ranked documents."""
    no_retriever: str = ""
    """Why the one that was named cannot be opened."""
    queries: Path | None = None
    """File with labelled queries for it."""
    labelled: tuple[LabelledQuery, ...] = ()
    """Or the labelled queries themselves."""
    engines: Mapping[str, Callable[[str], Any]] = field(default_factory=dict[str, Callable[[str], Any]])
    """Name -> another way to retrieve from the same documents, held beside `retrieve`."""
    texts: Path | None = None
    """Folder of texts to try ways of cutting on, with those of the labelled queries that quote passages."""
    embedder: Embedder | None = None
    """The built-in model, where it is at hand: cuts by meaning, and counts tokens."""
    prices: Prices = field(default_factory=Prices)
    """What things cost, as the user says."""
    leave: bool = False
    """Whether probes may run the workflow."""
    seconds: float = 8.0
    """About how long one probe may take."""
    targets: Mapping[str, float] = field(default_factory=dict[str, float])
    """Probe -> target that the user set in place of ours."""
    memo: dict[str, Any] = field(default_factory=dict[str, Any], init=False, compare=False)
    """What one probe has measured and others of the same checkup read: a retriever is asked once, not by each."""


Probe = Callable[[Subject], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Card:
    """A probe's line in the checklist, from which its findings are made."""

    probe: str
    layer: Layer
    title: str
    target: str = ""
    source: str = ""

    def finding(self, status: Status, said: str, **more: Any) -> Finding:
        """A finding of this probe."""
        filled: dict[str, Any] = {"target": self.target, "target_source": self.source}
        return Finding(
            probe=self.probe, layer=self.layer, title=self.title, status=status, said=said, **(filled | more)
        )

    def held(self, judged: Judged, said: str, **more: Any) -> Finding:
        """A finding by how its figure was held against its target."""
        return self.finding(judged.status, said, undecided=judged.undecided, **more)

    def unavailable(self, why: str) -> Finding:
        """The finding of a probe that cannot measure."""
        return Finding(
            probe=self.probe, layer=self.layer, title=self.title, status="not-applicable", said=why
        )

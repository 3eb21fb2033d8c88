"""`gapless checkup`: each line of the layers' checklist becomes a finding with a figure, a target and the next step."""

from __future__ import annotations

import asyncio
import difflib
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from gapless import __version__
from gapless.errors import GaplessError, StoreError, UnknownName
from gapless.frameworks.tools.keys import named_in
from gapless.frameworks.tools.source import confined, rooted
from gapless.operations.checkup_beside import beside_for
from gapless.operations.checkup_budget import held, need_known, passes
from gapless.operations.checkup_crash import CRASH, crashed
from gapless.operations.checkup_exports import exported
from gapless.operations.checkup_halting import Halted, aside, halting
from gapless.operations.checkup_model import ModelAsk, model_for, named_model
from gapless.operations.checkup_records import of_the_stand_in, of_which, records_of
from gapless.operations.checkup_retrieval import RetrievalAsk, is_named, need_readable, open_retrieval
from gapless.operations.checkup_subject import LOOKED_BACK, named_subjects, since
from gapless.operations.checkup_workflow import Named, open_named, wiring_of
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.operations.tools_lock import lock_path
from gapless.records.finding import Checkup, Finding
from gapless.records.ulid import new_ulid
from gapless.records.workflow import Layer
from gapless.settings import Place, ServerSettings

if TYPE_CHECKING:
    from gapless.probes.base import Subject
    from gapless.stores.store import Store

_PROBE_S, _PATIENCE = 90.0, 8.0
REPLAYS = "replay-fidelity"
_READ_FROM_RECORDS = {"orchestration", "observability"}
_READ_NOTHING = {"sampling", "tracing-cost", "redaction", "workflow-opens", CRASH}
"""Lines of these layers that look at no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupAsk:
    """What to look at."""

    layers: tuple[str, ...] = ()
    """Empty means: all."""
    probes: tuple[str, ...] = ()
    """Only these lines of the checklist, whatever the layers; empty means: all of the layers."""
    target: Any = None
    """The workflow; that of `gapless.toml`, else the reference agent, when None."""
    leave: bool = False
    """Whether probes may run the workflow: replays of recorded trials, whose effects stay on the tape, and kills."""
    allow_effects: bool = False
    """Whether tools may be called that are not declared safe, and steps with effects be killed."""
    retrieval: RetrievalAsk = field(default_factory=RetrievalAsk)
    model: ModelAsk = field(default_factory=ModelAsk)
    seconds: float | None = None
    """About how long one probe may take; what the settings say when None."""


async def checkup_into(
    store: Store, ask: CheckupAsk, *, place: Place, tell: Tell = silent, stop: Stop | None = None
) -> Checkup:
    """Asks every probe of the layers, and keeps what they found.

    Raises:
        UnknownName: There is no such layer, or no such probe here or in the settings.
        UsageError: Labelled queries or texts that were named in `ask` cannot be used.
    """
    place, stop = _for_as_long(place, ask.seconds), stop or Stop()
    names, layers = _names(ask, place)
    need_readable(ask.retrieval)
    begun, seen = time.time(), _Seen()
    look = _Look(store, ask, names, layers, place, tell, stop, halting(stop))
    with suppress(Halted):
        await _look(look, seen)
    asked = len({one.probe for one in seen.found})
    tell(Progress(what="probes", done=asked, total=len(names), fresh=asked))
    budget = place.settings.checkup.budget
    made = Checkup(
        id=new_ulid(),
        created_at=begun,
        seconds=time.time() - begun,
        layers=layers,
        findings=tuple(seen.found),
        subject=seen.workflow,
        stand_ins=tuple(seen.stand_ins),
        notes=(*seen.notes, *since(store.checkups.newest(LOOKED_BACK), seen.found)),
        complete=not stop.requested,
        version=__version__,
        budget=(lines := held(seen.found, budget)),
        passes=passes(lines, budget),
    )
    try:
        store.checkups.add(made)
    except StoreError as error:  # what was found is worth more than its place on record
        return structs.replace(made, notes=(*made.notes, f"This checkup is not on record: {error}"))
    return made


def _for_as_long(place: Place, seconds: float | None) -> Place:
    """The same settings with the time that one probe may take."""
    if seconds is None:
        return place
    checkup = structs.replace(place.settings.checkup, seconds=seconds)
    return structs.replace(place, settings=structs.replace(place.settings, checkup=checkup))


@dataclass(slots=True)
class _Seen:
    """What a checkup has come to so far."""

    found: list[Finding] = field(default_factory=list[Finding])
    notes: list[str] = field(default_factory=list[str])
    stand_ins: list[str] = field(default_factory=list[str])
    workflow: str = ""


class _Look(NamedTuple):
    """One look at the layers: what is asked, where, and how it is told to stop."""

    store: Store
    ask: CheckupAsk
    names: list[str]
    """The probes that are asked."""
    layers: tuple[Layer, ...]
    place: Place
    tell: Tell
    stop: Stop
    """For what ends by itself."""
    halted: asyncio.Event
    """Ends the waiting for what does not."""


async def _look(look: _Look, seen: _Seen) -> None:
    """Opens what is looked at, and asks one probe after the other.

    Raises:
        Halted: Stopping was requested; what was seen until then is in `seen`.
    """
    names, halted, place = look.names, look.halted, look.place
    nothing_named = look.ask.target is None and place.settings.workflow is None
    subject, seen.notes, seen.stand_ins = await _subject(look)
    seen.workflow = subject.workflow.target if subject.workflow is not None else ""
    async with (
        model_for(subject, names, halted) as (with_model, said),
        beside_for(with_model, names, halted, stand_in=nothing_named) as (ready, more),
    ):
        seen.notes += more
        seen.stand_ins += said
        about = named_subjects(ready, look.ask.retrieval, place)
        for done, name in enumerate(names):
            look.tell(Progress(what=name, done=done, total=len(names), fresh=0))
            seen.found += map(about, await _ask(name, ready, halted))


def _names(ask: CheckupAsk, place: Place) -> tuple[list[str], tuple[Layer, ...]]:
    """The probes to ask, in their order, and the layers that they belong to."""
    from gapless.probes.shelf import SHELF, TAKES_TARGET, card, unknown

    settings = place.settings.checkup
    for name in (*settings.skip, *settings.targets, *ask.probes):
        if name not in SHELF:
            raise unknown(name, "" if name in ask.probes else "[checkup]: ")
    for name in settings.targets:
        if name not in TAKES_TARGET:
            known = ", ".join(one for one in SHELF if one in TAKES_TARGET)
            raise UnknownName(f"[checkup.targets]: {name!r} is held against no number. These are: {known}.")
    need_known(settings.budget)
    layers = _layers(ask.layers)
    if ask.probes:
        names = [name for name in SHELF if name in ask.probes]
        own = {card(name).layer for name in names}
        return names, tuple(layer for layer in _layers(()) if layer in own)
    return [name for name in SHELF if card(name).layer in layers and name not in settings.skip], layers


def _layers(asked: Sequence[str]) -> tuple[Layer, ...]:
    from gapless.probes.shelf import layers

    known = layers()
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownName(f"no probes for {name!r}.{hint} Layers: {', '.join(known)}.")
    return tuple(layer for layer in known if not asked or layer in asked)


async def _ask(name: str, subject: Subject, halted: asyncio.Event) -> list[Finding]:
    """A probe's findings; the others go on when it does not end.

    Raises:
        Halted: Stopping was requested before it was through.
    """
    from gapless.probes import check
    from gapless.probes.shelf import card

    try:
        return list(await aside(halted, lambda: check(subject, name), within_s=_limit_s(subject)))
    except TimeoutError:
        return [card(name).unavailable(f"it did not end within {_limit_s(subject):g} s and was left behind")]


def _limit_s(subject: Subject) -> float:
    """How long a probe may really take before it is left behind."""
    return max(_PROBE_S, _PATIENCE * subject.seconds)


async def _subject(look: _Look) -> tuple[Subject, list[str], list[str]]:
    """What is looked at, what has to be said of it, and for what the reference agent stands in."""
    ask, layers, place, halted = look.ask, look.layers, look.place, look.halted
    said, root = place.settings.checkup, Path(place.root)
    model = await aside(halted, lambda: named_model(ask.model, place))
    subject, named, notes = await _with_workflow(look)
    servers, tools, unfound = _servers(ask, layers, place)
    brought = named.retrieval if "context" in layers else None
    found = await aside(halted, lambda: open_retrieval(ask.retrieval, place, brought, look.tell))
    subject = replace(
        subject,
        model=model.settings,
        chat=model.chat,
        results=model.results,
        runs_per_s=said.runs_per_s,
        function_cases=root / said.function_cases if said.function_cases is not None else None,
        servers=servers,
        tools_lock=lock_path(place),
        **found.shown(),
    )
    stand_ins = ["workflow"] if named.agent is not None and _READ_FROM_RECORDS & {*layers} else []
    stand_ins += ["retriever"] if found.stands_in else []
    return subject, [*notes, *found.notes, *unfound], stand_ins + tools


async def _with_workflow(look: _Look) -> tuple[Subject, Named, list[str]]:
    """The workflow, what is on record of it, and what kills came to, as far as the probes that are asked need it."""
    from gapless.probes.base import Subject

    store, ask, names, layers, place, tell, stop, halted = look
    named, records, told = Named(), None, list[str]()
    alone = {"hardware", "model", "tool", *(["context"] if is_named(ask.retrieval, place) else [])}
    if set(layers) - alone:
        named = await aside(halted, lambda: open_named(ask.target, place))
        replays = ask.leave and REPLAYS in names
        records = await records_of(store, named, place, stop, leave=replays, allow_effects=ask.allow_effects)
        told = of_which(records, named.workflow)
    if records is None and named.agent is not None and _reads_records(names):
        records, more = await of_the_stand_in(named.agent, named, tell, stop, halted)
        told += more
    told_by_a_line = named.own and ("orchestration" in layers or _reads_records(names))
    broken = [named.broken] if named.broken and not told_by_a_line else []
    crash, no_crash = None, ""
    if ask.leave and CRASH in names:
        crash, no_crash = await crashed(named, ask.target, place, tell, stop, allow_effects=ask.allow_effects)
    subject = Subject(
        exports=exported,
        redact=place.settings.privacy.redact,
        workflow=named.workflow,
        wiring=wiring_of(named.workflow),
        no_workflow=named.broken,
        own_workflow=named.own,
        named=_on_a_command_line(ask.target),
        has_suite=place.settings.suite is not None,
        records=records,
        crash=crash,
        no_crash=no_crash,
        allow_effects=ask.allow_effects,
        leave=ask.leave,
        prices=place.settings.cost,
        targets=place.settings.checkup.targets,
        seconds=place.settings.checkup.seconds,
    )
    return subject, named, [*broken, *told]


def _on_a_command_line(target: Any) -> str:
    """What names a workflow again: nothing for that of the settings, and for a live object the form of a name."""
    if target is None:
        return ""
    return shlex.quote(target) if isinstance(target, str) else "app.py:graph"


def _reads_records(names: Sequence[str]) -> bool:
    from gapless.probes.shelf import card

    return any(card(name).layer in _READ_FROM_RECORDS and name not in _READ_NOTHING for name in names)


def _servers(
    ask: CheckupAsk, layers: tuple[Layer, ...], place: Place
) -> tuple[Mapping[str, ServerSettings], list[str], list[str]]:
    """The servers that were named; where neither they nor a workflow were, the reference agent's."""
    keys = (*named_in(place.settings), ask.model.api_key_env)
    named = {
        name: confined(rooted(one, Path(place.root)), keys)
        for name, one in place.settings.checkup.servers.items()
    }
    if named or "tool" not in layers or ask.target is not None or place.settings.workflow is not None:
        return named, [], []
    try:
        from gapless.operations.demo import find_agent

        found = {name: ServerSettings(command=command) for name, command in find_agent().servers().items()}
    except (GaplessError, ImportError) as error:
        return {}, [], [f"No server is named, and the reference agent's cannot be found: {error}"]
    return found, [f"tools ({', '.join(found)})"], []

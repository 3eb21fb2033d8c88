"""The wiring: settings, store, workflow and suite, opened and handed to the operations."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.errors import InvalidContract, InvalidSettings, InvalidTarget, UnknownName, UsageError
from gapless.records.suite import Suite
from gapless.settings import Place, Settings, locate

if TYPE_CHECKING:
    from gapless.boundary.contract import Contract
    from gapless.evals.workflow import Workflow
    from gapless.records.measurement import Measurement
    from gapless.stores.store import Store


@contextmanager
def open_store(place: Place | None = None) -> Generator[Store]:
    """The store of a place, closed afterwards.

    Raises:
        StoreError: It cannot be opened.
    """
    from gapless.stores.store import Store

    store = Store((place or locate()).database)
    try:
        yield store
    finally:
        store.close()


def open_workflow(target: Any, place: Place) -> Workflow:
    """The workflow a user named, or the live object they handed over.

    Raises:
        InvalidTarget: It cannot be imported, or is nothing gapless can run.
    """
    from gapless.frameworks.target import adapt, load

    wanted = target if target is not None else place.settings.workflow
    if wanted is None:
        raise UsageError(
            "no workflow: name one (app.py:graph), or set `workflow` in gapless.toml (`gapless init app.py:graph` writes it)."
        )
    steps, contracts = place.settings.steps, open_contracts(place)
    try:
        if isinstance(wanted, str):
            root = Path(place.root) if target is None else Path.cwd()
            opened = load(wanted, steps=steps, root=root, contracts=contracts)
        else:
            opened = adapt(wanted, steps=steps, contracts=contracts)
    except (InvalidContract, UnknownName) as error:
        if not contracts:
            raise
        raise type(error)(
            f"{error} The contracts are those of [steps.*] in gapless.toml, for every workflow run here."
        ) from error
    if opened is not wanted:  # else it was opened elsewhere, and what is said of steps here did not count
        _need_known(opened, wanted, place)
    return opened


def without_steps(place: Place) -> Place:
    """A place whose settings say nothing about steps: those are the user's, and the reference agent has its own."""
    return msgspec.structs.replace(place, settings=msgspec.structs.replace(place.settings, steps={}))


_NEAR, _VERY_NEAR = 0.6, 0.85


def _need_known(opened: Workflow, wanted: Any, place: Place) -> None:
    """Refuses `[steps.*]` of no step: what it says, for instance that a step acts, would hold for none without a word.

    Where the settings' workflow is another one, unknown names may be steps of that; one that is all but a step of this
    workflow is still taken for a slip.

    Raises:
        UnknownName: Naming the step that was meant, where one is near.
    """
    known = [step.name for step in opened.shape.steps]
    other = place.settings.workflow not in (None, wanted)
    for name in place.settings.steps:
        if name in known:
            continue
        near = _nearest(name, known, _VERY_NEAR if other else _NEAR)
        if near is None and other:
            continue
        raise UnknownName(
            f"[steps.{_key(name)}] in gapless.toml: {opened.target} has no step {name!r}."
            + (f" Did you mean [steps.{_key(near)}]?" if near is not None else "")
            + f" It has {', '.join(known)}."
            + (
                " Keep the settings of another workflow in a folder of its own."
                if other or near is None
                else ""
            )
        )


def _nearest(name: str, known: Sequence[str], least: float) -> str | None:
    """The step that was meant: by its whole address, or by the last part of it, as in `sub/step`."""
    whole = difflib.get_close_matches(name, known, 1, least)
    if whole:
        return whole[0]
    ends = {address.rpartition("/")[2]: address for address in reversed(known)}
    last = difflib.get_close_matches(name.rpartition("/")[2], ends, 1, least)
    return ends[last[0]] if last else None


def _key(name: str) -> str:
    """A step's name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def open_contracts(place: Place) -> dict[str, Contract]:
    """The contracts that `gapless.toml` names, by step.

    Raises:
        InvalidTarget: One cannot be imported.
        InvalidSettings: What is named is no contract.
    """
    from gapless.boundary.contract import Contract

    found: dict[str, Contract] = {}
    for step, said in place.settings.steps.items():
        if said.contract is None:
            continue
        named = import_object(said.contract, root=Path(place.root))
        if not isinstance(named, Contract):
            raise InvalidSettings(
                f"[steps.{step}] contract = {said.contract!r}: that is a {type(named).__name__}. Name a gapless.Contract."
            )
        found[step] = named
    return found


def open_suite(source: Any, place: Place) -> Suite:
    """The suite a user named: a path, a Suite, or a list of cases.

    Raises:
        InvalidSuite: It cannot be used as written.
    """
    from gapless.evals.suite import from_data, load

    if isinstance(source, Suite):
        return source
    if source is None:
        if place.settings.suite is None:
            raise UsageError(
                "no suite: name one (`--suite suite.yaml`, or `--cases inputs.jsonl` without labels), or set `suite` in gapless.toml."
            )
        return load(Path(place.root) / place.settings.suite)
    if isinstance(source, (str, Path)):
        return load(Path(source))
    return from_data(source)


def kept_suite(suite: Suite, settings: Settings) -> tuple[Suite, str]:
    """A suite as it may be kept, and the digest that identifies it."""
    from gapless.trace.redaction import Redaction

    redaction = Redaction.of(settings.privacy.redact)
    return redaction.suite(suite) if redaction is not None else (suite, suite.digest())


def pick(store: Store, prefix: str | None) -> Measurement:
    """The measurement a user named by the beginning of its id, or the newest.

    Raises:
        UnknownName: There is none.
    """
    if prefix is not None:
        return store.measurement(prefix)
    newest = store.newest("measure")
    if newest is None:
        raise UnknownName(
            f"nothing was measured yet in {store.url}. Start with `gapless measure app.py:graph --cases inputs.jsonl`."
        )
    if newest.baseline_of is None:
        return newest
    # A prompt that was asked beside a workflow is there to compare with; what was measured is the workflow.
    known = (m for m in store.measurements() if m.kind == "measure" and m.baseline_of is None)
    return next(known, newest)


def import_object(reference: str, root: Path | None = None) -> Any:
    """The object behind "module:name" or "file.py:name", relative to a folder, by default the current one.

    Raises:
        InvalidTarget: It cannot be imported.
    """
    module_name, _, name = reference.partition(":")
    if not name:
        raise InvalidTarget(f"{reference!r}: expected module:name.")
    path = (root or Path.cwd()) / module_name
    sys.path.insert(0, str(root or Path.cwd()))
    if path.suffix == ".py":
        sys.path.insert(0, str(path.resolve().parent))
        module_name = path.stem
    try:
        return getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # the user's own code runs here, and may raise anything
        raise InvalidTarget(f"{reference}: cannot be imported: {type(error).__name__}: {error}.") from error

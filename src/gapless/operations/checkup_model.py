"""The model that a checkup asks: the one that was named, else the reference agent's embedded one for as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.errors import GaplessError, UsageError
from gapless.operations.checkup_beside import INTERFERENCE
from gapless.operations.checkup_halting import held_open
from gapless.operations.open import import_object
from gapless.settings import CheckupModelSettings, ModelSettings, Place

if TYPE_CHECKING:
    from gapless.probes.base import Subject

_EMBEDDED_TIMEOUT_S = 20.0
_EMBEDDED_STREAMS = 1
"""It writes one answer at a time: more in flight would only wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAsk:
    """What was said of the model on the command line; it wins over settings."""

    url: str | None = None
    model: str | None = None
    kind: str | None = None
    api_key_env: str | None = None
    results: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """The model that was named."""

    settings: CheckupModelSettings
    chat: Any = None
    """A LangChain chat model, or why it cannot be imported."""
    results: tuple[Path, ...] = ()


def named_model(ask: ModelAsk, place: Place) -> NamedModel:
    """The model of the flags and settings; a target is imported from the project's folder.

    Raises:
        UsageError: What flags name cannot be used. What settings name so is a failed finding instead.
    """
    root = Path(place.root)
    said: dict[str, Any] = {
        name: value
        for name in ("url", "model", "kind", "api_key_env")
        if (value := getattr(ask, name)) is not None
    }
    results = ask.results or tuple(root / name for name in place.settings.checkup.model.results)
    settings = msgspec.structs.replace(place.settings.checkup.model, **said, results=tuple(map(str, results)))
    chat: Any = None
    if settings.target is not None:
        try:
            chat = import_object(settings.target, root)
        except GaplessError as error:
            chat = error
    _need_usable(ask, settings, chat, bool(said))
    return NamedModel(settings=settings, chat=chat, results=results)


def _need_usable(ask: ModelAsk, settings: CheckupModelSettings, chat: Any, endpoint: bool) -> None:
    if not endpoint and not ask.results:
        return
    from gapless.probes.base import ProbeUnavailable
    from gapless.probes.model.endpoints.named import endpoint_of
    from gapless.probes.model.results.shelf import read_results

    try:
        if endpoint:
            endpoint_of(settings, chat)
        read_results(ask.results)
    except ProbeUnavailable as error:
        raise UsageError(f"{error}.") from error


@asynccontextmanager
async def model_for(
    subject: Subject, names: Sequence[str], halted: asyncio.Event
) -> AsyncGenerator[tuple[Subject, list[str]]]:
    """The subject with a model to ask, and what stands in for it; that ends with the context.

    Args:
        subject: As far as it is opened.
        names: The probes that will be asked.
        halted: Ends the waiting for it.

    Raises:
        Halted: Stopping was requested before it was there.
    """
    from gapless.probes.model.endpoints.named import NONE, is_named
    from gapless.probes.shelf import card

    asked = any(card(name).layer == "model" or name == INTERFERENCE for name in names)
    if not asked or is_named(subject.model):
        yield subject, []
        return
    async with AsyncExitStack() as held:
        try:
            url, name = await held.enter_async_context(held_open(halted, _start))
        except (GaplessError, ImportError, OSError) as error:
            yield (
                replace(subject, no_model=f"{NONE}; and the reference agent's cannot stand in: {error}"),
                [],
            )
            return
        stand_in = ModelSettings(url=url, model=name, timeout_s=_EMBEDDED_TIMEOUT_S)
        yield replace(subject, model=stand_in, streams=_EMBEDDED_STREAMS), [f"model ({name})"]


def _start(held: ExitStack) -> tuple[str, str]:
    from gapless.operations.demo import find_agent

    return held.enter_context(find_agent().served())

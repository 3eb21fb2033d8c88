"""The model that a checkup asks: the one that was named, else the reference agent's embedded one for as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from gapless.errors import GaplessError
from gapless.operations.checkup_beside import INTERFERENCE
from gapless.settings import ModelSettings

if TYPE_CHECKING:
    from gapless.probes.base import Subject

_EMBEDDED_TIMEOUT_S = 20.0
_EMBEDDED_STREAMS = 1
"""It writes one answer at a time: more in flight would only wait for each other."""
_NONE = "no model is named: url and model under [checkup.model] in gapless.toml"


@asynccontextmanager
async def model_for(subject: Subject, names: Sequence[str]) -> AsyncGenerator[tuple[Subject, list[str]]]:
    """The subject with a model to ask, and what has to be said of that; the stand-in ends with the context."""
    from gapless.probes.shelf import card

    asked = any(card(name).layer == "model" or name == INTERFERENCE for name in names)
    if not asked or subject.model.url is not None:
        yield subject, []
        return
    with ExitStack() as held:
        try:
            url, name = await asyncio.to_thread(_start, held)
        except (GaplessError, ImportError, OSError) as error:
            yield (
                replace(subject, no_model=f"{_NONE}; and the reference agent's cannot stand in: {error}"),
                [],
            )
            return
        stand_in = ModelSettings(url=url, model=name, timeout_s=_EMBEDDED_TIMEOUT_S)
        said = f"No model is named: the reference agent's embedded one ({name}) stands in."
        yield replace(subject, model=stand_in, streams=_EMBEDDED_STREAMS), [said]


def _start(held: ExitStack) -> tuple[str, str]:
    from gapless.operations.demo import find_agent

    return held.enter_context(find_agent().served())

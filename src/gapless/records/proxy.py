"""How `gapless proxy` is to treat the calls that pass it: `[proxy]` in `gapless.toml`."""

from __future__ import annotations

import math
from typing import Literal

from gapless.errors import InvalidSettings
from gapless.records.base import Record


class ToolSettings(Record, frozen=True, kw_only=True):
    """How `gapless proxy` treats one tool; what is left out is as for all tools."""

    timeout_s: float | None = None
    """Seconds one attempt may take; 0: as long as it likes."""
    attempts: int | None = None
    """Calls in all where it may be repeated."""
    repeatable: bool | None = None
    """Whether a second call does no harm, in place of what the tool says of itself."""
    approve: bool | None = None
    """Whether a person approves each call, in place of what the tool says of itself."""
    partial: Literal["note", "refuse", "off"] | None = None
    inferred: Literal["note", "refuse", "off"] | None = None
    error_as_success: Literal["refuse", "off"] | None = None


class ProxySettings(Record, frozen=True, kw_only=True):
    """How `gapless proxy` treats calls of tools."""

    timeout_s: float = 120.0
    """Seconds one attempt may take; 0: as long as it likes. Questions that the server asks the client meanwhile count."""
    attempts: int = 3
    """Calls in all of a tool that says that it only reads or is idempotent; any other is called once."""
    approve: Literal["destructive", "acting", "never"] = "destructive"
    """Whose calls a person approves: tools that say that they destroy; or all that do not say that they only read or
    destroy nothing, which is how MCP reads silence; or nobody's."""
    partial: Literal["note", "refuse", "off"] = "note"
    """What is done with an answer that says that it is only a part: it is marked, or refused."""
    inferred: Literal["note", "refuse", "off"] = "note"
    """What is done with an answer that is not as answers were when the lock learnt them: the server never promised it."""
    error_as_success: Literal["refuse", "off"] = "refuse"
    """What is done with an error that calls itself a success."""
    record: Literal["batched", "sync", "off"] = "batched"
    """Whether each call is on disk before its answer goes out, soon after (0.25 s at most), or not at all."""
    tools: dict[str, ToolSettings] = {}


def check_proxy(proxy: ProxySettings, where: str) -> None:
    """Refuses times and counts that no call could keep to.

    Raises:
        InvalidSettings: One is out of its range.
    """
    for place, held in ((where, proxy), *((f"{where} tools.{n}", t) for n, t in proxy.tools.items())):
        if held.timeout_s is not None and not 0 <= held.timeout_s < math.inf:
            raise InvalidSettings(f"{place}: timeout_s is {held.timeout_s:g}; allowed is 0 (none) or more.")
        if held.attempts is not None and held.attempts < 1:
            raise InvalidSettings(
                f"{place}: attempts is {held.attempts}; the first call counts, so 1 or more."
            )

"""The lines on what tools do when they are called, each with its defect and its healthy twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tool_functions import source
from tool_server import command

from gapless.probes.base import Subject


def functions(name: str, *, seconds: float = 20.0, **more: Any) -> Subject:
    return Subject(servers={"orders": source(name, read_only=("*_*",), **more)}, seconds=seconds)


def different(name: str) -> Subject:
    """Asked with arguments that are answered differently, also where there is no time to find some."""
    return functions(name, arguments={name: tuple({"order": f"A-{n}"} for n in range(4))})


def booked(name: str) -> Subject:
    return Subject(servers={"orders": source(name)}, seconds=20.0)


def told(defect: str) -> Subject:
    return Subject(servers={"orders": command(defect)}, seconds=2.0)


def _line(probe: str, defect: str, says: str, sick: Any, healthy: Any) -> tuple[str, str, str, Any, Any]:
    def made(subject: Any) -> Any:
        def make(_: Path) -> Subject:
            return subject()

        return make

    return probe, defect, says, made(sick), made(healthy)


TOOLS = (
    _line(
        "tool-fuzz",
        "a tool that divides by an argument that may be 0",
        "division by zero",
        lambda: functions("price_per_piece", seconds=20.0),
        lambda: functions("checked_price_per_piece", seconds=20.0),
    ),
    _line(
        "tool-twice",
        "a tool that says it may be repeated, and books twice",
        "second call shows in list_reservations",
        lambda: booked("TWICE"),
        lambda: booked("ONCE"),
    ),
    _line(
        "tool-at-once",
        "a tool that takes one call at a time",
        "another call is in progress",
        lambda: functions("count_orders"),
        lambda: functions("count_all_orders"),
    ),
    _line(
        "tool-at-once",
        "a tool that keeps what it was asked in a variable of all calls",
        "the answer to another call's arguments",
        lambda: different("find_order"),
        lambda: different("find_own_order"),
    ),
    _line(
        "tool-partial",
        "twenty of 240 orders, and no argument for the rest",
        "no argument that fetches the rest",
        lambda: functions("list_orders"),
        lambda: functions("list_orders_from"),
    ),
    _line(
        "tool-progress",
        "progress that goes back",
        "went 1 -> 3 -> 2",
        lambda: told("goes-back"),
        lambda: told("tells"),
    ),
)

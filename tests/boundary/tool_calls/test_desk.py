"""What a proxy knows of its server's tools grows old, and is never taken for newer than it is."""

from __future__ import annotations

from gapless.boundary.tool_calls.desk import Desk, unlocked
from gapless.boundary.tool_calls.policy import ToolPolicy
from gapless.records.tools import ToolSchema

LOOK = ToolSchema(name="look")


def opened() -> Desk:
    return Desk("shop", unlocked, lambda tool: ToolPolicy())


def test_tools_are_known_for_a_while() -> None:
    now = [0.0]
    desk = Desk("shop", unlocked, lambda tool: ToolPolicy(), fresh_s=60.0, clock=lambda: now[0])
    assert desk.stale
    desk.learn([LOOK])
    assert not desk.stale
    now[0] = 61.0
    assert desk.stale


def test_a_change_that_is_told_while_the_server_lists_its_tools_is_not_lost() -> None:
    desk = opened()
    asked = desk.turns
    desk.forget()  # told while the answer was on its way
    desk.learn([LOOK], asked)
    assert desk.stale
    desk.learn([LOOK], desk.turns)
    assert not desk.stale


def test_a_tool_that_did_not_change_keeps_its_compiled_schemas() -> None:
    desk = opened()
    desk.learn([LOOK])
    before = desk.find("look")
    desk.learn([ToolSchema(name="look")])
    assert desk.find("look") is before
    desk.learn([ToolSchema(name="look", description="Looks.")])
    assert desk.find("look") is not before

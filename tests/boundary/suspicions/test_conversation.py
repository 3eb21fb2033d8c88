"""What speaks against a turn of a conversation, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.boundary.suspicions.base import ObservedEvent, ObservedTrial
from gapless.boundary.suspicions.conversation import acts, conversation, evidence
from gapless.records.trial import StepEvent
from gapless.records.turn import Turn


def user(text: str, **more: Any) -> Turn:
    return Turn(event=0, speaker="user", text=text, **more)


def agent(text: str) -> Turn:
    return Turn(event=0, speaker="agent", text=text)


def call(tool: str, answer: str = "done", **arguments: Any) -> Turn:
    return Turn(event=0, speaker="tool", tool=tool, arguments=arguments, text=answer)


def names(*turns: Turn, given: str = "") -> dict[int, set[str]]:
    numbered = [
        Turn(**{name: getattr(turn, name) for name in turn.__struct_fields__} | {"event": at})
        for at, turn in enumerate(turns)
    ]
    return {at: set(found) for at, found in evidence(numbered, given).items()}


YES = user("Yes, please go ahead.")


@pytest.mark.parametrize("tool", ["get_order", "listItems", "search", "calculate", "think", "HTTPGet"])
def test_tools_that_read_do_not_act(tool: str) -> None:
    assert acts(tool) is (tool == "HTTPGet")  # its first word is no verb of reading: nothing is assumed of it


def test_an_act_that_was_agreed_to_with_values_that_were_read_is_only_an_act() -> None:
    assert names(user("Cancel W-1"), call("get_order", '{"id": "W-1"}', id="W-1"), YES, call("cancel", id="W-1")) == {
        3: {"acts"}
    }  # fmt: skip


def test_an_act_nobody_agreed_to_with_values_out_of_nowhere() -> None:
    assert names(user("Where is my parcel?"), call("cancel", id="W-77")) == {
        1: {"acts", "unconfirmed-act", "ungrounded-argument"}
    }
    assert "ungrounded-argument" not in names(YES, call("cancel", id="W-77"), given="Cancel W-77 first")[1]
    assert "ungrounded-argument" in names(YES, agent("W-77?"), call("cancel", id="W-77"))[2]


def test_a_call_is_held_to_the_reference_where_there_is_one() -> None:
    for expected, found in ((None, False), (True, False), (False, True)):
        turn = Turn(event=1, speaker="tool", tool="cancel", arguments={}, text="", expected=expected)
        assert ("not-expected" in evidence([YES, turn])[1]) is found
    reading = Turn(event=1, speaker="tool", tool="get_order", arguments={}, text="", expected=False)
    assert evidence([YES, reading]) == {}


def test_repeated_calls_errors_and_giving_up() -> None:
    failed = Turn(
        event=0, speaker="tool", tool="get", arguments={"id": 1}, text="Error: no", error="Error: no"
    )
    assert names(YES, failed, failed) == {
        1: {"answered-with-error"},
        2: {"answered-with-error", "repeated-call"},
    }
    assert names(YES, call("transfer_to_human_agents", summary="too hard")) == {1: {"gave-up"}}


def test_replies() -> None:
    assert names(user("What does it cost?"), call("get_price", "It is 17.50"), agent("It costs 17.50.")) == {}
    assert names(user("What does it cost?"), agent("It costs 93.20.")) == {1: {"figure-from-nowhere"}}
    assert names(YES, agent("Your order has been cancelled.")) == {1: {"claim-without-act"}}
    assert 2 not in names(YES, call("cancel"), agent("Your order has been cancelled."))
    assert names(YES, agent("Unfortunately, I cannot do that.")) == {1: {"declines"}}


def test_what_users_object_to_and_where_they_change_course() -> None:
    assert names(YES, agent("Blue, then."), user("No, that's not what I said.")) == {
        1: {"objected-to"},
        2: {"unanswered"},
    }
    assert names(YES, agent("Blue, then."), user("Actually, red.", ends=True)) == {2: {"changes-course"}}
    assert names(user("No, red.", ends=True)) == {}


def test_a_recorded_agent_with_tools_is_a_conversation_and_a_pipeline_is_none() -> None:
    asked = {"role": "user", "content": "Where is my parcel?"}
    wants = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "function": {"name": "cancel_order", "arguments": '{"id": "W-77"}'}}],
    }
    done = {"role": "tool", "tool_call_id": "1", "name": "cancel_order", "content": '{"ok": true}'}
    events = tuple(
        ObservedEvent(StepEvent(step=step), {"messages": before}, {"messages": [said]})
        for step, before, said in (("agent", [asked], wants), ("tools", [asked, wants], done))
    )
    trial = ObservedTrial("c", 0, {"messages": [asked]}, None, events, "ok")
    turns, given = conversation(trial)
    assert [(t.speaker, t.event, t.tool) for t in turns] == [("user", -1, None), ("tool", 1, "cancel_order")]
    assert set(evidence(turns, given)[1]) == {"acts", "unconfirmed-act", "ungrounded-argument"}
    plain = (ObservedEvent(StepEvent(step="a"), {"x": 1}, {"y": 2}),)
    assert conversation(ObservedTrial("c", 0, {"x": 1}, {"y": 2}, plain, "ok")) == ((), "")


@pytest.mark.parametrize("text", ["", "\x00\x1b[31m", "нет", "(" * 5_000, "no " * 20_000])
def test_no_text_breaks_it(text: str) -> None:
    evidence([user(text), agent(text), call(text, text, **{"a": text})], text)

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.boundary.suspicions import ObservedEvent, ObservedTrial, learn, suspect
from gapless.records.trial import StepEvent

_words = st.sampled_from(
    [
        "",
        "yes",
        "Error: x",
        "[",
        '{"a": 1',
        "The cap is 5 million, and it renews",
        "500",
        "None",
        "é",
        "[1, 2]",
    ]
)
_keys = st.sampled_from(
    ["a", "b", "error", "status", "total", "items", "messages", "content", "role", "type", "x_123"]
)
_atoms = (
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(allow_nan=True)
    | _words
    | st.binary(max_size=2)
)
_plain = st.recursive(
    _atoms,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=10,
)
_roles = st.sampled_from(["ai", "tool", "human", "assistant", "user", "system"])
_messages = st.fixed_dictionaries(
    {"type": _roles, "content": _plain},
    optional={
        "tool_calls": st.lists(_plain, max_size=2),
        "tool_call_id": _words,
        "name": _words,
        "status": _words,
    },
)
_outputs = _plain | st.fixed_dictionaries({"messages": st.lists(_messages, max_size=3)})


def _trial(number: int, outputs: list[Any]) -> ObservedTrial:
    events = tuple(
        ObservedEvent(
            StepEvent(step=f"s{i}", input=f"{i}", output=f"{i}+"), ({"q": number}, *outputs)[i], output
        )
        for i, output in enumerate(outputs)
    )
    return ObservedTrial(f"c{number}", 0, {"q": number}, outputs[-1], events, "ok")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(_outputs, min_size=1, max_size=3), min_size=1, max_size=5))
def test_no_plain_data_breaks_the_checks_and_the_answer_is_always_the_same(trials: list[list[Any]]) -> None:
    observed = [_trial(i, outputs) for i, outputs in enumerate(trials)]
    normal = learn(observed)
    for trial in observed:
        found = suspect(trial, normal)
        assert found == suspect(trial, normal)
        assert all(0 <= index < len(trial.events) for index in found)
        assert all(one.reason for some in found.values() for one in some)


@settings(max_examples=150, deadline=None)
@given(st.lists(_outputs, min_size=1, max_size=3))
def test_what_every_trial_does_is_normal_unless_it_is_an_error(outputs: list[Any]) -> None:
    observed = [_trial(i, outputs) for i in range(6)]
    normal = learn(observed)
    for trial in observed:
        checks = {one.check for some in suspect(trial, normal).values() for one in some}
        assert checks <= {"errors-ignored", "no-progress"}

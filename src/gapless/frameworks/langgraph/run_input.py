"""What a paused run was given, read back from its checkpointer: a case can be made of it later, in any process."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from gapless.frameworks.langgraph import private
from gapless.records.value import to_plain
from gapless.records.workflow import START

_WAIT_S, _POLL_S = 1.0, 0.01


def run_input(configurable: dict[str, Any]) -> Any:
    """The one input of a thread as plain data; UNSET where it is not known.

    It is not known where the thread was given several inputs, or its state was written from outside: then no single input
    leads there. Nor where checkpoints are only written at the end (durability "exit"), or the checkpointer cannot say.

    Args:
        configurable: What the task that pauses was configured with.
    """
    saver = configurable.get(private.CONFIG_KEY_CHECKPOINTER)
    ours = (configurable.get(private.CONFIG_KEY_CHECKPOINT_MAP) or {}).get("")
    if saver is None or isinstance(saver, bool) or ours is None:
        return msgspec.UNSET
    if configurable.get(private.CONFIG_KEY_DURABILITY) == "exit":
        return msgspec.UNSET
    where = {"configurable": {"thread_id": configurable.get("thread_id"), "checkpoint_ns": ""}}
    try:
        return _input(saver, where, ours)
    except Exception:  # somebody else's checkpointer may fail in any way: the review is filed all the same
        return msgspec.UNSET


def _input(saver: Any, where: dict[str, Any], ours: str) -> Any:
    end = time.monotonic() + _WAIT_S
    # Checkpoints are written in order and behind the run's back: when ours is there, all before it are.
    while saver.get_tuple({"configurable": {**where["configurable"], "checkpoint_id": ours}}) is None:
        if time.monotonic() > end:
            return msgspec.UNSET
        time.sleep(_POLL_S)
    inputs = list(saver.list(where, filter={"source": "input"}, limit=2))
    written = [
        found
        for source in ("update", "fork")
        for found in saver.list(where, filter={"source": source}, limit=1)
    ]
    if len(inputs) != 1 or written:
        return msgspec.UNSET
    held: dict[str, Any] = inputs[0].checkpoint["channel_values"]
    return to_plain(held[START]) if START in held else msgspec.UNSET

"""Every name of LangGraph that is not public and that recording rests on, in one place: tested on each release."""

from __future__ import annotations

# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false
from collections import deque
from typing import Any, cast

from langgraph._internal._constants import (
    CONFIG_KEY_CHECKPOINT_MAP,
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_CHECKPOINTER,
    CONFIG_KEY_DURABILITY,
    CONFIG_KEY_READ,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_SEND,
    CONFIG_KEY_TASK_ID,
    INTERRUPT,
    NS_SEP,
    PUSH,
    RESUME,
    TASKS,
)
from langgraph._internal._runnable import RunnableCallable, RunnableSeq
from langgraph._internal._typing import MISSING
from langgraph.graph._branch import BranchSpec
from langgraph.pregel._read import DEFAULT_BOUND, PregelNode
from langgraph.pregel._write import PASSTHROUGH, ChannelWrite, ChannelWriteEntry, ChannelWriteTupleEntry
from langgraph.types import _interrupt_id as interrupt_id

__all__ = [
    "CONFIG_KEY_CHECKPOINTER",
    "CONFIG_KEY_CHECKPOINT_MAP",
    "CONFIG_KEY_CHECKPOINT_NS",
    "CONFIG_KEY_DURABILITY",
    "CONFIG_KEY_READ",
    "CONFIG_KEY_SCRATCHPAD",
    "CONFIG_KEY_SEND",
    "CONFIG_KEY_TASK_ID",
    "DEFAULT_BOUND",
    "INTERRUPT",
    "MISSING",
    "NS_SEP",
    "PASSTHROUGH",
    "PUSH",
    "RESUME",
    "TASKS",
    "BranchSpec",
    "ChannelWrite",
    "ChannelWriteEntry",
    "ChannelWriteTupleEntry",
    "PregelNode",
    "RunnableCallable",
    "RunnableSeq",
    "interrupt_id",
    "routes_of",
    "writes_of",
]


def routes_of(branch: BranchSpec) -> tuple[Any, Any]:
    """The functions, sync and async, by which a conditional edge decides and writes."""
    return branch._route, branch._aroute


def writes_of(config: Any) -> deque[tuple[str, Any]] | None:
    """What the task in progress has written so far, to be added to and taken from; None outside of a task."""
    written = getattr((config.get("configurable") or {}).get(CONFIG_KEY_SEND), "__self__", None)
    return cast("deque[tuple[str, Any]]", written) if isinstance(written, deque) else None


BRANCH_TO = "branch:to:{}"
"""Channel that starts a node."""
JOIN = "join:"
"""How the channel of a node begins that waits for several: `join:a+b:node`."""

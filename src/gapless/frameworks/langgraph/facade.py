"""Stand-ins for what a node runs: they look and behave like the original, and pass through the session if there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence
from pydantic import BaseModel

from gapless.boundary.contract import Contract
from gapless.boundary.reviewing import current_pause
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.door import Door
from gapless.frameworks.langgraph.guarded import GuardedDoor

_NOTHING = object()


class Facade(Runnable[Any, Any]):
    """Calls the original, through the door while a session is in progress and directly otherwise."""

    gapless_inner: Any
    gapless_door: Door | GuardedDoor

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Runs the original in this thread."""
        inner, door = self.gapless_inner, self.gapless_door
        if not door.applies():
            return inner.invoke(input, config, **kwargs)
        _note_thread(config)
        return door.cross(input, config, lambda state: inner.invoke(state, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Awaits the original."""
        inner, door = self.gapless_inner, self.gapless_door
        if not door.applies():
            return await inner.ainvoke(input, config, **kwargs)
        _note_thread(config)
        return await door.across(input, config, lambda state: inner.ainvoke(state, config, **kwargs))

    def stream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Streams the original; inside a session its value arrives whole, as LangGraph's writers make it anyway."""
        if not self.gapless_door.applies():
            yield from self.gapless_inner.stream(input, config, **kwargs)
        else:
            yield self.invoke(input, config, **kwargs)

    async def astream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Streams the original; its own events still stream inside a session, its value arrives whole."""
        inner, door = self.gapless_inner, self.gapless_door
        if not door.applies():
            async for chunk in inner.astream(input, config, **kwargs):
                yield chunk
            return
        _note_thread(config)
        value = await door.across(
            input, config, lambda state: _gather(inner.astream(state, config, **kwargs))
        )
        if value is not _NOTHING:
            yield value

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The original's name: it is what drawings and traces show."""
        return self.gapless_inner.get_name(suffix, name=name)


class Flat(Runnable[Any, Any]):
    """A sequence as LangGraph runs it in a node: its elements are children of the node's run, not of a run of its own."""

    def __init__(self, steps: list[Runnable[Any, Any]]) -> None:
        self.steps = steps

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Runs the elements one after the other."""
        value = self.steps[0].invoke(input, config, **kwargs)
        for index, step in enumerate(self.steps[1:], start=2):
            value = step.invoke(value, _at(config, index))
        return value

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Awaits the elements one after the other."""
        value = await self.steps[0].ainvoke(input, config, **kwargs)
        for index, step in enumerate(self.steps[1:], start=2):
            value = await step.ainvoke(value, _at(config, index))
        return value

    async def astream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Streams through the elements, each transforming what the one before it yields."""
        chunks = self.steps[0].astream(input, config, **kwargs)
        for index, step in enumerate(self.steps[1:], start=2):
            chunks = step.atransform(chunks, _at(config, index))
        async for chunk in chunks:
            yield chunk


def facade(bound: Any, door: Door | GuardedDoor) -> Any:
    """What stands in for `bound`: of its class, with its attributes, wherever that class can be extended."""
    original = unwrap(bound)
    if isinstance(original, (RunnableSequence, private.RunnableSeq)):
        return _padded(list(original.steps), door)
    return _stand_in(original, door)


def contract_at(bound: Any) -> Contract | None:
    """The contract that a node is under already."""
    stand_in = bound.steps[0] if isinstance(bound, private.RunnableSeq) else bound
    return getattr(getattr(stand_in, "gapless_door", None), "contract", None)


def edges_at(bound: Any) -> Mapping[str, Contract]:
    """Node, or the end -> the contract on the way to it from this node."""
    stand_in = bound.steps[0] if isinstance(bound, private.RunnableSeq) else bound
    return getattr(getattr(stand_in, "gapless_door", None), "edges", {})


def unwrap(bound: Any) -> Any:
    """What a node runs, without our stand-in."""
    inner = getattr(bound, "gapless_inner", bound)
    if isinstance(bound, private.RunnableSeq) and isinstance(bound.steps[0], Facade):
        inner = bound.steps[0].gapless_inner
    return private.RunnableSeq(*inner.steps) if isinstance(inner, Flat) else inner


def _stand_in(original: Any, door: Door | GuardedDoor) -> Any:
    stand_in = object.__new__(_class_for(type(original)))
    if not isinstance(original, BaseModel):
        vars(stand_in).update(vars(original))
    stand_in.gapless_inner = original
    stand_in.gapless_door = door
    return stand_in


def _padded(steps: list[Runnable[Any, Any]], door: Door | GuardedDoor) -> Any:
    """One crossing for the whole sequence, followed by idle elements: later runs keep their `seq:step:N` tags."""
    idle = [private.RunnableCallable(_same, name="idle", trace=False) for _ in steps[1:]]
    return private.RunnableSeq(_stand_in(Flat(steps), door), *idle)


def _same(value: Any) -> Any:
    return value


def _note_thread(config: Any) -> None:
    """Tells a trial that may wait for a person under which thread its run can be gone on with."""
    pause = current_pause.get()
    if pause is not None and pause.thread is None:
        pause.thread = ((config or {}).get("configurable") or {}).get("thread_id")


@lru_cache(maxsize=256)
def _class_for(kind: type[Any]) -> type[Facade]:
    # Tests for a class, drawings, cache keys and the search for subgraphs all look at what a node runs. A pydantic
    # model cannot be imitated without its validation: it gets a plain stand-in.
    bases = (Facade,) if issubclass(kind, BaseModel) else (Facade, kind)
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return cast("type[Facade]", type(kind.__name__, bases, names))


def _at(config: RunnableConfig | None, index: int) -> RunnableConfig | None:
    """The config for the index-th element: the same parent run, its own tag."""
    callbacks: Any = (config or {}).get("callbacks")
    if config is None or not hasattr(callbacks, "tags"):
        return config
    sibling = callbacks.copy()
    sibling.tags = [f"seq:step:{index}" if tag == "seq:step:1" else tag for tag in callbacks.tags]
    return cast("RunnableConfig", {**config, "callbacks": sibling})


async def _gather(chunks: AsyncIterator[Any]) -> Any:
    """Adds chunks up the way LangChain does when the next element cannot stream."""
    total: Any = _NOTHING
    async for chunk in chunks:
        if total is _NOTHING:
            total = chunk
            continue
        try:
            total = total + chunk
        except TypeError:
            total = chunk
    return total

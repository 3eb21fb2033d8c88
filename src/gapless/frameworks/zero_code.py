"""Records every LangGraph graph of a program that was not written for it: `gapless run app.py`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from gapless.boundary.session import Session, current_session
from gapless.frameworks.calls import recorded_calls
from gapless.trace.recorder import TrialRecorder

INTERRUPT = "__interrupt__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One run of a graph that the program started by itself."""

    recorder: TrialRecorder
    """Holds its step events; `close()` returns them."""
    graph: Any
    """The graph, recorded; `frameworks.langgraph.shape` and `fingerprint` read it."""
    input: Any
    """What the program called it with: a state, a Command that resumes it, or None."""
    output: Any = None
    """The final state; for a stream of updates the state they add up to; None where the stream does not tell."""
    error: BaseException | None = None
    """What it raised, or GeneratorExit when the program stopped reading a stream."""
    paused: bool = False
    """Whether it waits for a person."""


OnTrial = Callable[[Observed], None]
_listener: list[OnTrial] = []


@contextmanager
def install(on_trial: OnTrial) -> Generator[None]:
    """Makes every graph that is compiled inside a recorded one, and every call of it from outside a trial a trial.

    Return values, streams and exceptions stay what they were. `on_trial` is called when a run has ended, in the thread
    it ended in; what it raises is logged and never reaches the program. Undone on exit: graphs compiled inside go on
    working, unrecorded. Graphs made with `@entrypoint`, and graphs compiled before, are not seen.

    Raises:
        MissingExtra: LangGraph is not installed.
    """
    from gapless.frameworks.langgraph import need

    need()
    from langgraph.graph import StateGraph

    from gapless.frameworks.langgraph.recording import extend, record_graph

    original = StateGraph.compile

    def compile_recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        return extend(record_graph(original(self, *args, **kwargs)), ObservedGraph)

    cast("Any", StateGraph).compile = compile_recorded
    _listener.append(on_trial)
    try:
        yield
    finally:
        cast("Any", StateGraph).compile = original
        _listener.remove(on_trial)


class ObservedGraph:
    """Mixed into the class of a compiled graph: a call from outside a trial is a trial."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        """The graph's own invoke."""
        call = cast("Any", super()).invoke
        if not _observing():
            return call(input, config, **kwargs)
        run = _Run(self, input)
        with run.ending():
            with run.session():
                output = call(input, config, **kwargs)
            run.output = output
        return output

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        """The graph's own ainvoke."""
        call = cast("Any", super()).ainvoke
        if not _observing():
            return await call(input, config, **kwargs)
        run = _Run(self, input)
        with run.ending():
            with run.session():
                output = await call(input, config, **kwargs)
            run.output = output
        return output

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """The graph's own stream, as lazy as it was."""
        chunks = cast("Any", super()).stream(input, config, **kwargs)
        if not _observing():
            return chunks
        return _observed(_Run(self, input, _reading(self, kwargs)), chunks)

    def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: A002
        """The graph's own asynchronous stream, as lazy as it was."""
        chunks = cast("Any", super()).astream(input, config, **kwargs)
        if not _observing():
            return chunks
        return _aobserved(_Run(self, input, _reading(self, kwargs)), chunks)


def _observing() -> bool:
    return bool(_listener) and current_session.get() is None


def _observed(run: _Run, chunks: Any) -> Iterator[Any]:
    with run.ending():
        try:
            while True:
                with run.session():
                    chunk = next(chunks, _END)
                if chunk is _END:
                    return
                run.see(chunk)
                yield chunk
        finally:
            chunks.close()


async def _aobserved(run: _Run, chunks: Any) -> AsyncIterator[Any]:
    with run.ending():
        try:
            while True:
                with run.session():
                    chunk = await anext(chunks, _END)
                if chunk is _END:
                    return
                run.see(chunk)
                yield chunk
        finally:
            await chunks.aclose()


_END = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """How the chunks of a stream are to be read."""

    modes: tuple[str, ...] = ("values",)
    several: bool = False
    """Whether chunks carry their mode, because a list of modes was asked for."""
    subgraphs: bool = False
    typed: bool = False
    """Whether chunks are LangGraph's typed parts (version "v2")."""


class _Run:
    """One trial while the program runs it."""

    def __init__(self, graph: Any, value: Any, reading: _Reading | None = None) -> None:
        self.output: Any = None
        self._graph = graph
        self._input = value
        self._reading = reading or _Reading()
        self._paused = False
        self._recorder: TrialRecorder | None = None
        self._session: Session | None = None
        self._fold: Any = None

    @contextmanager
    def ending(self) -> Generator[None]:
        """Tells the listener how the run ended."""
        # Created here, not before: a stream that nobody reads never started.
        self._recorder = TrialRecorder()
        self._session = Session(self._recorder, case_input=self._input, live=True)
        error: BaseException | None = None
        with ExitStack() as stack:
            stack.enter_context(recorded_calls())
            try:
                yield
            except BaseException as raised:  # on record, however it ended
                error = raised
                raise
            finally:
                self._tell(self._recorder, error)

    @contextmanager
    def session(self) -> Generator[None]:
        """Makes this the trial in progress, for one piece of the graph's work."""
        token = current_session.set(self._session)
        try:
            yield
        finally:
            current_session.reset(token)

    def see(self, chunk: Any) -> None:
        """Reads the state off a stream, as far as the program asked for it."""
        mode, payload = _part(chunk, self._reading)
        if isinstance(payload, dict) and INTERRUPT in payload:
            self._paused = True
        if mode == "values":
            self.output = payload
        elif mode == "updates" and isinstance(payload, dict) and "values" not in self._reading.modes:
            self._add(cast("dict[str, Any]", payload))

    def _add(self, updates: dict[str, Any]) -> None:
        from gapless.frameworks.langgraph.state import Fold

        if not isinstance(self._input, dict):
            return
        try:
            self._fold = self._fold or Fold(self._graph, self._input)
            for node, update in updates.items():
                if node != INTERRUPT and update is not None:
                    self._fold.apply(update)
            self.output = self._fold.read()
        except (
            Exception
        ):  # a reducer that cannot take it: the output stays unknown, the program is not disturbed
            self.output = None

    def _tell(self, recorder: TrialRecorder, error: BaseException | None) -> None:
        output, interrupted = _split(self.output)
        asked = any(event.status == "paused" for event in recorder.events)
        seen = Observed(
            recorder=recorder,
            graph=self._graph,
            input=self._input,
            output=output,
            error=error,
            paused=self._paused or interrupted or asked,
        )
        for listener in list(_listener):
            try:
                listener(seen)
            except Exception:  # watching must not disturb who is watched
                logging.getLogger("gapless").exception("a run was not recorded")


def _split(output: Any) -> tuple[Any, bool]:
    """The state in what a graph returned, and whether it returned because of an interrupt."""
    if isinstance(output, dict):
        state = cast("dict[str, Any]", output)
        return {key: value for key, value in state.items() if key != INTERRUPT}, bool(state.get(INTERRUPT))
    if hasattr(output, "interrupts"):  # LangGraph's typed result (version "v2")
        return output.value, bool(output.interrupts)
    return output, False


def _reading(graph: Any, kwargs: dict[str, Any]) -> _Reading:
    modes: Any = kwargs.get("stream_mode") or graph.stream_mode
    several = not isinstance(modes, str)
    return _Reading(
        modes=tuple(modes) if several else (modes,),
        several=several,
        subgraphs=bool(kwargs.get("subgraphs")),
        typed=kwargs.get("version") == "v2",
    )


def _part(chunk: Any, how: _Reading) -> tuple[str | None, Any]:
    """The mode and payload of a chunk; (None, None) for a subgraph's."""
    if how.typed:
        return (None, None) if chunk.get("ns") else (chunk.get("type"), chunk.get("data"))
    parts: list[Any] = list(chunk) if how.several or how.subgraphs else [chunk]
    if how.subgraphs and parts.pop(0):
        return None, None
    return (parts[0], parts[1]) if how.several else (how.modes[0], parts[0])

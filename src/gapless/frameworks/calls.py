"""Nested calls: what a step asks of models, tools, retrievers and HTTP servers while it runs."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from gapless.boundary.session import current_session
from gapless.records.trial import Call, CallKind
from gapless.trace.recorder import OpenStep, TrialRecorder, current_step, error_info


@contextmanager
def recorded_calls() -> Generator[None]:
    """Records nested calls of steps that run inside, through the libraries that are imported by now."""
    if "langchain_core" in sys.modules:
        from gapless.frameworks.langchain_calls import watch_langchain

        watch_langchain()
    if "httpx" not in sys.modules and "httpx2" not in sys.modules:
        yield
        return
    from gapless.frameworks.http_calls import watched_httpx

    with watched_httpx():
        yield


_UNHEARD = nullcontext()


def heard(wanted: bool) -> AbstractContextManager[None]:
    """While somebody is inside, model calls say when their first token comes, where that is wanted."""
    return recorded_calls() if wanted else _UNHEARD


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A nested call that has started and not ended."""

    kind: CallKind
    name: str
    step: OpenStep
    recorder: TrialRecorder
    started_ms: float
    request: str

    def end(
        self,
        response: Any = None,
        *,
        error: BaseException | None = None,
        tokens: tuple[int | None, int | None] = (None, None),
        traced: bool | None = None,
        ahead_s: float | None = None,
    ) -> None:
        """Attaches the call to its step."""
        self.step.calls.append(
            Call(
                kind=self.kind,
                name=self.name,
                started_ms=self.started_ms,
                ms=self.recorder.now_ms() - self.started_ms,
                request=self.request,
                response=self.recorder.keep(response) if error is None else None,
                error=error_info(error) if error is not None else None,
                tokens_in=tokens[0],
                tokens_out=tokens[1],
                traced=traced,
                ahead_s=ahead_s,
            )
        )


def begin_call(kind: CallKind, name: str, request: Any) -> PendingCall | None:
    """A call that starts now, inside the step that is running here; None when none is."""
    step, session = current_step.get(), current_session.get()
    if step is None or session is None:
        return None
    recorder = session.recorder
    return PendingCall(kind, name, step, recorder, recorder.now_ms(), recorder.keep(request))

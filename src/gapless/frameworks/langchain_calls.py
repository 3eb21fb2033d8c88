"""Records LangChain model, tool and retriever calls, through the callback every LangChain object asks for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from gapless.boundary.first_token import awaited, token_came
from gapless.frameworks.calls import PendingCall, begin_call
from gapless.records.trial import CallKind
from gapless.trace.recorder import current_step

_installed = threading.Lock()
"""Taken for good by the first call of `watch_langchain`."""


def watch_langchain() -> None:
    """Makes LangChain offer its calls to the step that is running, from now on; without a step nothing happens."""
    if _installed.acquire(blocking=False):
        register_configure_hook(cast("Any", _WhileRecorded()), inheritable=True)


class _WhileRecorded:
    """Answers like a context variable: our handler inside a recorded step, or one that waits for a token, else None."""

    name = "gapless_calls"

    def get(self) -> BaseCallbackHandler | None:
        return _handler if current_step.get() is not None or awaited.get() is not None else None


class CallsHandler(BaseCallbackHandler):
    """Notes the beginning and the end of each call; it never alters one."""

    run_inline = True  # in the context of the call, where the running step is known
    ignore_chain = True  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    ignore_custom_event = True  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    ignore_retry = True  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self) -> None:
        self._pending: dict[UUID, PendingCall] = {}

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A chat model is asked."""
        asked = {"messages": messages[0] if len(messages) == 1 else messages, **_parameters(kwargs)}
        self._begin("model", _model_name(serialized, kwargs), asked, run_id)

    def on_llm_start(
        self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A text model is asked."""
        self._begin(
            "model", _model_name(serialized, kwargs), {"prompts": prompts, **_parameters(kwargs)}, run_id
        )

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has begun to answer, or goes on."""
        token_came()

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model answered."""
        token_came()
        answers = [getattr(one, "message", None) or one.text for row in response.generations for one in row]
        answer = answers[0] if len(answers) == 1 else answers
        self._end(run_id, answer, tokens=_tokens(answers, response))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model failed."""
        self._end(run_id, error=error)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is called."""
        self._begin(
            "tool", _name(serialized, kwargs, "tool"), inputs if inputs is not None else input_str, run_id
        )

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool answered."""
        self._end(run_id, output)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool failed."""
        self._end(run_id, error=error)

    def on_retriever_start(
        self, serialized: dict[str, Any], query: str, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A retriever is asked."""
        self._begin("retriever", _name(serialized, kwargs, "retriever"), query, run_id)

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever answered."""
        self._end(run_id, list(documents))

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever failed."""
        self._end(run_id, error=error)

    def _begin(self, kind: CallKind, name: str, request: Any, run_id: UUID) -> None:
        pending = begin_call(kind, name, request)
        if pending is not None:
            self._pending[run_id] = pending

    def _end(
        self,
        run_id: UUID,
        response: Any = None,
        *,
        error: BaseException | None = None,
        tokens: tuple[int | None, int | None] = (None, None),
    ) -> None:
        pending = self._pending.pop(run_id, None)
        if pending is not None:
            pending.end(response, error=error, tokens=tokens)


_handler = CallsHandler()


def _name(serialized: dict[str, Any] | None, kwargs: dict[str, Any], default: str) -> str:
    return str(kwargs.get("name") or (serialized or {}).get("name") or default)


def _model_name(serialized: dict[str, Any] | None, kwargs: dict[str, Any]) -> str:
    parameters: dict[str, Any] = kwargs.get("invocation_params") or {}
    model = parameters.get("model") or parameters.get("model_name")
    return str(model) if model else _name(serialized, kwargs, "model")


def _parameters(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The parameters that decide an answer; never those that may carry a key."""
    given: dict[str, Any] = kwargs.get("invocation_params") or {}
    known = (
        "model",
        "model_name",
        "temperature",
        "top_p",
        "max_tokens",
        "seed",
        "stop",
        "tools",
        "tool_choice",
    )
    return {key: given[key] for key in known if given.get(key) is not None}


def _tokens(answers: list[Any], response: Any) -> tuple[int | None, int | None]:
    usages: list[dict[str, Any]] = [
        usage for one in answers if (usage := getattr(one, "usage_metadata", None))
    ]
    if usages:
        return sum(u.get("input_tokens", 0) for u in usages), sum(u.get("output_tokens", 0) for u in usages)
    counted: dict[str, Any] = (response.llm_output or {}).get("token_usage") or {}
    return counted.get("prompt_tokens"), counted.get("completion_tokens")

"""What a replay raises: where it leaves the tape, and where a recorded step ended with an exception."""

from __future__ import annotations

import ast
import builtins
import sys
from typing import Any

from gapless.records.trial import ErrorInfo, StepEvent


class LeftTape(BaseException):
    """Ends the workflow where it leaves the tape. No `Exception`: retries, fallbacks and the workflow's own handlers would go on."""


class ReplayedError(RuntimeError):
    """Stands for a recorded exception whose class is not loaded here."""


def recorded_exception(event: StepEvent) -> BaseException:
    """The exception that a recorded step ended with, else one that stands for it."""
    info = event.error or ErrorInfo(type="TimeoutError", message="it was abandoned")
    module = sys.modules.get(info.module) if info.module is not None else builtins
    kind = getattr(module, info.type, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return ReplayedError(f"{info.type}: {info.message}")
    error = kind.__new__(kind, info.message)  # its constructor may want what was not kept
    error.args = (_literal(info.message) if issubclass(kind, KeyError) else info.message,)
    for name, value in (
        ("limit_s", 0.0),
        ("boundary", event.step),
        ("attempt", event.attempt),
        ("elapsed_s", None),
    ):
        if not hasattr(error, name):
            setattr(error, name, value)
    return error


def _literal(text: str) -> Any:
    """What a KeyError names: its text is how Python would write that."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text

"""`python`: your own function judges."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from gapless.evals.checks.base import BaseCheck, CheckContext
from gapless.evals.code import find_function, reference_to, remember
from gapless.evals.sameness import shown
from gapless.records.trial import Verdict
from gapless.records.value import to_plain


@dataclass(frozen=True, kw_only=True)
class Python(BaseCheck):
    """Passes when your function says so: it is given the context and answers bool, a score, a Verdict, or None (unknown).

    A score passes from `min` on. Functions may be async; others run in a thread, so a slow one holds nobody up.
    """

    name: ClassVar[str] = "python"
    example: ClassVar[dict[str, Any]] = {"function": "builtins:bool"}
    shorthand: ClassVar[str | None] = "function"

    function: str
    """ "module:function" or "file.py:function", relative to the suite."""
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    """Keyword arguments it is called with, beside the context."""
    min: float | None = None
    """Least score that passes; needed when the function answers with a score."""
    timeout_s: float = 60.0
    """Seconds until its verdict is unknown."""
    source: str | None = None
    """Digest of its code, filled in when the suite is read: a changed check makes another suite."""

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s is {self.timeout_s:g}; it must be above 0")
        _ = self._function

    @classmethod
    def prepare(cls, params: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Finds the function, and notes the digest of its code."""
        given = params.get("function")
        if callable(given):
            reference, function = reference_to(given), given
        elif isinstance(given, str):
            reference, function = given, find_function(given, folder)
        else:
            return params
        return params | {"function": reference, "source": remember(reference, function)}

    @cached_property
    def _function(self) -> Callable[..., Any]:
        return find_function(self.function, source=self.source)

    async def judge(self, context: CheckContext) -> Verdict:
        """Calls the function and reads its answer."""
        limit = asyncio.timeout(self.timeout_s)
        try:
            async with limit:
                answer = await self._called(context)
        except TimeoutError:
            if not limit.expired():
                raise
            return self.unknown(f"{self.function} did not answer within {self.timeout_s:g} s")
        return self._read(answer)

    async def _called(self, context: CheckContext) -> Any:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(context, **self.params)
        answer, error = await asyncio.to_thread(_attempt, self._function, context, self.params)
        if error is not None:
            raise error
        return await answer if inspect.isawaitable(answer) else answer

    def _read(self, answer: Any) -> Verdict:
        if isinstance(answer, Verdict):
            return answer if answer.check else msgspec.structs.replace(answer, check=self.name)
        plain = to_plain(answer)  # numpy's bools and floats among them
        if plain is None:
            return self.unknown(f"{self.function} answered None")
        if isinstance(plain, bool):
            return self.passed() if plain else self.failed(f"{self.function} answered False")
        if not isinstance(plain, (int, float)):
            return self.unknown(
                f"{self.function} answered {shown(plain)}; allowed are bool, a number, a Verdict, None"
            )
        if not math.isfinite(plain):
            return self.unknown(f"{self.function} answered {plain}, which is no number")
        if self.min is None:
            return self.unknown(f"{self.function} answered the score {plain:g}, but the check has no `min`")
        words = f"{self.function} answered {plain:g}, the least is {self.min:g}"
        return self.passed(words, float(plain)) if plain >= self.min else self.failed(words, float(plain))


def _attempt(
    function: Callable[..., Any], context: CheckContext, params: dict[str, Any]
) -> tuple[Any, BaseException | None]:
    # An exception is handed over as a value: a StopIteration raised into a future would never arrive.
    try:
        return function(context, **params), None
    except (Exception, SystemExit) as error:
        return None, error

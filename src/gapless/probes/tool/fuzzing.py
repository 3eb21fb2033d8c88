"""Schema-guided fuzzing of one tool: arguments made from its own schema, and the smallest ones under which it breaks its word.

Hypothesis generates and shrinks. The search is seeded, and ends after so many
calls or seconds; what it has found by then is kept.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from gapless.errors import EndpointError, GaplessError
from gapless.probes.tool.arguments import anything, beyond, valid_arguments
from gapless.probes.tool.reading import crash_in, same
from gapless.probes.tool.schemas import breach, fault_of
from gapless.probes.tool.visit import Failure, Fault, Fuzzed
from gapless.records.tools import ToolAnswer, ToolSchema
from gapless.retrievers import cache

MISSING = "fuzzing needs hypothesis-jsonschema: pip install 'gapless[checkup]'"
STRANGER = "gapless_no_such_argument"
_SEED = 20260728
_APART = 4
_KEPT = 8
"""Calls kept for values of another type."""
_SPELLED = re.compile(r"[+-]?\d+(\.\d*)?|true|false|yes|no|on|off", re.IGNORECASE)
_SHRINKING = 3
"""How many times as many tries as calls Hypothesis may make: shrinking meets the same arguments again."""

Call = Callable[[Mapping[str, Any]], ToolAnswer]
Check = Callable[[Mapping[str, Any]], bool]
Judge = Callable[[Mapping[str, Any], ToolAnswer], tuple[Fault, str] | None]


class _Found(Exception):
    """Tells Hypothesis that these arguments fail."""


class _Over(BaseException):
    """Ends a search at once: Hypothesis lets pass what is no `Exception`."""


@dataclass(slots=True)
class Bound:
    """How far the fuzzing of one tool may go."""

    calls: int
    until: float
    """On `time.monotonic`."""
    dead: bool = False
    """Whether the server is gone."""

    @property
    def spent(self) -> bool:
        """Whether no further call may be made."""
        return self.dead or self.calls <= 0 or time.monotonic() > self.until


@contextmanager
def _elsewhere() -> Generator[None]:
    """Keeps what Hypothesis stores (tables of characters) in the cache: by itself it makes a folder where the user works."""
    try:
        from hypothesis.configuration import set_hypothesis_home_dir
    except ImportError:
        yield
        return
    if "HYPOTHESIS_STORAGE_DIRECTORY" in os.environ:
        yield
        return
    set_hypothesis_home_dir(cache.folder() / "hypothesis")
    try:
        yield
    finally:
        set_hypothesis_home_dir(None)


@_elsewhere()
def fuzz(
    tool: ToolSchema,
    call: Call,
    *,
    calls: int,
    seconds: float,
    sendable: Check = lambda arguments: True,
    differs: Check = lambda arguments: True,
) -> Fuzzed:
    """Calls a tool with arguments that its schema takes, and with some that it refuses.

    Args:
        tool: What is called.
        call: Makes one call; blocks until it has ended.
        calls: The most calls, in all.
        seconds: The longest time; a call in progress is waited for.
        sendable: Whether arguments can be sent at all.
        differs: Whether wrong arguments are still wrong where they arrive.
    """
    if fault := fault_of(tool.input_schema):
        return Fuzzed(tool.name, unable=f"its input schema cannot be used: {fault[:120]}")
    try:
        valid = valid_arguments(tool.input_schema).filter(sendable)
    except ImportError:
        return Fuzzed(tool.name, unable=MISSING)
    except Exception as error:  # the libraries refuse schemas each in its own words
        return Fuzzed(tool.name, unable=f"no arguments can be made from its schema: {str(error)[:120]}")
    begun = time.monotonic()
    right = _Search(tool.name, call, _right(tool), Bound(calls - calls // 2, begun + seconds / 2))
    found = right.smallest(valid)
    wrong = _Search(tool.name, call, _wrong, Bound(calls // 2 - _KEPT, begun + seconds, right.bound.dead))
    failures = [*([found] if found is not None else []), *_wrongly_taken(tool, wrong, valid, differs)]
    return Fuzzed(
        tool.name,
        right.made,
        wrong.made,
        tuple(failures),
        told_apart=tuple(arguments for arguments, _ in right.apart),
        cut=right.cut or wrong.cut,
    )


@_elsewhere()
def answers_of(
    tool: ToolSchema, call: Call, *, calls: int, until: float, sendable: Check
) -> list[ToolAnswer]:
    """A tool's answers to different right arguments; none where no arguments can be made from its schema.

    Args:
        tool: What is called.
        call: Makes one call; blocks until it has ended.
        calls: The most calls.
        until: When to stop, on `time.monotonic`.
        sendable: Whether arguments can be sent at all.

    Raises:
        EndpointError: The server ended.
    """
    found: list[ToolAnswer] = []

    def keep(arguments: Mapping[str, Any], answer: ToolAnswer) -> None:
        found.append(answer)

    try:
        valid = valid_arguments(tool.input_schema).filter(sendable)
    except Exception:  # the libraries refuse schemas each in its own words, or are missing
        return []
    failed = _Search(tool.name, call, keep, Bound(calls, until)).smallest(valid)
    if failed is not None:
        raise EndpointError(failed.said)
    return found


def _wrongly_taken(tool: ToolSchema, search: _Search, valid: Any, differs: Check) -> list[Failure]:
    """Wrong arguments that a tool answers. What it only turns into the right type is looked for last."""
    found = _stranger(tool, search, differs)
    failed = search.smallest(_mutated(valid, tool, search, differs, cast_only=False))
    if failed is not None:
        return [*found, failed]
    search.bound.calls = _KEPT
    failed = search.smallest(_mutated(valid, tool, search, differs, cast_only=True))
    if failed is not None:
        found.append(replace(failed, fault="cast") if failed.fault == "accepted" else failed)
    return found


@dataclass(slots=True)
class _Search:
    tool: str
    call: Call
    judge: Judge
    bound: Bound
    made: int = 0
    cut: bool = False
    """Whether time ended it while calls were left."""
    known: dict[str, Failure | None] = field(default_factory=dict[str, "Failure | None"])
    apart: list[tuple[Mapping[str, Any], ToolAnswer]] = field(
        default_factory=list[tuple[Mapping[str, Any], ToolAnswer]]
    )
    """Calls that failed in nothing, and whose answers are all different."""

    def smallest(self, strategy: Any) -> Failure | None:
        """The smallest failing arguments that Hypothesis comes to; None where none fail."""
        from hypothesis import HealthCheck, Phase, given, seed, settings
        from hypothesis.errors import HypothesisException

        last: list[Failure] = []

        @seed(_SEED)
        @settings(
            max_examples=max(1, self.bound.calls * _SHRINKING),
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=tuple(HealthCheck),  # pyright: ignore[reportArgumentType]  # a metaclass stands between
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(strategy)
        def attempt(arguments: dict[str, Any]) -> None:
            failed = self.asked(arguments)
            if failed is not None and (not last or failed.fault == last[-1].fault):
                last.append(failed)
                raise _Found

        with suppress(
            _Found, _Over, HypothesisException
        ):  # nothing fits the strategy, or it fails only sometimes
            attempt()
        return last[-1] if last else None

    def asked(self, arguments: Mapping[str, Any]) -> Failure | None:
        """What one call comes to; the same arguments are sent once."""
        key = json.dumps(arguments, sort_keys=True, default=repr)
        if key not in self.known:
            self.go_on()
            self.known[key] = self._called(arguments)
        return self.known[key]

    def go_on(self) -> None:
        """Ends the search where no further call may be made; what it has found by then is kept."""
        if self.bound.spent:
            self.cut = self.cut or (self.bound.calls > 0 and not self.bound.dead)
            raise _Over

    def _called(self, arguments: Mapping[str, Any]) -> Failure | None:
        self.bound.calls -= 1
        self.made += 1
        try:
            answer = self.call(arguments)
            judged = self.judge(arguments, answer)
            if (
                judged is None
                and len(self.apart) < _APART
                and not any(same(answer, a) for _, a in self.apart)
            ):
                self.apart.append((dict(arguments), answer))
        except GaplessError as error:
            self.bound.dead = True
            judged = ("died", str(error))
        return Failure(self.tool, judged[0], dict(arguments), judged[1]) if judged is not None else None


def _right(tool: ToolSchema) -> Judge:
    """Right arguments: nothing breaks, and what is answered fits."""

    def judge(arguments: Mapping[str, Any], answer: ToolAnswer) -> tuple[Fault, str] | None:
        if answer.ended == "timeout":
            return "hung", answer.text
        if crashed := crash_in(answer):
            return "crash", crashed
        if answer.ended == "answered" and tool.output_schema is not None:
            said = (
                breach(tool.output_schema, answer.structured)
                if answer.has_structured
                else "no structured answer"
            )
            return ("breach", said) if said else None
        return None

    return judge


def _wrong(arguments: Mapping[str, Any], answer: ToolAnswer) -> tuple[Fault, str] | None:
    """Wrong arguments: refused, and not by accident."""
    if answer.ended == "answered":
        return "accepted", f"answered {' '.join(answer.text.split())[:80]!r}"
    if crashed := crash_in(answer):
        return "crash", crashed
    return None


def _mutated(valid: Any, tool: ToolSchema, search: _Search, differs: Check, *, cast_only: bool) -> Any:
    """Arguments that were right, with one thing in them taken away or put in another's place.

    Args:
        valid: A strategy of right ones.
        tool: Whose schema must refuse them.
        search: What they are made for.
        differs: Whether they are still wrong where they arrive.
        cast_only: Whether the thing is a value that many libraries turn into the right type ("5" for 5), or never that.
    """
    from hypothesis import assume
    from hypothesis import strategies as st

    out = beyond(tool.input_schema)

    @st.composite
    def mutated(draw: Any) -> dict[str, Any]:
        search.go_on()
        arguments = json.loads(json.dumps(draw(valid)))
        places = list(_places(arguments))
        assume(places)
        held, key = draw(st.sampled_from(places))
        if not cast_only and isinstance(held, dict) and draw(st.booleans()):
            del held[key]
        else:
            was, beside = held[key], out.get(key) if not cast_only else None
            held[key] = draw(st.sampled_from(beside) | anything() if beside else anything())
            assume(_casts(was, held[key]) == cast_only)
        assume(breach(tool.input_schema, arguments) and differs(arguments))
        return arguments

    return mutated()


def _casts(was: Any, now: Any) -> bool:
    """Whether a value is one that libraries turn into another type without a word.

    Example:
        >>> _casts(5, "5"), _casts(5, "five"), _casts(5, -5)
        (True, False, False)
    """
    if isinstance(was, dict | list) or type(was) is type(now):
        return False
    if isinstance(now, str):
        return bool(_SPELLED.fullmatch(now.strip()))
    return isinstance(now, bool | int | float)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value, with each of its keys."""
    if not isinstance(value, dict | list):
        return
    held = cast("Any", value)
    for key in list(held) if isinstance(held, dict) else range(len(held)):
        yield held, key
        yield from _places(held[key])


def _stranger(tool: ToolSchema, search: _Search, differs: Check) -> list[Failure]:
    """An argument that the schema forbids: many servers drop it in silence, and with it what was meant."""
    from gapless.probes.tool.schemas import sample

    good = sample(tool.input_schema)
    if good is None:
        return []
    arguments = {**good, STRANGER: "x"}
    if not breach(tool.input_schema, arguments) or not differs(arguments):
        return []
    if search.bound.spent:
        return []
    failed = search.asked(arguments)
    if failed is None or failed.fault != "accepted":
        return [failed] if failed is not None else []
    return [
        Failure(tool.name, "ignored", arguments, "an argument that its schema forbids was dropped in silence")
    ]

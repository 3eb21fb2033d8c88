"""A contract: what must hold at a step's exit, and what is done where it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import UNCHANGED
from gapless.boundary.guards.base import Breach, Look, Looking, OutputGuard, name_of
from gapless.boundary.guards.complete import Complete, find
from gapless.boundary.guards.fresh import Fresh
from gapless.boundary.guards.gate import Gate
from gapless.boundary.guards.grounded import Grounded
from gapless.boundary.guards.retry import Retry
from gapless.boundary.guards.schema import SchemaGuard
from gapless.errors import InvalidContract, PolicyConflict
from gapless.records.value import digest, encode, to_plain
from gapless.records.workflow import Layer

Repair = Callable[[Crossing, Any, Breach], Any]
"""Makes a breached handoff whole: (crossing, handoff, breach) -> another handoff, which is looked at again."""
Fallback = Callable[[Crossing, BaseException], Any]
"""What is handed over instead when a step failed for good: (crossing, error) -> handoff."""


STEP_POLICIES = ("timeout", "retry", "idempotency", "fallback")
"""What of a contract concerns the work of a step, and not what it hands over: nothing for a single edge."""


def way_of(key: str) -> tuple[str, str] | None:
    """Sender and receiver, where a contract's key names an edge (`a->b`), and not a step."""
    sender, arrow, receiver = key.partition("->")
    return (sender.strip(), receiver.strip()) if arrow else None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What must hold at a step's exit. Guards look in the order of the fields below; the first breach decides.

    A breach is repaired if `repair` can; else it fails the attempt, which `retry` may try again; else `fallback` answers;
    else the trial fails loudly. A gate looks last, at what passed everything else.
    """

    layer: Layer | None = None
    """The layer the step belongs to."""
    output: Any = None
    """What the step hands over: a pydantic model, TypedDict, dataclass, msgspec Struct, annotation or JSON Schema."""
    complete: Complete | None = None
    fresh: Fresh | None = None
    grounded: Grounded | None = None
    guards: tuple[OutputGuard | Look, ...] = ()
    """Guards of one's own: functions of (crossing, handoff) that return what is wrong, or None."""
    timeout_s: float | None = None
    """Seconds one attempt may take. Blocking code is abandoned, not stopped."""
    ttft_s: float | None = None
    """Seconds within which the first token has to come of a model that the step asks (TTFT), unless the step ends sooner.
    Else the attempt is abandoned, as at `timeout_s`. A model that does not stream has its first token when it ends."""
    deadline_s: float | None = None
    """Seconds after the trial's start by which this step must have handed over. It travels with the trial: every later
    timeout, retry and wait is cut to what is left of it."""
    retry: Retry | None = None
    effect: bool = False
    """Whether the step changes the world: it is tried again only with an idempotency key, or where declared safe."""
    idempotency_key: str | Callable[[Crossing], Any] | None = None
    """What the action is: a dotted path into the state, or a function of the crossing. The same action runs once; the same
    key with another state is another action."""
    repair: Repair | None = None
    fallback: Fallback | None = None
    gate: Gate | None = None

    def __post_init__(self) -> None:
        for name in ("timeout_s", "ttft_s", "deadline_s"):
            seconds = getattr(self, name)
            if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
                raise InvalidContract(f"Contract({name}={seconds!r}): seconds are above 0.")
        if self.effect and self.doubles:
            raise PolicyConflict(
                "Contract(effect=True, retry=...): trying an effect again may double it. Give an idempotency_key, or "
                "declare Retry(safe=True)."
            )
        self.checks  # noqa: B018 - a schema that cannot be used is refused here, not in production

    @property
    def doubles(self) -> bool:
        """Whether an effect of the step would be tried again without a name that keeps it from taking place twice."""
        again = self.retry is not None and self.retry.attempts > 1 and not self.retry.safe
        return again and self.idempotency_key is None

    def check_effect(self, step: str) -> None:
        """Refuses to stand at a step that is declared elsewhere to change the world, and would be tried again unnamed.

        Raises:
            PolicyConflict: It would.
        """
        if self.doubles:
            raise PolicyConflict(
                f"{step}: the step is declared to have an effect, and its contract tries again: that may double it. Give an "
                "idempotency_key, or declare Retry(safe=True)."
            )

    @cached_property
    def checks(self) -> tuple[OutputGuard, ...]:
        """The guards that look at the handoff, in order."""
        schema = (
            self.output
            if isinstance(self.output, SchemaGuard) or self.output is None
            else SchemaGuard(self.output)
        )
        named = (schema, self.complete, self.fresh, self.grounded)
        own = (guard if hasattr(guard, "breach") else Looking(cast("Look", guard)) for guard in self.guards)
        return (*(guard for guard in named if guard is not None), *cast("Iterable[OutputGuard]", own))

    @property
    def names(self) -> tuple[str, ...]:
        """What the contract consists of, as reports name it."""
        policies = {
            "timeout": any(s is not None for s in (self.timeout_s, self.ttft_s, self.deadline_s)),
            "retry": self.retry is not None,
            "idempotency": self.idempotency_key is not None,
            "repair": self.repair is not None,
            "fallback": self.fallback is not None,
            "gate": self.gate is not None,
        }
        looking = dict.fromkeys(name_of(guard) for guard in self.checks)
        return (*looking, *(name for name, held in policies.items() if held))

    @property
    def longest_s(self) -> float | None:
        """Seconds a crossing may take at most, further attempts and waits included; None where nothing limits it."""
        if self.timeout_s is None:
            return self.deadline_s
        longest = self.timeout_s
        if self.retry is not None:
            longest = self.timeout_s * self.retry.attempts + self.retry.longest_waits_s
            longest = min(longest, self.retry.budget_s + self.timeout_s) if self.retry.budget_s else longest
        return longest if self.deadline_s is None else min(longest, self.deadline_s)

    def action(self, crossing: Crossing) -> str | None:
        """Digest of what the action is; None where the contract declares no key.

        Raises:
            InvalidContract: The state holds nothing at the key's path.
        """
        if self.idempotency_key is None:
            return None
        key = self.idempotency_key
        named = find(crossing.state, key) if isinstance(key, str) else key(crossing)
        if named is UNCHANGED or named is None:
            raise InvalidContract(
                f"{crossing.step}: its idempotency key {key!r} is not in the state it was given: the action has no name."
            )
        return digest(encode([crossing.step, to_plain(named), to_plain(crossing.state)]))

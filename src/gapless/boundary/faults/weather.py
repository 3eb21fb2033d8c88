"""Weather: a seeded mixture of faults that stands for the world."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from gapless.boundary.faults.base import Fault
from gapless.errors import InvalidSettings
from gapless.records.seed import seed_of
from gapless.records.value import digest, encode, to_plain


@dataclass(frozen=True)
class Weather:
    """Faults that strike trials independently, each at its own rate.

    Each fault has its own random stream: adding one, or changing its rate, moves no other's draws.
    """

    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        names = [_label(fault) for fault in self.faults]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidSettings(
                f"The weather lists {', '.join(twice)} twice. A fault may act once at a step: merge the two into one."
            )

    def table(self) -> dict[str, float]:
        """ "fault@step" -> share of trials that meet it, as printed in the report."""
        return {_label(fault): fault.rate for fault in self.faults}

    def digest(self) -> str:
        """Content address of the description: the same in every process, whatever the order of the faults.

        A function counts by its module and name, not by its code.
        """
        described = [[_label(fault), fault.rate, _described(fault)] for fault in self.faults]
        return digest(encode(sorted(described, key=lambda entry: str(entry[0]))))

    def draw(self, seed: int) -> tuple[Fault, ...]:
        """The faults one trial meets.

        Args:
            seed: The trial's seed; equal seeds meet equal weather under any condition.
        """
        return tuple(
            fault
            for fault in self.faults
            if Random(seed_of(seed, "weather", fault.name, fault.step)).random() < fault.rate
        )


def _label(fault: Fault) -> str:
    return f"{fault.name}@{fault.step}"


def _described(fault: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(fault):
        return {}
    fields = dataclasses.fields(fault)
    return {field.name: _value(getattr(fault, field.name)) for field in fields if field.name != "rate"}


def _value(value: Any) -> Any:
    if isinstance(value, functools.partial):
        part = cast("functools.partial[Any]", value)
        return [_value(part.func), to_plain(part.args), to_plain(part.keywords)]
    if callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return f"{getattr(named, '__module__', '')}.{named.__qualname__}"
    return to_plain(value)

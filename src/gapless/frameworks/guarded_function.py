"""Puts a function whose steps are marked under contracts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import UNSET

from gapless.boundary.contract import Contract, way_of
from gapless.boundary.guarding import Watch
from gapless.boundary.guards.certificate import bind
from gapless.boundary.guards.gate import Goto, Review
from gapless.boundary.ledger import Ledger
from gapless.errors import InvalidContract, PolicyConflict
from gapless.frameworks.fingerprint import fingerprint_code
from gapless.frameworks.function import FunctionWorkflow, reachable_steps, step
from gapless.frameworks.in_force import HELD, InForce, contracts_of, in_force
from gapless.records.value import to_plain

_LATER = (
    "{} hands out a generator: its steps run after the call, where no contract holds. Return the whole answer, or put "
    "the guard on the function that goes through it."
)


def guard_function(
    function: Callable[..., Any],
    contracts: Mapping[str, Contract],
    ledger: Ledger | None = None,
    reviewer: Callable[[dict[str, Any]], Any] | None = None,
    home: str | None = None,
) -> Any:
    """A function whose steps keep to their contracts; a function without marked steps is one step by itself.

    Raises:
        InvalidContract: A contract names a step that the function does not reach.
        PolicyConflict: A gate that could not act in a function, an effect that would be tried again, or a generator, which
            runs after it was called.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PolicyConflict(_LATER.format(function.__name__))
    known = reachable_steps(function)
    if not known:
        function = step(function)
        known = reachable_steps(function)
    for address, contract in contracts.items():
        if way_of(address) is not None:
            raise InvalidContract(
                f"{address!r}: a function's own code carries values from step to step, and nothing stands between them. Put "
                "the contract on the step that hands over."
            )
        if address.rpartition("/")[2] not in known:
            raise InvalidContract(f"no step {address!r} in {function.__name__}; it has {', '.join(known)}.")
        _check(address, contract)
        if contract.doubles and address.rpartition("/")[2] in _effects(function):
            contract.check_effect(address)
    held = {**contracts_of(function), **contracts}
    named = held
    held = bind(named, lambda: fingerprint_code([function, named], home=home, extra=list(known)))

    signature = inspect.signature(function)

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> InForce:
        watch = Watch()
        if ledger is not None:
            watch.ledger = ledger
        # Kept before the steps run, which may change what they are given.
        given = UNSET if reviewer is None else _given(signature, args, kwargs)
        return InForce(contracts=held, reviewer=reviewer, watch=watch, run_input=given)

    guarded = _awaited(function, begin) if inspect.iscoroutinefunction(function) else _called(function, begin)
    setattr(guarded, HELD, held)
    return guarded


def _effects(function: Callable[..., Any]) -> frozenset[str]:
    """The steps that are marked to change the world."""
    shape = FunctionWorkflow(function, target=function.__name__, settings={}, home=None).shape
    return frozenset(one.name for one in shape.steps if one.effect)


def _given(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the function is called with, by name as a case gives it; UNSET where names alone cannot call it."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if any(parameter.kind not in by_name for parameter in signature.parameters.values()):
        return UNSET
    try:
        return to_plain(signature.bind(*args, **kwargs).arguments)
    except TypeError:  # the call itself will say so, in Python's own words
        return UNSET


_Begin = Callable[[tuple[Any, ...], dict[str, Any]], InForce]


def _called(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        force = begin(args, kwargs)
        token = in_force.set(force)
        try:
            made = function(*args, **kwargs)
        finally:
            in_force.reset(token)
        if inspect.isgenerator(made) or inspect.isasyncgen(made):
            raise PolicyConflict(_LATER.format(function.__name__))
        return _under(made, force) if inspect.isawaitable(made) else made

    return guarded


async def _under(made: Awaitable[Any], force: InForce) -> Any:
    """Awaits what a function without `async` made: its steps run only now."""
    token = in_force.set(force)
    try:
        return await made
    finally:
        in_force.reset(token)


def _awaited(function: Callable[..., Any], begin: _Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        token = in_force.set(begin(args, kwargs))
        try:
            return await function(*args, **kwargs)
        finally:
            in_force.reset(token)

    return guarded


def _check(address: str, contract: Contract) -> None:
    below = contract.gate.below if contract.gate is not None else None
    for place in (below, below.rejected if isinstance(below, Review) else None):
        if isinstance(place, Goto):
            raise PolicyConflict(
                f"{address}: Goto({place.step!r}) needs a graph; a function decides by its own code where it goes on. "
                "Use Review() or Refuse()."
            )

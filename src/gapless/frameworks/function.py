"""Plain sync and async functions as workflows, and the decorator that makes a function inside one a step."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast, overload

from gapless.boundary.ending import Ending, StepPaused
from gapless.boundary.session import Passage, current_session
from gapless.errors import UnknownName, UsageError
from gapless.frameworks.calls import recorded_calls
from gapless.frameworks.declared import return_schema
from gapless.frameworks.fingerprint import Identified, fingerprint_code
from gapless.frameworks.in_force import contracts_of, in_force
from gapless.frameworks.layers import describe_step
from gapless.records.workflow import FINISH, START, Edge, Layer, Shape
from gapless.settings import StepSettings
from gapless.trace.recorder import current_step

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__gapless_step__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What `step` knows of a function."""

    name: str
    function: Callable[..., Any]
    signature: inspect.Signature
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    *, name: str | None = None, layer: Layer | None = None, effect: bool = False, review: bool = False
) -> Callable[[F], F]: ...
def step(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    layer: Layer | None = None,
    effect: bool = False,
    review: bool = False,
) -> Any:
    """Makes a function a step: each call is recorded while a trial is in progress, and is a plain call otherwise.

    A step that calls another is its parent: `outer/inner`.

    Args:
        function: A sync or async function; generators are recorded as far as the call that makes them.
        name: The step's name; the function's by default.
        layer: The layer it belongs to; guessed when None.
        effect: Whether it changes the world outside the workflow.
        review: Whether a person decides there.

    Example:
        >>> @step(layer="context")
        ... def retrieve(query: str) -> list[str]:
        ...     return [query]
        >>> retrieve("a")
        ['a']
    """

    def mark(marked: Any) -> Any:
        metadata = {"layer": layer, "effect": effect, "review": review}
        known = Mark(
            name=name or marked.__name__,
            function=marked,
            signature=inspect.signature(marked),
            metadata=metadata,
        )
        recorded = _recorded_async(known) if inspect.iscoroutinefunction(marked) else _recorded(known)
        setattr(recorded, _MARK, known)
        return recorded

    return mark if function is None else mark(function)


class FunctionWorkflow(Identified):
    """A function, recorded as the steps it reaches; as one step if it reaches none."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        target: str,
        settings: Mapping[str, StepSettings],
        home: str | None,
    ) -> None:
        self._marks = {mark.name: mark for mark in _reachable(function)}
        self._single = not self._marks
        self._function = step(function) if self._single else function
        if self._single:
            self._marks = {function.__name__: getattr(self._function, _MARK)}
        roots = [function, *([contracts] if (contracts := contracts_of(function)) else [])]
        digest = fingerprint_code(roots, home=home, extra=list(self._marks))
        super().__init__(target=target, fingerprint=digest, shape=self._draw(settings))

    def declared(self) -> dict[str, dict[str, Any]]:
        """Step -> JSON Schema of what its annotation says it returns."""
        found = {mark.name: return_schema(mark.function) for mark in self._marks.values()}
        return {name: schema for name, schema in found.items() if schema is not None}

    async def run(self, value: Any, *, trial: str) -> Ending:
        """Calls the function: with the case's input as keyword arguments if they fit, else as its one argument."""
        with recorded_calls():
            try:
                return Ending(output=await _call(self._function, *_arguments(self._function, value)))
            except StepPaused:
                return Ending(output=None, paused=True)

    async def run_step(self, step: str, golden: Any) -> Any:
        """Calls one step with the arguments in `golden`."""
        mark = self._mark(step)
        marked = self._function if self._single else _recorded_again(mark)
        with recorded_calls():
            return await _call(marked, *_arguments(mark.function, golden))

    def state_before(self, step: str, value: Any, golden: dict[str, Any]) -> Any:
        """The arguments of a step, found by name in the case's input and in the golden updates before it.

        Raises:
            UsageError: An argument is in neither.
        """
        if self._single:
            return value
        mark = self._mark(step)
        known: dict[str, Any] = {}
        for found in (value, *golden.values()):
            known.update(cast("dict[str, Any]", found) if isinstance(found, dict) else {})
        parameters = mark.signature.parameters.values()
        missing = [p.name for p in parameters if _required(p) and p.name not in known]
        if missing:
            raise UsageError(
                f"step {step!r}: its argument {missing[0]!r} is neither in the case's input nor in a golden update before it. "
                "Write that step's golden as a mapping that holds it."
            )
        return {p.name: known[p.name] for p in parameters if p.name in known}

    def _mark(self, name: str) -> Mark:
        if name not in self._marks:
            raise UnknownName(f"no step {name!r} in {self._target}; it has {', '.join(self._marks)}.")
        return self._marks[name]

    def _draw(self, settings: Mapping[str, StepSettings]) -> Shape:
        """Its steps; edges between several of them are learnt from trials."""
        contracts = contracts_of(self._function)
        steps = tuple(
            describe_step(mark.name, settings, mark.metadata, contract=contracts.get(mark.name))
            for mark in self._marks.values()
        )
        if len(steps) > 1:
            return Shape(steps=steps)
        name = next(iter(self._marks))
        return Shape(steps=steps, edges=(Edge(source=START, target=name), Edge(source=name, target=FINISH)))


def adopt(
    value: Any, *, target: str, settings: Mapping[str, StepSettings], home: str | None
) -> FunctionWorkflow | None:
    """The workflow of a function; None for anything else."""
    if not isinstance(value, (types.FunctionType, types.MethodType)):
        return None
    return FunctionWorkflow(value, target=target, settings=settings, home=home)


def reachable_steps(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the marked steps a function reaches, in the order in which its code names them."""
    return tuple(mark.name for mark in _reachable(function))


def _recorded(mark: Mark) -> Callable[..., Any]:
    function = mark.function

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        session, force = current_session.get(), in_force.get()
        bound = _bind(mark, args, kwargs) if session is not None or force is not None else None
        if bound is None:
            return function(*args, **kwargs)
        passage, state = _passage(mark), _state(bound)
        contract = force.contracts.get(passage.step) if force is not None else None
        if force is not None and contract is not None:
            return force.cross(contract, passage, state, lambda state: _apply(function, bound, state))
        if session is None:
            return function(*args, **kwargs)
        return session.cross(passage, state, lambda state: _apply(function, bound, state))

    return recorded


def _recorded_async(mark: Mark) -> Callable[..., Any]:
    function = mark.function

    @functools.wraps(function)
    async def recorded(*args: Any, **kwargs: Any) -> Any:
        session, force = current_session.get(), in_force.get()
        bound = _bind(mark, args, kwargs) if session is not None or force is not None else None
        if bound is None:
            return await function(*args, **kwargs)
        passage, state = _passage(mark), _state(bound)
        contract = force.contracts.get(passage.step) if force is not None else None
        if force is not None and contract is not None:
            return await force.across(contract, passage, state, lambda state: _apply(function, bound, state))
        if session is None:
            return await function(*args, **kwargs)
        return await session.across(passage, state, lambda state: _apply(function, bound, state))

    return recorded


def _recorded_again(mark: Mark) -> Callable[..., Any]:
    return _recorded_async(mark) if inspect.iscoroutinefunction(mark.function) else _recorded(mark)


def _passage(mark: Mark) -> Passage:
    enclosing = current_step.get()
    return Passage(
        step=mark.name if enclosing is None else f"{enclosing.step}/{mark.name}",
        effect=bool(mark.metadata.get("effect")),
    )


def _bind(mark: Mark, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments | None:
    try:
        return mark.signature.bind(*args, **kwargs)
    except TypeError:  # the call itself will say so, in Python's own words
        return None


def _state(bound: inspect.BoundArguments) -> dict[str, Any]:
    return {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}


def _apply(function: Callable[..., Any], bound: inspect.BoundArguments, state: Any) -> Any:
    if state.keys() <= bound.arguments.keys() and all(
        value is bound.arguments[name] for name, value in state.items()
    ):
        return function(*bound.args, **bound.kwargs)  # nobody has changed anything on the way
    given = inspect.BoundArguments(bound.signature, types.MappingProxyType({**bound.arguments, **state}))  # pyright: ignore[reportArgumentType]
    return function(*given.args, **given.kwargs)


async def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    result = await asyncio.to_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def _arguments(function: Callable[..., Any], value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        parameters = inspect.signature(function).parameters
        fits = all(key in parameters for key in named)
        if fits and all(p.name in named for p in parameters.values() if _required(p)):
            return (), named
    return (value,), {}


def _required(parameter: inspect.Parameter) -> bool:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in kinds


def _reachable(function: Any) -> list[Mark]:
    """The steps a function reaches by name, in the order in which its code names them."""
    marks: dict[int, Mark] = {}
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        here = waiting.pop(0)
        if id(here) in seen:
            continue
        seen.add(id(here))
        mark = _mark_of(here)
        if mark is not None:
            marks[id(mark)] = mark
        elif issubclass(type(here), types.FunctionType) and _same_package(here, function):
            waiting = [*_named(here), *waiting]
    return list(marks.values())


def _mark_of(value: Any) -> Mark | None:
    try:
        mark = getattr(value, _MARK, None)
    except Exception:  # a proxy without its object raises whatever it is asked
        return None
    return mark if type(mark) is Mark else None


def _named(function: types.FunctionType) -> Iterator[Any]:
    codes = [function.__code__]
    for code in codes:
        codes.extend(const for const in code.co_consts if isinstance(const, types.CodeType))
        for name in code.co_names:
            value = function.__globals__.get(name)
            yield value
            if isinstance(value, types.ModuleType) and value.__name__ in sys.modules:
                yield from (getattr(value, inner, None) for inner in code.co_names)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue


def _same_package(here: types.FunctionType, root: Any) -> bool:
    return (here.__module__ or "").partition(".")[0] == (root.__module__ or "").partition(".")[0]

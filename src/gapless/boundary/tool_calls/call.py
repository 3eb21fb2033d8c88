"""One call of a tool on its way through a proxy: recorded, and carried out as its contract says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Middleware, adrive, compose
from gapless.boundary.guarding import Guarding, Watch
from gapless.boundary.ledger import KeyLedger
from gapless.boundary.session import Passage, Session, crossing_here, current_session, deliveries
from gapless.boundary.tool_calls.answers import Answer, as_answer
from gapless.errors import BoundaryError
from gapless.records.trial import Action
from gapless.records.value import digest, encode, to_plain
from gapless.trace.recorder import TrialRecorder

OTHER_ACTION = (
    "this idempotency key was used before for another call: another tool, or other arguments. Nothing was called. To repeat"
    " that call, send it exactly as it was; for another action, take a new key."
)


class AskedBack(Exception):
    """The server wants something of the client before it goes on: the call did not take place yet.

    Attributes:
        asked: What it sent, as the framework has it.
    """

    def __init__(self, asked: Any) -> None:
        super().__init__("the server asks its client for input first")
        self.asked = asked


class Refused(BoundaryError):
    """The proxy did not let a call through: nothing was sent."""


@dataclass(kw_only=True)
class ToolCall:
    """A call, what became of it, and what guards did about it."""

    tool: str
    arguments: dict[str, Any]
    key: str | None = None
    """Idempotency key that the client gave the action."""
    recorder: TrialRecorder
    watch: Watch
    keys: KeyLedger
    effect: bool = True
    faults: tuple[Middleware, ...] = ()
    answer: Answer | None = field(default=None, init=False)
    """The newest answer of the server, whatever was made of it."""
    error: BaseException | None = field(default=None, init=False)
    paused: bool = field(default=False, init=False)
    untouched: bool = field(default=False, init=False)
    """Whether arguments and answer passed as they were: then the recorder holds both already."""

    @classmethod
    def begin(
        cls,
        tool: str,
        arguments: dict[str, Any],
        *,
        key: str | None,
        ledger: KeyLedger,
        scope: str,
        most_bytes: int,
    ) -> ToolCall:
        """A call that has just come in."""
        recorder = TrialRecorder(max_payload_bytes=most_bytes)
        watch = Watch(scope=scope, keep=recorder.keep_whole, ledger=ledger)
        return cls(tool=tool, arguments=arguments, key=key, recorder=recorder, watch=watch, keys=ledger)

    @property
    def replayed(self) -> bool:
        """Whether the ledger answered, and nobody was called."""
        return any(ruling.action == "replay" for ruling in self.watch.rulings)

    def note(self, guard: str, action: Action, reason: str) -> None:
        """Writes down what was done outside of the contract: an approval, a mark on the answer."""
        self.watch.rule(Crossing(step=self.tool, state=self.arguments), guard, action, reason)

    def refuse(self, guard: str, reason: str) -> Refused:
        """Writes down that the call goes no further; the error says so to whoever called."""
        self.note(guard, "refuse", reason)
        self.error = Refused(reason, boundary=self.tool)
        self.recorder.end(self.recorder.begin(self.tool, self.arguments), status="error", error=self.error)
        return self.error

    async def run(self, contract: Contract, call: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """Carries the call out: as often as its contract allows, within its time, at most once for one key.

        Raises:
            BoundaryError: The answer breaks the contract, came too late, or nobody knows whether the action took place.
            Refused: The key has named another action before.
            AskedBack: The server wants input first.
        """
        session = Session(
            self.recorder, case_input=self.key, watch=self.watch, live=True, middlewares=self.faults
        )
        passage = Passage(step=self.tool, task=f"call-{id(self)}", effect=self.effect, control=(AskedBack,))
        guarding = Guarding(contract, self.watch, _same, _other)

        async def noted(given: Any) -> Answer:
            self.answer = None
            self.answer = await call(given)
            return self.answer

        async def attempt(given: Any) -> Any:
            return await session.across(passage, given, noted, (guarding.within,))

        token = current_session.set(session)
        try:
            self._hold_to_key()
            crossing = crossing_here(self.tool, self.arguments)
            passed = await adrive(compose((*deliveries(), guarding.around), crossing), attempt)
        except AskedBack:
            self.paused = True
            raise
        except BaseException as error:  # noted, and raised again
            self.error = error
            asked = error.__cause__
            if isinstance(asked, AskedBack):  # asked for on a second attempt
                self.paused = True
                raise asked from None
            raise
        finally:
            current_session.reset(token)
        told, self.answer = self.answer, as_answer(passed.output)
        self.untouched = told is self.answer and not self.faults
        return self.answer

    def _hold_to_key(self) -> None:
        """A key names one tool with one set of arguments for good: with others it is a mistake, and nothing is sent."""
        if self.key is None:
            return
        meaning = digest(encode([self.tool, to_plain(self.arguments)]))
        if self.keys.bind(self.watch.scope, self.key, meaning) != meaning:
            raise self.refuse("idempotency", OTHER_ACTION)


def _same(output: Any) -> Any:
    return output


def _other(output: Any, replaced: Any) -> Any:
    return replaced

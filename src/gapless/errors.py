"""Every error gapless raises, in three families that answer who must act.

    GaplessError
    + UsageError            the caller can mend it now: InvalidSuite InvalidSettings InvalidTarget InvalidContract
    |                       UnknownName MissingExtra PolicyConflict ReviewConflict
    + BoundaryError         the workflow failed at a handoff: BoundaryTimeout SchemaBreach IncompleteResult
    |                       StaleContext UngroundedClaim LowConfidence RetriesExhausted DuplicateEffect BrokenGuard
    + OutsideError          something around us failed: StoreError ImporterError EndpointError WeightsUnavailable
                            ReplayMismatch

A class's `code` is its heading in docs/errors.md. A message says what happened, the value, what was allowed and the
next step; numbers are attributes.
"""

from __future__ import annotations

from typing import Any, ClassVar


class GaplessError(Exception):
    """Root of everything gapless raises on purpose."""

    code: ClassVar[str] = "gapless-error"
    exit_code: ClassVar[int] = 70


class UsageError(GaplessError):
    """The caller can mend it now."""

    code = "usage-error"
    exit_code = 2


class InvalidSuite(UsageError):
    """A suite cannot be used as written."""

    code = "invalid-suite"


class InvalidSettings(UsageError):
    """`gapless.toml`, an environment variable or a flag holds something it may not."""

    code = "invalid-settings"


class InvalidTarget(UsageError):
    """The workflow named on the command line cannot be imported or is nothing gapless can run."""

    code = "invalid-target"


class InvalidContract(UsageError):
    """A contract that cannot hold as written."""

    code = "invalid-contract"


class UnknownName(UsageError):
    """A name that is on no shelf: a check, a step, a fault, a measurement."""

    code = "unknown-name"


class MissingExtra(UsageError):
    """A library that an optional part needs is not installed."""

    code = "missing-extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra `{extra}`. Install it: pip install 'gapless[{extra}]'")
        self.extra = extra


class PolicyConflict(UsageError):
    """Two owners for one policy."""

    code = "policy-conflict"


class ReviewConflict(UsageError):
    """A review that cannot be decided, or taken further, by this person now."""

    code = "review-conflict"


class BoundaryError(GaplessError):
    """The workflow failed at a handoff.

    Attributes:
        boundary: The step at whose exit it failed, where known.
        attempt: Which attempt of the step it was.
        elapsed_s: Seconds the step had taken, where measured.
    """

    code = "boundary-error"
    exit_code = 3

    def __init__(
        self, message: str, *, boundary: str | None = None, attempt: int = 1, elapsed_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.boundary = boundary
        self.attempt = attempt
        self.elapsed_s = elapsed_s


class BoundaryTimeout(BoundaryError):
    """A trial or a step took longer than it was given."""

    code = "boundary-timeout"

    def __init__(self, message: str, *, limit_s: float, boundary: str | None = None) -> None:
        super().__init__(message, boundary=boundary, elapsed_s=limit_s)
        self.limit_s = limit_s


class SchemaBreach(BoundaryError):
    """A step handed over something else than its contract declares."""

    code = "schema-breach"


class IncompleteResult(BoundaryError):
    """A step handed over an empty or partial answer as if it were whole."""

    code = "incomplete-result"


class StaleContext(BoundaryError):
    """A step handed over evidence older than its contract allows."""

    code = "stale-context"


class UngroundedClaim(BoundaryError):
    """A step handed over figures or names that its evidence does not hold."""

    code = "ungrounded-claim"


class LowConfidence(BoundaryError):
    """A gate refused a handoff: its signal was below the threshold, or said nothing.

    Attributes:
        value: What the gate's `Refuse(value)` hands over instead.
    """

    code = "low-confidence"
    value: Any = None


class RetriesExhausted(BoundaryError):
    """Every attempt of a step failed, or the budget for attempts was spent."""

    code = "retries-exhausted"


class DuplicateEffect(BoundaryError):
    """An action was started before and nobody knows whether it took place: somebody must look before it runs again."""

    code = "duplicate-effect"


class BrokenGuard(BoundaryError):
    """A guard crashed. What it was to judge counts as doubtful, never as good."""

    code = "broken-guard"


class OutsideError(GaplessError):
    """Something around gapless failed."""

    code = "outside-error"
    exit_code = 3


class StoreError(OutsideError):
    """The store cannot be read or written: full disk, locked, corrupt, or of another version."""

    code = "store-error"


class ImporterError(OutsideError):
    """What somebody else recorded cannot be read as its format says. `line` is where, counted from 1."""

    code = "importer-error"

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class EndpointError(OutsideError):
    """A model or tool endpoint is down or answers nonsense."""

    code = "endpoint-error"


class WeightsUnavailable(OutsideError):
    """Model weights are neither in the cache nor downloadable."""

    code = "weights-unavailable"


class ReplayMismatch(OutsideError):
    """A replay and its tape do not agree: the code, the values or the tape itself have changed since."""

    code = "replay-mismatch"

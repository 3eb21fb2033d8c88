"""Every error gapless raises, in three families that answer who must act.

    GaplessError
    + UsageError            the caller can mend it now: InvalidSuite InvalidSettings InvalidTarget UnknownName
    |                       MissingExtra PolicyConflict
    + BoundaryError         the workflow failed at a handoff: BoundaryTimeout
    + OutsideError          something around us failed: StoreError ImporterError EndpointError WeightsUnavailable

A class's `code` is its heading in docs/errors.md. A message says what happened, the value, what was allowed and the
next step; numbers are attributes.
"""

from __future__ import annotations

from typing import ClassVar


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


class BoundaryError(GaplessError):
    """The workflow failed at a handoff."""

    code = "boundary-error"
    exit_code = 3


class BoundaryTimeout(BoundaryError):
    """A trial or a step took longer than it was given."""

    code = "boundary-timeout"

    def __init__(self, message: str, *, limit_s: float) -> None:
        super().__init__(message)
        self.limit_s = limit_s


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

"""Reads the file that `gapless calibrate` wrote, and makes sure that it was made for the workflow as it is."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from gapless.boundary.contract import Contract
from gapless.boundary.guards.gate import Bound, Gate
from gapless.errors import InvalidContract
from gapless.records.calibration import SCHEMA, Calibration, GateThreshold
from gapless.records.value import digest, encode
from gapless.settings import locate

_AGAIN = "run `gapless measure --condition shadow`, then `gapless calibrate`"


class UncalibratedGate(UserWarning):
    """A gate lets nothing pass, for it has no certificate that holds."""


def bind(contracts: dict[str, Contract], code: Callable[[], str]) -> dict[str, Contract]:
    """The contracts, their calibrated gates with what their files say.

    Args:
        contracts: Step, or edge -> contract.
        code: Digest of the workflow's code and contracts; asked for only where there is a calibrated gate.

    Raises:
        InvalidContract: A file is there and cannot be read as one.
    """
    if all(contract.gate is None or contract.gate.calibrated is None for contract in contracts.values()):
        return contracts
    fingerprint = cache(code)
    return {address: _bound(address, contract, fingerprint) for address, contract in contracts.items()}


def read(file: Path) -> Calibration | None:
    """What a file states; None where there is none.

    Raises:
        InvalidContract: It cannot be read.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidContract(f"{file}: cannot be read: {error}.") from error
    try:
        found = msgspec.json.decode(text, type=Calibration)
    except msgspec.MsgspecError as error:
        raise InvalidContract(f"{file}: this is no file of `gapless calibrate`: {error}.") from error
    if found.schema != SCHEMA:
        raise InvalidContract(f"{file}: it is written in {found.schema!r}; this gapless reads {SCHEMA!r}.")
    return found


def path_of(name: str) -> Path:
    """Where a gate's file lies: a relative name is looked for beside `gapless.toml`, else in the current folder."""
    path = Path(name)
    return path if path.is_absolute() else Path(locate().root) / path


def _bound(address: str, contract: Contract, code: Callable[[], str]) -> Contract:
    gate = contract.gate
    if gate is None or gate.calibrated is None:
        return contract
    fingerprint = digest(encode([code(), *_contents(gate.depends_on)]))
    found = read(path_of(gate.calibrated))
    threshold = found.gate(address) if found is not None else None
    void = _void(address, gate, found, threshold, fingerprint)
    if void is not None:
        warnings.warn(
            f"{address}: {void}. Until then everything is doubt here.", UncalibratedGate, stacklevel=5
        )
    bound = Bound(
        threshold=threshold.threshold if threshold is not None else None,
        model=threshold.model if threshold is not None else None,
        fingerprint=fingerprint,
        certificate=None if threshold is None or void is not None else _digest(threshold),
        void=void,
    )
    return replace(contract, gate=replace(gate, bound=bound))


def _void(
    address: str, gate: Gate, found: Calibration | None, threshold: GateThreshold | None, fingerprint: str
) -> str | None:
    """Why a file's thresholds do not hold here; None where they do."""
    if found is None:
        return f"{gate.calibrated} is not there yet: {_AGAIN}"
    if threshold is None:
        return f"{gate.calibrated} has no gate {address!r}: {_AGAIN}"
    if tuple(sorted(gate.signals)) != tuple(sorted(threshold.signals)):
        return f"{gate.calibrated} was made for other signals ({', '.join(threshold.signals) or 'one'}): {_AGAIN}"
    if found.fingerprint != fingerprint:
        return (
            f"{gate.calibrated} was made for another version of this workflow, of its contracts or of the files they depend on "
            f"({found.fingerprint[:8]}, now {fingerprint[:8]}), so its guarantee is void: {_AGAIN}"
        )
    if threshold.threshold is None:
        return f"{gate.calibrated} certifies no threshold: {found.statement}"
    return None


def _digest(threshold: GateThreshold) -> str:
    return digest(encode(msgspec.to_builtins([threshold.threshold, threshold.model])))


def _contents(patterns: Iterable[str]) -> list[list[str]]:
    """Every file that a pattern names, and the digest of what is in it."""
    found: list[list[str]] = []
    for pattern in patterns:
        path = path_of(pattern)
        base, glob = (path, "**/*") if path.is_dir() else (path.parent, path.name)
        if "*" in str(base):
            base, glob = Path(locate().root), pattern
        files = sorted(one for one in base.glob(glob) if one.is_file())
        if not files:
            raise InvalidContract(f"Gate(depends_on={pattern!r}): there is no such file.")
        for file in files:
            with file.open("rb") as content:
                found.append(
                    [str(file.relative_to(base)), hashlib.file_digest(content, "sha256").hexdigest()]
                )
    return found

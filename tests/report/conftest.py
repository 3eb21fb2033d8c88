"""Every test that asks for `kind` runs over every sample report."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gapless.records.report import Report

_spec = importlib.util.spec_from_file_location("report_samples", Path(__file__).with_name("samples.py"))
assert _spec is not None
assert _spec.loader is not None
_samples: Any = importlib.util.module_from_spec(_spec)
sys.modules["report_samples"] = _samples
_spec.loader.exec_module(_samples)


@functools.cache
def _made(kind: str) -> Report:
    return _samples.ALL[kind]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", list(_samples.ALL))


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Report]:
    """Sample -> its report, computed once."""
    return _made


@pytest.fixture(scope="session")
def samples() -> Any:
    """The module that makes them."""
    return _samples

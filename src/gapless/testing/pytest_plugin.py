"""pytest plugin: measure a workflow in a test, and hold it against a budget by interval.

    def test_agent(gapless):
        report = gapless(app, "suite.yaml", trials=3, budget={"max_silent_failures": 0.02})
        assert report.gap.n_runs == 300

`pytest --gapless-budget max_silent_failures=0.02` holds every measurement of the session against a budget; a TOML file
with a [budget] table does as well. Nothing of gapless is loaded by a session that does not use it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gapless.records.budget import BudgetReport
    from gapless.records.report import Report
    from gapless.settings import Budget, Place

_KEY = pytest.StashKey[list[tuple[str, "BudgetReport"]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --gapless-budget."""
    parser.getgroup("gapless").addoption(
        "--gapless-budget",
        action="append",
        metavar="NAME=LIMIT|FILE",
        help="Hold every measurement made by the fixture `gapless` against a budget: max_silent_failures=0.02, or a TOML file.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker."""
    config.addinivalue_line(
        "markers",
        "gapless(suite=..., trials=..., budget=...): what the fixture `gapless` measures with by default.",
    )
    config.stash[_KEY] = []


class Measuring:
    """The fixture: measures a workflow and fails the test where a budget says no."""

    def __init__(self, name: str, defaults: dict[str, Any], place: Place, wanted: Budget | None) -> None:
        self._name, self._defaults, self._place, self._wanted = name, defaults, place, wanted
        self.budgets: list[tuple[str, BudgetReport]] = []

    def __call__(self, workflow: Any = None, suite: Any = None, **options: Any) -> Report:
        """Measures, and returns the report.

        Args:
            workflow: As for `gapless.measure`; gapless.toml's when None.
            suite: As for `gapless.measure`; the marker's, else gapless.toml's when None.
            options: `trials`, `condition`, `concurrency`, `timeout_s`, `weather`; and `budget`, limits as in [budget].

        Raises:
            AssertionError: The budget of this call says no.
        """
        from gapless.operations.measure import measure_sync

        workflow, suite, options, budget = self._settled(workflow, suite, options)
        return self._held(measure_sync(workflow, suite, place=self._place, **options), budget)

    async def ameasure(self, workflow: Any = None, suite: Any = None, **options: Any) -> Report:
        """The same, awaited."""
        from gapless.operations.measure import measure

        workflow, suite, options, budget = self._settled(workflow, suite, options)
        return self._held(await measure(workflow, suite, place=self._place, **options), budget)

    def _settled(
        self, workflow: Any, suite: Any, options: dict[str, Any]
    ) -> tuple[Any, Any, dict[str, Any], dict[str, float] | None]:
        given = {**self._defaults, **options}
        budget = given.pop("budget", None)
        marked = given.pop("suite", None)
        return workflow, marked if suite is None else suite, given, budget

    def _held(self, report: Report, budget: dict[str, float] | None) -> Report:
        from gapless.report.budget import render

        if self._wanted is not None:
            self.budgets.append((self._name, self._check(report, self._wanted)))
        if budget is not None:
            found = self._check(report, budget_of(budget))
            assert found.passes, render(found)
        return report

    def _check(self, report: Report, budget: Budget) -> BudgetReport:
        from gapless.operations.budget import check
        from gapless.operations.open import open_store

        with open_store(self._place) as store:
            return check(store, report.measurement, budget)


@pytest.fixture
def gapless(request: pytest.FixtureRequest) -> Any:
    """Measures a workflow: `report = gapless(app, suite, trials=5, budget={...})`; `await gapless.ameasure(...)`."""
    from gapless.settings import locate

    marker = request.node.get_closest_marker("gapless")
    defaults = dict(marker.kwargs) if marker is not None else {}
    said: list[str] | None = request.config.getoption("--gapless-budget")
    wanted = _wanted(said) if said else None
    measuring = Measuring(request.node.nodeid, defaults, locate(), wanted)
    yield measuring
    request.config.stash[_KEY].extend(measuring.budgets)


def budget_of(limits: dict[str, Any]) -> Budget:
    """Limits by name as a budget.

    Raises:
        InvalidSettings: A limit is none.
    """
    import msgspec

    from gapless.errors import InvalidSettings
    from gapless.settings import Budget

    try:
        return msgspec.convert(limits, Budget, strict=False)
    except msgspec.ValidationError as error:
        allowed = ", ".join(Budget.__struct_fields__)
        raise InvalidSettings(f"budget {limits!r}: {error}. Allowed: {allowed}.") from error


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A broken budget fails a session that would have passed."""
    broken = any(not found.passes for _, found in session.config.stash.get(_KEY, []))
    if broken and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says what every budget came to."""
    found = config.stash.get(_KEY, [])
    if not found:
        return
    from gapless.report.budget import render

    terminalreporter.section("gapless budget")
    for name, budget in found:
        terminalreporter.write_line(f"{name}\n{render(budget)}")


def _wanted(said: list[str]) -> Budget:
    limits: dict[str, Any] = {}
    for one in said:
        name, equals, limit = one.partition("=")
        if equals:
            limits[name.strip()] = limit.strip()
        else:
            from gapless.settings import read

            budget = read(Path(one)).budget
            limits |= {f: v for f in budget.__struct_fields__ if (v := getattr(budget, f)) is not None}
    return budget_of(limits)

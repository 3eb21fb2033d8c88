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

_WANTED = pytest.StashKey["Budget"]()
_PROPERTY = "gapless_budget"
"""A test's budget travels in its report, because pytest-xdist runs tests in other processes; JUnit files show it too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --gapless-budget."""
    parser.getgroup("gapless").addoption(
        "--gapless-budget",
        action="append",
        metavar="NAME=LIMIT|FILE",
        help="Hold every measurement made by the fixture `gapless` against a budget: max_silent_failures=0.02, or a TOML file.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker, and reads the budget where there is one."""
    config.addinivalue_line(
        "markers",
        "gapless(suite=..., trials=..., budget=...): what the fixture `gapless` measures with by default.",
    )
    said: list[str] | None = config.getoption("--gapless-budget")
    if not said:
        return
    from gapless.errors import UsageError

    try:
        config.stash[_WANTED] = _wanted(said)
    except UsageError as error:
        raise pytest.UsageError(f"--gapless-budget: {error}") from error
    config.pluginmanager.register(_Session(), "gapless-budget")


class Measuring:
    """The fixture: measures a workflow and fails the test where a budget says no."""

    def __init__(self, defaults: dict[str, Any], place: Place, wanted: Budget | None) -> None:
        self._defaults, self._place, self._wanted = defaults, place, wanted
        self.budgets: list[BudgetReport] = []

    def __call__(self, workflow: Any = None, suite: Any = None, **options: Any) -> Report:
        """Measures, and returns the report.

        Args:
            workflow: As for `gapless.measure`; gapless.toml's when None.
            suite: As for `gapless.measure`; the marker's, else gapless.toml's when None. A relative path starts at the
                folder of gapless.toml, or pytest's root folder.
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
        suite = marked if suite is None else suite
        if isinstance(suite, (str, Path)):
            suite = Path(self._place.root) / suite
        return workflow, suite, given, budget

    def _held(self, report: Report, budget: dict[str, float] | None) -> Report:
        from gapless.report.budget import render

        if self._wanted is not None:
            self.budgets.append(self._check(report, self._wanted))
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
    marker = request.node.get_closest_marker("gapless")
    if marker is not None and marker.args:
        raise pytest.UsageError(f"@pytest.mark.gapless takes names only, suite=..., not {marker.args!r}.")
    defaults = dict(marker.kwargs) if marker is not None else {}
    measuring = Measuring(defaults, _place(request), request.config.stash.get(_WANTED, None))
    yield measuring
    for found in measuring.budgets:
        import msgspec

        request.node.user_properties.append((_PROPERTY, msgspec.json.encode(found).decode()))


def budget_of(limits: dict[str, Any]) -> Budget:
    """Limits by name as a budget.

    Raises:
        InvalidSettings: A limit is none.
    """
    import msgspec

    from gapless.errors import InvalidSettings
    from gapless.operations.budget import LIMITS
    from gapless.operations.budget import limits as limits_of
    from gapless.settings import Budget, check_budget

    try:
        budget = msgspec.convert(limits, Budget, strict=False)
    except msgspec.ValidationError as error:
        allowed = ", ".join(Budget.__struct_fields__)
        raise InvalidSettings(f"budget {limits!r}: {error}. Allowed: {allowed}.") from error
    check_budget(budget, f"budget {limits!r}")
    if not limits_of(budget):
        raise InvalidSettings(f"budget {limits!r} sets no limit: name one of {', '.join(LIMITS)}.")
    return budget


class _Session:
    """Gathers what every test's budget came to; only there when a budget was asked for."""

    def __init__(self) -> None:
        self._found: list[tuple[str, BudgetReport]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the budgets out of a test's last report."""
        from gapless.records.budget import BudgetReport

        if report.when != "teardown":
            return
        for name, body in report.user_properties:
            if name == _PROPERTY:
                import msgspec

                self._found.append((report.nodeid, msgspec.json.decode(str(body), type=BudgetReport)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A budget that says no fails a session that would have passed."""
        if exitstatus == pytest.ExitCode.OK and not all(found.passes for _, found in self._found):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Says what every budget came to."""
        from gapless.report.budget import render

        terminalreporter.section("gapless budget")
        for name, found in self._found:
            terminalreporter.write_line(f"{name}\n{render(found)}")
        if not self._found:
            terminalreporter.write_line("No test measured anything: nothing was held against the budget.")
            return
        kept = sum(found.passes for _, found in self._found)
        terminalreporter.write_line(
            f"{kept} of {len(self._found)} measurements pass their budget.",
            green=kept == len(self._found),
            red=kept < len(self._found),
        )


def _place(request: pytest.FixtureRequest) -> Place:
    """The project of a test: the nearest gapless.toml above its file, else pytest's root folder."""
    from gapless.settings import FILE, locate

    near = locate(request.path.parent)
    return near if (Path(near.root) / FILE).is_file() else locate(request.config.rootpath)


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

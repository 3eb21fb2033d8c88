"""The report as JUnit XML."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from gapless.report import junit

ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "properties": set[str](),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "skipped": {"message"},
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "time"},
}
INSIDE = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "testcase": ["failure", "skipped"],
}


@pytest.fixture(scope="module")
def written(samples: Any) -> str:
    report, runs = samples.run_table()
    return junit.render(report, iter(runs))


def test_it_holds_only_what_build_servers_know(written: str) -> None:
    root = ElementTree.fromstring(written.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag]
        assert set(element.attrib) >= REQUIRED.get(element.tag, set())
        children = [child.tag for child in element]
        known = INSIDE.get(element.tag, [])
        assert set(children) <= set(known)
        assert children == sorted(children, key=known.index)
        if "time" in element.attrib:
            assert re.fullmatch(r"\d+\.\d{3}", element.attrib["time"])
        if "timestamp" in element.attrib:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.attrib["timestamp"])


def test_every_trial_is_one_test_case(written: str) -> None:
    root = ElementTree.fromstring(written.encode())
    suite = root.find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["15", "9", "0", "3"]
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["15", "9", "0", "3"]
    assert len(cases) == 15
    assert sum(case.find("failure") is not None for case in cases) == 9
    assert sum(case.find("skipped") is not None for case in cases) == 3
    assert len({case.get("name") for case in cases}) > 10
    assert all((case.get("name") or "").endswith("#0") for case in cases)


def test_a_failure_says_outcome_place_and_reason(written: str) -> None:
    root = ElementTree.fromstring(written.encode())
    failures = list(root.iter("failure"))
    assert [failure.get("type") for failure in failures[:3]] == ["wrong", "escalated", "failed"]
    message = failures[0].get("message") or ""
    assert message.startswith(
        'silently wrong, lost at a|b`c``d | --- -> שלום עולם\ufffd: check: <b> & \ufffd[31m "wrong"'
    )
    assert failures[1].get("message", "").startswith("escalated, with no failed check before it")
    body = failures[0].text or ""
    assert "Reason: check: <b>" in body
    assert "Look at it: gapless label " in body
    assert "--measurement 01M84HVT0J8K11GNBRTPJGKP2P" in body
    assert "Weather: timeout" in (failures[2].text or "")


def test_a_trial_without_a_verdict_is_skipped_with_the_reason(written: str) -> None:
    root = ElementTree.fromstring(written.encode())
    reasons = {skipped.get("message") for skipped in root.iter("skipped")}
    assert reasons == {"not judged: no check and no label says whether the answer was right"}


def test_awful_names_break_nothing(written: str) -> None:
    for character in written:
        assert character in "\n" or ord(character) >= 0x20
        assert not 0xD800 <= ord(character) < 0xE000
        assert ord(character) not in (0xFFFE, 0xFFFF)
    assert max(len(line) for line in written.splitlines()) < 12_000


def test_a_time_that_nobody_took_is_left_out(samples: Any) -> None:
    report, runs = samples.run_table()
    untimed = [msgspec.structs.replace(run, ms=math.nan) for run in runs]
    assert "time=" not in junit.render(report, untimed)
    assert 'time="0.010"' in junit.render(report, [*untimed[1:], runs[0]])


def test_a_report_without_trials_is_an_empty_suite(samples: Any) -> None:
    root = ElementTree.fromstring(junit.render(samples.empty(), []).encode())
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("tests") == "0"
    assert suite.find("testcase") is None

"""What must not be kept is masked in values, in nested texts, in error messages and reasons, and in digests."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.errors import InvalidSettings
from gapless.records.suite import Case, CheckSpec, Suite
from gapless.records.trial import Call, ErrorInfo, StepEvent, TrialRecord, Verdict
from gapless.records.value import REDACTED, decode, digest, encode
from gapless.settings import read
from gapless.trace.redaction import Redaction


@pytest.mark.parametrize(
    ("pattern", "value", "kept"),
    [
        ("ssn", {"a": [{"SSN": "1"}]}, {"a": [{"SSN": REDACTED}]}),
        ("*.ssn", {"ssn": 1, "a": {"ssn": True}}, {"ssn": REDACTED, "a": {"ssn": REDACTED}}),
        ("customer.ssn", {"ssn": "1", "customer": {"ssn": "2"}}, {"ssn": "1", "customer": {"ssn": REDACTED}}),
        ("a.*.pin", {"a": {"pin": 1, "b": {"pin": 2}}}, {"a": {"pin": 1, "b": {"pin": REDACTED}}}),
        ("a.**.pin", {"a": {"pin": 1, "b": {"pin": 2}}}, {"a": {"pin": REDACTED, "b": {"pin": REDACTED}}}),
        ("a.*", {"a": {"x": 1}, "b": 2}, {"a": {"x": REDACTED}, "b": 2}),
        ("a.**", {"a": {"x": 1}, "b": 2}, {"a": REDACTED, "b": 2}),
        ("*key*", {"api_key": "k", "keys": [1], "x": 1}, {"api_key": REDACTED, "keys": REDACTED, "x": 1}),
        ("ssn", {"user.ssn": "1"}, {"user.ssn": REDACTED}),
        ("ssn", {"ssn": None}, {"ssn": None}),
        ("*", "anything", REDACTED),
        ("**", {"a": 1}, REDACTED),
    ],
)
def test_patterns_are_paths_over_keys(pattern: str, value: Any, kept: Any) -> None:
    assert Redaction([pattern]).value(value) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ('{"a": 1, "Authorization": "x"}', '{"a": 1, "Authorization": "[redacted]"}'),
        ("[{'authorization': 'x'}]", "[{'authorization': '[redacted]'}]"),
        ('{"in": "{\\"authorization\\": 1}"}', '{"in": "{\\"authorization\\": \\"[redacted]\\"}"}'),
        ("https://h/p?authorization=x%20y&b=1", "https://h/p?authorization=[redacted]&b=1"),
        ("Authorization: Bearer x y\nAccept: z", "Authorization: [redacted] y\nAccept: z"),
        ('see {"a": 1, "authorization": "x \\" y"}!', 'see {"a": 1, "authorization": "[redacted]"}!'),
        ('"{\\"authorization\\": \\"x\\"}"', '"{\\"authorization\\": \\"[redacted]\\"}"'),
        ("Config(authorization='x', b=2)", "Config(authorization='[redacted]', b=2)"),
        ("authorization=x&b=2&authorization=y", "authorization=[redacted]&b=2&authorization=[redacted]"),
        ("the authorization is pending", "the authorization is pending"),
        ("authorization: [redacted]", "authorization: [redacted]"),
        ([["Authorization", "x"], ["Accept", "y"]], [["Authorization", REDACTED], ["Accept", "y"]]),
        ({"name": "Authorization", "value": "x"}, {"name": "Authorization", "value": REDACTED}),
        ({"headers": {"authorization": ["x"]}}, {"headers": {"authorization": REDACTED}}),
        ({"$unserialisable": "T", "repr": "T(secret)"}, {"$unserialisable": "T", "repr": REDACTED}),
    ],
)
def test_objects_inside_texts_are_looked_into(value: Any, kept: Any) -> None:
    assert Redaction(["authorization"]).value(value) == kept


@pytest.mark.parametrize("value", ['{"a": 1}', "{broken", "[1, 2", "a = b", "{'a': nan}", "[" * 300_000])
def test_texts_without_a_secret_stay_as_they_are(value: str) -> None:
    assert Redaction(["ssn"]).value({"t": value})["t"] in (value, REDACTED)


def test_a_secret_is_masked_wherever_the_same_value_repeats_it() -> None:
    given = {
        "authorization": 'Bearer sk-"1234',
        "ssn": 123456789,
        "prompt": 'use sk-"1234 for 123456789',
        "json": '{"t": "sk-\\"1234"}',
        "url": "https://h/sk-%221234",
        "id": 123456789,
        'sk-"1234': b'raw sk-"1234',
    }
    assert Redaction(["authorization", "ssn"]).value(given) == {
        "authorization": REDACTED,
        "ssn": REDACTED,
        "prompt": f"use {REDACTED} for {REDACTED}",
        "json": f'{{"t": "{REDACTED}"}}',
        "url": f"https://h/{REDACTED}",
        "id": REDACTED,
        REDACTED: f"raw {REDACTED}".encode(),
    }


def test_many_secrets_are_masked_as_few_are_and_in_time() -> None:
    names = [f"person {number:05d}" for number in range(20_000)]
    given = {"people": names, "text": f"{names[7]}, {names[19_999]} and person x" * 1_000, "rows": names}
    began = time.perf_counter()
    masked = Redaction(["people"]).value(given)
    assert time.perf_counter() - began < 5
    assert masked == {
        "people": REDACTED,
        "text": f"{REDACTED}, {REDACTED} and person x" * 1_000,
        "rows": [REDACTED] * 20_000,
    }


def test_short_and_ordinary_values_are_masked_under_their_key_alone() -> None:
    given = {"pin": "123", "authorization": "none", "t": "123 none"}
    assert Redaction(["pin", "authorization"]).value(given)["t"] == "123 none"


def trial(*, reason: str, message: str = "") -> tuple[TrialRecord, dict[str, bytes]]:
    payloads = {digest(data): data for data in (encode({"ssn": "078-05-1120"}), encode("fine"))}
    first, second = payloads
    record = TrialRecord(
        case="a",
        trial=0,
        group="a",
        outcome="wrong",
        input=first,
        output=second,
        error=ErrorInfo(type="ValueError", message=message),
        events=(
            StepEvent(
                step="s",
                input=first,
                calls=(Call(kind="http", name="GET h/078-05-1120", started_ms=0, ms=1, request=first),),
            ),
        ),
        verdicts=(Verdict(check="exact", status="fail", reason=reason),),
    )
    return record, payloads


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("bad 078-05-1120!", f"bad {REDACTED}!"),
        ("input_value='078-05...'", f"input_value='{REDACTED}...'"),
        ("…5-1120 is no number", f"…{REDACTED} is no number"),
        ("cut at the end: 078-0", f"cut at the end: {REDACTED}"),
        ("078 alone", "078 alone"),
        ("expected 111-22-3333", f"expected {REDACTED}"),
    ],
)
def test_reasons_and_errors_do_not_show_a_secret_whole_or_cut(text: str, kept: str) -> None:
    case = Case(
        id="a",
        checks={"end": (CheckSpec(name="exact", params={"path": "customer/ssn", "value": "111-22-3333"}),)},
    )
    record, payloads = trial(reason=text, message=text)
    masked, values = Redaction(["ssn"]).trial(record, payloads, case)
    assert masked.verdicts[0].reason == kept
    assert masked.error is not None
    assert masked.error.message == kept
    assert masked.events[0].calls[0].name == f"GET h/{REDACTED}"
    assert {decode(data) if isinstance(decode(data), str) else str(decode(data)) for data in values.values()}


def test_digests_are_those_of_the_masked_values() -> None:
    record, payloads = trial(reason="")
    masked, values = Redaction(["ssn"]).trial(record, payloads)
    assert masked.input == masked.events[0].input == masked.events[0].calls[0].request
    assert decode(values[masked.input or ""]) == {"ssn": REDACTED}
    assert decode(values[masked.output or ""]) == "fine"
    assert all(digest(data) == address for address, data in values.items())
    assert record.input not in values


def test_a_suite_is_kept_masked_and_still_identified_by_what_it_holds() -> None:
    def suite(ssn: str) -> Suite:
        check = CheckSpec(name="contains", params={"value": ssn})
        return Suite(
            name="s",
            cases=(Case(id="a", input={"ssn": ssn}, golden={"x": {"t": ssn}}, checks={"end": (check,)}),),
        )

    redaction = Redaction(["ssn"])
    kept, identity = redaction.suite(suite("078-05-1120"))
    assert "078-05" not in repr(kept)
    assert identity not in (kept.digest(), suite("078-05-1120").digest())
    assert identity == redaction.suite(suite("078-05-1120"))[1] != redaction.suite(suite("078-05-1121"))[1]
    plain = Suite(name="s", cases=(Case(id="a", input="x"),))
    assert redaction.suite(plain) == (plain, plain.digest())


def test_settings_say_what_a_pattern_may_be(tmp_path: Path) -> None:
    file = tmp_path / "gapless.toml"
    file.write_text('[privacy]\nredact = ["*.ssn", "authorization"]\n')
    assert read(file).privacy.redact == ("*.ssn", "authorization")
    for wrong, said in (
        ('redact = ["a..b"]', "names no key"),
        ('redact = "a"', "array"),
        ("mask = 1", "redact"),
    ):
        file.write_text(f"[privacy]\n{wrong}\n")
        with pytest.raises(InvalidSettings, match=said):
            read(file)


MARK = "§"
SECRET = st.text(st.characters(exclude_categories=("Cs",)), min_size=2, max_size=40).map(
    lambda text: f"{MARK}{text}{MARK}"
)
FILLER = st.text(st.sampled_from("abc {}[]\"'=:,\\\n"), max_size=12)


@given(secret=SECRET, filler=FILLER, form=st.sampled_from(["plain", "json", "repr", "url", "nested"]))
def test_no_form_of_a_secret_is_kept(secret: str, filler: str, form: str) -> None:
    spelled = {
        "plain": secret,
        "json": json.dumps({"x": secret}),
        "repr": repr({"x": [secret]}),
        "url": f"https://h/?x={quote_plus(secret)}",
        "nested": json.dumps({"inner": json.dumps({"ssn": secret})}),
    }[form]
    held = {"a": [{"SSN": secret}], "text": f"{filler}{spelled}{filler}", secret: filler}
    kept = encode(Redaction(["ssn"]).value(held)).decode("utf-8", errors="replace")
    assert not [mark for mark in (MARK, r"\u00a7", "%C2%A7") if mark in kept]


@pytest.mark.parametrize("pattern", ["*", "**", "draft", "exact", "draft.**"])
def test_a_pattern_that_takes_everything_leaves_addresses_alone(pattern: str) -> None:
    check = CheckSpec(name="exact", params={"value": "078-05-1120", "path": "/ssn"})
    case = Case(id="c", input={"ssn": "1"}, golden={"draft": {"a": 1}}, checks={"draft": (check,)})
    masked, _ = Redaction([pattern]).suite(Suite(name="s", cases=(case,)))
    assert list(masked.cases[0].golden) == ["draft"]
    (kept,) = masked.cases[0].checks["draft"]
    assert (kept.name, set(kept.params)) == ("exact", {"value", "path"})
    assert ("078-05-1120" in repr(kept)) == (pattern == "draft")

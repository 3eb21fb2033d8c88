"""Figures: found in any usual notation, told from identifiers, and looked up in evidence."""

from __future__ import annotations

import gc
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.boundary.dates import dates
from gapless.boundary.figures import Evidence, figures, grounded, text_of, ungrounded
from gapless.boundary.number_words import spelled
from gapless.records.value import to_plain

FOUND = [
    ("USD 1,200,000", [("1200000", "money", "USD")]),
    (
        "$1.2m and €3bn, $5mm",
        [("1200000", "money", "$"), ("3000000000", "money", "EUR"), ("5000000", "money", "$")],
    ),
    ("EUR 3.5 million", [("3500000", "money", "EUR")]),
    (
        "3.5 million euros; 7 dollars; 5 pounds",
        [("3500000", "money", "EUR"), ("7", "money", "$"), ("5", "money", "GBP")],
    ),
    (
        "1200USD, AU$5, US$ 6, R$ 7",
        [("1200", "money", "USD"), ("5", "money", "$"), ("6", "money", "USD"), ("7", "money", "BRL")],
    ),
    (
        "12 %, 12%, 12.5 percent, 3 percentage points",
        [("12", "percent", None)] * 2 + [("12.5", "percent", None), ("3", "percent", None)],
    ),
    ("50 bps", [("0.5", "percent", None)]),
    (
        "1.200.000,50 and 1.200.000 and 12,5 and 0,25",
        [
            ("1200000.5", "plain", None),
            ("1200000", "plain", None),
            ("12.5", "plain", None),
            ("0.25", "plain", None),
        ],
    ),
    ("1'200'000 and 1\u202f200\u202f000", [("1200000", "plain", None)] * 2),
    (
        "12,00,000 or 5 lakh or 2 crore",
        [("1200000", "plain", None), ("500000", "plain", None), ("20000000", "plain", None)],
    ),
    ("1, 2,3 and 1,2,3", [(n, "plain", None) for n in ("1", "2.3", "1", "2", "3")]),
    ("-5, −6, (-7), 3-4, +8", [(n, "plain", None) for n in ("-5", "-6", "-7", "3", "4", "8")]),
    ("-$5 $-6", [("-5", "money", "$"), ("-6", "money", "$")]),
    (
        "1e6, 1.5E-3, .5, 0.12",
        [
            ("1000000", "plain", None),
            ("0.0015", "plain", None),
            ("0.5", "plain", None),
            ("0.12", "plain", None),
        ],
    ),
    (
        "10k, 5M, 30-day, 5kg, 100 ms, mid-2024",
        [(n, "plain", None) for n in ("10000", "5000000", "30", "5", "100", "2024")],
    ),
    (
        "five million dollars, thirty (30) days, one of two",
        [("5000000", "money", "$"), ("30", "plain", None), ("30", "plain", None)],
    ),
    ("Total 1,200. In 2019, 2020 and 2021.", [(n, "plain", None) for n in ("1200", "2019", "2020", "2021")]),
    (
        "2026-03-14T10:00:00Z, 14 March 2026, Mar. 14, 2026, March 14th 2026, 13.04.2026",
        [("20260314", "date", None)] * 4 + [("20260413", "date", None)],
    ),
    ("March 2026, 2026-03, 14 March", [("202603", "date", None)] * 2 + [("314", "date", None)]),
    ("12万", [("12", "plain", None)]),
    ("No.5, Rs.500, .5 and 1.", [(n, "plain", None) for n in ("5", "500", "0.5", "1")]),
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_what_is_found(text: str, expected: list[tuple[str, str, str | None]]) -> None:
    found = figures(text)
    assert [(f.value, f.kind, f.currency) for f in found] == [
        (Decimal(v), kind, c) for v, kind, c in expected
    ]
    for figure in found:
        start, end = figure.span
        assert text[start:end] == figure.text


@pytest.mark.parametrize(
    "text",
    [
        "INV-7781, HAT136, v2, gpt-4, COVID-19, #12, 7781-A, 3a, 12G, 0042, B2B",
        "1.2.3, 10.0.0.1, section 4.2.1",
        "1. first\n2) second\n  - 3. third\n## 4.1 Heading",
        "as shown [3], [1, 2] and [4-6]",
        "at 14:30 or 9:05:01",
        "call 555-123-4567",
        "https://example.org/2024/12?x=5 or bob7@example24.org",
        "the 2nd and 21st time",
        "docs/12, path_34",
        "one of the two parties, seven of ten",
        "we may 12th-hour march",
        "",
        "no figures here",
    ],
)
def test_what_is_no_figure(text: str) -> None:
    assert [figure.text for figure in figures(text)] == []


def test_two_readings() -> None:
    (figure,) = figures("1.250")
    assert (figure.value, figure.also) == (Decimal("1.250"), (Decimal(1250),))
    (figure,) = figures("03/04/2026")
    assert (figure.value, figure.also) == (Decimal(20260304), (Decimal(20260403),))
    assert [found.readings for found in dates("31/12/2025 1.2.26 24/7")] == [(20251231,)]


@pytest.mark.parametrize(
    ("figure", "evidence", "expected"),
    [
        ("$1.2m", "1,200,000", True),
        ("$1.2m", "USD 1200000.00", True),
        ("$1.2m", "1.200.000,00 EUR", False),
        ("EUR 5", "USD 5", False),
        ("CAD 5", "USD 5", False),
        ("CAD 5", "5 dollars", True),
        ("JPY 5", "¥5", True),
        ("12 %", "0.12", True),
        ("12 %", "12", True),
        ("0.12", "12 percent", True),
        ("12 %", "USD 12", False),
        ("30 days", "thirty days", True),
        ("2 parties", "both one and two", True),
        ("-5", "fell by 5", True),
        ("14 March 2026", "2026-03-14", True),
        ("14 March", "2026-03-14", True),
        ("March 2026", "2026-03-14", True),
        ("2026", "2026-03-14", True),
        ("2026-03-14", "March 2026", False),
        ("2026-03-15", "2026-03-14", False),
        ("4/3/2026", "2026-03-04", True),
        ("14", "2026-03-14", False),
        ("7781", "invoice INV-7781", True),
        ("1250", "1.250 Stück", True),
        ("1.3 million", "1,200,000", False),
        ("100", "1000", False),
    ],
)
def test_grounded(figure: str, evidence: str, expected: bool) -> None:
    assert grounded(figures(figure)[0], [evidence]) is expected


def test_rounded_figures_are_grounded_within_a_tolerance() -> None:
    (figure,) = figures("about USD 1.2 million")
    assert not grounded(figure, ["USD 1,204,000"])
    assert grounded(figure, ["USD 1,204,000"], rel=0.01)
    assert not grounded(figure, ["EUR 1,204,000"], rel=0.01)
    assert not grounded(figures("2026-03-15")[0], ["2026-03-14"], rel=0.5)


def test_ungrounded_figures_of_a_text() -> None:
    evidence = Evidence([text_of({"cap": 1200000.0, "rate": 0.12, "days": [30], "when": "2026-03-14"})])
    text = "The cap is USD 1.2m (12 %), due 30 days after 14 March 2026 or 45 days after March 1999."
    assert [figure.text for figure in ungrounded(text, evidence)] == ["45", "March 1999"]


def test_text_of_plain_data() -> None:
    assert (
        text_of({"a": [1, None, True, {"b": "x"}], "c": b"y\xff", "d": []}) == "a: 1\ntrue\nb: x\nc: y\ufffd"
    )
    assert text_of(None) == ""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("one hundred and five of twenty-five thousand; six, seven", [105, 25000, 6, 7]),
        ("two million three hundred thousand and one", [2300001]),
        ("One Thousand Two Hundred Thirty-Four", [1234]),
        ("nineteen hundred", [1900]),
        ("five and six", [5, 6]),
        ("someone often, a hundred onerous tenths", []),
    ],
)
def test_number_words(text: str, values: list[int]) -> None:
    assert [int(found.value) for found in spelled(text)] == values


CENTS = st.integers(0, 10**14).map(lambda cents: Decimal(cents) / 100)


@given(
    CENTS,
    st.sampled_from(
        [
            "{:,.2f}",
            "{:.2f}",
            "USD {:,.2f}",
            "{:,.2f} EUR",
            "€{:,.2f}",
            "{:,.2f} %",
            "({:,.2f})",
            "is {:,.2f}.",
        ]
    ),
)
def test_what_is_formatted_is_read_back(value: Decimal, form: str) -> None:
    (figure,) = figures(form.format(value))
    assert value in (figure.value, *figure.also)
    assert grounded(figure, [str(value)])


@given(CENTS.filter(lambda value: value >= 1000))
def test_continental_notation_is_read_back(value: Decimal) -> None:
    swapped = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    assert [figure.value for figure in figures(swapped)] == [value]


@given(
    st.dates(
        min_value=__import__("datetime").date(1500, 1, 1), max_value=__import__("datetime").date(2199, 12, 31)
    )
)
def test_dates_are_read_back(day: object) -> None:
    for form in ("%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%m/%d/%Y"):
        written = day.strftime(form)  # type: ignore[attr-defined]
        (figure,) = figures(written)
        assert (figure.kind, str(figure.value)) == ("date", day.strftime("%Y%m%d").lstrip("0")), written  # type: ignore[attr-defined]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63))
def test_plain_numbers_ground_themselves(value: float) -> None:
    text = text_of(to_plain({"x": value}))
    assert ungrounded(text, [str(value)]) == ()


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_can_be_read(text: str, more: str) -> None:
    for figure in figures(text):
        assert text[figure.span[0] : figure.span[1]] == figure.text
        assert grounded(figure, [more, text])


@pytest.mark.parametrize(
    "piece", ["$", "1,", "1,111", "a1", "1 ", "a@", "1-", "1.1", "[1,", "one hundred ", "12/", "2026-03-"]
)
def test_long_texts_take_linear_time(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        started = time.thread_time()
        figures(text)
        return time.thread_time() - started

    seconds(100)
    gc.disable()  # a collection goes through all that other tests left, and would count as the text's
    try:
        short, long = (min(seconds(count) for _ in range(3)) for count in (2_000, 20_000))
    finally:
        gc.enable()
    assert long < 40 * max(short, 0.002), "ten times the text; squared, it would be a hundred times the work"

"""Reads amounts written in digits, with currency, scale and unit; and tells numbers from identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_SYMBOLS = {
    "US$": "USD", "A$": "AUD", "C$": "CAD", "S$": "SGD", "NZ$": "NZD", "HK$": "HKD", "R$": "BRL",
    "$": "$", "€": "EUR", "£": "GBP", "¥": "¥", "₹": "INR", "₩": "KRW", "₺": "TRY",
}  # fmt: skip
_CODES = (
    "USD EUR GBP JPY CHF CNY INR AUD CAD NZD SGD HKD SEK NOK DKK PLN CZK HUF BRL MXN ZAR KRW TRY AED SAR ILS THB"
).split()
_WORDS = {"dollar": "$", "euro": "EUR", "pound": "GBP", "yen": "JPY", "franc": "CHF", "rupee": "INR"}
_LETTERS = {"k": 10**3, "m": 10**6, "mm": 10**6, "b": 10**9, "t": 10**12}
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "millions": 10**6, "billions": 10**9, "mn": 10**6, "mio": 10**6, "bn": 10**9, "mrd": 10**9, "tn": 10**12,
    "lakh": 10**5, "crore": 10**7, "crores": 10**7,
}  # fmt: skip
_UNITS = frozenset(
    "mg g kg lb oz mm cm m km mi ft in ml l s ms min h hr hrs d w y yr yrs x px pt pp hz khz mhz ghz kb mb gb tb kib mib gib W "
    "kw mw gw wh kwh mwh gwh am pm".split()
)
_PREFIXES = frozenset("mid pre post late early sub circa non over under".split())
_LAST_WORD = re.compile(r"[^\W\d_]+$")

_SPACE = "\u00a0\u202f\u2009"
_NUMBER = rf"""
    (?P<number>
      (?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,2}}(?:,\d{{2}})+,\d{{3}})(?:\.\d+)?(?![,\d])   # 1,200,000.50  12,00,000
    | \d{{1,3}}(?:\.\d{{3}})+,\d+(?![\d,])                                        # 1.200,50
    | \d{{1,3}}(?:\.\d{{3}}){{2,}}(?![\d.]\d|\d)                                  # 1.200.000
    | \d{{1,3}}(?:['’{_SPACE}]\d{{3}})+(?:[.,]\d+)?(?!\d)                         # 1'200'000
    | (?<!\d,)(?:0,\d+|\d+,\d{{1,2}})(?![\d]|,\d|\.\d)                            # 12,5
    | \d+(?:\.\d+)?(?:[eE][+-]?\d{{1,3}}(?!\w))?
    | \.\d+
    )"""
_CURRENCY = rf"(?:(?:US|A|C|S|NZ|HK|R)?\$|[€£¥₹₩₺]|\b(?:{'|'.join(_CODES)})\b)"
_PERCENT = re.compile(
    r"\s{0,2}-?(?:%|(?:per\s?cent|pct|percentage\spoints?)\b|(?P<basis>(?:basis\spoints?|bps)\b))",
    re.IGNORECASE,
)
_AFTER = re.compile(rf"\s{{0,2}}-?(?:(?P<code>{_CURRENCY})(?![-−]?\d)|(?i:(?P<word>{'|'.join(_WORDS)})s?)\b)")
_SCALE = re.compile(rf"[\s-]{{0,2}}(?P<scale>{'|'.join(_SCALES)})\b", re.IGNORECASE)
_WHOLE = re.compile(rf"{_NUMBER}(?P<tail>[^\W\d_]*)", re.VERBOSE)
_BEFORE = re.compile(
    rf"(?:(?P<before>{_CURRENCY})\s{{0,2}})?(?P<sign>[-−+])?(?P<late>[$€£¥₹₩₺])?\Z",
)
_MAX_BEFORE = 8  # the longest currency, two spaces, a sign and a symbol
_DIGIT = re.compile(r"\d")
_IDENTIFIERS = re.compile(
    r"""
      (?:https?://|www\.)[^\s"'<>]+                              # addresses
    | (?<![\w.+-])[\w.+-]+@[\w.-]+
    | ^[ \t]*(?:[-*•>][ \t]+)?\(?\d{1,3}[.)](?=[ \t])            # list markers
    | ^[ \t]*\#+[ \t]*\d+(?:\.\d+)*\.?(?=[ \t])                  # numbered headings
    | \[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\](?!\w)                   # citations
    | (?<![\w.])\d+(?:\.\d+){2,}(?![\w])                         # versions, sections, network addresses
    | (?<![\w-])\d+(?:-\d+){2,}(?![\w-])                         # phone and account numbers
    | (?<![\d:])\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?!\d)           # clock times
    """,
    re.VERBOSE | re.MULTILINE,
)
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}")
_LEADING_ZERO = re.compile(r"0\d+")
_MAX_DIGITS = 40

DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
"""A run of digits with whatever separates them."""


class Amount(NamedTuple):
    """A number written in digits, with what stands round it."""

    value: Decimal
    also: tuple[Decimal, ...]
    percent: bool
    currency: str | None
    start: int
    end: int


class Unit(NamedTuple):
    """What stands after a number."""

    factor: Decimal
    percent: bool
    currency: str | None
    end: int


class _Numeral(NamedTuple):
    """A number in digits, and what stands directly before and after it."""

    text: str
    start: int
    """Where its currency, sign or first digit is."""
    end: int
    number: str
    tail: str
    """Letters attached to it."""
    sign: str | None
    before: str | None
    """A currency before the sign."""
    late: str | None
    """A currency symbol after the sign."""


def amounts(text: str) -> Iterator[Amount]:
    """The amounts in a text, in order; identifiers are passed over."""
    for found in _numerals(blanked(text, _IDENTIFIERS, _THOUSANDS)):
        if _stands_alone(found) and (amount := _amount(found)) is not None:
            yield amount


def readings(number: str) -> tuple[Decimal, ...]:
    """What a number's spelling may mean, the likeliest first; empty for longer ones than any figure.

    Example:
        >>> [str(value) for value in readings("1,250")], [str(value) for value in readings("1.250")]
        (['1250'], ['1.250', '1250'])
    """
    if len(number) > _MAX_DIGITS:
        return ()
    plain = re.sub(rf"['’{_SPACE}]", "", number)
    dots, commas = plain.count("."), plain.count(",")
    if "e" in plain.lower():
        return (Decimal(plain),)
    if dots and commas:
        decimal_comma = plain.rfind(",") > plain.rfind(".")
        return (_english(plain.replace(".", "").replace(",", ".") if decimal_comma else plain),)
    if dots > 1:
        return (Decimal(plain.replace(".", "")),)
    if commas == 1 and re.fullmatch(r"0,\d+|\d+,\d{1,2}", plain):
        return (Decimal(plain.replace(",", ".")),)
    if dots == 1 and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", plain):
        return (Decimal(plain), Decimal(plain.replace(".", "")))
    return (_english(plain),)


def unit_after(text: str, position: int) -> Unit:
    """Scale, percent sign and currency that follow a number."""
    factor = Decimal(1)
    if scale := _SCALE.match(text, position):
        factor, position = Decimal(_SCALES[scale["scale"].lower()]), scale.end()
    if percent := _PERCENT.match(text, position):
        return Unit(factor.scaleb(-2) if percent["basis"] else factor, True, None, percent.end())
    if after := _AFTER.match(text, position):
        currency = _code(after["code"]) if after["code"] else _WORDS[after["word"].lower()]
        return Unit(factor, False, currency, after.end())
    return Unit(factor, False, None, position)


def blanked(text: str, pattern: re.Pattern[str], keep: re.Pattern[str] | None = None) -> str:
    """A text of the same length with the matches of a pattern (but not what matches `keep` whole) taken out."""

    def blank(found: re.Match[str]) -> str:
        return found.group() if keep and keep.fullmatch(found.group()) else "\0" * len(found.group())

    return pattern.sub(blank, text)


def _numerals(text: str) -> Iterator[_Numeral]:
    position = 0
    while (digit := _DIGIT.search(text, position)) is not None:
        start = digit.start()
        if text[start - 1 : start] == "." and not text[max(0, start - 2) : start - 1].isalnum():
            start -= 1  # .5
        number = _WHOLE.match(text, start)
        assert number is not None  # one of its forms is a single digit
        before = _BEFORE.search(text, max(position, start - _MAX_BEFORE), start)
        assert before is not None  # it may be empty
        position = number.end()
        yield _Numeral(
            text=text,
            start=before.start(),
            end=position,
            number=number["number"],
            tail=number["tail"],
            sign=before["sign"],
            before=before["before"],
            late=before["late"],
        )


def _amount(found: _Numeral) -> Amount | None:
    written = found.before or found.late
    currency = _code(written) if written else None
    tail = _tail(found.tail, currency is not None)
    values = readings(found.number)
    if tail is None or not values:
        return None
    after = unit_after(found.text, found.end) if tail.end else Unit(Decimal(1), False, None, found.end)
    negative = found.sign not in (None, "+") and not _is_hyphen(found)
    factor = tail.factor * after.factor * (-1 if negative else 1)
    value, *also = (value * factor for value in values)
    start = found.start if negative or found.before or not found.sign else found.start + 1
    return Amount(
        value, tuple(also), after.percent, currency or tail.currency or after.currency, start, after.end
    )


def _tail(letters: str, money: bool) -> Unit | None:
    """What letters attached to a number say; None when they make it an identifier. `end` tells if more may follow."""
    if not letters:
        return Unit(Decimal(1), False, None, 1)
    low = letters.lower()
    if low in _LETTERS and (money or low == "k" or (letters.isupper() and len(letters) == 1)):
        return Unit(Decimal(_LETTERS[low]), False, None, 1)
    if low in _SCALES:
        return Unit(Decimal(_SCALES[low]), False, None, 1)
    if letters in _CODES or low.removesuffix("s") in _WORDS:
        code = letters if letters in _CODES else _WORDS[low.removesuffix("s")]
        return Unit(Decimal(1), False, code, 0)
    return Unit(Decimal(1), False, None, 0) if _is_unit(letters) else None


def _is_unit(letters: str) -> bool:
    """Whether letters are a unit; a single one only as it is usually written: 5g, 60W, but not 12G."""
    exact = letters if len(letters) == 1 else letters.lower()
    return exact in _UNITS or not letters.isascii()


def _stands_alone(found: _Numeral) -> bool:
    """Whether a number is no part of a name: INV-7781, v2, #12, docs/12, 7781-A, 0042."""
    text, start = found.text, found.start
    if _LEADING_ZERO.fullmatch(found.number):
        return False
    following = text[found.end : found.end + 2]
    if following[:1] == "_" or (following[:1] == "-" and following[1:].isupper()):
        return False
    if found.before and not found.before.isalpha():
        return True  # a currency sign may stand right after a word: AU$5
    if found.sign == "-" and not found.before:
        start += 1
    before = text[max(0, start - 2) : start]
    if before[-1:].isalnum() or before[-1:] in ("_", "#", "@", "\\"):
        return False
    if before[-1:] in ("-", "/") and before[:1].isalpha():
        word = _LAST_WORD.search(text, max(0, start - 12), start - 1)
        return before[-1] == "-" and word is not None and word.group().lower() in _PREFIXES
    return True


def _is_hyphen(found: _Numeral) -> bool:
    before = found.text[max(0, found.start - 1) : found.start]
    return not found.before and (before.isalnum() or before in (")", "%"))


def _code(written: str) -> str:
    return _SYMBOLS.get(written, written)


def _english(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))

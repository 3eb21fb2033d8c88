"""How contracts say things: one figure in many forms, one clause in many wordings, with figures that must not be taken for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from random import Random

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
_CURRENCIES = {"USD": "US dollars", "EUR": "euros", "GBP": "pounds sterling"}

Clause = Callable[[Random, str, str], str]
"""(random numbers, the figure as written, the currency) -> the clause's text."""


def in_words(number: int) -> str:
    """A whole number in English words.

    Example:
        >>> in_words(1_454_000)
        'one million four hundred fifty-four thousand'
    """
    for size, name in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return f"{in_words(number // size)} {name}" + (f" {in_words(rest)}" if rest else "")
    if number < len(_UNITS):
        return _UNITS[number]
    return _TENS[number // 10] + (f"-{_UNITS[number % 10]}" if number % 10 else "")


def money(random: Random, amount: int, currency: str) -> str:
    """An amount as contracts write it."""
    forms = [f"{currency} {amount:,}"] * 4
    forms += [f"{_SYMBOLS[currency]}{amount:,}", f"{amount:,} {currency}"]
    forms += [f"{in_words(amount)} {_CURRENCIES[currency]} ({currency} {amount:,})"] * 2
    if amount >= 1_000_000:
        forms.append(f"{currency} {amount / 1e6:.3f} million")
    if currency == "EUR":
        forms.append(f"EUR {amount:,}".replace(",", "."))
    if random.random() < 0.01:  # an amount in words alone
        return f"{in_words(amount)} {_CURRENCIES[currency]}"
    return random.choice(forms)


def days(random: Random, number: int) -> str:
    """A number of days as contracts write it."""
    return random.choice([f"{in_words(number)} ({number}) days", f"{number} days", f"{number} calendar days"])


def date(random: Random, day: dt.date) -> str:
    """A date as contracts write it."""
    month = f"{day:%B}"
    return random.choice(
        [f"{day.day} {month} {day.year}"] * 2
        + [f"{month} {day.day}, {day.year}", f"{day:%d.%m.%Y}", day.isoformat()]
    )


def cap(random: Random, figure: str, currency: str) -> str:
    """The liability clause."""
    main = random.choice(
        [
            f"Except as set out in this Section, the Supplier's total aggregate liability arising out of or in connection with this Agreement shall not exceed {figure}.",
            f"The maximum liability of the Supplier under this Agreement, whether in contract, tort or otherwise, is limited to {figure} in aggregate.",
            f"In no event shall the aggregate liability of the Supplier exceed an amount equal to {figure}.",
            f"The Supplier's liability for all claims taken together is capped at {figure}.",
        ]
    )
    aside = random.choice(
        [
            "Nothing in this Section limits liability for death or personal injury, or for fraud.",
            f"Loss of data is further limited to {currency} {random.randrange(10, 60) * 1000:,} for each event.",
            "Neither party is liable for indirect or consequential loss.",
            "The limit applies whatever the number of claims.",
        ]
    )
    return f"{main} {aside}"


def commitment(random: Random, figure: str, currency: str) -> str:
    """The minimum purchase clause."""
    main = random.choice(
        [
            f"In each contract year the Customer shall purchase Products for not less than {figure}.",
            f"The Customer commits to a minimum annual spend of {figure} under this Agreement.",
            f"The minimum annual purchase commitment of the Customer is {figure}, payable whether or not Products are called off.",
            f"If purchases in a contract year fall short of {figure}, the Customer pays the difference as a shortfall charge.",
        ]
    )
    aside = random.choice(
        [
            f"Single orders shall have a value of {currency} {random.randrange(1, 9) * 500:,} or more.",
            "Volumes forecast in Schedule 2 are not binding.",
            "The commitment is reviewed by the parties once a year.",
        ]
    )
    return f"{main} {aside}" if random.random() < 0.7 else f"{aside} {main}"


def penalty(random: Random, figure: str, currency: str) -> str:
    """The clause on late delivery."""
    rate = random.choice(["0.5 %", "one per cent", "0.2 %"])
    main = random.choice(
        [
            f"For each day of delay {rate} of the order value falls due, up to a total of {figure} in a contract year.",
            f"Late-delivery damages accrue at {rate} a week; the maximum payable in any contract year is {figure}.",
            f"Contract penalties for late call-offs are {rate} of the value concerned for each day and are limited to {figure} a year.",
        ]
    )
    aside = random.choice(
        [
            f"An order of less than {currency} {random.randrange(2, 9) * 1000:,} carries no penalty.",
            "Force majeure suspends the obligation.",
            "A delay of fewer than 3 days is not counted.",
        ]
    )
    return f"{main} {aside}"


def payment(random: Random, figure: str, currency: str) -> str:
    """The payment clause."""
    main = random.choice(
        [
            f"Invoices are payable within {figure} of receipt.",
            f"The Customer shall pay each undisputed invoice no later than {figure} after the invoice date.",
            f"Payment is due {figure} from the date of a correct invoice.",
        ]
    )
    aside = random.choice(
        [
            "A discount of 2 % is granted for payment within 10 days.",
            "Overdue sums bear interest at 4 % above the base rate.",
            "An invoice may be disputed within 14 days of receipt.",
        ]
    )
    return f"{main} {aside}" if random.random() < 0.6 else f"{aside} {main}"


def notice(random: Random, figure: str, currency: str) -> str:
    """The termination clause."""
    main = random.choice(
        [
            f"Either party may prevent renewal by giving the other not less than {figure} written notice before the renewal date.",
            f"A party that does not wish to renew shall give written notice at least {figure} before the term ends.",
            f"Notice of non-renewal must reach the other party {figure} or more ahead of renewal.",
        ]
    )
    aside = random.choice(
        [
            "Either party may terminate for material breach that is not remedied within 30 days.",
            "Termination for insolvency takes effect at once.",
            "Notices by e-mail alone are not valid.",
        ]
    )
    return f"{main} {aside}" if random.random() < 0.6 else f"{aside} {main}"


def renewal(random: Random, figure: str, currency: str) -> str:
    """The term clause."""
    main = random.choice(
        [
            f"The current term ends on {figure} and renews automatically for one year at a time.",
            f"This Agreement renews on {figure} for successive periods of twelve months unless notice is given.",
            f"Unless terminated, the Agreement is extended on {figure} for a further year.",
        ]
    )
    aside = random.choice(
        [
            f"It came into force on {date(random, dt.date(2022, random.randrange(1, 13), random.randrange(1, 28)))}.",
            "Prices may be renegotiated at each renewal.",
            "The first contract year began with the signature.",
        ]
    )
    return f"{main} {aside}" if random.random() < 0.6 else f"{aside} {main}"


CLAUSES: dict[str, Clause] = {
    "commitment": commitment,
    "payment_days": payment,
    "penalty": penalty,
    "cap": cap,
    "renewal": renewal,
    "notice_days": notice,
}

OTHERS: dict[str, Clause] = {
    "Scope": lambda _r, _f, _c: (
        "The Supplier delivers the Products listed in Schedule 1 to the sites named there."
    ),
    "Prices": lambda r, _f, c: (
        f"Prices are fixed for each contract year. Freight is charged at {c} {r.randrange(20, 90) * 10:,} a consignment."
    ),
    "Insurance": lambda r, _f, c: (
        f"The Supplier maintains product liability insurance of at least {c} {r.randrange(2, 11) * 1_000_000:,} for each claim and shows proof within 30 days of a request."
    ),
    "Confidentiality": lambda _r, _f, _c: (
        "Each party keeps the other's information confidential for 5 years after the end of this Agreement."
    ),
    "Audit": lambda r, _f, _c: (
        f"The Customer may audit the Supplier's records on {r.choice([10, 15, 20])} days' notice, once a year."
    ),
    "Governing law": lambda r, _f, _c: (
        f"This Agreement is governed by the laws of {r.choice(['England and Wales', 'Germany', 'the State of New York', 'the Netherlands'])}."
    ),
}
"""Sections that say nothing about the question."""

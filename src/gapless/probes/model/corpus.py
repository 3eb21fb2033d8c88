"""Our own small corpora: texts with the JSON that is right for them, and questions with the calls that are right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """A text, the schema of what is in it, and what that is."""

    kind: str
    """Of schema: flat, enum, array, nested, union, optional."""
    text: str
    schema: dict[str, Any]
    right: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCase:
    """A question with tools, and the calls that answer it."""

    id: str
    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...]
    """Each {name, description, parameters}; parameters is a JSON schema."""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """(name, argument -> values that are right; "" among them: may be left out). Empty: no call is right."""
    any_call: bool = False
    """Whether any call counts: which one is right is not known."""


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT, _WHOLE, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_CURRENCY = {"type": "string", "enum": ["EUR", "USD", "GBP"]}
_INVOICE = _object(number=_WHOLE, total=_NUMBER, currency=_CURRENCY)
_TICKET = _object(
    topic={"type": "string", "enum": ["billing", "delivery", "login"]}, urgent={"type": "boolean"}
)
_PERSON = _object(name=_TEXT, age=_WHOLE)
_CLAUSE = _object(days=_WHOLE, written={"type": "boolean"})
_ORDER = _object(items={"type": "array", "items": _object(product=_TEXT, quantity=_WHOLE)})
_SENDER = _object(sender=_object(name=_TEXT, address=_object(city=_TEXT, country=_TEXT)))
_PAID = _object(
    payment={
        "anyOf": [
            _object(kind={"type": "string", "enum": ["card"]}, last_digits=_TEXT),
            _object(kind={"type": "string", "enum": ["transfer"]}, bank=_TEXT),
        ]
    }
)
_BOOKED = _object(guest=_TEXT, nights=_WHOLE, room={"type": ["string", "null"]})


def _items(*pairs: tuple[str, int]) -> dict[str, Any]:
    return {"items": [{"product": product, "quantity": quantity} for product, quantity in pairs]}


def _from(name: str, city: str, country: str) -> dict[str, Any]:
    return {"sender": {"name": name, "address": {"city": city, "country": country}}}


def _card(digits: str) -> dict[str, Any]:
    return {"payment": {"kind": "card", "last_digits": digits}}


def _transfer(bank: str) -> dict[str, Any]:
    return {"payment": {"kind": "transfer", "bank": bank}}


_KINDS: dict[str, tuple[tuple[str, dict[str, Any], dict[str, Any]], ...]] = {
    "flat": (
        ("Maria is 34 years old.", _PERSON, {"name": "Maria", "age": 34}),
        ("Tom, who turned nine last week.", _PERSON, {"name": "Tom", "age": 9}),
        ("Either party may end this with 30 days' written notice.", _CLAUSE, {"days": 30, "written": True}),
        ("Notice is one week; a phone call will do.", _CLAUSE, {"days": 7, "written": False}),
    ),
    "enum": (
        ("Invoice 4711 over EUR 1,250.00.", _INVOICE, {"number": 4711, "total": 1250, "currency": "EUR"}),
        ("Invoice 88 is for 99.50 USD.", _INVOICE, {"number": 88, "total": 99.5, "currency": "USD"}),
        ("I was charged twice, fix it today!", _TICKET, {"topic": "billing", "urgent": True}),
        ("No hurry: where is my parcel?", _TICKET, {"topic": "delivery", "urgent": False}),
    ),
    "array": (
        ("Two chairs and one table, please.", _ORDER, _items(("chairs", 2), ("table", 1))),
        ("I order 12 lamps.", _ORDER, _items(("lamps", 12))),
        ("Three pens, one ruler and five folders.", _ORDER, _items(("pens", 3), ("ruler", 1), ("folders", 5))),
    ),
    "nested": (
        ("Sent by Ana Ruiz, Lyon, France.", _SENDER, _from("Ana Ruiz", "Lyon", "France")),
        ("From: Kenji Mori, who lives in Kyoto, Japan.", _SENDER, _from("Kenji Mori", "Kyoto", "Japan")),
        ("Liv Berg moved from Rome to Oslo in Norway.", _SENDER, _from("Liv Berg", "Oslo", "Norway")),
    ),
    "union": (
        ("Paid by card ending in 4242.", _PAID, _card("4242")),
        ("The money came by bank transfer from Alpha Bank.", _PAID, _transfer("Alpha Bank")),
        ("She used her card, the one that ends in 0017.", _PAID, _card("0017")),
    ),
    "optional": (
        ("Ms Okafor stays three nights in room 12B.", _BOOKED, {"guest": "Okafor", "nights": 3, "room": "12B"}),
        ("A booking for Weber, one night.", _BOOKED, {"guest": "Weber", "nights": 1, "room": None}),
        ("Silva, two nights, room not yet given.", _BOOKED, {"guest": "Silva", "nights": 2, "room": None}),
    ),
}  # fmt: skip
EXTRACTIONS: tuple[Extraction, ...] = tuple(
    Extraction(kind=kind, text=case[0], schema=case[1], right=case[2])
    for turn in zip_longest(*([(kind, case) for case in cases] for kind, cases in _KINDS.items()))
    for kind, case in filter(None, turn)
)
"""Six kinds of schema in turn, so that a time that ends early cuts all kinds: plain fields, an enumeration, a list of objects,
objects in objects, one of two forms, and a field that may be null."""


def _tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "parameters": _object(**properties)}


_WEATHER = _tool("get_weather", "Current weather in a city.", city=_TEXT)
_CONVERT = _tool("convert_currency", "Converts an amount.", amount=_NUMBER, source=_TEXT, target=_TEXT)
_MAIL = _tool("send_mail", "Sends a mail.", to=_TEXT, subject=_TEXT)
_STOCK = _tool("get_stock", "How many pieces of an article are in stock.", article=_WHOLE)
_TOOLS = (_WEATHER, _CONVERT, _MAIL, _STOCK)


def _asked(id_: str, said: str, tools: tuple[dict[str, Any], ...], *calls: Any) -> FunctionCase:
    return FunctionCase(id=id_, messages=({"role": "user", "content": said},), tools=tools, calls=calls)


_ROME, _OSLO, _PARIS = (("get_weather", {"city": [name]}) for name in ("Rome", "Oslo", "Paris"))
_CODES = {"source": ["EUR"], "target": ["USD"]}
FUNCTION_CASES: tuple[FunctionCase, ...] = (
    _asked("one-1", "What is the weather in Rome?", (_WEATHER,), _ROME),
    _asked("irrelevant-1", "Write a two-line poem about snow.", (_STOCK,)),
    _asked("one-2", "How many pieces of article 1234 do we have?", (_STOCK,), ("get_stock", {"article": [1234]})),
    _asked("one-3", "Convert 20 EUR to USD.", (_CONVERT,), ("convert_currency", {"amount": [20]} | _CODES)),
    _asked("choice-1", "Look up the weather in Oslo.", _TOOLS, _OSLO),
    _asked("irrelevant-2", "What is 2 plus 2?", (_MAIL,)),
    _asked("choice-2", "Is article 77 in stock?", _TOOLS, ("get_stock", {"article": [77]})),
    _asked("choice-3", "What are 5.5 EUR in USD?", _TOOLS, ("convert_currency", {"amount": [5.5]} | _CODES)),
    _asked("parallel-1", "Compare the weather in Rome and in Oslo.", (_WEATHER,), _ROME, _OSLO),
    _asked("parallel-2", "Weather in Paris and stock of article 5, please.", _TOOLS, _PARIS, ("get_stock", {"article": [5]})),
)  # fmt: skip
"""Single calls, a choice among tools, parallel calls, and questions that no tool fits; mixed, so that the time that ends early
cuts all kinds."""

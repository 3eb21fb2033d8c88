"""Our own small corpora: texts with the JSON that is right for them, and questions with the calls that are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """A text, the schema of what is in it, and what that is."""

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
_INVOICE = _object(number=_WHOLE, total=_NUMBER, currency={"type": "string", "enum": ["EUR", "USD", "GBP"]})
_PERSON = _object(name=_TEXT, age=_WHOLE)
_ORDER = _object(items={"type": "array", "items": _object(product=_TEXT, quantity=_WHOLE)})
_CLAUSE = _object(days=_WHOLE, written={"type": "boolean"})
_PLACE = _object(city=_TEXT, country=_TEXT)


def _items(*pairs: tuple[str, int]) -> dict[str, Any]:
    return {"items": [{"product": product, "quantity": quantity} for product, quantity in pairs]}


_EXTRACTIONS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("Invoice 4711 over EUR 1,250.00.", _INVOICE, {"number": 4711, "total": 1250, "currency": "EUR"}),
    ("Invoice 88 is for 99.50 USD.", _INVOICE, {"number": 88, "total": 99.5, "currency": "USD"}),
    ("Please pay GBP 10 for invoice 3.", _INVOICE, {"number": 3, "total": 10, "currency": "GBP"}),
    ("Maria is 34 years old.", _PERSON, {"name": "Maria", "age": 34}),
    ("Tom, who turned nine last week.", _PERSON, {"name": "Tom", "age": 9}),
    ("Two chairs and one table, please.", _ORDER, _items(("chairs", 2), ("table", 1))),
    ("I order 12 lamps.", _ORDER, _items(("lamps", 12))),
    ("Either party may end this with 30 days' written notice.", _CLAUSE, {"days": 30, "written": True}),
    ("Notice is one week; a phone call will do.", _CLAUSE, {"days": 7, "written": False}),
    ("Our office is in Lyon, France.", _PLACE, {"city": "Lyon", "country": "France"}),
    ("She moved from Rome to Oslo in Norway.", _PLACE, {"city": "Oslo", "country": "Norway"}),
    ("He lives in Kyoto, Japan.", _PLACE, {"city": "Kyoto", "country": "Japan"}),
)
EXTRACTIONS: tuple[Extraction, ...] = tuple(
    Extraction(text=text, schema=schema, right=right) for text, schema, right in _EXTRACTIONS
)


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

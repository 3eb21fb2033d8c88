"""An ordinary LangGraph agent: a model and two tools in a loop. Some of what it asks its tools for is not there.

export OPENAI_BASE_URL=... OPENAI_API_KEY=...
python app.py "What is the price of the Karoo tent?"
"""

from __future__ import annotations

import json
import os
import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import ToolNode, create_react_agent

PRICES: dict[str, float | None] = {
    "karoo tent": 289.0,
    "sierra stove": 64.5,
    "fjord jacket": 179.0,
    "delta kayak": 949.0,
    "atlas backpack": 134.9,
    "polar mat": 58.0,
    "tundra boots": 212.0,
    "mesa lamp": 39.5,
    "borealis parka": None,  # the catalogue has an entry without a price
    "savanna hammock": None,
}
DELISTED = ("glacier rope", "canyon filter")
TEMPERATURES = {
    "oslo": 4,
    "lima": 19,
    "cairo": 31,
    "quito": 15,
    "kyoto": 12,
    "porto": 17,
    "tunis": 26,
    "bergen": 6,
    "nairobi": 23,
}
STATIONS_DOWN = ("reykjavik", "ushuaia")


class BackendDown(Exception):
    """The service behind a tool does not answer."""


@tool
def lookup_price(product: str) -> str:
    """The list price of a product in EUR."""
    name = product.lower()
    if name in DELISTED:
        return ""
    return json.dumps({"product": product, "price_eur": PRICES.get(name)})


@tool
def weather(city: str) -> str:
    """The temperature in a city right now, in degrees Celsius."""
    name = city.lower()
    if name in STATIONS_DOWN:
        raise BackendDown(f"weather service: 503 for {city}")
    if name not in TEMPERATURES:
        return json.dumps({"city": city, "known": False})
    return json.dumps({"city": city, "temperature_c": TEMPERATURES[name]})


graph = create_react_agent(
    ChatOpenAI(
        model="gpt-4o-mini",
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ.get("OPENAI_API_KEY", "fake"),  # type: ignore[arg-type]
    ),
    ToolNode([lookup_price, weather], handle_tool_errors=True),
    prompt="You are a shop assistant. Look figures up, and answer in one sentence.",
)

if __name__ == "__main__":
    answer = graph.invoke({"messages": [{"role": "user", "content": " ".join(sys.argv[1:])}]})
    print(answer["messages"][-1].content)

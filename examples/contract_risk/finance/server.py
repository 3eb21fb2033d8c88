"""The MCP server: `python server.py` speaks over stdin and stdout, and ends when its client does."""

from __future__ import annotations

from typing import Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from contract_risk.finance import rules

server = MCPServer("finance", log_level="WARNING")


class Facts(BaseModel, strict=True):
    """What the contracts of one supplier state today; what they do not state is null."""

    currency: str | None = Field(default=None, description="ISO 4217 code, such as USD")
    commitment: int | None = Field(default=None, ge=0, description="Minimum purchase in a contract year")
    penalty: int | None = Field(
        default=None, ge=0, description="Most that late delivery can cost in a contract year"
    )
    cap: int | None = Field(default=None, ge=0, description="Most that the supplier is liable for in total")
    payment_days: int | None = Field(default=None, ge=0, description="Days after which an invoice is due")
    notice_days: int | None = Field(default=None, ge=0, description="Days of notice before renewal")
    renewal: str | None = Field(default=None, pattern=r"^\d{4}-\d\d-\d\d$", description="Date of renewal")


class Figures(BaseModel):
    """The figures an answer may name."""

    currency: str
    exposure: int
    cap: int
    payment_days: int
    notice_days: int
    notice_by: str


class Finding(BaseModel):
    """One finished sentence, and the figures in it."""

    kind: Literal["liability", "payment", "notice"]
    text: str
    figures: list[str]


class Assessment(BaseModel):
    """What the facts mean; figures and findings are empty while a fact is missing."""

    figures: Figures | dict[str, Any]
    findings: list[Finding]
    missing: list[str]


@server.tool(
    annotations=ToolAnnotations(
        read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False
    )
)
def assess_supplier(facts: Facts) -> Assessment:
    """Assesses the financial risk of one supplier from the facts of its contracts."""
    return Assessment.model_validate(rules.assess(facts.model_dump()))


if __name__ == "__main__":
    server.run("stdio")

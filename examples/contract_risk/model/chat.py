"""Any LangChain chat model, named as "provider:model", in the place of the embedded one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from contract_risk.model.client import MAX_TOKENS, Endpoint, Model, Told
from contract_risk.model.drafts import Draft
from gapless.errors import EndpointError, MissingExtra, UsageError

_READ_WITHIN_S = 120.0
_PACKAGE = re.compile(r"pip install ([\w-]+)")


class MissingPackage(MissingExtra):
    """A library that no extra of gapless names, because the user's choice of model decides which it is."""

    def __init__(self, what: str, package: str) -> None:
        UsageError.__init__(self, f"{what} needs the package `{package}`. Install it: pip install {package}")
        self.extra = package


@dataclass
class ChatModel(Model):
    """A model that LangChain talks to. Without a grammar: whether its figures are the evidence's, the checks decide."""

    chat: Any = field(default=None, kw_only=True, repr=False)

    async def _ask(self, body: dict[str, Any], tell: Told | None) -> Draft:
        whole: Any = None
        pieces: list[str] = []
        try:
            async for chunk in self.chat.astream(body["messages"]):
                whole = chunk if whole is None else whole + chunk
                piece = str(chunk.text)
                if piece:
                    pieces.append(piece)
                    if tell is not None:
                        tell(piece)
        except Exception as error:  # every provider has its own
            raise EndpointError(f"{self.endpoint.name}: {type(error).__name__}: {error}") from error
        said: dict[str, Any] = getattr(whole, "response_metadata", None) or {}
        used: dict[str, Any] = getattr(whole, "usage_metadata", None) or {}
        return Draft(
            text="".join(pieces).strip(),
            finish=said.get("finish_reason") or said.get("stop_reason"),
            tokens_in=used.get("input_tokens"),
            tokens_out=used.get("output_tokens"),
        )


def open_chat(name: str) -> ChatModel:
    """The model of that name, at temperature 0.

    Args:
        name: As LangChain's `init_chat_model` takes it: "openai:gpt-4o-mini". Keys and addresses come from the
            environment variables of its provider.

    Raises:
        MissingExtra: LangChain, or its package for that provider, is not installed.
        UsageError: The name says nothing to LangChain, or the provider's key is missing.
    """
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise MissingPackage(f"--model {name}", "langchain") from error
    try:
        chat: Any = init_chat_model(name, temperature=0, max_tokens=MAX_TOKENS, timeout=_READ_WITHIN_S)
    except ImportError as error:
        package = _PACKAGE.search(str(error))
        raise MissingPackage(f"--model {name}", package.group(1) if package else str(error)) from error
    except Exception as error:  # every provider's package has its own
        said = " ".join(str(error).split()).partition(" Supported providers:")[0][:400]
        raise UsageError(
            f"--model {name}: {said} A model is named provider:model (openai:gpt-4o-mini), an endpoint by its base URL (http://127.0.0.1:8080/v1)."
        ) from error
    return ChatModel(Endpoint(url=_address(chat), name=name, grammar=False), chat=chat)


def _address(chat: Any) -> str:
    """Where the model is, as far as it says: the same name elsewhere (a gateway, a fake) is another model."""
    places = (getattr(chat, "root_client", None), chat)
    for place in places:
        for name in ("base_url", "openai_api_base", "anthropic_api_url", "azure_endpoint", "endpoint_url"):
            if found := getattr(place, name, None):
                return str(found).rstrip("/")
    return type(chat).__name__

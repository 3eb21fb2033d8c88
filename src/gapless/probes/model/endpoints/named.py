"""The endpoint that settings name: an address and its protocol, or a LangChain chat model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gapless.probes.base import ProbeUnavailable, Unusable
from gapless.probes.model.endpoints.anthropic import URL, AnthropicEndpoint
from gapless.probes.model.endpoints.base import Endpoint
from gapless.probes.model.endpoints.langchain import LangChainModel
from gapless.probes.model.endpoints.openai import OpenAIEndpoint
from gapless.settings import CheckupModelSettings, ModelSettings

NONE = "no model is named: url and model under [checkup.model] in gapless.toml, or --url and --model"


@dataclass(frozen=True, slots=True)
class _Usual:
    """Where a vendor's own clients look for the address and the key; the key goes nowhere else."""

    base: str
    """Environment variable of the address."""
    path: str
    """What that lacks."""
    vendor: str | None
    """Where they ask without one; None: nowhere, for a name alone must cost nothing at a vendor's."""
    variable: str
    """Environment variable of the key."""

    def url(self) -> str | None:
        """The address that they would ask."""
        base = os.environ.get(self.base)
        return f"{base.rstrip('/')}{self.path}" if base else self.vendor

    def key(self) -> str | None:
        """The variable that they would read; one that is not set is demanded of a vendor's clients only."""
        return self.variable if self.vendor is not None or os.environ.get(self.variable) else None


_USUAL = {
    "openai": _Usual("OPENAI_BASE_URL", "", None, "OPENAI_API_KEY"),
    "anthropic": _Usual("ANTHROPIC_BASE_URL", "/v1", URL, "ANTHROPIC_API_KEY"),
}


def kind_of(settings: ModelSettings) -> str:
    """The protocol that is named, else the one that follows: a target, or "provider:model" without an address, is LangChain's."""
    if not isinstance(settings, CheckupModelSettings):
        return "openai"
    if settings.kind is not None:
        return settings.kind
    if settings.target is not None or (settings.url is None and ":" in (settings.model or "")):
        return "langchain"
    return "openai"


def is_named(settings: ModelSettings) -> bool:
    """Whether there is anything to ask, or to read."""
    read = isinstance(settings, CheckupModelSettings) and bool(settings.results)
    return read or endpoint_named(settings)


def endpoint_named(settings: ModelSettings) -> bool:
    """Whether there is anything to ask: a part of a name counts, for what is half said must not be passed over."""
    kind = isinstance(settings, CheckupModelSettings) and settings.kind is not None
    return kind or bool(settings.url or settings.model) or kind_of(settings) != "openai"


def endpoint_of(settings: ModelSettings, chat: Any = None) -> Endpoint:
    """The endpoint.

    Args:
        settings: Under [checkup.model].
        chat: The LangChain chat model itself, where `target` named one; an exception where it could not be imported.

    Raises:
        ProbeUnavailable: None is named.
        Unusable: The one that is named has no address or no model, its key is not in the environment, or the chat
            model cannot be made.
    """
    if not endpoint_named(settings):
        raise ProbeUnavailable(NONE)
    try:
        return _made(settings, chat)
    except ProbeUnavailable as error:
        raise Unusable(str(error), "model") from error


def _made(settings: ModelSettings, chat: Any) -> Endpoint:
    kind = kind_of(settings)
    if kind == "langchain":
        return _langchain(settings, chat)
    usual = _USUAL[kind]
    url = settings.url or usual.url()
    if settings.model is None:
        raise ProbeUnavailable(
            f"{url or kind}: which model? Name it with --model, or model under [checkup.model]"
        )
    if url is None:
        raise ProbeUnavailable(
            f"{settings.model}: at which address? Name it with --url (http://127.0.0.1:8000/v1), url under "
            f"[checkup.model], or OPENAI_BASE_URL; or name its provider, and LangChain makes it: openai:{settings.model}"
        )
    if not _is_address(url):
        raise ProbeUnavailable(f"{url!r} is no address: https://host/v1 is one")
    made = AnthropicEndpoint if kind == "anthropic" else OpenAIEndpoint
    key = _key(settings, usual.key() if settings.url is None else None)
    return made(url=url.rstrip("/"), model=settings.model, key=key, timeout_s=settings.timeout_s)


def _is_address(url: str) -> bool:
    """Whether it can be asked; what could not stand in a request's first line is no address."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is none, a bracket without its other
        return False
    return (
        named and parts.scheme in ("http", "https") and url.isascii() and " " not in url and url.isprintable()
    )


def _key(settings: ModelSettings, usual: str | None) -> str | None:
    variable = settings.api_key_env or usual
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise ProbeUnavailable(f"the environment variable {variable} holds no key")
    if not (key.isascii() and key.isprintable()):
        raise ProbeUnavailable(f"what {variable} holds cannot stand in a header")
    return key


def _langchain(settings: ModelSettings, chat: Any) -> LangChainModel:
    if isinstance(chat, Exception):
        raise ProbeUnavailable(f"the chat model cannot be opened: {chat}")
    if chat is not None:
        if not hasattr(chat, "astream") or not hasattr(chat, "bind_tools"):
            raise ProbeUnavailable(
                f"{type(chat).__name__} is no LangChain chat model: it has no astream or bind_tools"
            )
        name = settings.model or getattr(chat, "model_name", None) or getattr(chat, "model", None)
        return LangChainModel(
            chat=chat,
            model=str(name or type(chat).__name__),
            timeout_s=settings.timeout_s,
        )
    if settings.model is None:
        raise ProbeUnavailable(
            'a LangChain model is named "provider:model", or target = "app.py:chat" names the object'
        )
    made = _initialised(settings)
    return LangChainModel(chat=made, model=settings.model, timeout_s=settings.timeout_s, ours=True)


def _initialised(settings: ModelSettings) -> Any:
    """`init_chat_model`, at temperature 0; the address and the key's variable are handed on where they are named."""
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise ProbeUnavailable(
            "a chat model by name needs LangChain: pip install langchain, and the provider's package"
        ) from error
    given: dict[str, Any] = {"temperature": 0, "timeout": settings.timeout_s}
    if settings.url is not None:
        given["base_url"] = settings.url
    if settings.api_key_env is not None:
        given["api_key"] = _key(settings, None)
    try:
        return init_chat_model(settings.model, **given)
    except Exception as error:  # providers raise what they like: a missing package, a missing key
        raise ProbeUnavailable(f"{settings.model}: LangChain cannot make it: {error}"[:300]) from error

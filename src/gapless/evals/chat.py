"""Asks one question of an OpenAI-compatible endpoint, and says in words why there was no answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gapless.errors import EndpointError, MissingExtra

if TYPE_CHECKING:
    from gapless.settings import ModelSettings

Message = dict[str, str]
_OPTIONAL = {
    "response_format": ("response_format", "json_schema", "schema"),
    "temperature": ("temperature",),
    "seed": ("seed",),
}
"""What an endpoint may not know, and the words by which it says so."""
_LONGEST_WAIT_S = 120.0
"""The client obeys a Retry-After up to here."""
_refused: dict[tuple[str, str], set[str]] = {}
"""(address, model) -> what it is asked without, because it took the request without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers."""

    url: str
    """Base address, up to and including "/v1"."""
    model: str
    api_key_env: str | None = None
    """Environment variable that holds the key; the key itself is nowhere kept."""
    timeout_s: float = 60.0
    """Seconds one attempt may take."""
    max_retries: int = 2
    """Further attempts after a timeout, a broken connection, a 429 (Retry-After is obeyed) or a 5xx."""
    temperature: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'url is {self.url!r}; write an address such as "http://127.0.0.1:8000/v1"')
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "url holds a user, a password or a query, and it is kept with the suite; name the variable that holds the key: api_key_env"
            )
        if not self.model:
            raise ValueError("model is empty; name the one the endpoint serves")
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s is {self.timeout_s:g}; it must be above 0")
        if self.max_retries < 0:
            raise ValueError(f"max_retries is {self.max_retries}; the least is 0")
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature is {self.temperature:g}; allowed is 0 to 2")
        if self.api_key_env is not None and not os.environ.get(self.api_key_env):
            raise ValueError(f"api_key_env names {self.api_key_env}, which is not set in the environment")

    @classmethod
    def of(cls, said: ModelSettings) -> Endpoint:
        """The one that settings name.

        Raises:
            ValueError: It is not named whole, or a value is not allowed.
        """
        return cls(
            url=said.url or "",
            model=said.model or "",
            api_key_env=said.api_key_env,
            timeout_s=said.timeout_s,
            max_retries=said.max_retries,
            temperature=said.temperature,
            seed=said.seed,
        )

    def key(self) -> str | None:
        """The key, read from the environment each time."""
        return os.environ.get(self.api_key_env) if self.api_key_env is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


def need_client(what: str) -> None:
    """Makes sure that the client is installed.

    Raises:
        MissingExtra: It is not.
    """
    if find_spec("openai") is None:
        raise MissingExtra(what, "judge")


async def ask(
    endpoint: Endpoint,
    messages: Sequence[Message],
    *,
    schema: dict[str, Any] | None = None,
    seed: int | None = None,
) -> Reply:
    """The model's answer.

    Args:
        endpoint: Where to ask.
        messages: The conversation so far.
        schema: JSON Schema the answer should follow. An endpoint that knows none is asked without: check the answer.
        seed: Stands in for the endpoint's own.

    Raises:
        EndpointError: There is no answer: it is down, slow, busy, refuses, or says nothing. The words hold no key.
        MissingExtra: The client is not installed.
    """
    need_client("Asking a model")
    body: dict[str, Any] = {"model": endpoint.model, "messages": list(messages)}
    wanted = {
        "temperature": endpoint.temperature,
        "seed": endpoint.seed if seed is None else seed,
        "response_format": _format(schema),
    }
    unknown = _refused.setdefault((endpoint.url, endpoint.model), set())
    extras = {name: value for name, value in wanted.items() if value is not None and name not in unknown}
    limit_s = endpoint.timeout_s * (endpoint.max_retries + 1) + _LONGEST_WAIT_S * endpoint.max_retries
    try:
        async with asyncio.timeout(limit_s):  # the client's own limit starts anew with every byte
            return _reply(await _ask(endpoint, body, extras, unknown))
    except TimeoutError:
        raise EndpointError(_late(endpoint)) from None


def _format(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


async def _ask(endpoint: Endpoint, body: dict[str, Any], extras: dict[str, Any], unknown: set[str]) -> Any:
    import openai

    dropped: set[str] = set()
    # A client for each question: it belongs to the loop it was made in, and making one takes a fraction of any answer.
    async with openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.key() or "none",
        timeout=endpoint.timeout_s,
        max_retries=endpoint.max_retries,
    ) as client:
        while True:
            try:
                answer = await client.chat.completions.create(**body, **extras)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                without = _named(error.message, extras)
                if without is None:
                    raise EndpointError(_words(error, endpoint)) from None
                dropped.add(without)
                del extras[without]
            except (openai.OpenAIError, ValueError) as error:
                raise EndpointError(_words(error, endpoint)) from None
            else:
                unknown |= dropped
                return answer


def _named(message: str, sent: dict[str, Any]) -> str | None:
    """What the endpoint does not know of what was sent: what it names, else the schema, which fewest know."""
    said = message.lower()
    named = next((n for n, words in _OPTIONAL.items() if n in sent and any(w in said for w in words)), None)
    return named or ("response_format" if "response_format" in sent else None)


def _reply(answer: Any) -> Reply:
    choices = getattr(answer, "choices", None)
    if not choices:
        raise EndpointError("the endpoint answered, but with no chat completion. Does its url end in /v1?")
    message, usage = choices[0].message, getattr(answer, "usage", None)
    if getattr(message, "refusal", None):
        raise EndpointError(f"the model declined: {message.refusal[:200]}")
    if choices[0].finish_reason == "length":
        raise EndpointError("the model's answer was cut off at its length limit")
    if choices[0].finish_reason == "content_filter":
        raise EndpointError("the endpoint's content filter held the answer back")
    if not isinstance(message.content, str) or not message.content.strip():
        raise EndpointError("the model's answer was empty")
    return Reply(
        text=message.content,
        tokens_in=getattr(usage, "prompt_tokens", None),
        tokens_out=getattr(usage, "completion_tokens", None),
    )


def _words(error: Exception, endpoint: Endpoint) -> str:
    """Why there is no answer, the same words for the same reason, and without the key."""
    import openai

    times = _times(endpoint)
    if isinstance(error, openai.APITimeoutError):
        return _late(endpoint)
    if isinstance(error, openai.APIConnectionError):
        return f"{endpoint.url} cannot be reached ({times}): {str(error.__cause__ or error)[:200]}"
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        where = endpoint.api_key_env or "none was sent: name its variable in api_key_env"
        return f"{endpoint.url} answered {error.status_code}: it does not take the key ({where})"
    if isinstance(error, openai.RateLimitError):
        after = error.response.headers.get("retry-after")
        said = f"; it asks to wait {after[:40]} s" if after else ""
        return f"{endpoint.url} answered 429, too many requests ({times}{said})"
    if isinstance(error, openai.APIStatusError):
        return _masked(f"{endpoint.url} answered {error.status_code}: {error.message[:200]}", endpoint)
    return _masked(f"{endpoint.url}: {type(error).__name__}: {str(error)[:200]}", endpoint)


def _late(endpoint: Endpoint) -> str:
    return f"{endpoint.url} did not answer within {endpoint.timeout_s:g} s ({_times(endpoint)})"


def _times(endpoint: Endpoint) -> str:
    attempts = endpoint.max_retries + 1
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def _masked(text: str, endpoint: Endpoint) -> str:
    key = endpoint.key()
    return text.replace(key, "[key]") if key else text

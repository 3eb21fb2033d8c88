"""Keys for tools over HTTP: the settings name the variables that hold them, and nothing here prints, keeps or logs a value.

Servers have been seen to repeat a key in their errors: what they send is masked where it comes in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from gapless.errors import InvalidSettings
from gapless.settings import ServerSettings, Settings
from gapless.trace.secrets import Secrets

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
REFUSED = (401, 403)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]+")


def headers(server: ServerSettings, name: str) -> dict[str, str]:
    """The headers whose values stand in variables.

    Raises:
        InvalidSettings: A variable is not set, or a name or value is none that HTTP takes; values are never shown.
    """
    return {header: _value(header, variable, name) for header, variable in server.headers_env.items()}


def named_in(settings: Settings) -> frozenset[str]:
    """Every variable that settings name for a key or a password: `api_key_env`, `headers_env`, `place_env`."""
    return frozenset(_variables(msgspec.to_builtins(settings)))


def environment(server: ServerSettings) -> dict[str, str]:
    """The variables that a command gets: all, as in a shell, but for those that hold keys of others."""
    return {name: value for name, value in os.environ.items() if name not in server.withheld}


def hidden(sent: Mapping[str, str]) -> Secrets:
    """What masks the values of headers wherever a server repeats them: as they are, without their scheme, or quoted.

    Args:
        sent: Header -> its value, of those that were read from variables.
    """
    secrets = Secrets()
    for value in sent.values():
        secrets.add(value)
    return secrets


def spoken(pairs: tuple[str, ...]) -> dict[str, str]:
    """The headers of a command line.

    Example:
        >>> spoken(("Authorization=SHOP_AUTH",))
        {'Authorization': 'SHOP_AUTH'}

    Raises:
        InvalidSettings: One is not of the form NAME=VARIABLE. What stands there may be the key itself, and is not shown.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        header, _, variable = pair.partition("=")
        _check(header, variable, "--header-env")
        found[header] = variable
    return found


def said(named: Mapping[str, str]) -> str:
    """Which variables the keys came from, in words."""
    if not named:
        return (
            'no key was named for it: headers_env = {Authorization = "VARIABLE"} under its name in gapless.toml, or'
            " --header-env Authorization=VARIABLE"
        )
    return "it does not take " + ", ".join(
        f"the {header} that was read from the variable {variable}" for header, variable in named.items()
    )


def _variables(said: Any) -> Iterator[str]:
    if not isinstance(said, dict):
        return
    for key, inner in cast("dict[str, Any]", said).items():
        if not key.endswith("_env"):
            yield from _variables(inner)
        elif isinstance(inner, dict):
            yield from cast("dict[str, str]", inner).values()
        elif isinstance(inner, str):
            yield inner


def _value(header: str, variable: str, name: str) -> str:
    _check(header, variable, f"[checkup.servers.{name}] headers_env")
    value = os.environ.get(variable)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise InvalidSettings(f"{name}: the variable {variable} {state}; {header} is read from it.")
    if _VALUE.fullmatch(value) is None or value != value.strip():
        raise InvalidSettings(
            f"{name}: the variable {variable} holds a line break, a blank at an end or a character that no header"
            f" takes; {header} is read from it. Its value is not shown."
        )
    return value


def _check(header: str, variable: str, where: str) -> None:
    if _HEADER.fullmatch(header) is None:
        raise InvalidSettings(
            f"{where}: {header[:40]!r} is no name of a header. Allowed: Authorization=VARIABLE."
        )
    if _VARIABLE.fullmatch(variable) is None:
        raise InvalidSettings(
            f"{where}: after {header} stands the name of the variable that holds the value, never the value. What"
            " stands there now is no such name, and is not shown."
        )

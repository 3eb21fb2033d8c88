"""YAML suites. Only true and false are booleans: yes, no, on, 007 and 12:30 stay the texts they look like."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from gapless.errors import InvalidSuite
from gapless.evals.formats.base import Lined, Source, of_data

_RESOLVED_HERE = ("bool", "int", "float")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


def read(name: str, text: str) -> Source:
    """Reads a YAML suite: a list of cases, or a mapping with `cases`."""
    import yaml

    try:
        data = yaml.load(text, Loader=_loader())  # noqa: S506  # a safe loader that also notes lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise InvalidSuite(f"{name}{line}: is no YAML: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidSuite(f"{name}: is no YAML: {' '.join(str(error).split())}.") from error
    return of_data([] if data is None else data, name, Path())


@lru_cache(maxsize=1)
def _loader() -> Any:
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(safe):
        """The safe loader, with lines, without repeated keys, and with the words of YAML 1.2."""

    Loader.yaml_implicit_resolvers = _resolvers(safe.yaml_implicit_resolvers)
    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _lined)
    for tag, pattern, first in (
        ("bool", _BOOL, "tTfF"),
        ("float", _FLOAT, "-+0123456789."),
        ("int", _INT, "-+0123456789"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list(first))
    return Loader


def _resolvers(known: dict[Any, list[tuple[str, Any]]]) -> dict[Any, list[tuple[str, Any]]]:
    replaced = {f"tag:yaml.org,2002:{name}" for name in _RESOLVED_HERE}
    return {
        first: [(tag, pattern) for tag, pattern in pairs if tag not in replaced]
        for first, pairs in known.items()
    }


def _lined(loader: Any, node: Any) -> Any:
    import yaml

    found = Lined()
    yield found
    own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
    if len(set(own)) < len(own):
        twice = next(key for key in own if own.count(key) > 1)
        raise yaml.constructor.ConstructorError(
            None, None, f"key `{twice}` stands twice in one mapping", node.start_mark
        )
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (list, dict)):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key_node.start_mark)
        name = key if isinstance(key, str) else str(cast("object", key))
        found[name] = loader.construct_object(value_node, deep=True)
        found.lines[name] = key_node.start_mark.line + 1

"""Embeddings without a model: texts that share words are near each other, and the same text is always the same vector."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, cast

from gapless.testing.fake_llm.asked import Asked, pieces
from gapless.testing.fake_llm.wire import fields
from gapless.testing.fake_llm.wire.trouble import bad

DIMENSIONS = {"text-embedding-3-large": 3072}
_USUAL = 1536


def read_embeddings(body: dict[str, Any]) -> tuple[Asked, list[str]]:
    """What an embeddings request asks, and the texts to embed; token arrays are embedded by their numbers.

    Raises:
        Trouble: Status 400, with what is wrong and where.
    """
    model = fields.text(body, "model")
    inputs = _inputs(body.get("input"))
    if not inputs or not all(inputs):
        raise bad("input", "Invalid 'input': it cannot be empty, nor contain an empty string.")
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise bad(
            "encoding_format",
            f"Invalid value: {body['encoding_format']!r}. Supported values are: 'float', 'base64'.",
            "invalid_value",
        )
    fields.whole(body, "dimensions", 1, 16384)
    return Asked(endpoint="embeddings", model=model, extra="\x1f".join(inputs)), inputs


def embeddings_body(body: dict[str, Any], inputs: list[str]) -> dict[str, Any]:
    """The answer: one unit vector per input, as floats or as base64 of little-endian float32."""
    model = str(body["model"])
    size = int(body.get("dimensions") or DIMENSIONS.get(model, _USUAL))
    as_text = body.get("encoding_format") == "base64"
    data: list[dict[str, Any]] = []
    for index, text in enumerate(inputs):
        vector = embed(text, size)
        value = base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_text else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    tokens = sum(len(pieces(text)) for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def embed(text: str, size: int) -> Any:
    """The unit vector of a text: its words' random directions added up.

    Args:
        text: Anything but "".
        size: Number of dimensions.

    Returns:
        A float32 array of shape (size,) and length 1.
    """
    import numpy as np

    words = re.findall(r"\w+", text.lower()) or [text]
    total = np.zeros(size, dtype=np.float32)
    for word in words:
        # directions come from a hash, not from a random generator, whose stream may change with its version
        bits = np.frombuffer(hashlib.shake_256(word.encode()).digest((size + 7) // 8), dtype=np.uint8)
        total += np.unpackbits(bits)[:size].astype(np.float32) * 2 - 1
    length = float(np.linalg.norm(total))
    if length == 0:  # opposite words cancel out in very few dimensions
        total[0] = length = 1.0
    return total / length


def _inputs(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if given is None:
        raise bad("input", "Missing required parameter: 'input'.", "missing_required_parameter")
    items = fields.items(given, "input")
    if items and all(_is_token(item) for item in items):
        return [_spelled(items)]
    inputs: list[str] = []
    for at, item in enumerate(items):
        if isinstance(item, list) and all(_is_token(token) for token in cast("list[Any]", item)):
            inputs.append(_spelled(cast("list[int]", item)))
        elif isinstance(item, str):
            inputs.append(item)
        else:
            raise fields.wrong_type(f"input[{at}]", item, "a string or an array of tokens")
    return inputs


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)


def _spelled(tokens: list[int]) -> str:
    return " ".join(str(token) for token in tokens)

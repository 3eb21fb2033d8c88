from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from scipy.special import erf, softmax

from gapless.errors import WeightsUnavailable
from gapless.retrievers import bert
from gapless.retrievers.minilm import MiniLM

# Computed once with PyTorch 2.13 and transformers from the same weights; all 384 numbers agreed to 2e-7.
REFERENCE = {
    "The supplier's total liability is capped at USD 1,000,000.": [0.0261, -0.0090, -0.0544, -0.0251],
    "Either party may terminate this Agreement for convenience on sixty (60) days' notice.": [
        0.0122,
        0.1074,
        0.0597,
        0.0114,
    ],
    "Café Zürich – naïve 价格 ŁÓDŹ!": [0.0398, 0.0855, 0.0395, 0.0515],
}


@pytest.fixture(scope="module")
def model() -> MiniLM:
    try:
        return MiniLM.load()
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")


def test_embeddings_are_those_of_the_reference(model: MiniLM) -> None:
    vectors = model.embed(list(REFERENCE))
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 384)
    assert vectors[:, :4] == pytest.approx(np.asarray(list(REFERENCE.values())), abs=6e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


def test_a_text_does_not_depend_on_its_neighbours(model: MiniLM) -> None:
    texts = ["notice", "insurance " * 400, "", "a cap on liability applies"]
    together = model.embed(texts)
    alone = np.concatenate([model.embed([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)
    assert model.embed([]).shape == (0, 384)


def test_the_graph_computes_a_bert_encoder() -> None:
    draw = np.random.default_rng(3)
    hidden, wide, layers = 24, 40, 2
    shapes = {
        "embeddings.word_embeddings.weight": (50, hidden),
        "embeddings.position_embeddings.weight": (16, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for layer in range(layers):
        name = f"encoder.layer.{layer}."
        for part in (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ):
            shapes |= {f"{name}{part}.weight": (hidden, hidden), f"{name}{part}.bias": (hidden,)}
        shapes |= {
            f"{name}intermediate.dense.weight": (wide, hidden),
            f"{name}intermediate.dense.bias": (wide,),
        }
        shapes |= {f"{name}output.dense.weight": (hidden, wide), f"{name}output.dense.bias": (hidden,)}
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{name}{part}.weight": (hidden,), f"{name}{part}.bias": (hidden,)}
    weights = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    session = onnxruntime.InferenceSession(
        bert.build(weights).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    lengths = (7, 3)
    tokens = np.zeros((2, 7), dtype=np.int64)
    mask = np.zeros((2, 7), dtype=np.float32)
    for row, length in enumerate(lengths):
        tokens[row, :length] = draw.integers(1, 50, size=length)
        mask[row, :length] = 1
    got = session.run(None, {"tokens": tokens, "mask": mask})[0]
    wanted = [_encode(weights, tokens[row, :length], layers) for row, length in enumerate(lengths)]
    assert got == pytest.approx(np.asarray(wanted), abs=1e-4)


def _encode(weights: dict[str, np.ndarray], tokens: np.ndarray, layers: int) -> np.ndarray:
    """One text through the encoder, straight from the definition and without padding."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def normal(name: str, x: np.ndarray) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = (
        w["embeddings.word_embeddings.weight"][tokens]
        + w["embeddings.position_embeddings.weight"][: len(tokens)]
    )
    x = normal("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    for layer in range(layers):
        name = f"encoder.layer.{layer}."
        q, k, v = (
            linear(f"{name}attention.self.{part}", x).reshape(len(x), 12, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        mixed = softmax(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]), axis=-1) @ v
        mixed = mixed.swapaxes(0, 1).reshape(len(x), -1)
        x = normal(f"{name}attention.output.LayerNorm", x + linear(f"{name}attention.output.dense", mixed))
        wide = linear(f"{name}intermediate.dense", x)
        wide = 0.5 * wide * (1 + erf(wide / np.sqrt(2)))
        x = normal(f"{name}output.LayerNorm", x + linear(f"{name}output.dense", wide))
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def test_tokens_are_counted_as_the_tokenizer_does_also_beyond_the_cut(model: MiniLM) -> None:
    texts = ["Liability is capped at USD 5,000,000.", "naïve façade ... (b)(2) 東京", "", "word " * 700]
    ids = model.tokens(texts[:3])
    assert model.count_tokens(texts[:3]) == sum(map(len, ids))
    assert model.count_tokens(texts[3:]) == 702
    assert model.count_tokens([]) == 0

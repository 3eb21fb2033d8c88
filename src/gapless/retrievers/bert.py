"""Builds the ONNX graph of a small BERT sentence encoder: tokens in, one unit vector per text out.

Inputs `tokens` int64 [n, t] and `mask` float32 [n, t] (1 for a token, 0 for padding); output `vectors` float32 [n, hidden].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPSET = 20
_HEADS = 12
_EPSILON = 1e-12


def build(weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """The graph as an `onnx.ModelProto`.

    Args:
        weights: Tensors under their names in a Hugging Face BertModel; linear weights are [out, in].
    """
    graph = _Graph(weights)
    hidden = graph.embeddings()
    bias = graph.padding_bias()
    for layer in range(graph.count_layers()):
        hidden = graph.layer(f"encoder.layer.{layer}.", hidden, bias)
    return graph.finish(graph.pooled(hidden))


class _Graph:
    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._hidden = int(weights["embeddings.word_embeddings.weight"].shape[1])

    def count_layers(self) -> int:
        return sum(name.endswith(".attention.self.query.weight") for name in self._weights)

    def embeddings(self) -> str:
        """Words + positions + the one segment a single text has, normalised."""
        words = self._node("Gather", self._weight("embeddings.word_embeddings.weight"), "tokens")
        length = self._node("Slice", self._node("Shape", "tokens"), *self._ints("one_to_two", [1], [2]))
        table = self._weight("embeddings.position_embeddings.weight")
        # Slice, not Gather over a Range: onnxruntime 1.32 fuses that pattern and then fails on its own shapes
        zero, axis = self._ints("from_start", [0], [0])
        positions = self._node("Slice", table, zero, length, axis)
        segment = self._constant("segment", self._weights["embeddings.token_type_embeddings.weight"][0])
        together = self._node("Add", self._node("Add", words, positions), segment)
        return self._normal("embeddings.LayerNorm", together)

    def padding_bias(self) -> str:
        """[n, 1, 1, t]: 0 for tokens and a very negative number for padding, added before each softmax."""
        import numpy as np

        missing = self._node("Sub", self._constant("one", np.float32(1)), "mask")
        scaled = self._node("Mul", missing, self._constant("far_below", np.float32(-10_000)))
        return self._node("Unsqueeze", scaled, *self._ints("axes_1_2", [1, 2]))

    def layer(self, name: str, hidden: str, bias: str) -> str:
        """Self-attention and the feed-forward part, each added to what came in and normalised."""
        mixed = self._linear(
            f"{name}attention.output.dense", self._attention(f"{name}attention.self.", hidden, bias)
        )
        hidden = self._normal(f"{name}attention.output.LayerNorm", self._node("Add", mixed, hidden))
        wide = self._node("Gelu", self._linear(f"{name}intermediate.dense", hidden))
        narrow = self._linear(f"{name}output.dense", wide)
        return self._normal(f"{name}output.LayerNorm", self._node("Add", narrow, hidden))

    def pooled(self, hidden: str) -> str:
        """The mean over the tokens of a text, scaled to length 1."""
        column = self._node("Unsqueeze", "mask", *self._ints("axis_2", [2]))
        (axis,) = self._ints("axis_1", [1])
        total = self._node("ReduceSum", self._node("Mul", hidden, column), axis, keepdims=0)
        mean = self._node("Div", total, self._node("ReduceSum", column, axis, keepdims=0))
        return self._node("LpNormalization", mean, axis=-1, p=2)

    def finish(self, output: str) -> Any:
        from onnx import TensorProto, checker, helper

        self._nodes.append(helper.make_node("Identity", [output], ["vectors"]))
        graph = helper.make_graph(
            self._nodes,
            "bert_sentence_encoder",
            [
                helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", "t"]),
                helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", "t"]),
            ],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", self._hidden])],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        checker.check_model(model)
        return model

    def _attention(self, name: str, hidden: str, bias: str) -> str:
        import numpy as np

        query, key, value = (
            self._heads(f"{name}{part}", hidden, turned)
            for part, turned in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
        )
        scale = self._constant("scale", np.float32((self._hidden / _HEADS) ** -0.5))
        scores = self._node("Mul", self._node("MatMul", query, key), scale)
        shares = self._node("Softmax", self._node("Add", scores, bias), axis=-1)
        mixed = self._node("Transpose", self._node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self._node("Reshape", mixed, *self._ints("whole", [0, 0, self._hidden]))

    def _heads(self, name: str, hidden: str, turned: list[int]) -> str:
        shape = self._ints("split", [0, 0, _HEADS, self._hidden // _HEADS])
        return self._node("Transpose", self._node("Reshape", self._linear(name, hidden), *shape), perm=turned)

    def _linear(self, name: str, hidden: str) -> str:
        weight = self._constant(f"{name}.turned", self._weights[f"{name}.weight"].T.copy())
        return self._node("Add", self._node("MatMul", hidden, weight), self._weight(f"{name}.bias"))

    def _normal(self, name: str, hidden: str) -> str:
        scale, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._node("LayerNormalization", hidden, scale, bias, axis=-1, epsilon=_EPSILON)

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _ints(self, name: str, *values: list[int]) -> tuple[str, ...]:
        import numpy as np

        return tuple(
            self._constant(f"{name}.{at}", np.asarray(value, dtype=np.int64))
            for at, value in enumerate(values)
        )

    def _constant(self, name: str, value: Any) -> str:
        import numpy as np
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        output = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

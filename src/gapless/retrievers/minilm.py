"""Sentence embeddings without torch: all-MiniLM-L6-v2 as an ONNX graph that is built here from its weights, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.errors import MissingExtra
from gapless.retrievers import cache, weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZE = 384
MAX_TOKENS = 256
_MARKS = 2  # [CLS] and [SEP]
_BATCH_TOKENS = 1024  # fits the caches: 4096 costs a quarter more CPU
_GRAPH = "minilm-l6-v2.1.onnx"  # raise the last number when bert.build changes


class MiniLM:
    """Embeds short English texts as unit vectors of 384 numbers; a text is cut after 256 tokens.

    Args:
        session: An onnxruntime session of the graph of `bert.build`.
        tokenizer: The model's tokenizer, without padding.
    """

    def __init__(self, session: Any, tokenizer: Any) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._pieces: dict[str, int] = {}

    @classmethod
    def load(cls, *, threads: int = 2) -> MiniLM:
        """The model, downloaded and built on first use (about 84 MB, then some seconds), from the cache afterwards.

        Args:
            threads: Threads of one inference; more than the machine has cores makes it slower.

        Raises:
            MissingExtra: A library is not installed.
            WeightsUnavailable: The weights are not in the cache and cannot be downloaded.
        """
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtra("sentence embeddings (onnxruntime, tokenizers)", "demo") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(_graph()), sess_options=options, providers=["CPUExecutionProvider"]
        )
        tokenizer = Tokenizer.from_buffer(weights.member("minilm", "tokenizer.json"))
        tokenizer.no_padding()  # its file pads everything to 128 tokens and cuts there
        tokenizer.enable_truncation(MAX_TOKENS)
        return cls(session, tokenizer)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The texts as the model's tokens, each cut after 256."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [n, 384], one row per text, in the order of the texts."""
        import numpy as np

        ids = self.tokens(texts)
        vectors = np.empty((len(ids), SIZE), dtype=np.float32)
        for batch in _batches([len(tokens) for tokens in ids]):
            width = max(len(ids[at]) for at in batch)
            tokens = np.zeros((len(batch), width), dtype=np.int64)
            mask = np.zeros((len(batch), width), dtype=np.float32)
            for row, at in enumerate(batch):
                tokens[row, : len(ids[at])] = ids[at]
                mask[row, : len(ids[at])] = 1
            vectors[batch] = self._session.run(None, {"tokens": tokens, "mask": mask})[0]
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens these texts have, those beyond `MAX_TOKENS` of a text included: what an embedding is billed by.

        Counted word by word, which WordPiece cuts one at a time, and kept; two for the marks around each text.
        """
        words = [text.split() for text in texts]
        new = list({word for one in words for word in one} - self._pieces.keys())
        for word, encoding in zip(
            new, self._tokenizer.encode_batch(new, add_special_tokens=False), strict=True
        ):
            self._pieces[word] = len(encoding.ids)
        return sum(sum(self._pieces[word] for word in one) + _MARKS for one in words)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Groups texts of like length, so that little of a batch is padding."""
    batches: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[at] <= _BATCH_TOKENS:
            batches[-1].append(at)
        else:
            batches.append([at])
    return batches


def _graph() -> Path:
    path = cache.folder() / "models" / _GRAPH
    if not path.is_file():
        with cache.alone(path):
            if not path.is_file():  # another process may have built it while we waited
                cache.publish(path, _build)
    return path


def _build(draft: Path) -> None:
    try:
        import onnx
        from safetensors.numpy import load
    except ImportError as error:
        raise MissingExtra("building the embedding model (onnx, safetensors)", "demo") from error
    from gapless.retrievers import bert

    onnx.save(bert.build(load(weights.member("minilm", "model.safetensors"))), str(draft))

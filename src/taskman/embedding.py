"""A stand-in for an embedding model: words hashed into 384 buckets and counted.

It finds texts that share words, not texts that share a meaning; it needs no model, no network and no
randomness, so the reference application and its tests run anywhere and always agree. An application of
substance replaces :func:`embed` with its model, and nothing else changes.
"""

import math
import re
from hashlib import blake2b

from taskman.models import EMBEDDING_DIMENSIONS

_WORD = re.compile(r"\w+")


class NothingToEmbedError(ValueError):
    """The text holds no word, so it lies nowhere: the cosine distance to a zero vector is not a number."""


def embed(text: str) -> list[float]:
    """Turn a text into a vector of unit length; the same text always gives the same vector.

    Args:
        text: anything with at least one letter or digit in it; case makes no difference.

    Returns:
        ``EMBEDDING_DIMENSIONS`` numbers, none below zero.

    Raises:
        NothingToEmbedError: the text holds no word.
    """
    counts = [0.0] * EMBEDDING_DIMENSIONS
    for word in _WORD.findall(text.casefold()):
        # Unlike hash(), blake2b gives the same bucket in every process.
        digest = blake2b(word.encode(), digest_size=8).digest()
        counts[int.from_bytes(digest) % EMBEDDING_DIMENSIONS] += 1.0
    length = math.hypot(*counts)
    if not length:
        raise NothingToEmbedError("the text holds no word")
    return [count / length for count in counts]

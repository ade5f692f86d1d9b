"""The mark of a model whose encoder is trained and whose last layer is not. Importing this imports no torch."""

from __future__ import annotations

from precordia.manifest import Output

UNTRAINED_HEAD = Output(
    "untrained_head",
    description="Means nothing: the encoder is trained, its last layer is not. A base for fine-tuning.",
)
"""The one output of a model made of an encoder alone, so that no number of it passes for a finding."""

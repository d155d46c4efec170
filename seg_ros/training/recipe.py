"""The numbers of a training run. Reading them needs no PyTorch, so that a command tells its defaults at once."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Numbers of a training run.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures a step.
        lr: peak learning rate of AdamW (Loshchilov, Hutter, 2019).
        weight_decay: of matrices; biases and normalisation have none.
        ema: share of the old average kept at each step (Polyak averaging); the average is what is shipped.
        evaluate_every: epochs between evaluations.
    """

    epochs: int = 40
    batch: int = 8
    lr: float = 3e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    evaluate_every: int = 1

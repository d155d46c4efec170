"""The whole computation that an engine compiles: pixels in, what the messages need out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SemanticGraph(nn.Module):
    """Normalisation, network, arg-max and confidence as one graph.

    Args:
        model: maps normalised `(N, 3, H, W)` float to `{"out": logits (N, C, H, W)}`.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
    """

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        # (pixel / 255 - mean) / std as one multiply and one add.
        scale = 1.0 / (255.0 * torch.tensor(std))
        self.register_buffer("scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", (-torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """`pixels`: `(N, H, W, 3)` uint8 RGB. Returns label and confidence, each `(N, H, W)` uint8.

        Confidence is the soft-max probability of the label, 0..255. Where the logits are not finite the
        confidence is 0 and the label is 255.
        """
        images = pixels.permute(0, 3, 1, 2).to(self.scale.dtype) * self.scale + self.shift
        logits = self.model(images)["out"].float()
        best, label = logits.max(dim=1)
        # Soft-max of the winner alone: no (N, C, H, W) tensor of probabilities is written.
        probability = 1.0 / (logits - best.unsqueeze(1)).exp().sum(dim=1)
        finite = probability.isfinite()
        label = torch.where(finite, label, 255)
        confidence = torch.where(finite, probability * 255.0 + 0.5, 0.0)
        return label.to(torch.uint8), confidence.to(torch.uint8)

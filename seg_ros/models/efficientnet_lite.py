"""EfficientNet-Lite encoders: feature maps at strides 2, 4, 8, 16 and 32 for little work.

Tan, Le: EfficientNet, Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019. The Lite variants
(github.com/tensorflow/tpu, models/official/efficientnet/lite) leave out squeeze-and-excitation and take ReLU6 for
swish, so that they quantise well. Weights trained on ImageNet are published; `training/start.py` reads them.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import Tensor, nn

from seg_ros.models.arguments import within

MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
"""Of the pictures that the published weights were trained with, 0..1."""

_STAGES = (
    # blocks, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
VARIANTS = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}
"""By variant: what multiplies the channels of the stages, and the blocks of all but the first and the last."""


class Block(nn.Module):
    """Inverted residual (Sandler et al.: MobileNetV2, 2018): 1x1 to more channels, depthwise, 1x1 to few, identity."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = _conv(inputs, width, 1, act=True) if expansion > 1 else None
        self.depthwise = _conv(width, width, kernel, stride, groups=width, act=True)
        self.project = _conv(width, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The convolutional part of an EfficientNet-Lite, without its last 1x1 convolution.

    Args:
        variant: 0 to 4, the larger the more work.
        stages: 7, or 6 without the last, which has most channels and one block.

    Attributes:
        channels, strides: of the feature maps, highest resolution first.

    Raises:
        ValueError: for another variant or number of stages.
    """

    def __init__(self, variant: int = 0, stages: int = len(_STAGES)) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"EfficientNet-Lite variant must be one of {sorted(VARIANTS)}, got {variant}")
        within(6, len(_STAGES), stages=stages)
        wider, deeper = VARIANTS[variant]
        self.stem = _conv(3, 32, 3, 2, act=True)
        self.blocks = nn.ModuleList()
        self.channels, self.strides = [], [2, 4, 8, 16, 32]
        self._last = []  # block of each resolution
        inputs = 32
        for index, (blocks, kernel, stride, expansion, channels) in enumerate(_STAGES[:stages]):
            if stride == 2:
                self._keep(inputs)
            if 0 < index < len(_STAGES) - 1:
                blocks = math.ceil(blocks * deeper)
            outputs = _eighths(channels * wider)
            for _ in range(blocks):
                self.blocks.append(Block(inputs, outputs, kernel, stride, expansion))
                inputs, stride = outputs, 1
        self._keep(inputs)

    def _keep(self, channels: int) -> None:
        self.channels.append(channels)
        self._last.append(len(self.blocks) - 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps images `(N, 3, H, W)` float, normalised, whole multiples of 32, to the feature maps."""
        x, features = self.stem(images.to(self.stem.conv.weight.dtype)), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._last:
                features.append(x)
        return features


_NAMES = {
    "_conv_stem.": "stem.conv.",
    "_bn0.": "stem.norm.",
    "_blocks.": "blocks.",
    "._expand_conv.": ".expand.conv.",
    "._bn0.": ".expand.norm.",
    "._depthwise_conv.": ".depthwise.conv.",
    "._bn1.": ".depthwise.norm.",
    "._project_conv.": ".project.conv.",
    "._bn2.": ".project.norm.",
}
"""Parts of the names of parameters in the published weights, and here."""


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gives the tensors of a published EfficientNet-Lite, as the package efficientnet_lite_pytorch has it, our names.

    Other networks' tensors are returned as they are.
    """
    if "_conv_stem.weight" not in tensors:
        return tensors
    named = {}
    for name, tensor in tensors.items():
        for theirs, ours in _NAMES.items():
            whole = name.startswith(theirs) if not theirs.startswith(".") else theirs in name
            name = name.replace(theirs, ours, 1) if whole else name
        named[name] = tensor
    return named


def _eighths(channels: float) -> int:
    """Rounds to a multiple of 8, but not down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = False) -> nn.Sequential:
    # TensorFlow, where the weights come from, pads an even size by one more at its end when the stride is 2.
    pad = kernel // 2
    layers = OrderedDict()
    if stride == 2:
        layers["pad"] = nn.ZeroPad2d((pad - 1, pad, pad - 1, pad))
    layers["conv"] = nn.Conv2d(inputs, outputs, kernel, stride, pad if stride == 1 else 0, groups=groups, bias=False)
    layers["norm"] = nn.BatchNorm2d(outputs, eps=1e-3)
    if act:
        layers["act"] = nn.ReLU6(inplace=True)
    return nn.Sequential(layers)

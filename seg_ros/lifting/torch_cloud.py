"""Organised clouds by PyTorch, on a GPU: the same points as `depth.organised` makes."""

from __future__ import annotations

import numpy as np
import torch

from seg_ros.lifting.camera import CameraModel, rays
from seg_ros.lifting.cloud import POINT, WORDS, Labels, Style, check_sizes
from seg_ros.lifting.depth import metres


class TorchClouds:
    """Makes clouds on one device. 6 bytes a pixel go there, 24 come back; the memory that they come to is pinned.

    Args:
        device: "cuda", or another of PyTorch's.

    Raises:
        ValueError: PyTorch has no such device here.
    """

    def __init__(self, device: str) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"PyTorch {torch.__version__} finds no CUDA device here")
        self._device = torch.device(device)
        self._by_millimetres = self._sent(metres(np.arange(1 << 16, dtype=np.uint16)))
        self._camera: CameraModel | None = None
        self._rays = torch.empty(0)

    def organised(
        self, depth: np.ndarray, camera: CameraModel, labels: Labels, style: Style, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Makes a cloud `(H, W)` of `POINT`; arguments and errors are those of `depth.organised`."""
        check_sizes(depth, camera, labels)
        if camera != self._camera:
            self._camera, self._rays = camera, self._sent(rays(camera).copy())
        label = self._sent(labels.label).long()
        z = self._metres(depth)
        if not style.kept.all():
            z = z.where(self._sent(style.kept)[label], torch.nan)
        words = torch.empty((*depth.shape, WORDS), dtype=torch.int32, device=self._device)
        places = words.view(torch.float32)
        torch.mul(self._rays[0], z, out=places[..., 0])
        torch.mul(self._rays[1], z, out=places[..., 1])
        places[..., 2] = z
        words[..., 3] = self._sent(style.rgb.view(np.int32))[label]
        words[..., 4] = label
        words[..., 5] = 0
        halves = words.view(torch.int16)
        if labels.instance is not None:
            halves[..., 10] = self._sent(labels.instance.view(np.int16))
        if labels.confidence is not None:
            halves[..., 11] = self._sent(labels.confidence)
        if out is None or out.shape != depth.shape:
            pinned = torch.empty(words.shape, dtype=torch.int32, pin_memory=self._device.type == "cuda")
            out = pinned.numpy().view(POINT)[..., 0]
        torch.from_numpy(out.view(np.int32).reshape(words.shape)).copy_(words)
        return out

    def _metres(self, depth: np.ndarray) -> torch.Tensor:
        """Returns what `depth.metres` does."""
        if depth.dtype == np.uint16:
            return self._by_millimetres[self._sent(depth.view(np.int16)).long() & 0xFFFF]
        far = self._sent(depth)
        return far.where((far > 0) & (far < torch.inf), torch.nan)

    def _sent(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.require(array, requirements="CW")).to(self._device)

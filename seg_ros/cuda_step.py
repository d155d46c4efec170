"""Runs one whole step on an NVIDIA GPU as one launch: upload, resize, graph, resize back, download.

Hundreds of kernels of a few microseconds are started faster by the GPU itself than one by one by the CPU, so the step
is captured once as a CUDA graph and then replayed. A replay reads and writes the memory of its capture: pinned buffers
on the host, which the GPU copies by itself, and tensors in a memory pool of the graph's own. Nothing is allocated for
a frame.

Rules of capture: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from seg_ros.device_resize import DeviceResize
from seg_ros.errors import EngineError
from seg_ros.geometry import Resize

log = logging.getLogger(__name__)

_WARM_UP = 3
"""Steps before the capture: libraries choose kernels, and load what a capture may not load."""


class Step:
    """Runs N frames of one size and channel order through an engine. Not thread-safe: one thread calls it.

    Every frame of a batch has a stream of its own for its copies and its resizing, so that one is copied while another
    is resized; the engine runs when all are in its input.

    Args:
        run: of an `Engine` on `cuda`.
        resize: where each frame is in the network input.
        bgr: channel order of the frames.
        maps: the graph gives label and confidence of its input, which are resized to the frames; else its tensors come
            as they are.
        count: N.

    Attributes:
        staging: `(N, H, W, 3) uint8`, pinned; to be filled with the frames before `run`.
        captured: whether the step is a CUDA graph; if not, the log has the reason, and steps are only slower.

    Raises:
        RuntimeError: what PyTorch raises (`torch.OutOfMemoryError`, `torch.AcceleratorError`).
        EngineError: what the engine raises.
    """

    def __init__(
        self, run: Callable[[Tensor], tuple[Tensor, ...]], resize: Resize, bgr: bool, maps: bool, count: int = 1
    ) -> None:
        self._run = run
        self._resize = DeviceResize(resize, bgr, "cuda")
        self._maps = maps
        self._pinned = torch.zeros(count, *resize.frame, 3, dtype=torch.uint8, pin_memory=True)
        self._frames = torch.zeros(count, *resize.frame, 3, dtype=torch.uint8, device="cuda")
        self._input = torch.zeros(count, *resize.input, 3, dtype=torch.uint8, device="cuda")
        self._stream = torch.cuda.Stream()
        self._slots = [torch.cuda.Stream() for _ in range(count)]
        self._stream.wait_stream(torch.cuda.current_stream())  # for the tensors made so far
        # PyTorch may leave a capture that fails on the capture's stream: this puts the caller's back.
        with torch.cuda.stream(self._stream), _measured_convolutions():
            self._outputs = [self._like(output) for output in run(self._input)]
            for _ in range(_WARM_UP):
                self._enqueue()
            self._graph = self._capture()
        self.captured = self._graph is not None
        self.staging = self._pinned.numpy()
        self._results = tuple(t.numpy() for t in self._outputs)

    def run(self) -> tuple[np.ndarray, ...]:
        """Returns the results for the staged frames, pinned arrays that the next call overwrites.

        Returns:
            With `maps` label and confidence, `(N, H, W) uint8` each, at the frames' size; else see
            `models.graph.InstanceGraph`.

        Raises:
            As the class does.
        """
        with torch.cuda.stream(self._stream):
            if self._graph is None:
                self._enqueue()
            else:
                self._graph.replay()
            self._stream.synchronize()
        return self._results

    @torch.inference_mode()
    def _enqueue(self) -> None:
        """The step, on the current stream and branches of it."""
        trunk = torch.cuda.current_stream()

        def upload(i: int) -> None:
            self._frames[i].copy_(self._pinned[i], non_blocking=True)
            self._resize.to_input(self._frames[i], self._input[i])

        self._branch(trunk, upload)
        outputs = self._run(self._input)
        if not self._maps:
            for pinned, tensor in zip(self._outputs, outputs, strict=True):
                pinned.copy_(tensor, non_blocking=True)
            return

        def download(i: int) -> None:
            for pinned, maps, smooth in zip(self._outputs, outputs, (False, True), strict=True):
                pinned[i].copy_(self._resize.to_frame(maps[i], smooth), non_blocking=True)

        self._branch(trunk, download)

    def _like(self, output: Tensor) -> Tensor:
        """The pinned buffer for a tensor of the graph."""
        shape = self._frames.shape[:3] if self._maps else output.shape
        return torch.zeros(shape, dtype=output.dtype, pin_memory=True)

    def _branch(self, trunk: torch.cuda.Stream, work: Callable[[int], None]) -> None:
        """`work(i)` for each frame on its own stream: after what is on `trunk`, before what comes there.

        By events, which a capture follows. What the work allocates stays with its stream, and what it reads outlives
        the join.
        """
        for i, slot in enumerate(self._slots):
            slot.wait_stream(trunk)
            with torch.cuda.stream(slot):
                work(i)
        for slot in self._slots:
            trunk.wait_stream(slot)

    def _capture(self) -> torch.cuda.CUDAGraph | None:
        """The step as a graph; None if something in it cannot be captured."""
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        try:
            # Another thread's work on the GPU is no part of this and does not spoil it.
            with torch.cuda.graph(graph, pool, self._stream, capture_error_mode="thread_local"):
                self._enqueue()
            return graph
        except (RuntimeError, EngineError) as error:
            torch.cuda.synchronize()  # raises if the device is lost: then it was not the capture
            _abandon(pool)
            # The end of a spoiled capture raises as well, over the reason.
            log.warning("the step runs without a CUDA graph, and slower: %s", error.__context__ or error)
            return None


@contextlib.contextmanager
def _measured_convolutions() -> Iterator[None]:
    """Lets cuDNN time its kernels at the first call with a shape, instead of guessing: shapes here stay as they are."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _abandon(pool: tuple[int, int]) -> None:
    """Takes PyTorch's allocator out of the capture into `pool` that failed.

    `CUDAGraph` leaves it there, and then no other capture can begin, nor can memory be given back when it is short.
    """
    device = torch.cuda.current_device()
    with contextlib.suppress(RuntimeError):  # it is out already: the capture had ended, or had not begun
        torch._C._cuda_endAllocateToPool(device, pool)
        torch._C._cuda_releasePool(device, pool)

"""Calls a graph compiled by AOTInductor through the C interface of its shared library.

PyTorch's own loader of such libraries holds Python's lock (the GIL) while the graph runs: for tens of milliseconds
a frame no message is taken and no service answered. A call through ctypes lets go of it.
The interface is `torch/csrc/inductor/aoti_runtime/interface.h` and `aoti_torch/c/shim.h`.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from seg_ros.errors import EngineError

_aoti = torch._C._aoti
_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Library:
    """Runs a compiled graph of one input tensor. Not thread-safe: one thread calls it.

    Args:
        path: of the shared library; native code, so only one from a checked cache.
        device: that it was compiled for, `cpu` or `cuda`.

    Raises:
        EngineError: if the library does not load.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._cuda = device == "cuda"
        self._container = ctypes.c_void_p()
        try:
            self._library = ctypes.CDLL(str(path))
            self._torch = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        except OSError as error:
            raise EngineError(f"{path} does not load: {error}") from error
        one = ctypes.c_size_t(1)
        create = self._library.AOTInductorModelContainerCreateWithDevice
        self._check(create(ctypes.byref(self._container), one, device.encode(), None), "load")
        count = ctypes.c_size_t()
        self._check(self._library.AOTInductorModelContainerGetNumOutputs(self._container, ctypes.byref(count)), "load")
        self._outputs = count.value

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Returns the graph's tensors for `pixels`, in memory of their own.

        Raises:
            EngineError: if the graph fails; the library's own message is on stderr.
        """
        # The library takes over the handle of its input; the handles of its outputs are ours to delete.
        inputs = (ctypes.c_void_p * 1)(_get_pointer(_aoti.unsafe_alloc_void_ptr_from_tensor(pixels), None))
        outputs = (ctypes.c_void_p * self._outputs)()
        # This variant records no events of its own, so that a CUDA graph can capture it.
        run = self._library.AOTInductorModelContainerRunSingleThreaded
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream) if self._cuda else None
        code = run(
            self._container, inputs, ctypes.c_size_t(1), outputs, ctypes.c_size_t(self._outputs), stream, None
        )  # fmt: skip
        self._check(code, "run")
        tensors = tuple(_aoti.alloc_tensor_by_stealing_from_void_ptr(_new_capsule(h, None, None)) for h in outputs)
        for handle in outputs:
            self._torch.aoti_torch_delete_tensor_object(ctypes.c_void_p(handle))
        return tensors

    def __del__(self) -> None:
        if self._container:
            self._library.AOTInductorModelContainerDelete(self._container)

    def _check(self, code: int, what: str) -> None:
        if code:
            if self._cuda:
                torch.cuda.synchronize()  # raises if the device is lost
            raise EngineError(f"the compiled graph does not {what}: AOTInductor returned {code}")

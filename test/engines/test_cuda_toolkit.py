"""Where a compiler finds CUDA."""

import os
from pathlib import Path

import pytest
from torch.utils import cpp_extension

from seg_ros.engines import cuda_toolkit as module
from seg_ros.engines.cuda_toolkit import cuda_toolkit
from seg_ros.errors import EngineError


@pytest.fixture
def wheels(monkeypatch, tmp_path):
    """A folder of packages with NVIDIA's headers, on a machine without toolkit and driver."""
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    monkeypatch.setattr(module, "_driver", lambda: None)
    home = tmp_path / "site/nvidia/cu13"
    for header in ("cuda_runtime_api.h", "crt/host_defines.h", "nv/target"):
        (home / "include" / header).parent.mkdir(parents=True, exist_ok=True)
        (home / "include" / header).touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    return home


def test_without_a_toolkit_the_headers_of_the_wheels_are_taken(wheels, tmp_path):
    before = dict(os.environ)
    with cuda_toolkit(tmp_path / "driver"):
        assert str(wheels) == cpp_extension.CUDA_HOME
        assert str(wheels) in cpp_extension.include_paths("cuda")[-1]
    assert cpp_extension.CUDA_HOME is None
    assert dict(os.environ) == before


def test_wheels_that_are_not_all_there_are_named(wheels, tmp_path):
    (wheels / "include/nv/target").unlink()
    with pytest.raises(EngineError, match="nvidia-cuda-cccl"), cuda_toolkit(tmp_path / "driver"):
        pass


def test_the_driver_gets_the_name_that_linkers_look_for(monkeypatch, tmp_path):
    driver = tmp_path / "libcuda.so.1"
    driver.touch()
    monkeypatch.setattr(module, "_driver", lambda: driver)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.setenv("LIBRARY_PATH", "/before")
    with cuda_toolkit(tmp_path / "driver"):
        folder, *others = os.environ["LIBRARY_PATH"].split(os.pathsep)
        assert (Path(folder) / "libcuda.so").resolve() == driver
        assert others == ["/before"]
        assert str(tmp_path / "cuda") == cpp_extension.CUDA_HOME
    assert os.environ["LIBRARY_PATH"] == "/before"

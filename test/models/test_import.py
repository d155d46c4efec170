"""What must be there at once, or where PyTorch is not, does not import it; and an import changes nothing."""

import subprocess
import sys

TORCHLESS = """
import logging, os, signal, sys
import cv2  # sets LD_LIBRARY_PATH itself
sys.modules["torch"] = None  # whoever imports it fails
before = dict(os.environ), signal.getsignal(signal.SIGINT), logging.root.level, list(logging.root.handlers)
import seg_ros, seg_ros.classes, seg_ros.manifest, seg_ros.models
import seg_ros.metrics.average_precision, seg_ros.metrics.confusion, seg_ros.metrics.truth
assert before == (dict(os.environ), signal.getsignal(signal.SIGINT), logging.root.level, list(logging.root.handlers))
print(seg_ros.manifest.read_manifest("mask_rcnn_street").task)
"""
EFFECTS = """
import os, sys
import cv2, torch
before = dict(os.environ), torch.get_num_threads(), torch.get_rng_state(), torch.is_grad_enabled()
import seg_ros.cli.convert, seg_ros.cli.evaluate, seg_ros.cli.train
after = dict(os.environ), torch.get_num_threads(), torch.get_rng_state(), torch.is_grad_enabled()
assert before[:2] + before[3:] == after[:2] + after[3:] and torch.equal(before[2], after[2])
assert "matplotlib.pyplot" not in sys.modules
"""
CORE = """
import importlib, pkgutil, sys
for name in ("PIL", "hypothesis", "matplotlib", "onnx", "onnxruntime", "openvino", "pycocotools", "rclpy", "simplejpeg",
             "tensorrt", "torch_tensorrt", "torchvision", "tqdm", "xdist", "yaml"):
    sys.modules[name] = None  # whoever imports it fails
import seg_ros.engines, seg_ros.models, seg_ros.scenes
for package in (seg_ros, seg_ros.engines, seg_ros.models, seg_ros.scenes):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
import seg_ros.cli.benchmark, seg_ros.cli.compile, seg_ros.cli.latency, benchmarks.gpu, test.conftest
assert {"cv2", "numpy", "safetensors", "torch"} <= sys.modules.keys()
"""


def test_manifests_and_metrics_need_no_torch():
    assert run(TORCHLESS) == "instances\n"


def test_the_core_needs_torch_numpy_opencv_and_safetensors_alone():
    assert run(CORE) == ""


def test_imports_change_nothing():
    assert run(EFFECTS) == ""


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

"""The whole step on a GPU: the same as on the CPU, in one launch that allocates nothing."""

import gc
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from seg_ros.cuda_step import Step
from seg_ros.engines.opening import Engine, open_engine
from seg_ros.errors import EngineError
from seg_ros.geometry import Resize
from seg_ros.models.graph import make_graph
from seg_ros.results import Frame
from seg_ros.runner import CudaRunner
from seg_ros.segmenter import Segmenter
from seg_ros.weights import load, load_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

INPUT = (64, 96)
SIZES = [(64, 96), (128, 192), (479, 641), (48, 60), (100, 1000)]


def pixels(size, seed=0, count=1):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)


def engine_of(path, name="eager", count=1, cache_dir=None):
    model, manifest = load_model(path)
    graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
    return open_engine(name, graph, (count, *INPUT), str(path), cache_dir, "fp32", "cuda")


def halves(images):
    """Stands for a graph whose results are known."""
    return images[..., 0] // 2, images[..., 1] // 2


def segmenter_of(path, run):
    manifest, _ = load(path)
    return Segmenter(
        manifest, CudaRunner(lambda size: Engine("by hand", "fp32", "cuda", run, {}), manifest.task, INPUT)
    )


@pytest.fixture
def exact(monkeypatch):
    """float32 as on the CPU: convolutions without TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("bgr", [False, True])
@pytest.mark.parametrize("mode", ["stretch", "letterbox", "native"])
@pytest.mark.parametrize("size", SIZES)
def test_gpu_and_cpu_agree(size, mode, bgr, small_weights, exact):
    frame = Frame(pixels(size)[0], bgr)
    cpu, gpu = (
        Segmenter.open(small_weights, "eager", mode=mode, precision="fp32", device=d)(frame) for d in ("cpu", "cuda")
    )
    # A pixel whose two best classes tie may go either way.
    same = cpu.label == gpu.label
    assert same.mean() > 0.99
    assert np.abs(cpu.confidence.astype(int) - gpu.confidence.astype(int))[same].max() <= 3


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
def test_only_the_graph_stands_between_the_resizings(size, mode):
    resize = Resize.of(size, INPUT, mode)
    step = Step(halves, resize, False, True)
    assert step.captured
    for seed in range(3):
        frame = pixels(size, seed)[0]
        step.staging[0] = frame
        label, confidence = step.run()
        laid = np.empty((*INPUT, 3), np.uint8)
        resize.to_input(frame, laid)
        expected = resize.to_frame(laid[..., 0] // 2, smooth=False), resize.to_frame(laid[..., 1] // 2, smooth=True)
        for ours, theirs in zip((label[0], confidence[0]), expected, strict=True):
            assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 2  # 1 in, and 1 back


@pytest.mark.parametrize("name", ["eager", "inductor"])
def test_a_batch_is_its_frames_one_by_one(name, small_weights, tmp_path, exact):
    resize, frames = Resize.of((128, 192), INPUT, "stretch"), pixels((128, 192), count=4)  # a factor without rounding
    whole = Step(engine_of(small_weights, name, 4, tmp_path).run, resize, True, True, 4)
    single = Step(engine_of(small_weights, name, 1, tmp_path).run, resize, True, True)
    whole.staging[:] = frames
    together = whole.run()
    for i in range(4):
        single.staging[0] = frames[i]
        for batch, one in zip(together, single.run(), strict=True):
            assert (np.abs(batch[i].astype(int) - one[0].astype(int)) <= 1).mean() > 0.99


@pytest.mark.parametrize("name", ["eager", "inductor"])
def test_nothing_is_allocated_for_a_frame(name, small_weights, tmp_path):
    step = Step(engine_of(small_weights, name, 2, tmp_path).run, Resize.of((479, 641), INPUT, "letterbox"), True,
                True, 2)  # fmt: skip
    assert step.captured

    def allocated():
        host = torch.cuda.host_memory_stats()
        return torch.cuda.memory_stats()["allocation.all.allocated"], host["active_requests.allocated"]

    before = allocated()
    assert min(before) > 0
    for seed in range(20):
        step.staging[:] = pixels((479, 641), seed, 2)
        step.run()
    assert allocated() == before


@pytest.mark.parametrize("name", ["eager", "inductor"])
def test_instances_come_as_the_engine_gives_them(name, small_instance_weights, tmp_path, exact):
    engine = engine_of(small_instance_weights, name, 1, tmp_path)
    step = Step(engine.run, Resize.of(INPUT, INPUT, "stretch"), False, False)
    assert step.captured
    frames = pixels(INPUT)
    step.staging[:] = frames
    for ours, theirs in zip(step.run(), engine.run(torch.from_numpy(frames).cuda()), strict=True):
        np.testing.assert_allclose(ours, theirs.cpu().numpy(), rtol=1e-3, atol=1e-3)


def test_what_cannot_be_captured_runs_without_and_says_so(caplog):
    def run(images):
        images.sum().item()  # waits for the GPU
        return halves(images)

    resize, frames = Resize.of(INPUT, INPUT, "stretch"), pixels(INPUT)
    with caplog.at_level(logging.WARNING):
        step = Step(run, resize, False, True)
    assert not step.captured
    assert "without a CUDA graph" in caplog.text
    # Nor does it keep the next from being captured, or the caller on the stream of the capture.
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    for each in (step, Step(halves, resize, False, True)):
        each.staging[:] = frames
        label, confidence = each.run()
        assert np.array_equal(label, frames[..., 0] // 2)
        assert np.array_equal(confidence, frames[..., 1] // 2)
    assert each.captured


def test_steps_of_former_sizes_hold_no_memory(small_weights):
    segmenter = segmenter_of(small_weights, halves)

    def after(size):
        segmenter(Frame(pixels(size)[0]))
        return torch.cuda.memory_allocated()

    def after_all():
        gc.collect()  # of tests before
        return [after((600, width)) for width in range(700, 1200, 50)][-1]

    assert after_all() == after_all()


def test_out_of_memory_costs_a_frame(small_weights):
    greedy = [True]

    def run(images):
        if greedy[0]:
            torch.empty(2**46, device="cuda")
        return halves(images)

    segmenter, frame = segmenter_of(small_weights, run), Frame(pixels(INPUT)[0])
    with pytest.raises(EngineError, match="out of memory") as caught:
        segmenter(frame)
    assert not caught.value.fatal
    greedy[0] = False
    assert np.array_equal(segmenter(frame).label, frame.pixels[..., 0] // 2)


def test_a_lost_device_is_fatal(small_weights):
    # In a process of its own, which it costs.
    code = f"""
import os
import numpy, torch
from seg_ros.errors import EngineError
from seg_ros.results import Frame
from test.test_cuda_step import halves, segmenter_of

def run(images):
    halves(images)[0].flatten()[torch.full((1,), 10**9, device="cuda")]
    return halves(images)

try:
    segmenter_of({str(small_weights)!r}, run)(Frame(numpy.zeros((64, 96, 3), numpy.uint8)))
except EngineError as error:
    print(error, flush=True)
    os._exit(42 if error.fatal else 1)  # without freeing memory, which is no longer possible
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 42, done.stdout + done.stderr

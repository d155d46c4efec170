"""Runs a camera process, the node, and a probe that compares its results with the truth, over a real ROS graph.

    make demo
    make demo MODEL=mask_rcnn
    make demo IMAGES=../shared/data/camvid/val
    make demo TOPIC=/camera/image_raw

Exits with the probe's status: 0 only if labels (or objects) came and, where there is truth, mIoU (or mask AP50) reaches
`--min-miou` (or `--min-ap50`).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import time

from seg_ros import fast_dds
from seg_ros.models import INSTANCES, MODELS, SEMANTIC

_SCORE_THRESHOLD = 0.05
"""AP counts objects of every score; the node's default publishes those above 0.5."""
_AHEAD = 150
"""Pictures of the street that are drawn before the camera starts, while the node does, and then repeated: drawn one by
one they would take from the node the cores that it is timed on. With their truth they have 280 MB."""


@dataclasses.dataclass(frozen=True)
class Defaults:
    """The demo's defaults for one task.

    Attributes:
        weights: data set of the shipped weights, `MODEL_...`: for the street, and for real pictures.
        least: the probe's option for the figure that must be reached.
        enough: how much of it: on the street, and on real pictures.
        resize_mode: with which the shipped weights are evaluated.
    """

    weights: tuple[str, str]
    least: str
    enough: tuple[float, float]
    resize_mode: str


DEFAULTS = {
    SEMANTIC: Defaults(("street", "camvid"), "min_miou", (0.75, 0.5), "stretch"),
    INSTANCES: Defaults(("street", "street"), "min_ap50", (0.4, 0.2), "letterbox"),
}
"""By task of the network."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the three processes until the probe is done, or one of the others ends."""
    start = time.monotonic()
    options = _parser().parse_args(arguments)
    real = bool(options.images or options.video or options.topic)
    model = options.model or "unet"
    weights = options.weights or f"{model}_{DEFAULTS[MODELS[model].task].weights[real]}"
    processes = []
    try:
        # Names of its own, so that two demos on one machine do not hear each other.
        space = f"/seg_ros_demo_{os.getpid()}"
        topic = options.topic or f"{space}/camera/image_raw"
        if not options.topic:
            processes.append(_camera(options, space))
        processes.append(_node(options, space, topic, weights))
        processes.append(_probe(options, space, topic, weights, real, start))
        sys.exit(_status(processes))
    except KeyboardInterrupt:
        sys.exit(130)  # a shell's status for Ctrl-C
    finally:
        for process in reversed(processes):
            _end(process)


def _camera(options: argparse.Namespace, space: str) -> subprocess.Popen:
    source = options.images or options.video or "street"
    words = {"source": source, "rate": options.rate, "namespace": f"{space}/camera"}
    words |= {"ahead": _AHEAD} if source == "street" else {}
    return _start("camera", *[word for name, value in words.items() for word in (f"--{name}", str(value))])


def _node(options: argparse.Namespace, space: str, topic: str, weights: str) -> subprocess.Popen:
    parameters = {
        "weights": weights,
        "engine": options.engine,
        "model": options.model,
        "input_topic": topic,
        "score_threshold": _SCORE_THRESHOLD,
        "resize_mode": DEFAULTS[_task(weights)].resize_mode,
    }
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value!r}")]
    return _start("node", "--ros-args", "-r", f"__ns:={space}", *settings)


def _probe(
    options: argparse.Namespace, space: str, topic: str, weights: str, real: bool, start: float
) -> subprocess.Popen:
    words = {
        "node": f"{space}/segmentation",
        "topic": topic,
        "truth": options.truth or f"{space}/camera/label_truth",
        "instance-truth": options.instance_truth or f"{space}/camera/instance_truth",
        "weights": weights,
        "seconds": options.seconds,
        "start": start,
    }
    for defaults in DEFAULTS.values():
        given = getattr(options, defaults.least)
        words[defaults.least.replace("_", "-")] = defaults.enough[real] if given is None else given
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    return _start("probe", *arguments, *([] if real else ["--require-truth"]))


def _task(weights: str) -> str:
    from seg_ros.errors import WeightsError
    from seg_ros.manifest import read_manifest

    try:
        return read_manifest(weights).task
    except WeightsError:
        return SEMANTIC  # the node reports what is wrong with them


def _start(name: str, *arguments: str) -> subprocess.Popen:
    # Only the probe speaks on stdout, so that its JSON is the last line there.
    stdout = None if name == "probe" else sys.stderr
    command = [sys.executable, "-m", f"seg_ros.cli.{name}", *arguments]
    return subprocess.Popen(command, stdout=stdout, env=fast_dds.environment())


def _status(processes: list[subprocess.Popen]) -> int | str:
    """Waits for the last of the processes; returns its status, or what to say of another that failed before."""
    *others, probe = processes
    while probe.poll() is None:
        for process in others:
            if process.poll():
                return f"demo: {process.args[2]} ended with status {process.returncode}"
        time.sleep(0.2)
    return probe.returncode


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()  # not SIGINT, which an import under way answers with a traceback
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--images", help="folder of pictures; true label images in labels/ beside are compared")
    source.add_argument("--video", help="video file, or a webcam's number")
    source.add_argument("--topic", help="a camera topic that is published already")
    add("--truth", default="", help="with --topic: topic of true label images")
    add("--instance-truth", default="", help="with --topic: topic of true object-id images")
    add("--model", default="", choices=("", *MODELS), metavar="NAME", help="architecture that the weights must have")
    add(
        "--weights",
        help="file, or the bare name of shipped weights (default: MODEL_street on the street, else MODEL_camvid)",
    )
    add("--engine", default="auto")
    add("--seconds", type=int, default=20)
    add("--rate", type=float, default=30.0, help="of the camera, Hz")
    add("--min-miou", type=float, help="below it the demo fails (default: 0.75 on the street, 0.5 on other pictures)")
    add("--min-ap50", type=float, help="of masks, where the network finds objects (default: 0.4, 0.2)")
    return parser


if __name__ == "__main__":
    main()

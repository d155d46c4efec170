"""Runs a camera process, the node, and a probe that compares its results with the truth, over a real ROS graph.

    make demo
    make demo MODEL=mask_rcnn
    make demo IMAGES=../shared/data/camvid/val
    make demo TOPIC=/camera/image_raw
    make demo DEPTH=1 MODEL=mask_rcnn    # with a depth camera: labelled points and boxes, too
    make demo LIDAR=1
    make demo LIDAR=1 TRUE_LABELS=1      # true labels in place of the network's: judges the lifting alone
    make view MODEL=mask_rcnn            # the same, and in place of the probe a page in the browser

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
from pathlib import Path

from seg_ros import fast_dds
from seg_ros.cli.arguments import positive, whole
from seg_ros.engines import ENGINES
from seg_ros.errors import WeightsError
from seg_ros.models import INSTANCES, MODELS, SEMANTIC
from seg_ros.share import folders

_SCORE_THRESHOLD = 0.05
"""AP counts objects of every score; the node's default publishes those above 0.5."""
_FOREIGN = 0.2
"""mIoU or AP50 that is enough of shipped weights on pictures of another kind than they were trained for."""
_AHEAD = 150
"""Most pictures of the street that are drawn before the camera starts, while the node does, and then repeated.
Drawn one by one they would take from the node the cores that it is timed on. With their truth they have 280 MB."""

_VIEWED = 10.0
"""Hz of the camera for a page, which shows no more; the browser needs a core, too."""


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

    from seg_ros.manifest import read_manifest

    real = bool(options.images or options.video or options.topic)
    try:
        weights = options.weights or _shipped(options.model or "unet", real)
        task = read_manifest(weights).task
        _check_source(options)
    except (FileNotFoundError, WeightsError) as error:
        sys.exit(f"demo: {error}")
    processes = []
    try:
        # Names of its own, so that two demos on one machine do not hear each other.
        space = f"/seg_ros_demo_{os.getpid()}"
        topic = options.topic or f"{space}/camera/image_raw"
        if not options.topic:
            processes.append(_camera(options, space, weights))
        if not options.true_labels:
            processes.append(_node(options, space, topic, weights, task))
        if options.depth or options.lidar:
            processes.append(_lift(options, space, weights))
        if options.view is not None:
            processes.append(_view(options, space, topic, weights))
        else:
            processes.append(_probe(options, space, topic, weights, real, start))
        sys.exit(_status(processes))
    except KeyboardInterrupt:
        sys.exit(130)  # a shell's status for Ctrl-C
    finally:
        for process in reversed(processes):
            _end(process)


def _shipped(model: str, real: bool) -> str:
    """Returns the name of shipped weights: those of the model for such pictures, else another of the model's.

    Raises:
        WeightsError: if there is none of the model.
    """
    names = _shipped_by_model().get(model, [])
    if not names:
        raise WeightsError(
            f"no weights of {model} are shipped; give yours, or another model: {', '.join(_shipped_by_model())}"
        )
    best = f"{model}_{DEFAULTS[MODELS[model].task].weights[real]}"
    return best if best in names else names[0]


def _shipped_by_model() -> dict[str, list[str]]:
    names = sorted({file.stem for folder in folders("weights") for file in folder.glob("*.safetensors")})
    by_model = {model: [n for n in names if n.rpartition("_")[0] == model] for model in MODELS}
    return {model: names for model, names in by_model.items() if names}


def _check_source(options: argparse.Namespace) -> None:
    if (options.depth or options.lidar) and (options.images or options.video or options.topic):
        raise FileNotFoundError("only the synthetic street is measured: leave out IMAGES, VIDEO and TOPIC")
    if options.true_labels and not (options.depth or options.lidar):
        raise FileNotFoundError("true labels are to be lifted: give DEPTH or LIDAR, too")
    if options.images and not Path(options.images).is_dir():
        raise FileNotFoundError(f"{options.images}: expected a folder of pictures, there is none")
    if options.video and not (Path(options.video).is_file() or options.video.isdigit()):
        raise FileNotFoundError(f"{options.video}: expected a video file or a webcam's number, there is no such file")


def _camera(options: argparse.Namespace, space: str, weights: str) -> subprocess.Popen:
    source = options.images or options.video or "street"
    words = {"source": source, "namespace": f"{space}/camera", "weights": weights}
    rate = options.rate or (_VIEWED if options.view is not None else None)
    words |= {"rate": rate} if rate else {}
    words |= {"segmentation": f"{space}/segmentation"} if options.true_labels else {}
    words |= {"ahead": min(_AHEAD, 30 * options.seconds)} if source == "street" else {}
    space_of_street = ["--space"] if options.depth or options.lidar else []
    return _start(
        "camera", *space_of_street, *[word for name, value in words.items() for word in (f"--{name}", str(value))]
    )


def _node(options: argparse.Namespace, space: str, topic: str, weights: str, task: str) -> subprocess.Popen:
    parameters = {
        "weights": weights,
        "engine": options.engine,
        "model": options.model,
        "input_topic": topic,
        "score_threshold": _SCORE_THRESHOLD,
        "resize_mode": DEFAULTS[task].resize_mode,
    }
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value!r}")]
    return _start("node", "--ros-args", "-r", f"__ns:={space}", *settings)


def _lift(options: argparse.Namespace, space: str, weights: str) -> subprocess.Popen:
    from seg_ros.scenes.lidar import PLACE, QUATERNION

    parameters = {"weights": weights, "segmentation": f"{space}/segmentation"}
    if options.lidar:
        parameters |= {"points_topic": f"{space}/camera/lidar/points", "extrinsics": [*PLACE, *QUATERNION]}
    else:
        parameters |= {"depth_topic": f"{space}/camera/depth/image_raw"}
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value!r}")]
    return _start("lift", "--ros-args", "-r", f"__ns:={space}", *settings)


def _view(options: argparse.Namespace, space: str, topic: str, weights: str) -> subprocess.Popen:
    parameters = {
        "weights": weights,
        "segmentation": f"{space}/segmentation",
        "lift": f"{space}/lift",
        "input_topic": topic,
        "port": options.view,
    }
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value!r}")]
    return _start("view", "--ros-args", "-r", f"__ns:={space}", *settings)


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
        foreign = not (options.weights or weights.endswith(defaults.weights[real]))
        enough = _FOREIGN if foreign else defaults.enough[real]
        words[defaults.least.replace("_", "-")] = enough if given is None else given
    words |= {"lift": f"{space}/lift"} if options.depth or options.lidar else {}
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    arguments += ["--lidar"] if options.lidar else []
    return _start("probe", *arguments, *([] if real else ["--require-truth"]))


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
    lifted = parser.add_mutually_exclusive_group()
    lifted.add_argument("--depth", action="store_true", help="lift the street's labels into space by a depth camera")
    lifted.add_argument("--lidar", action="store_true", help="the same by a LiDAR")
    view = "shows it on a page in the browser at this port until Ctrl-C, in place of the check"
    add("--view", type=whole(1), metavar="PORT", help=view)
    true = "lift the true labels and objects, and run no network"
    add("--true-labels", action="store_true", help=true)
    add("--truth", default="", help="with --topic: topic of true label images")
    add("--instance-truth", default="", help="with --topic: topic of true object-id images")
    model = f"architecture that the weights must have; {', '.join(_shipped_by_model())} are shipped (default: unet)"
    add("--model", default="", choices=("", *MODELS), metavar="NAME", help=model)
    weights = (
        "file, or name of shipped weights (default: MODEL_street on the street, else MODEL_camvid, or what there is)"
    )
    add("--weights", help=weights)
    add("--engine", default="auto", choices=("auto", *ENGINES))
    add("--seconds", type=whole(1), default=20)
    add("--rate", type=positive, help="of the camera, Hz (default: the video's own, else 30)")
    miou = "below it the demo fails (default: 0.75 on the street, 0.5 on others; 0.2 of weights for other pictures)"
    add("--min-miou", type=float, help=miou)
    add("--min-ap50", type=float, help="of masks, where the network finds objects (default: 0.4, 0.2)")
    return parser


if __name__ == "__main__":
    main()

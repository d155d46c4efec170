"""The main job in one command: a camera process, the node, and a probe that judges, over a real ROS graph.

    make demo
    make demo MODEL=mask_rcnn
    make demo IMAGES=../shared/data/camvid/val
    make demo TOPIC=/camera/image_raw

Exits with the probe's status: 0 only if labels (or objects) came and, where there is truth, mIoU (or mask AP50) is high
enough.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from seg_ros.errors import WeightsError
from seg_ros.manifest import read_manifest
from seg_ros.models import INSTANCES, MODELS
from seg_ros.share import folders

_SCORE_THRESHOLD = 0.05
"""AP weighs every object by its score; a node as people run it publishes those above 0.5."""


def main(arguments: list[str] | None = None) -> None:
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
    add("--model", default="", help="architecture that the weights must have")
    add(
        "--weights",
        help="file, or the bare name of shipped weights (default: MODEL_street on the street, else MODEL_camvid)",
    )
    add("--engine", default="auto")
    add("--seconds", type=int, default=20)
    add("--rate", type=float, default=30.0, help="of the camera, Hz")
    add("--min-miou", type=float, help="below it the demo fails (default: 0.75 on the street, 0.5 on other pictures)")
    add("--min-ap50", type=float, help="of masks, where the network finds objects (default: 0.4, 0.2)")
    args = parser.parse_args(arguments)
    synthetic = not (args.images or args.video or args.topic)
    model = args.model or "unet"
    name = args.weights or f"{model}_{'street' if synthetic or MODELS[model].task == INSTANCES else 'camvid'}"
    objects = _finds_objects(name)
    min_miou = args.min_miou if args.min_miou is not None else (0.75 if synthetic else 0.5)
    min_ap50 = args.min_ap50 if args.min_ap50 is not None else (0.4 if synthetic else 0.2)

    # Names of its own, so that two demos on one machine do not hear each other.
    space = f"/seg_ros_demo_{os.getpid()}"
    camera_topic = args.topic or f"{space}/camera/image_raw"
    processes = []
    if not args.topic:
        processes.append(_start(
            "camera", "--source", args.images or args.video or "street", "--rate", str(args.rate),
            "--namespace", f"{space}/camera",
        ))  # fmt: skip
    parameters = {
        "weights": name,
        "engine": args.engine,
        "model": args.model,
        "input_topic": camera_topic,
        "score_threshold": _SCORE_THRESHOLD,
        "resize_mode": "letterbox" if objects else "stretch",  # as the networks were judged
    }
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value!r}")]
    node = _start("node", "--ros-args", "-r", f"__ns:={space}", *settings)
    probe = _start(
        "probe", "--node", f"{space}/segmentation", "--topic", camera_topic, "--truth",
        args.truth or f"{space}/camera/label_truth", "--instance-truth",
        args.instance_truth or f"{space}/camera/instance_truth", "--weights", name, "--seconds", str(args.seconds),
        "--min-miou", str(min_miou), "--min-ap50", str(min_ap50), *(["--require-truth"] if synthetic else []),
    )  # fmt: skip
    processes += [probe, node]
    try:
        while probe.poll() is None:
            for process in processes:
                if process is not probe and process.poll():
                    sys.exit(f"demo: {process.args[2]} ended with status {process.returncode}")
            time.sleep(0.2)
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell says of Ctrl-C
    finally:
        for process in processes:
            _end(process)
    sys.exit(probe.returncode)


def _finds_objects(name: str) -> bool:
    try:
        return read_manifest(name).task == INSTANCES
    except WeightsError:
        return False  # the node says what is wrong with them


def _start(module: str, *arguments: str) -> subprocess.Popen:
    # Only the probe speaks on stdout, so that its JSON is the last line there.
    stdout = None if module == "probe" else sys.stderr
    command = [sys.executable, "-m", f"seg_ros.{module}", *arguments]
    return subprocess.Popen(command, stdout=stdout, env=environment())


def environment() -> dict[str, str]:
    """Ours, with a Fast DDS profile that images fit into, unless one is chosen: with the stock one they get lost."""
    settings = dict(os.environ)
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    profiles = [str(f / "fastdds.xml") for f in folders("config") if (f / "fastdds.xml").is_file()]
    if profiles and not any(os.environ.get(name) for name in names):
        settings[names[os.environ.get("ROS_DISTRO") in ("humble", "jazzy")]] = profiles[0]
    return settings


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()  # not SIGINT, which an import under way answers with a traceback
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()

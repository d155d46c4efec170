"""Judges a running segmentation node: subscribes to what it publishes, compares with the truth, reports.

    ros2 run seg_ros probe --node /segmentation --topic /camera/image_raw --seconds 20

Judges `~/label`, or `~/instances` where the weights are an instance network's. Prints figures once a second and at the
end; the last line of stdout is one JSON object with `frames_in labels_out dropped fps age_p50_ms age_p99_ms stages_ms
engine` and `miou iou`, or `mask_ap mask_ap50 mask_ap75 box_ap box_ap50 box_ap75 ap`. Writes a side-by-side picture.
Exits 1 when nothing came, when mIoU is below `--min-miou` or mask AP50 below `--min-ap50`, or when there is no truth
although `--require-truth` is given.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.errors import WeightsError
from seg_ros.manifest import read_manifest
from seg_ros.results import Frame
from seg_ros.ros.image_io import decode_compressed, decode_image
from seg_ros.ros.interrupt import until_shutdown
from seg_ros.ros.judges import JUDGES, LabelJudge, ObjectJudge
from seg_ros.ros.qos import camera_qos
from seg_ros.runtime import interrupt_once

_KEEP = 60
"""Truth and camera images that wait for their result; at 30 Hz two seconds."""

Messages = OrderedDict[tuple[int, int], Any]
"""Messages by stamp."""


class Probe(Node):
    """Collects results, truth, one camera image and the node's diagnostics."""

    def __init__(self, args: argparse.Namespace, judge: LabelJudge | ObjectJudge) -> None:
        super().__init__("probe")
        self.node_name, self.camera_topic = args.node, args.topic
        self.judge = judge
        self.result_topic = f"{args.node}/{judge.topic}"
        topics = {"label": args.truth, "instance": args.instance_truth}
        self.truth_topics = {kind: topics[kind] for kind in judge.truths}
        self.ages: list[float] = []
        self.arrivals: list[float] = []
        self.report: dict[str, str] = {}
        self.reports = 0
        self.mismatch = ""
        self.picture: tuple[Frame, Any] | None = None
        self._before: dict[str, str] = {}
        self._truths: dict[str, Messages] = {kind: OrderedDict() for kind in judge.truths}
        self._images: Messages = OrderedDict()
        self._results: Messages = OrderedDict()
        self.create_subscription(judge.message, self.result_topic, self._on_result, QoSProfile(depth=5))
        for kind, topic in self.truth_topics.items():
            take = functools.partial(self._on_truth, self._truths[kind])
            self.create_subscription(Image, topic, take, QoSProfile(depth=5))
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._camera = None

    def take_picture(self) -> None:
        """Keeps the next camera image that gets a result, for the side-by-side picture."""
        if self._camera is None and self.picture is None:
            kind = CompressedImage if self.camera_topic.endswith("/compressed") else Image
            self._camera = self.create_subscription(kind, self.camera_topic, self._on_image, camera_qos(False))

    def _on_result(self, result: Any) -> None:
        now = self.get_clock().now().nanoseconds
        stamp = _stamp(result)
        self.ages.append(1e-6 * (now - stamp[0] * 10**9 - stamp[1]))
        self.arrivals.append(time.monotonic())
        _remember(self._results, result)
        self._judge(stamp)
        if stamp in self._images and self.picture is None:
            image = self._images[stamp]
            decode = decode_compressed if isinstance(image, CompressedImage) else decode_image
            self.picture = decode(image), result
            self.destroy_subscription(self._camera)
            self._images.clear()

    def _on_truth(self, store: Messages, truth: Image) -> None:
        _remember(store, truth)
        self._judge(_stamp(truth))

    def _on_image(self, image: Image | CompressedImage) -> None:
        _remember(self._images, image)

    def _judge(self, stamp: tuple[int, int]) -> None:
        """Compares the result of that stamp with its truth, once all of it is there."""
        stores = list(self._truths.values())
        if stamp not in self._results or not all(stamp in store for store in stores):
            return
        try:
            self.judge.add(tuple(store.pop(stamp) for store in stores), self._results[stamp])
        except ValueError as error:  # of another size
            self.mismatch = str(error)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == f"{self.node_name}: segmentation":
                self.report = {v.key: v.value for v in status.values} | {"message": status.message}
                self.reports += 1

    def begin(self) -> None:
        """Counts from here: what came before was discovery and compiling."""
        self._before = self.report
        self.judge.reset()
        self.ages.clear()
        self.arrivals.clear()

    def figures(self, final: bool = False) -> dict:
        """The figures since `begin`; those of the judge are None without truth, and some come only with `final`."""
        n = len(self.arrivals)
        span = self.arrivals[-1] - self.arrivals[0] if n > 1 else 0.0

        def since(key: str) -> int:
            return int(self.report.get(key, 0)) - int(self._before.get(key, 0))

        dropped = {k.removeprefix("dropped/"): since(k) for k in self.report if k.startswith("dropped/")}
        stages = {k.removeprefix("p50/"): float(v) for k, v in self.report.items() if k.startswith("p50/")}
        stages.pop("age", None)  # no stage, but what the label is judged by
        return {
            "frames_in": since("frames_in"),
            "labels_out": n,
            "dropped": {reason: n for reason, n in dropped.items() if n},
            "fps": round((n - 1) / span, 2) if span else 0.0,
            "age_p50_ms": round(float(np.percentile(self.ages, 50)), 1) if n else None,
            "age_p99_ms": round(float(np.percentile(self.ages, 99)), 1) if n else None,
            "stages_ms": stages,
            "engine": self.report.get("engine", "none"),
            **(self.judge.figures() if final else self.judge.live()),
        }


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def _remember(store: Messages, message: Any) -> None:
    store[_stamp(message)] = message
    while len(store) > _KEEP:
        store.popitem(last=False)


def _live(figures: dict) -> str:
    dropped = ", ".join(f"{n} {reason}" for reason, n in figures["dropped"].items()) or "none"
    stages = " ".join(f"{name} {ms:.1f}" for name, ms in figures["stages_ms"].items())
    miou = f"mIoU {figures['miou']:.3f}  " if figures.get("miou") is not None else ""
    return (
        f"in {figures['frames_in']:5d}  out {figures['labels_out']:5d}  {figures['fps']:5.1f} Hz  "
        f"age p50 {figures['age_p50_ms']} p99 {figures['age_p99_ms']} ms  {miou}{figures['engine']}  "
        f"dropped: {dropped}  ms: {stages}"
    )


def _wait(probe: Probe, seconds: float, until: Callable[[], bool]) -> bool:
    """Spins until `until()` is true, at most for `seconds`; says whether it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and rclpy.ok():
        rclpy.spin_once(probe, timeout_sec=0.05)
        if until():
            return True
    return False


def watch(probe: Probe, args: argparse.Namespace) -> dict:
    """Waits for the first result, then reports once a second for `args.seconds`."""
    start = time.monotonic()
    print(f"waiting for {probe.result_topic} ...", flush=True)

    def message() -> str:
        return probe.report.get("message", "")

    def settled() -> bool:
        return bool(probe.arrivals) or "configure failed" in message() or "activate failed" in message()

    if not _wait(probe, args.patience, settled) or not probe.arrivals:
        print(f"nothing after {time.monotonic() - start:.0f} s; {args.node} says: {message() or 'nothing'}")
        return probe.figures(final=True)
    print(f"first one after {time.monotonic() - start:.1f} s", flush=True)
    # From one report of the node to another, so that its counts and the probe's are of the same seconds.
    _next_report(probe)
    probe.begin()
    for second in range(args.seconds):
        if second == args.seconds // 2:
            probe.take_picture()
        _next_report(probe)
        print(_live(probe.figures()), flush=True)
    return probe.figures(final=True)


def _next_report(probe: Probe) -> None:
    seen = probe.reports
    _wait(probe, 2.0, lambda: probe.reports > seen)


def finish(probe: Probe, figures: dict, args: argparse.Namespace) -> int:
    """Prints the table, writes the picture, prints the JSON. Returns the exit status."""
    score = figures[probe.judge.score]
    for name, value in probe.judge.by_class(figures).items():
        print(f"  {name:12s} {'absent' if value is None else f'{100 * value:5.1f}'}")
    if score is not None and "mask_ap" in figures:
        print("  ".join(f"{name} {100 * figures[name]:.1f}" for name in figures if name.startswith(("mask_", "box_"))))
    if probe.picture is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        path = (args.output / "segmentation.png").resolve()
        cv2.imwrite(str(path), probe.judge.picture(*probe.picture))
        print(f"picture: {path}")
    elif figures["labels_out"]:
        print(f"no picture: no image on {args.topic} had a result of its stamp")
    failures = [probe.mismatch] if probe.mismatch else []
    if args.require_truth and score is None:
        truth = " and ".join(probe.truth_topics.values())
        failures.append(f"no {probe.judge.topic} could be compared with the truth on {truth}")
    if not figures["labels_out"]:
        failures.append(f"no {probe.judge.topic} came")
    least = getattr(args, probe.judge.least)
    if score is not None and score < least:
        failures.append(f"{probe.judge.title} {score:.3f} is below {least}")
    for failure in failures:
        print(f"FAILED: {failure}", flush=True)
    print(json.dumps(figures), flush=True)
    return 1 if failures else 0


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="probe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--node", default="/segmentation", help="name of the segmentation node")
    add("--topic", default="/camera/image_raw", help="the camera topic that it segments")
    add("--truth", default="/camera/label_truth", help="topic of true label images")
    add("--instance-truth", default="/camera/instance_truth", help="topic of true object-id images")
    add("--weights", default="unet_street", help="what the node runs, for class names and colours")
    add("--seconds", type=int, default=20, help="how long to judge")
    add("--patience", type=float, default=300.0, help="seconds to wait for the first label")
    add("--min-miou", type=float, default=0.75)
    add("--min-ap50", type=float, default=0.4, help="of masks")
    add("--require-truth", action="store_true", help="fail when there is nothing to compare with")
    add("--output", type=Path, default=Path("demo"), help="folder of the picture")
    parsed = parser.parse_args(remove_ros_args(args=sys.argv if args is None else args)[1:])
    try:
        manifest = read_manifest(parsed.weights)
    except WeightsError as error:
        parser.exit(1, f"probe: {error}\n")
    interrupt_once()
    rclpy.init(args=args)
    status = 130  # what a shell says of Ctrl-C
    with until_shutdown():
        probe = Probe(parsed, JUDGES[manifest.task](manifest.classes))
        status = finish(probe, watch(probe, parsed), parsed)
    rclpy.try_shutdown()
    sys.exit(status)


if __name__ == "__main__":
    main()

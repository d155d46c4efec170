"""Checks a running segmentation node: subscribes to what it publishes, compares it with the truth, reports.

    ros2 run seg_ros probe --node /segmentation --topic /camera/image_raw --seconds 20

Compares `~/label`, or `~/instances` where the weights are an instance network's. Prints figures each second and at the
end; the last line of stdout is one JSON object with `frames_in labels_out dropped fps age_p50_ms age_p99_ms stages_ms
engine` and `miou iou`, or `mask_ap mask_ap50 mask_ap75 box_ap box_ap50 box_ap75 ap hota id_switches`; with `--lift`
also `point_accuracy bleed box3d_centre_m box3d_iou50 lift_p50_ms lift_p99_ms`. Writes a side-by-side picture.
Exits 1 when nothing came, when mIoU is below `--min-miou` or mask AP50 below `--min-ap50`, or when there is no truth
although `--require-truth` is given.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seg_ros import runtime
from seg_ros.cli.arguments import parse

if TYPE_CHECKING:
    from seg_ros.classes import ClassMap
    from seg_ros.ros.figures import Figures
    from seg_ros.ros.judges import Judge
    from seg_ros.ros.lift_judge import LiftJudge
    from seg_ros.ros.probe import Probe

INTERRUPTED = 130
"""Exit status: a shell's for Ctrl-C."""


def main(args: list[str] | None = None) -> None:
    """Checks a node for some seconds. Exits 0 if it passes, 1 if not, 130 when interrupted."""
    runtime.prepare()
    runtime.interrupt_once()
    parser = _parser()
    options = parse(parser, args)
    try:
        sys.exit(_run(parser, options, args))
    except KeyboardInterrupt:  # while it still starts
        sys.exit(INTERRUPTED)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, args: list[str] | None) -> int:
    """Checks the node; returns the exit status."""
    from seg_ros.errors import WeightsError
    from seg_ros.manifest import read_manifest

    try:
        manifest = read_manifest(options.weights)
    except WeightsError as error:
        parser.exit(1, f"probe: {error}\n")

    from seg_ros.ros.interrupt import session
    from seg_ros.ros.judges import JUDGES
    from seg_ros.ros.probe import Probe

    with session(args):
        judge = JUDGES[manifest.task](manifest.classes)
        probe = Probe(options.node, options.topic, judge, _truth_topics(options))
        lift = _lift_judge(probe, options, manifest.classes)
        _watch(probe, judge, options)
        figures = probe.figures()
        if lift is not None:
            figures = dataclasses.replace(figures, quality=figures.quality | lift.figures())
        _print_classes(judge, figures)
        _write_picture(probe, judge, figures, options)
        failures = _failures(probe, judge, figures, options)
        for failure in failures:
            print(f"FAILED: {failure}")
        print(figures.to_json(), flush=True)
        return 1 if failures else 0
    return INTERRUPTED


def _watch(probe: Probe, judge: Judge, options: argparse.Namespace) -> None:
    start = time.monotonic() if options.start is None else options.start
    print(f"waiting for {probe.result_topic} ...", flush=True)
    came = probe.wait_for_first(options.patience)
    waited = time.monotonic() - start
    if not came:
        print(f"nothing after {waited:.0f} s; {options.node} says: {probe.message or 'nothing'}")
        return
    print(f"first one after {waited:.1f} s", flush=True)
    for figures in probe.watch(options.seconds):
        print(figures.line(judge.score, judge.title), flush=True)


def _print_classes(judge: Judge, figures: Figures) -> None:
    for name, value in judge.by_class(figures.quality).items():
        print(f"  {name:12s} {'absent' if value is None else f'{100 * value:5.1f}'}")
    if summary := judge.summary(figures.quality):
        print(summary)


def _write_picture(probe: Probe, judge: Judge, figures: Figures, options: argparse.Namespace) -> None:
    import cv2

    if probe.picture is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        path = (options.output / "segmentation.png").resolve()
        cv2.imwrite(str(path), judge.picture(*probe.picture))
        print(f"picture: {path}")
    elif figures.labels_out:
        print(f"no picture: no image on {options.topic} had a result of its stamp")


def _failures(probe: Probe, judge: Judge, figures: Figures, options: argparse.Namespace) -> list[str]:
    score, least = figures.quality[judge.score], getattr(options, judge.least)
    failures = [probe.mismatch] if probe.mismatch else []
    if options.require_truth and score is None:
        truth = " and ".join(_truth_topics(options)[kind] for kind in judge.truths)
        failures.append(f"no {judge.topic} could be compared with the truth on {truth}")
    if options.lift and figures.quality["point_accuracy"] is None:
        failures.append(f"no points of {options.lift} could be compared with the truth")
    if not figures.labels_out:
        failures.append(f"no {judge.topic} came")
    if score is not None and score < least:
        failures.append(f"{judge.title} {score:.3f} is below {least}")
    return failures


def _lift_judge(probe: Probe, options: argparse.Namespace, classes: ClassMap) -> LiftJudge | None:
    if not options.lift:
        return None
    from seg_ros.ros.lift_judge import LiftJudge

    return LiftJudge(probe, options.lift, options.truth.rpartition("/")[0], options.lidar, classes)


def _truth_topics(options: argparse.Namespace) -> dict[str, str]:
    """Returns the topic of each kind of truth."""
    return {"label": options.truth, "instance": options.instance_truth}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="probe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--node", default="/segmentation", help="name of the segmentation node (default: %(default)s)")
    add("--topic", default="/camera/image_raw", help="the camera topic that it segments (default: %(default)s)")
    add("--truth", default="/camera/label_truth", help="topic of true label images (default: %(default)s)")
    add(
        "--instance-truth",
        default="/camera/instance_truth",
        help="topic of true object-id images (default: %(default)s)",
    )
    add(
        "--weights",
        default="unet_street",
        help="what the node runs, for class names and colours (default: %(default)s)",
    )
    add("--seconds", type=int, default=20, help="seconds to judge (default: %(default)s)")
    add("--start", type=float, help="monotonic time, s, from which the time to the first label counts (default: now)")
    add("--patience", type=float, default=300.0, help="seconds to wait for the first label (default: %(default)s)")
    add("--min-miou", type=float, default=0.75, help="0..1; below it the probe fails (default: %(default)s)")
    add("--min-ap50", type=float, default=0.4, help="of masks, 0..1 (default: %(default)s)")
    add("--lift", default="", help="name of a lift node to judge, too")
    add("--lidar", action="store_true", help="it lifts a LiDAR's points, not depth images")
    add("--require-truth", action="store_true", help="fail when there is nothing to compare with")
    add("--output", type=Path, default=Path("demo"), help="folder of the picture (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()

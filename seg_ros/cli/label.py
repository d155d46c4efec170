"""Labels recordings: bags to bags, videos and pictures to PNG; every frame, and again only what is not done.

    ros2 run seg_ros label drive.mcap --output labelled --weights unet_camvid
    python -m seg_ros.cli.label bags/ --output labelled --weights mask_rcnn_street --topics /front/image_raw

INPUT is a rosbag2 folder, an .mcap, .db3 or ROS 1 .bag file, a video, a folder of pictures, or a folder of any of them.
A labelled bag has the messages of its input, and below /segmentation the topics of the live node, with the images' own
stamps and log times. Pictures and videos give the folders `labels`, `confidence` and `instances`.

An output appears when it is complete. The same command goes on where it was interrupted; `seg_ros.json` in each output
says what it was made of, and names the frames that have no label. The last line is JSON: `failed` counts frames without
a label, `skipped` inputs that cannot be read, `resumed` those that were done already.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

from seg_ros.cli.command import command
from seg_ros.engines import DEVICES, ENGINES, PRECISIONS
from seg_ros.errors import RecordingError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="label", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("inputs", nargs="+", type=Path, metavar="INPUT", help="bag, video, folder of pictures, or folder of these")
    add("--output", required=True, type=Path, help="folder of the outputs, made if it is not there")
    add("--weights", required=True, help="file, or the bare name of shipped weights")
    add("--topics", nargs="+", default=[], help="of images in bags (default: all; of a camera raw before compressed)")
    add("--only-labels", action="store_true", help="do not copy the bags' own messages")
    add("--confidence", action="store_true", help="also the confidence of each pixel")
    add("--overlay", action="store_true", help="also the labels over the pictures, as JPEG")
    add("--score-threshold", type=float, default=0.5, help="smallest score of an object, 0..1 (default: %(default)s)")
    add("--engine", choices=("auto", *ENGINES), default="auto", help="(default: %(default)s)")
    add("--precision", choices=("auto", *PRECISIONS), default="auto", help="(default: %(default)s)")
    add("--device", choices=("auto", *DEVICES), default="auto", help="(default: %(default)s)")
    add("--force", action="store_true", help="replace outputs that were made otherwise")
    add("--log", choices=("bar", "json"), default="bar", help="of the progress, on stderr (default: %(default)s)")
    add("--quiet", action="store_true", help="no bar; there is none either where stderr is no terminal")
    return parser


@command
def main(arguments: list[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    if not 0.0 <= args.score_threshold <= 1.0:
        raise ValueError(f"--score-threshold must be in 0..1, got {args.score_threshold}")

    from seg_ros import __version__
    from seg_ros.offline.inputs import Input, find_inputs
    from seg_ros.offline.jobs import done, locked, make
    from seg_ros.offline.labelling import frames_of, label
    from seg_ros.offline.labels import Segmentation, Wish
    from seg_ros.offline.progress import Bar, Lines
    from seg_ros.offline.tally import Tally
    from seg_ros.segmenter import Segmenter
    from seg_ros.weights import digest, load_model

    wish = Wish(sorted(args.topics), not args.only_labels, args.confidence, args.overlay)
    inputs = find_inputs(args.inputs, args.output)
    with locked(args.output):
        model, manifest = load_model(args.weights)
        asked = {
            "version": __version__, "weights": digest(model.state_dict(), manifest), "engine": args.engine,
            "precision": args.precision, "score_threshold": args.score_threshold, **dataclasses.asdict(wish),
        }  # fmt: skip
        net = Segmenter.open(args.weights, engine=args.engine, precision=args.precision, device=args.device)
        engine = net.runner.engine
        segmentation = Segmentation(net, args.score_threshold, wish.needs_confidence)
        total = sum(frames_of(each, wish.topics) for each in inputs)
        progress = Lines(total) if args.log == "json" else Bar(total, args.quiet)
        progress.say(f"{len(inputs)} inputs, {total} frames, {engine.name} {engine.precision} on {engine.device}")

        def label_one(each: Input, target: Path) -> Tally:
            progress.begin(each.path.name)
            return label(each, target, segmentation, wish, progress.step)

        start, made, resumed, unread = time.monotonic(), [], 0, 0
        for each in inputs:
            try:
                if not args.force and done(each, args.output, asked) is not None:
                    resumed += 1
                    continue
                made.append(make(each, args.output, asked, label_one))
            except RecordingError as error:
                unread += 1
                progress.say(f"label: {error}")
            else:
                for why in made[-1].faults():
                    progress.say(f"label: {each.path}: {why}")
        seconds = time.monotonic() - start
    frames, labelled = sum(tally.frames for tally in made), sum(tally.labelled for tally in made)
    figures = {
        "inputs": len(inputs), "frames": frames, "labelled": labelled, "failed": frames - labelled, "skipped": unread,
        "seconds": round(seconds, 2), "fps": round(labelled / seconds, 1) if seconds else 0.0,
        "engine": f"{engine.name} {engine.precision}", "workers": 1, "resumed": resumed,
    }  # fmt: skip
    print(json.dumps(figures), flush=True)
    if unread or any(tally.damage for tally in made):
        sys.exit(1)


if __name__ == "__main__":
    main()

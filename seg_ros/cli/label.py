"""Labels recordings: bags to bags, videos and pictures to PNG; every frame, and again only what is not done.

    ros2 run seg_ros label drive.mcap --output labelled --weights unet_camvid
    python -m seg_ros.cli.label bags/ --output labelled --weights mask_rcnn_street --topics /front/image_raw

INPUT is a rosbag2 folder, an .mcap, .db3 or ROS 1 .bag file, a video, a folder of pictures, or a folder of any of them.
A labelled bag has the messages of its input, and below /segmentation the topics of the live node, with the images' own
stamps and log times. Pictures and videos give the folders `labels`, `confidence` and `instances`.

--report, --export-uncertain, --coco and --label-studio help to look at labels and to correct them: docs/offline.md.

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
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from seg_ros.cli.arguments import whole
from seg_ros.cli.command import command
from seg_ros.engines import DEVICES, ENGINES, PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seg_ros.offline.crew import Crew
    from seg_ros.offline.inputs import Input
    from seg_ros.offline.labels import Wish
    from seg_ros.offline.work import Labelling


def _parser() -> argparse.ArgumentParser:
    from seg_ros.tracking import SURE

    parser = argparse.ArgumentParser(
        prog="label", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="bag, video, folder of pictures, or folder of these; or its URL")
    add("--output", required=True, help="folder of the outputs, made if it is not there; or its URL")
    add("--weights", required=True, help="file, or the bare name of shipped weights")
    add("--topics", nargs="+", default=[], help="of images in bags (default: all; of a camera raw before compressed)")
    add("--only-labels", action="store_true", help="do not copy the bags' own messages")
    add("--confidence", action="store_true", help="also the confidence of each pixel")
    add("--overlay", action="store_true", help="also the labels over the pictures, as JPEG")
    add("--coco", action="store_true", help="also annotations.json, of pictures and videos: for train, CVAT and others")
    add("--label-studio", action="store_true", help="also label_studio.json, of pictures and videos")
    add("--smooth", action="store_true", help="hold labels still over time, as the node's parameter smooth does")
    add("--report", action="store_true", help="also report.html: what is seen when, and where the network is not sure")
    add(
        "--export-uncertain", type=whole(0), default=0, metavar="N", help="also the N least sure frames, to be labelled"
    )
    add("--score-threshold", type=float, default=0.5, help="smallest score of an object, 0..1 (default: %(default)s)")
    track = "score from which an object begins a track, 0.1..1 (default: %(default)s)"
    add("--track-threshold", type=float, default=SURE, help=track)
    add("--engine", choices=("auto", *ENGINES), default="auto", help="(default: %(default)s)")
    add("--precision", choices=("auto", *PRECISIONS), default="auto", help="(default: %(default)s)")
    add("--device", choices=("auto", *DEVICES), default="auto", help="(default: %(default)s)")
    add("--workers", type=_workers, default=0, metavar="N|auto", help="processes, or with --ray actors (default: auto)")
    add("--ray", default="", metavar="ADDRESS|auto", help="of a Ray cluster whose machines do the work")
    add("--force", action="store_true", help="replace outputs that were made otherwise")
    add("--log", choices=("bar", "json"), default="bar", help="of the progress, on stderr (default: %(default)s)")
    add("--quiet", action="store_true", help="no bar; there is none either where stderr is no terminal")
    return parser


def _workers(text: str) -> int:
    return 0 if text == "auto" else whole(1)(text)


@command
def main(arguments: list[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    if not 0.0 <= args.score_threshold <= 1.0:
        raise ValueError(f"--score-threshold must be in 0..1, got {args.score_threshold}")
    if not 0.1 <= args.track_threshold <= 1.0:
        raise ValueError(f"--track-threshold must be in 0.1..1, got {args.track_threshold}")

    from seg_ros import __version__
    from seg_ros.models import INSTANCES
    from seg_ros.offline.crew import alone, spread
    from seg_ros.offline.index import write_index
    from seg_ros.offline.inputs import find_inputs
    from seg_ros.offline.jobs import locked
    from seg_ros.offline.labelling import frames_of
    from seg_ros.offline.progress import Bar, Lines, expecting
    from seg_ros.offline.remote import is_remote, place
    from seg_ros.offline.work import Job, Labelling, divided
    from seg_ros.weights import digest, load_model

    wish = _wish(args)
    output = place(args.output)
    inputs = find_inputs([place(text) for text in args.inputs], output)
    if (wish.coco or wish.label_studio) and all(each.bag for each in inputs):
        raise ValueError(
            "--coco and --label-studio are for pictures and videos, got bags; --export-uncertain writes frames of bags"
        )
    with nullcontext() if is_remote(output) else locked(output):
        model, manifest = load_model(args.weights)
        asked = {
            "version": __version__, "weights": digest(model.state_dict(), manifest), "engine": args.engine,
            "precision": args.precision, "score_threshold": args.score_threshold, **dataclasses.asdict(wish),
        }  # fmt: skip
        weights = str(Path(args.weights).absolute()) if Path(args.weights).is_file() else args.weights
        labelling = Labelling(
            weights, args.engine, args.precision, args.device, wish, args.score_threshold, asked, args.force
        )  # fmt: skip
        jobs = [Job(each, output) for each in inputs]
        pieces = [] if model.task == INSTANCES or not wish.any_order else divided(jobs, args.force)
        crew = _crew(args, labelling, inputs, max(len(jobs), len(pieces)))
        workers = crew.size if crew else 1
        progress = Lines() if args.log == "json" else Bar(args.quiet)
        progress.say(f"{len(inputs)} inputs, workers: {workers}")

        start, made, names, resumed, unread, engines, damaged = time.monotonic(), [], [], 0, {}, set(), False
        with expecting((frames_of(each, wish.topics) for each in inputs), progress):
            if crew is None:
                outcomes = alone(jobs, labelling.open(threads=0), progress)
            else:
                outcomes = spread(jobs, crew, progress, first=pieces if workers > 1 else [])
            for outcome in outcomes:
                if outcome.job.span:  # what is wrong with it is said of the whole, which comes later
                    progress.expect(outcome.tally.frames if outcome.tally else 0)
                    continue
                engines |= {outcome.engine} - {""}
                resumed += outcome.resumed
                if outcome.error:
                    unread[str(outcome.job.input.path)] = outcome.error
                    progress.say(f"label: {outcome.error}")
                    continue
                names.append(outcome.job.input.name)
                damaged |= bool(outcome.tally.damage)
                if not outcome.resumed:
                    made.append(outcome.tally)
                for why in outcome.tally.faults():
                    progress.say(f"label: {outcome.job.input.path}: {why}")
        seconds = time.monotonic() - start
        if wish.report:
            write_index(output, sorted(names), unread, manifest.classes)
    frames, labelled = sum(tally.frames for tally in made), sum(tally.labelled for tally in made)
    figures = {
        "inputs": len(inputs), "frames": frames, "labelled": labelled, "failed": frames - labelled,
        "skipped": len(unread),
        "seconds": round(seconds, 2), "fps": round(labelled / seconds, 1) if seconds else 0.0,
        "engine": ", ".join(sorted(engines)), "workers": workers, "resumed": resumed,
    }  # fmt: skip
    print(json.dumps(figures), flush=True)
    if unread or damaged:
        sys.exit(1)


def _wish(args: argparse.Namespace) -> Wish:
    from seg_ros.offline.labels import Wish

    return Wish(
        sorted(set(args.topics)), not args.only_labels, args.confidence, args.overlay, args.coco, args.label_studio,
        args.smooth, args.track_threshold, args.report, args.export_uncertain,
    )  # fmt: skip


def _crew(args: argparse.Namespace, labelling: Labelling, inputs: Sequence[Input], jobs: int) -> Crew | None:
    """Returns the workers, no more than jobs; None where this process does all."""
    from seg_ros.offline.processes import Processes, gpus, most

    if args.ray:
        from seg_ros.offline.actors import Actors

        return Actors(args.ray, args.workers, jobs, labelling.open, args.device)
    on = gpus() if args.device != "cpu" else []
    workers = min(args.workers or len(on) or most(sum(each.size() for each in inputs)), jobs)
    return Processes(workers, labelling.open, on) if workers > 1 else None


if __name__ == "__main__":
    main()

"""Records the synthetic street as a bag, labels the bag, and compares the labels with the truth in it.

    make demo BAG=1
    python -m seg_ros.cli.bag_demo --seconds 10 --output demo/bag

Ends with status 0 only if every frame is labelled and the mIoU reaches `--min-miou`. The last line is JSON: what
`label` prints, and `miou`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from seg_ros.cli.arguments import positive, whole
from seg_ros.cli.command import command

_IMAGES, _TRUTH, _LABELS = "/camera/image_raw", "/camera/label_truth", "/segmentation/label"
_RATE = 30
_SEED = 20000
"""Of a street that the shipped weights were not trained on."""


def record(path: Path, seconds: int) -> None:
    """Writes a bag of the street, in MCAP: images, and true class ids with the same stamps."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from tqdm import tqdm

    from seg_ros.offline.bags import IMAGES
    from seg_ros.offline.messages import types
    from seg_ros.ros.cdr import write_image
    from seg_ros.scenes import Street

    street, store = Street(_SEED, (480, 640)), types()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        images, truth = (bag.add_connection(topic, IMAGES[0], typestore=store) for topic in (_IMAGES, _TRUTH))
        for i in tqdm(range(seconds * _RATE), desc="record", unit=" frames", leave=False, disable=None):
            scene, stamp = street.scene(i, _RATE), divmod(10**9 + i * 10**9 // _RATE, 10**9)
            time = stamp[0] * 10**9 + stamp[1]
            bag.write(images, time, write_image(stamp, "camera_optical_frame", scene.image, "rgb8"))
            bag.write(truth, time, write_image(stamp, "camera_optical_frame", scene.label, "mono8"))


def judge(path: Path, classes: int) -> float:
    """Compares the labels in a bag with the truth of the same stamp; returns the mIoU, 0..1."""
    import numpy as np

    from seg_ros.metrics.confusion import Confusion
    from seg_ros.offline.bags import open_bag
    from seg_ros.ros.cdr import read_image

    confusion, waiting = Confusion(classes), {}
    with open_bag(path) as bag:
        for message in bag.messages([_TRUTH, _LABELS]):  # of one log time in any order
            image = read_image(message.data)
            pair = waiting.setdefault(image.stamp, {})
            pair[message.topic] = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width)
            if len(pair) == 2:
                confusion.add(pair[_TRUTH], pair[_LABELS])
                del waiting[image.stamp]
    return confusion.miou()


@command
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="bag_demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seconds", type=whole(1), default=10, help="of recording (default: %(default)s)")
    add("--output", type=Path, default=Path("demo/bag"), help="folder, replaced (default: %(default)s)")
    add("--weights", default="unet_street", help="whose classes are the street's (default: %(default)s)")
    add("--engine", default="auto", help="as of label (default: %(default)s)")
    add("--min-miou", type=positive, default=0.75, help="below it the demo fails (default: %(default)s)")
    args = parser.parse_args(arguments)

    from seg_ros.manifest import read_manifest

    classes = read_manifest(args.weights).classes
    shutil.rmtree(args.output, ignore_errors=True)
    args.output.mkdir(parents=True)
    record(args.output / "street", args.seconds)
    labelled = args.output / "labelled"
    label = [
        sys.executable,
        "-m",
        "seg_ros.cli.label",
        args.output / "street",
        "--output",
        labelled,
        "--topics",
        _IMAGES,
    ]
    options = ["--weights", args.weights, "--engine", args.engine]
    done = subprocess.run([*label, *options], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    figures = json.loads(done.stdout.splitlines()[-1])
    figures["miou"] = round(judge(labelled / "street", len(classes)), 4)
    print(f"open it in Foxglove or Lichtblick: {next((labelled / 'street').glob('*.mcap'))}")
    print(f"or play it: ros2 bag play {labelled / 'street'}")
    print(json.dumps(figures), flush=True)
    if figures["failed"] or figures["miou"] < args.min_miou:
        sys.exit(1)


if __name__ == "__main__":
    main()

import re
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

SHARE = "share/seg_ros"
# Read, not imported: a build has no torch. Nor `attr:` in setup.cfg: colcon cannot parse what that prints.
VERSION = re.search(r'__version__ = "(.+)"', Path("seg_ros/__init__.py").read_text())[1]


def files(pattern: str) -> list[str]:
    return sorted(path for path in glob(pattern) if Path(path).is_file())


def pins(file: str) -> list[str]:
    return [line for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]


setup(
    name="seg_ros",
    version=VERSION,
    description="Segmentation of camera images in real time, for ROS 2",
    maintainer="seg_ros maintainers",
    maintainer_email="maintainers@users.noreply.example",
    license="Apache-2.0",
    packages=find_packages(include=["seg_ros", "seg_ros.*"]),
    python_requires=">=3.11",
    # What runs the models is pinned in requirements/core.txt and installed from there.
    install_requires=["setuptools"],
    # colcon test runs pytest because of "test".
    extras_require={
        "test": ["pytest"],
        "tensorrt": pins("requirements/tensorrt.txt"),
        "tensorrt-rtx": pins("requirements/tensorrt-rtx.txt"),
        "openvino": pins("requirements/openvino.txt"),
        "onnx": pins("requirements/onnx.txt"),
        "bags": pins("requirements/bags.txt"),
        "view": pins("requirements/view.txt"),
        "ray": pins("requirements/ray.txt"),
        "remote": pins("requirements/remote.txt"),
    },
    zip_safe=False,
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/seg_ros"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch/*.launch.py")),
        (f"{SHARE}/config", files("config/*")),
        (f"{SHARE}/config/profiles", files("config/profiles/*")),
        (f"{SHARE}/weights", files("weights/*")),
    ],
    entry_points={
        "console_scripts": [
            "node = seg_ros.cli.node:main",
            "lift = seg_ros.cli.lift:main",
            "camera = seg_ros.cli.camera:main",
            "probe = seg_ros.cli.probe:main",
            "demo = seg_ros.cli.demo:main",
            "train = seg_ros.cli.train:main",
            "benchmark = seg_ros.cli.benchmark:main",
            "compile = seg_ros.cli.compile:main",
            "convert = seg_ros.cli.convert:main",
            "evaluate = seg_ros.cli.evaluate:main",
            "quantize = seg_ros.cli.quantize:main",
            "export = seg_ros.cli.export:main",
            "consumers = seg_ros.cli.consumers:main",
            "label = seg_ros.cli.label:main",
            "view = seg_ros.cli.view:main",
        ]
    },
)

"""The example for Kubernetes: it starts the command with arguments that it has, and the pinned Ray."""

import shlex
from pathlib import Path

import yaml

from seg_ros.cli.label import _parser

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_for_kubernetes_starts_the_command():
    job = yaml.safe_load((ROOT / "examples/rayjob.yaml").read_text())
    python, flag, module, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (python, flag, module) == ("python", "-m", "seg_ros.cli.label")
    args = _parser().parse_args(arguments)
    cluster = job["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    assert (args.ray, args.device, args.workers) == ("auto", "cuda", group["maxReplicas"])
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "requirements/ray.txt").read_text().splitlines()
    (worker,) = group["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"

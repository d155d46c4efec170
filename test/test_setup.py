"""The scripts and package descriptions: what a newcomer meets before any image does."""

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import seg_ros

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that was never set up: only what setup.sh reads."""
    for folder in ("scripts", "requirements", "seg_ros_msgs"):
        shutil.copytree(ROOT / folder, tmp_path / "checkout" / folder)
    return tmp_path / "checkout"


def tools(folder: Path, python: str, without: tuple[str, ...] = ()) -> Path:
    """A folder for PATH: the system's tools, less some, and a python3 that runs the given shell line."""
    folder.mkdir()
    for directory in ("/bin", "/usr/bin"):
        for tool in Path(directory).iterdir():
            link = folder / tool.name
            if not tool.name.startswith("python") and tool.name not in without and not link.is_symlink():
                link.symlink_to(tool)
    script = folder / "python3"
    script.write_text(f"#!/bin/sh\n{python}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


def setup(checkout: Path, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"HOME": os.environ.get("HOME", "/"), "PATH": str(path), **variables}
    command = ["bash", "scripts/setup.sh"]
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, timeout=60)


def assert_refused(result: subprocess.CompletedProcess[str], *names: str) -> None:
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("setup: missing: ")
    for name in names:
        assert name in lines[0]


THIS_PYTHON = f'exec "{sys.executable}" "$@"'


@pytest.mark.parametrize("tool", ["g++", "cmake"])
def test_setup_names_a_missing_tool(checkout: Path, tmp_path: Path, tool: str):
    result = setup(checkout, tools(tmp_path / "bin", THIS_PYTHON, without=(tool,)))
    assert_refused(result, f"missing: {tool} ", f"apt install {tool}")
    assert not (checkout / ".venv").exists()


def test_setup_names_an_old_python(checkout: Path, tmp_path: Path):
    path = tools(tmp_path / "bin", "echo 0 3.8 3.8.18 1 1")
    assert_refused(setup(checkout, path, PYTHON="python3"), "Python 3.11 to 3.13", "python3 is 3.8.18")


@pytest.mark.parametrize(
    ("facts", "name"), [("1 3.12 3.12.1 0 1", "python3.12-venv"), ("1 3.12 3.12.1 1 0", "python3.12-dev")]
)
def test_setup_names_a_python_without_its_parts(checkout: Path, tmp_path: Path, facts: str, name: str):
    path = tools(tmp_path / "bin", f"echo {facts}")
    assert_refused(setup(checkout, path, PYTHON="python3"), name)


def test_setup_refuses_a_full_disk(checkout: Path, tmp_path: Path):
    path = tools(tmp_path / "bin", THIS_PYTHON, without=("df",))
    df = path / "df"
    df.write_text("#!/bin/sh\necho /dev/disk 100000000 99000000 1000000 99% /\n")
    df.chmod(0o755)
    assert_refused(setup(checkout, path, PYTHON="python3"), "6 GB are needed", "0 GB are free")


def test_setup_names_an_unknown_distribution(checkout: Path, tmp_path: Path):
    result = setup(checkout, tools(tmp_path / "bin", THIS_PYTHON), ROS="foxy")
    assert (result.returncode, result.stderr) == (1, "setup: ROS=foxy is unknown: choose one of jazzy kilted\n")
    assert not list(checkout.glob(".venv*"))


PATHS = ("PATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "PYTHONPATH")
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def test_the_environments_of_two_distributions_keep_apart(checkout: Path, tmp_path: Path):
    for folder in ("seg_ros", "config"):
        (checkout / folder).symlink_to(ROOT / folder)
    for venv in (".venv", ".venv-jazzy"):
        (checkout / venv / "bin").mkdir(parents=True)
        (checkout / venv / "bin/python").symlink_to(sys.executable)
        (checkout / venv / "identity").write_text("wheels")
    (checkout / ".venv-jazzy/share/fastrtps").mkdir(parents=True)

    def sourced(*which: str) -> dict[str, str]:
        script = " && ".join(f"{ros} . '{checkout}/scripts/env.sh'" for ros in which) + " && env -0"
        env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LD_LIBRARY_PATH": "/mine"}
        command = ["bash", "-c", script]
        said = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
        return dict(line.split("=", 1) for line in said.split("\0") if "=" in line)

    for ros, name, profile in (("", ".venv", PROFILES[1]), ("ROS=jazzy", ".venv-jazzy", PROFILES[0])):
        alone = sourced(ros)
        after_the_other = sourced("ROS=jazzy" if not ros else "", ros, ros)
        for variable in (*PATHS, *PROFILES, "VIRTUAL_ENV"):
            assert after_the_other.get(variable) == alone.get(variable), variable
        assert alone["VIRTUAL_ENV"] == str(checkout / name)
        assert alone["LD_LIBRARY_PATH"] == f"{checkout / name}/lib:/mine"
        assert [each for each in PROFILES if each in alone] == [profile]


def test_requirements_are_pinned_and_name_no_index():
    files = sorted((ROOT / "requirements").glob("*.txt"))
    names = [
        "bags",
        "core",
        "dev",
        "onnx",
        "openvino",
        "ray",
        "remote",
        "ros-jazzy",
        "ros-kilted",
        "storage",
        "tensorrt-rtx",
        "tensorrt",
        "tracking",
        "view",
    ]
    assert [file.name for file in files] == [f"{name}.txt" for name in names]
    for file in files:
        for line in filter(None, (line.split("#")[0].strip() for line in file.read_text().splitlines())):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", line), f"{file.name}: {line}"
    assert "torch==2.13.0" in (ROOT / "requirements/core.txt").read_text().splitlines()


@pytest.mark.parametrize("folder", [".", "seg_ros_msgs"])
def test_package_xml_is_valid(folder: str):
    package = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg is not installed")
    warnings: list[str] = []
    description = package.parse_package(str(ROOT / folder), warnings=warnings)
    assert warnings == []
    assert description.version == seg_ros.__version__


FROM_PIP = {
    "torch", "safetensors", "simplejpeg", "pycocotools", "tqdm", "torch_tensorrt", "openvino", "onnx", "onnx_ir",
    "onnxscript", "rosbags", "trackeval", "trackers", "supervision", "ray", "viser", "rich", "upath",
}  # fmt: skip
"""Modules that no ROS distribution has as it should be; requirements/ has them."""
SYSTEM = {
    "cv2": "python3-opencv", "matplotlib": "python3-matplotlib", "numpy": "python3-numpy", "yaml": "python3-yaml",
    "PIL": "python3-pil",
    "tf2_ros": "tf2_ros_py",
}  # fmt: skip
"""Names of rosdep by module."""


def imported(folder: Path) -> dict[str, Path]:
    """The modules outside Python and this checkout that the files below `folder` import anywhere, each with a file."""
    found = {}
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found |= {name.split(".")[0]: file for name in names}
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names | {"seg_ros"}}


def test_package_xml_names_all_that_is_imported():
    declared = {each.text for each in ElementTree.parse(ROOT / "package.xml").iter() if each.tag.endswith("depend")}
    modules = imported(ROOT / "seg_ros") | imported(ROOT / "launch")
    assert {"rclpy", "launch_ros", "cv2", "torch"} <= modules.keys()
    missing = {name: file for name, file in modules.items() if SYSTEM.get(name, name) not in declared | FROM_PIP}
    assert not missing


def test_console_scripts_exist():
    scripts = re.findall(r'"(\w+) = (seg_ros[\w.]+):main"', (ROOT / "setup.py").read_text())
    assert {"node", "camera", "probe", "demo"} <= {name for name, _ in scripts}
    for name, module in scripts:
        assert module == f"seg_ros.cli.{name}"
        assert "\ndef main(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_setup_py_has_the_version_of_the_package():
    command = [sys.executable, "setup.py", "--quiet", "--version"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == seg_ros.__version__

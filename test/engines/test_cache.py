"""The cache of compiled artefacts: hit, miss, damage, others' folders, two builders at once."""

import os
import subprocess
import sys
import textwrap

import pytest

from seg_ros.engines.cache import Artefact, default_directory, machine
from seg_ros.errors import EngineError


class Builder:
    def __init__(self, content=b"native code"):
        self.content, self.calls = content, 0

    def __call__(self, path):
        self.calls += 1
        path.write_bytes(self.content)


def test_built_once_then_found(tmp_path):
    build = Builder()
    first = Artefact(tmp_path / "new", {"a": 1}).get(build, ".so")
    second = Artefact(tmp_path / "new", {"a": 1}).get(build, ".so")
    assert first == second
    assert first.read_bytes() == build.content
    assert build.calls == 1
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_another_key_is_another_artefact(tmp_path):
    build = Builder()
    assert Artefact(tmp_path, {"a": 1}).get(build, ".so") != Artefact(tmp_path, {"a": 2}).get(build, ".so")
    assert build.calls == 2


@pytest.mark.parametrize("damage", ["artefact", "manifest", "no manifest"])
def test_damaged_is_rebuilt(tmp_path, damage):
    build = Builder()
    path = Artefact(tmp_path, {"a": 1}).get(build, ".so")
    manifest = path.with_suffix(".json")
    if damage == "artefact":
        path.write_bytes(b"native c0de")
    elif damage == "manifest":
        manifest.write_text("{")
    else:
        manifest.unlink()
    assert Artefact(tmp_path, {"a": 1}).get(build, ".so").read_bytes() == build.content
    assert build.calls == 2


def test_interrupted_build_leaves_nothing_to_load(tmp_path):
    def dies(path):
        path.write_bytes(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        Artefact(tmp_path, {"a": 1}).get(dies, ".so")
    assert Artefact(tmp_path, {"a": 1}).get(Builder(), ".so").read_bytes() == b"native code"


def test_folder_that_others_can_write_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(EngineError, match="writable by others"):
        Artefact(tmp_path, {"a": 1}).get(Builder(), ".so")


def test_folder_that_cannot_be_made_is_an_engine_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="set the parameter 'cache_dir'"):
        Artefact(tmp_path / "file" / "cache", {"a": 1}).get(Builder(), ".so")


def test_two_processes_build_once(tmp_path):
    script = textwrap.dedent("""
        import sys, time, pathlib
        from seg_ros.engines.cache import Artefact
        def build(path):
            with open(sys.argv[1] + "/calls", "a") as calls: calls.write("x")
            time.sleep(0.5)
            path.write_bytes(b"code")
        print(Artefact(pathlib.Path(sys.argv[1]) / "cache", {"a": 1}).get(build, ".so"))
    """)
    runs = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0] == outputs[1]
    assert (tmp_path / "calls").read_text() == "x"


def test_default_directory_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "seg_ros"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert str(default_directory()).endswith(os.path.join(".cache", "seg_ros"))


def test_machine_names_processor_and_versions():
    facts = machine()
    assert facts["processor"]
    assert facts["torch"].startswith("2.")

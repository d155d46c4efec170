"""The cache of compiled artefacts: hit, miss, damage, others' folders, two builders at once, killed ones, its size."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from seg_ros.engines import eviction
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


DAMAGE = {
    "tampered": lambda path, manifest: path.write_bytes(b"native c0de"),
    "truncated": lambda path, manifest: path.write_bytes(b"native"),
    "gone": lambda path, manifest: path.unlink(),
    "writable by others": lambda path, manifest: path.chmod(0o666),
    "no manifest": lambda path, manifest: manifest.unlink(),
    "manifest no JSON": lambda path, manifest: manifest.write_text("{"),
    "manifest no object": lambda path, manifest: manifest.write_text("[1, 2]"),
    "manifest of another key": lambda path, manifest: manifest.write_text(
        json.dumps(json.loads(manifest.read_text()) | {"key": '{"a": 2}'})
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_is_rebuilt_and_never_opened(tmp_path, damage):
    build = Builder()
    path = Artefact(tmp_path, {"a": 1}).get(build, ".so")
    DAMAGE[damage](path, path.with_suffix(".json"))
    artefact = Artefact(tmp_path, {"a": 1})
    assert artefact.get(build, ".so").read_bytes() == build.content
    assert build.calls == 2
    assert artefact.seconds > 0
    assert path.stat().st_mode & 0o777 == 0o700
    assert Artefact(tmp_path, {"a": 1}).get(build, ".so") == path
    assert build.calls == 2


def test_a_folder_that_cannot_be_written_serves_what_is_in_it():
    # In /tmp itself, because pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        path = Artefact(cache, {"a": 1}).get(Builder(), ".so")
        if os.getuid() == 0:  # whom no permission stops
            Path(folder).chmod(0o755)
            for file in (cache, *cache.iterdir()):
                os.chown(file, 65534, 65534)
        cache.chmod(0o500)
        try:
            said = as_nobody(lambda: serve(path))
        finally:
            cache.chmod(0o700)
    assert said.startswith("served; engine cache ")
    assert "Permission denied" in said
    assert "set the parameter 'cache_dir' to a folder you can write" in said


def serve(path):
    """What is in the cache is found, and what is not cannot be built."""
    assert Artefact(path.parent, {"a": 1}).get(Builder(), ".so") == path
    with pytest.raises(EngineError) as caught:
        Artefact(path.parent, {"a": 2}).get(Builder(), ".so")
    return f"served; {caught.value}"


def as_nobody(function):
    """What `function` returns, or its error, in a process of a user whom permissions stop."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(theirs, function().encode())
        except BaseException as error:
            os.write(theirs, repr(error).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours) as pipe:
        return pipe.read()


def test_a_long_build_says_that_it_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("seg_ros.engines.cache._TICK", 0.05)

    def slow(path):
        time.sleep(0.2)
        path.write_bytes(b"code")

    with caplog.at_level("INFO", "seg_ros"):
        Artefact(tmp_path, {"a": 1}).get(slow, ".so")
    said = [record.message for record in caplog.records]
    assert said[0].startswith("compiling ")
    assert sum(text.startswith("still compiling") for text in said) >= 2
    assert said[-1].startswith("compiled in ")


def test_interrupted_build_leaves_nothing(tmp_path):
    def dies(path):
        path.write_bytes(b"half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        Artefact(tmp_path, {"a": 1}).get(dies, ".so")
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert Artefact(tmp_path, {"a": 1}).get(Builder(), ".so").read_bytes() == b"native code"


def test_what_a_killed_build_left_goes_at_the_next_start(tmp_path):
    found = Artefact(tmp_path, {"a": 1}).get(Builder(), ".so")

    def killed(path):
        (path.parent / "half").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    if not (child := os.fork()):
        Artefact(tmp_path, {"a": 2}).get(killed, ".so")
    os.waitpid(child, 0)
    [left] = tmp_path.glob(".build-*")
    assert [path.name for path in left.iterdir()] == ["half"]
    assert left.stat().st_mode & 0o777 == 0o700

    def alive(path):
        path.write_bytes(b"code")
        assert Artefact(tmp_path, {"a": 1}).get(Builder(), ".so") == found  # another start, which sweeps
        assert path.exists()  # of a build that lives nothing goes
        assert not left.exists()

    Artefact(tmp_path, {"a": 3}).get(alive, ".so")
    assert not list(tmp_path.glob(".build-*"))


def test_compilers_and_their_children_have_a_folder_of_their_own(tmp_path, monkeypatch):
    names = ["TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR"]
    monkeypatch.setenv(names[0], "/tmp/anybody's")
    monkeypatch.delenv(names[1], raising=False)
    before = [os.environ.get(name) for name in names]

    def build(path):
        said = subprocess.run(["printenv", *names], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        assert len(said) == 3
        assert all(Path(folder).parent == path.parent for folder in said)
        path.write_bytes(b"code")

    Artefact(tmp_path, {"a": 1}).get(build, ".so")
    assert [os.environ.get(name) for name in names] == before


def test_what_was_used_longest_ago_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("SEG_ROS_CACHE_GB", "3e-6")  # 3,000 bytes
    (tmp_path / "mine.so").write_bytes(bytes(5000))  # the user's own: it neither counts nor goes
    paths = []
    for i in range(3):
        paths.append(Artefact(tmp_path, {"a": i}).get(Builder(bytes(1000)), ".so"))
        os.utime(paths[i], (i, i))
    Artefact(tmp_path, {"a": 0}).get(Builder(), ".so")  # found, so it is the one used last
    paths.append(Artefact(tmp_path, {"a": 3}).get(Builder(bytes(1000)), ".so"))
    assert [path.exists() for path in paths] == [True, False, True, True]
    assert not paths[1].with_suffix(".json").exists()
    large = Artefact(tmp_path, {"a": 4}).get(Builder(bytes(4000)), ".so")
    assert large.exists()  # although it is too large alone
    assert not any(path.exists() for path in paths)
    assert (tmp_path / "mine.so").exists()


@pytest.mark.parametrize("wrong", ["much", "0", "-1", "nan", "inf"])
def test_a_wrong_limit_is_named(wrong, monkeypatch):
    monkeypatch.setenv("SEG_ROS_CACHE_GB", wrong)
    with pytest.raises(EngineError, match=f"SEG_ROS_CACHE_GB: expected gigabytes above 0, such as 4, got '{wrong}'"):
        eviction.limit()


@pytest.mark.parametrize("suffix", [".so", ".json"])
def test_a_symbolic_link_is_refused(suffix, tmp_path):
    path = Artefact(tmp_path, {"a": 1}).get(Builder(), ".so").with_suffix(suffix)
    path.symlink_to(path.rename(tmp_path / "elsewhere"))
    with pytest.raises(EngineError, match=f"{path} is a symbolic link, expected a file: .* delete the link"):
        Artefact(tmp_path, {"a": 1}).get(Builder(), ".so")


def test_a_cache_behind_a_link_is_checked_where_it_is(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "open" / "cache")
    (tmp_path / "open" / "cache").mkdir(mode=0o700)
    path = Artefact(tmp_path / "link", {"a": 1}).get(Builder(), ".so")
    assert path.parent == tmp_path / "open" / "cache"
    (tmp_path / "open").chmod(0o777)
    for _ in range(2):
        with pytest.raises(EngineError, match=f"{tmp_path / 'open'} above it belongs to or is writable by others"):
            Artefact(tmp_path / "link", {"a": 1}).get(Builder(), ".so")
    (tmp_path / "open").chmod(0o1777)  # as /tmp: there others cannot rename what is ours
    assert Artefact(tmp_path / "link", {"a": 1}).get(Builder(), ".so") == path


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["", "above"])
def test_a_folder_of_another_user_is_refused(what, tmp_path):
    cache = tmp_path / "above" / "cache"
    Artefact(cache, {"a": 1}).get(Builder(), ".so")
    os.chown(tmp_path / what if what else cache, 65534, 65534)
    with pytest.raises(EngineError, match="belongs to or is writable by others"):
        Artefact(cache, {"a": 1}).get(Builder(), ".so")


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

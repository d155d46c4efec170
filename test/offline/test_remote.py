"""The command `label` on object storage: what it writes, how it goes on, and what it leaves alone."""

import shutil
import sys
from pathlib import Path

import pytest

from test.offline.conftest import FRAMES
from test.offline.recordings import tree, write_bag

upath = pytest.importorskip(
    "upath", reason="universal_pathlib is not installed: pip install -r requirements/remote.txt"
)


@pytest.fixture
def store():
    """A folder of a storage that is in this process's memory."""
    place = upath.UPath("memory://seg_ros")
    yield place
    if place.exists():
        place.fs.rm(place.path, recursive=True)


@pytest.fixture
def bucket(monkeypatch):
    """A folder in an S3 bucket, of a server in this process; `make test` keeps what it needs beside all else."""
    monkeypatch.syspath_prepend(Path(sys.prefix, "fleet"))
    pytest.importorskip("s3fs", reason="needs s3fs: requirements/storage.txt")
    moto = pytest.importorskip("moto.server", reason="needs moto: requirements/storage.txt")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "nobody's")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:{1}".format(*server.get_host_and_port()))
    place = upath.UPath("s3://seg-ros/drives")
    place.fs.mkdir("seg-ros")
    yield place
    server.stop()


def sent(folder, to):
    """Writes a folder to a storage."""
    for name, data in tree(folder).items():
        (to / str(name)).parent.mkdir(parents=True, exist_ok=True)
        (to / str(name)).write_bytes(data)


def names(place):
    return sorted(path.name for path in place.iterdir())


@pytest.mark.parametrize("storage", ["store", "bucket"])
def test_what_is_on_object_storage_is_labelled_and_stays_there(storage, request, pictures, label, tmp_path, capsys):
    store = request.getfixturevalue(storage)
    for name in ("a", "b"):
        write_bag(tmp_path / "in" / name, pictures)
    label(capsys, tmp_path / "in", "--output", tmp_path / "out")
    sent(tmp_path / "in", store / "in")

    arguments = store / "in", "--output", store / "out"
    status, figures, said = label(capsys, *arguments)
    assert (status, figures["inputs"], figures["labelled"]) == (0, 2, 2 * FRAMES), said
    made = {path.name: path.read_bytes() for path in (store / "out" / "in" / "a").iterdir()}
    here = {path.name: path.read_bytes() for path in (tmp_path / "out" / "in" / "a").iterdir()}
    assert str(store / "in" / "a") in made.pop("seg_ros.json").decode()
    assert here.pop("seg_ros.json")
    assert made == here

    assert label(capsys, *arguments)[1]["resumed"] == 2
    (store / "out" / "in" / "a" / "seg_ros.json").unlink()  # as a run that was killed leaves it
    (store / "out" / "in" / "a" / ".seg_ros.unfinished").touch()
    status, figures, _ = label(capsys, *arguments)
    assert (status, figures["resumed"], figures["labelled"]) == (0, 1, FRAMES)
    assert names(store / "out" / "in" / "a") == ["a.mcap", "metadata.yaml", "seg_ros.json"]

    shutil.rmtree(tmp_path / "in" / "b")
    sent(write_bag(tmp_path / "in" / "b", pictures[::-1]), store / "in" / "b")
    (store / "out" / "in" / "a" / "seg_ros.json").unlink()  # now nobody knows whose it is
    status, figures, said = label(capsys, *arguments)
    assert (status, figures["skipped"]) == (1, 2)
    assert "content was" in said
    assert "that this command did not make" in said


def test_storage_and_this_machine_may_be_mixed(pictures, label, store, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures)
    assert label(capsys, source, "--output", store / "out")[1]["labelled"] == FRAMES
    assert label(capsys, source, "--output", store / "out")[1]["resumed"] == 1
    assert names(store / "out" / "drive") == ["drive.mcap", "metadata.yaml", "seg_ros.json"]
    (store / "drive.mcap").write_bytes((source / "drive.mcap").read_bytes()[:100])
    status, figures, said = label(capsys, store / "drive.mcap", "--output", tmp_path / "out")
    assert (status, figures["skipped"]) == (1, 1)
    assert f"{store / 'drive.mcap'}: " in said
    assert "inside the input" in label(capsys, store, "--output", store / "out")[0]
    assert "holographic" in label(capsys, "holographic://x", "--output", tmp_path / "out")[0]

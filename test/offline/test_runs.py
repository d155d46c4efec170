"""The command `label` run again, beside itself, with several workers, and killed."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin

from seg_ros.classes import CAMVID
from seg_ros.models import SEMANTIC
from seg_ros.offline import pieces
from seg_ros.offline.bags import Bag
from seg_ros.offline.inputs import Input
from seg_ros.offline.labelling import label as label_one
from seg_ros.offline.labelling import label_piece
from seg_ros.offline.labels import Segmentation, Wish
from seg_ros.results import SemanticMap
from test.conftest import wait_for
from test.offline.conftest import FRAMES
from test.offline.recordings import IMAGE, finishes_without, tree, write_bag


def test_the_same_command_goes_on_where_it_was(pictures, label, tmp_path, capsys):
    for name in ("a", "b"):
        write_bag(tmp_path / "in" / name, pictures)
    arguments = tmp_path / "in", "--output", tmp_path / "out"
    assert label(capsys, *arguments)[1]["labelled"] == 2 * FRAMES
    shutil.rmtree(tmp_path / "out" / "in" / "b")
    (tmp_path / "out" / "in" / ".b.partial").mkdir()  # as a run that was killed leaves it
    done = os.stat(tmp_path / "out" / "in" / "a" / "seg_ros.json").st_mtime_ns
    status, figures, _ = label(capsys, *arguments)
    assert (status, figures["labelled"], figures["resumed"]) == (0, FRAMES, 1)
    assert os.stat(tmp_path / "out" / "in" / "a" / "seg_ros.json").st_mtime_ns == done
    assert sorted(p.name for p in (tmp_path / "out" / "in").iterdir()) == ["a", "b"]

    status, figures, said = label(capsys, *arguments, "--confidence")  # another output
    assert (status, figures["skipped"], figures["labelled"]) == (1, 2, 0)
    assert "confidence was False and is True" in said
    assert "--force" in said
    assert label(capsys, *arguments, "--confidence", "--force")[1]["labelled"] == 2 * FRAMES


def test_an_input_that_changed_is_not_taken_for_done(pictures, label, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures)
    before = Input(source, Path("drive"), True).content()
    arguments = source, "--output", tmp_path / "out"
    label(capsys, *arguments)
    shutil.rmtree(source)
    write_bag(source, pictures[::-1])
    assert Input(source, Path("drive"), True).content() != before
    status, _, said = label(capsys, *arguments)
    assert status == 1
    assert "content was" in said


def test_a_run_that_is_killed_is_finished_by_the_next(pictures, label, small_weights, tmp_path, capsys):
    write_bag(tmp_path / "in" / "a", pictures)
    write_bag(tmp_path / "in" / "b", pictures * 500)
    command = [sys.executable, "-m", "seg_ros.cli.label", tmp_path / "in", "--output", tmp_path / "out"]
    options = ["--weights", small_weights, "--engine", "eager", "--log", "json"]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as process:
        wait_for((tmp_path / "out" / "in" / ".b.partial").exists, 60.0)
        process.kill()
    assert sorted(p.name for p in (tmp_path / "out" / "in").iterdir()) == [".b.partial", "a"]
    status, figures, _ = label(capsys, tmp_path / "in", "--output", tmp_path / "out")
    assert (status, figures["resumed"], figures["labelled"]) == (0, 1, 500 * FRAMES)
    assert sorted(p.name for p in (tmp_path / "out" / "in").iterdir()) == ["a", "b"]


def children(pid):
    """The workers that a run has started."""
    text = "".join(file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children"))
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in text.split()}
    return [child for child, command in commands.items() if b"spawn_main" in command]


def held(folder):
    """What a folder holds; None where there is none at this moment."""
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)


def test_workers_make_the_same_and_may_be_killed(pictures, label, small_weights, tmp_path, capsys):
    for name in ("a", "b"):
        write_bag(tmp_path / "in" / name, pictures * 150)
    label(capsys, tmp_path / "in", "--output", tmp_path / "alone")
    command = [sys.executable, "-m", "seg_ros.cli.label", tmp_path / "in", "--output", tmp_path / "out"]
    options = ["--weights", small_weights, "--engine", "eager", "--quiet", "--workers", "2"]
    partials = [tmp_path / "out" / "in" / f".{name}.partial" for name in ("a", "b")]

    def at_work():
        return all(path.exists() for path in partials)

    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as driver:
        wait_for(at_work, 60.0)
        workers = children(driver.pid)
        driver.kill()
    assert len(workers) == 2
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10.0)

    def worker(driver):
        wait_for(lambda: len(children(driver.pid)) == 2, 60.0)
        before = [held(path) for path in partials]
        wait_for(lambda: all(held(p) not in (None, b) for p, b in zip(partials, before, strict=True)), 60.0)
        return children(driver.pid)[0]

    finishes_without([*command, *options], worker)
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


class Blue:
    """A network that labels pixels by how blue they are."""

    classes, task, least_score = CAMVID, SEMANTIC, 0.0

    def __call__(self, frame, wanted):
        return SemanticMap(frame.pixels[..., 0] % 11)


def test_few_frames_of_a_long_recording_are_in_memory(pictures, monkeypatch, tmp_path):
    """The reader is far faster than the network, and waits for it."""
    source, taken, done, most = write_bag(tmp_path / "drive", pictures * 50), 0, 0, 0
    once = Bag.messages

    def counted(*arguments):
        nonlocal taken, most
        for message in once(*arguments):
            taken += message.kind == IMAGE
            most = max(most, taken - done)
            yield message

    def step():
        nonlocal done
        done += 1

    class Slow(Blue):
        def __call__(self, frame, wanted):
            time.sleep(0.002)
            return super().__call__(frame, wanted)

    monkeypatch.setattr(Bag, "messages", counted)
    each = Input(source, Path("drive"), True)
    label_one(each, tmp_path / "out", Segmentation(Slow()), Wish(), step)
    assert done == 50 * FRAMES
    assert 16 < most < 60


class Never(Blue):
    def __call__(self, frame, wanted):
        pytest.fail("its label is in a piece")


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_labels_that_are_in_pieces_are_not_made_again(storage, pictures, monkeypatch, tmp_path):
    source, name = write_bag(tmp_path / "drive", pictures * 10, storage, damage=(1, 12)), Path("drive")
    each, doing = Input(source, name, True), {"wish": Wish(), "step": lambda: None}
    (tmp_path / "whole").mkdir()
    whole = label_one(each, tmp_path / "whole" / name, Segmentation(Blue()), **doing)
    monkeypatch.setattr(pieces, "SIZE", each.size() // 3)
    for span in pieces.spans(each):
        make = functools.partial(label_piece, segmentation=Segmentation(Blue()), span=span, **doing)
        pieces.make_piece(each, tmp_path / "out", {}, span, make)
    made = pieces.made_pieces(each, tmp_path / "out", {})
    assert len(made) == 3
    assert not pieces.made_pieces(each, tmp_path / "out", {"weights": "others"})
    assert label_one(each, tmp_path / "out" / name, Segmentation(Never()), pieces=made, **doing) == whole
    pieces.remove_pieces(each, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_large_bag_in_pieces_has_the_same_bytes(pictures, label, monkeypatch, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures * 10, damage=(1, 12))
    options = source, "--confidence", "--output"
    label(capsys, *options, tmp_path / "whole")
    monkeypatch.setattr(pieces, "SIZE", Input(source, Path("drive"), True).size() // 3)
    status, figures, said = label(capsys, *options, tmp_path / "out", "--workers", "2")
    assert (status, figures["workers"], figures["labelled"], figures["failed"]) == (0, 2, 10 * FRAMES - 2, 2), said
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert sorted(os.listdir(tmp_path / "out")) == [".lock", "drive"]


def test_two_runs_do_not_write_one_folder(pictures, label, tmp_path, capsys):
    import fcntl

    source = write_bag(tmp_path / "drive", pictures)
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status, _, _ = label(capsys, source, "--output", tmp_path / "out")
    assert "another run is at work" in status

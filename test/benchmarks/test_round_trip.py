"""Round trips: what counts as published, answered and lost, the ratios, and one cell with all its processes."""

import json
import time

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from benchmarks import round_trip
from benchmarks.processes import cpu_seconds
from benchmarks.round_trip import Sample, rows, section
from benchmarks.round_trip_roles import Run
from seg_ros.errors import EngineError

MS = 10**6
RUN = Run("/here", 1, 480, 640, 30.0)


@pytest.fixture
def graph_of_its_own(ros_env, monkeypatch):
    for name, value in ros_env.items():
        monkeypatch.setenv(name, value)


def test_a_sample_counts_the_stamps_in_its_window():
    published = [(0, stamp * MS) for stamp in (90, 100, 150, 199, 200)]  # warm-up, three that count, one too late
    arrived = [(0, 90 * MS, 95 * MS), (0, 100 * MS, 103 * MS), (0, 199 * MS, 230 * MS), (0, 200 * MS, 201 * MS)]
    sample = Sample.of((100 * MS, 200 * MS), published, arrived)
    assert sample.published == 3
    assert sorted(sample.ages) == pytest.approx([3.0, 31.0])  # the latter was on its way when the window ended
    assert sample.seconds == pytest.approx(0.1)


def test_an_answer_belongs_to_its_camera():
    sample = Sample.of((0, 100 * MS), [(0, 5 * MS), (1, 5 * MS)], [(1, 5 * MS, 9 * MS)])
    assert (sample.published, sample.ages) == (2, pytest.approx([4.0]))


def test_rows_pool_the_rounds():
    samples = {
        "typed": [Sample(1.0, 4, [6.0, 8.0, 8.0, 9.0], 0.02, 50.0)],
        "raw": [Sample(1.0, 2, [2.0, 2.0], 0.001, 60.0)],
        "node": [Sample(1.0, 3, [1.0, 4.0, 4.0], 0.01, 70.4), Sample(1.0, 3, [4.0, 9.0], 0.02, 70.6)],
    }
    typed, raw, node = rows(RUN, samples)
    assert (typed["middle"], typed["vs_typed"], raw["vs_raw"]) == ("typed", None, None)
    assert (node["hz"], node["p50_ms"], node["loss"], node["peak_mb"]) == (3.0, 4.0, 0.1667, 71)
    assert node["cpu_ms_per_frame"] == 6.0
    assert (node["vs_typed"], node["vs_raw"]) == (2.0, 2.0)


def test_without_answers_there_are_no_figures_but_the_loss():
    samples = {middle: [Sample(1.0, 5, [])] for middle in round_trip.MIDDLES}
    node = rows(RUN, samples)[-1]
    assert (node["loss"], node["p50_ms"], node["cpu_ms_per_frame"], node["vs_raw"]) == (1.0, None, None, None)


def test_heavy_cells_have_a_lower_rate():
    assert round_trip._rate(480, 4) == round_trip._rate(1080, 1) == 30.0
    assert round_trip._rate(1080, 4) == round_trip._rate(2160, 1) == 7.5


def test_a_process_that_ends_is_named(graph_of_its_own, capfd):
    with pytest.raises(EngineError, match="the process nobody ended with status 1"):
        round_trip.measure("nobody", RUN, 0.1)
    assert "KeyError: 'nobody'" in capfd.readouterr().err


def test_the_table_of_the_page_has_a_row_a_cell():
    samples = {
        "typed": [Sample(1.0, 2, [8.0, 8.0], 0.02, 50.0)],
        "raw": [Sample(1.0, 2, [2.0, 2.0], 0.001, 60.0)],
        "node": [Sample(1.0, 2, [4.0], 0.01, 70.4)],
    }
    lines = section(rows(RUN, samples) + rows(Run("/here", 4, 1080, 1920, 7.5), samples), "a machine").splitlines()
    assert lines[0] == "a machine"
    assert lines[4:] == [
        "| (480, 640) | 1 at 2.0 Hz | 8.0 ms | 2.0 ms | 4.0 ms | 4.0 ms | 50.0 % | 10.0 ms | 2.0 | 2.0 |",
        "| (1080, 1920) | 4 at 0.5 Hz | 8.0 ms | 2.0 ms | 4.0 ms | 4.0 ms | 50.0 % | 10.0 ms | 2.0 | 2.0 |",
    ]


def test_the_time_of_a_process_grows():
    before, end = cpu_seconds(), time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert cpu_seconds() > before


def test_one_cell_with_all_its_processes(graph_of_its_own, capsys, tmp_path):
    (tmp_path / "benchmarks.md").write_text("<!-- round trip -->\n<!-- /round trip -->\n")
    round_trip.main([
        "--sizes", "480", "--cameras", "1", "--seconds", "1", "--rounds", "1", "--rate", "10",
        "--write", "--docs", str(tmp_path),
    ])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"| {' | '.join(round_trip.COLUMNS)} |"
    assert [line.split(" | ")[0] for line in lines[2:-1]] == ["| typed", "| raw", "| node"]
    (node,) = json.loads(lines[-1])
    assert set(node) == {
        "height", "width", "cameras", "hz", "p50_ms", "p99_ms", "loss", "cpu_ms_per_frame", "peak_mb", "vs_typed",
        "vs_raw",
    }  # fmt: skip
    assert (node["height"], node["width"], node["cameras"]) == (480, 640, 1)
    assert node["hz"] > 0.0
    assert 0.0 <= node["loss"] < 1.0
    assert 0.0 < node["p50_ms"] <= node["p99_ms"]
    assert node["cpu_ms_per_frame"] >= 0.0
    assert node["peak_mb"] > 100
    assert node["vs_typed"] > 0.0 < node["vs_raw"]
    assert "| (480, 640) | 1 at " in (tmp_path / "benchmarks.md").read_text()

"""The page of the tables, the table of speed and its chart, on rows that nobody measured."""

import io
import json

import cv2
import numpy as np
import pytest

from benchmarks import chart, speed
from benchmarks.page import DOCS, machine, write_section
from seg_ros.cli import latency

PAGE = "# Page\n\n<!-- speed -->\nold\n<!-- /speed -->\n\nwords\n\n<!-- other -->\nits own\n<!-- /other -->\n"


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "benchmarks.md").write_text(PAGE)
    return tmp_path


def row(engine, p50, **more):
    return {
        "model": "net", "engine": engine, "device": "cpu", "precision": "fp32", "batch": 1, "height": 480, "width": 640,
        "p50_ms": p50, "p99_ms": 2 * p50, "fps": 1e3 / p50, "peak_mb": 300, "gflop": 7.49, "roof_share": 0.381,
        "vs_eager": 40.0 / p50, "vs_torchvision": None,
    } | more  # fmt: skip


ROWS = [row("pytorch", 40.0), row("inductor", 10.0), row("inductor", 20.0, model="other", vs_torchvision=12.0)]


def test_a_section_is_replaced_and_the_rest_stays(docs):
    for _ in range(2):  # the second time is as the first
        write_section(docs, "speed", "\nnew\n")
        assert (docs / "benchmarks.md").read_text() == PAGE.replace("old", "new")


@pytest.mark.parametrize(
    "page",
    ["nothing", "<!-- speed -->", "<!-- /speed --><!-- speed -->", PAGE + PAGE],
    ids=("none", "open", "turned", "two"),
)
def test_a_page_that_does_not_say_where_is_left_alone(docs, page):
    (docs / "benchmarks.md").write_text(page)
    with pytest.raises(ValueError, match="expected <!-- speed --> and then <!-- /speed -->, each once"):
        write_section(docs, "speed", "new")
    assert (docs / "benchmarks.md").read_text() == page


@pytest.mark.parametrize("name", ["speed", "round trip", "torchvision", "runtimes"])
def test_the_page_of_the_docs_has_a_place_for_every_table(tmp_path, name):
    (tmp_path / "benchmarks.md").write_text((DOCS / "benchmarks.md").read_text())
    write_section(tmp_path, name, "new")


def test_the_machine_is_named_with_what_is_installed():
    named = machine("torch", "no-such-package")
    assert "cores, no GPU; " in named
    assert ", torch " in named
    assert "no-such-package" not in named
    assert "cores, a card; " in machine(gpu="a card")


def test_the_table_of_speed():
    lines = speed.section(ROWS, "a machine.", "fp32 1 GFLOP/s").splitlines()
    assert lines[0] == "a machine. Measured peaks: fp32 1 GFLOP/s."
    assert lines[2].startswith("| network | input (H, W) |")
    assert lines[4:] == [
        "| `net` | (480, 640) | 7.5 | plain PyTorch | 40.0 | 80.0 | 300 | 38 % | 1.00 |  |",
        "| `net` | (480, 640) | 7.5 | inductor fp32 | 10.0 | 20.0 | 300 | 38 % | 4.00 |  |",
        "| `other` | (480, 640) | 7.5 | inductor fp32 | 20.0 | 40.0 | 300 | 38 % | 2.00 | 12.00 |",
    ]


def test_one_command_fills_page_and_chart(docs, monkeypatch, capsys, small_weights):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    asked = []
    monkeypatch.setattr(latency, "table", lambda subjects, *_, **__: asked.append(subjects) or (ROWS, "none"))
    speed.main(["--docs", str(docs), "--weights", str(small_weights), "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == ROWS
    assert [subject.name for subject in asked[0]] == ["small"]
    assert lines[2] in (docs / "benchmarks.md").read_text()
    assert cv2.imread(str(docs / "img/benchmark.png")) is not None


def test_bars_are_as_long_as_times(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("words\n" + json.dumps(ROWS)))
    chart.main([str(tmp_path / "bars.png")])
    image = cv2.imread(str(tmp_path / "bars.png")).astype(int)

    def length(colour):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        return (np.abs(image - rgb[::-1]).max(axis=2) < 4).sum(axis=1)

    plain, inductor = length(chart._COLOURS["pytorch"]).max(), length(chart._COLOURS["inductor"])
    half = len(inductor) // 2
    assert plain == pytest.approx(4 * inductor[:half].max(), rel=0.05)
    assert plain == pytest.approx(2 * inductor[half:].max(), rel=0.05)

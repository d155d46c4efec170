"""The benchmark's table and JSON."""

import json

from seg_ros.cli import benchmark
from seg_ros.engines import ENGINES


def test_a_row_an_engine_beside_plain_eager(small_weights, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    benchmark.main(["--weights", str(small_weights), "--seconds", "0.1"])
    lines = capsys.readouterr().out.splitlines()
    table = json.loads(lines[-1])
    assert [row["engine"] for row in table] == ["plain eager", *ENGINES]
    assert len(lines) == 3 + len(table)
    for row in table:
        assert (row["height"], row["width"]) == (64, 96)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["gflop"] > 0
    assert table[0]["vs_eager"] == 1.0


def test_an_untrained_network_of_any_size(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    benchmark.main(
        ["--model", "fcn", "--arguments", "classes=3", "width=0.1", "--size", "32", "64", "--seconds", "0.1"]
    )
    assert {row["width"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])} == {64}

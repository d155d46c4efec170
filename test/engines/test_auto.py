"""`auto` on a CPU: what it measures, takes, and when it measures anew."""

import json

import pytest
from torch import nn

from seg_ros.engines import ENGINES, cache, choosing, opening
from seg_ros.engines.opening import open_engine
from seg_ros.errors import EngineError
from test.engines.clocks import FakeClock

SHAPE = (1, 8, 8)


class Toy(nn.Module):
    """What a graph is to engines that do not run it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(3, 2, 1))
        self.ranges = {"0": (0.0, 1.0)}


class Engines:
    """Engines of known speed in the place of all; a speed of None does not work.

    Attributes:
        seconds: that a run takes, by engine or by engine and precision.
        native: what the processor multiplies.
        ran: the candidates that ran since `ran` was emptied.
    """

    def __init__(self, folder) -> None:
        self.folder, self.clock, self.ran, self.version = folder, FakeClock(), [], "1"
        self.seconds = {"inductor": 0.1, "openvino": 0.2, "eager": 0.4}
        self.native = ("fp32",)

    def module(self, candidate):
        return self

    def versions(self):
        return {"version": self.version}

    def build(self, graph, example, artefact):
        key = json.loads(artefact.key)
        name = f"{key['engine']} {key['precision']}"
        seconds = self.seconds.get(name, self.seconds.get(key["engine"]))
        if seconds is None:
            raise EngineError(f"{name} does not work")
        if key["engine"] != "eager":
            artefact.get(lambda path: path.touch(), ".so")
        run = self.clock.run(seconds, seconds)
        return lambda pixels: (run(), self.ran.append(name))

    def open(self, name="auto", precision="auto", shape=SHAPE, **options):
        self.ran.clear()
        return open_engine(name, Toy().eval(), shape, "weights", self.folder, precision, "cpu", **options)


@pytest.fixture
def engines(monkeypatch, tmp_path):
    fakes = Engines(tmp_path / "cache")
    monkeypatch.setattr(opening, "_module", fakes.module)
    monkeypatch.setattr(opening, "native_precisions", lambda graph: fakes.native)
    monkeypatch.setattr(opening, "best_precision", lambda device, graph: fakes.native[-1])
    monkeypatch.setattr(choosing, "Clock", lambda: fakes.clock)
    names = {name: module for name, module in ENGINES.items() if name != "tensorrt"}  # of no use on a CPU
    monkeypatch.setattr(opening, "ENGINES", names)
    return fakes


def taken(engine):
    return f"{engine.name} {engine.precision}"


def test_what_takes_minutes_is_measured_once_it_is_compiled(engines):
    engine = engines.open()
    assert (taken(engine), engine.measured) == (
        "openvino fp32",
        pytest.approx({"openvino fp32": 200, "eager fp32": 400}),
    )
    assert "'ros2 run seg_ros compile'" in engine.refused["inductor fp32"]
    engine = engines.open(compile_all=True)
    assert (taken(engine), list(engine.measured)) == ("inductor fp32", ["inductor fp32", "openvino fp32", "eager fp32"])
    assert engine.refused == {}
    assert taken(engines.open()) == "inductor fp32"


def test_the_choice_is_remembered(engines):
    first = engines.open()
    engines.seconds["openvino"] = 9.0
    again = engines.open()
    assert (taken(again), again.measured, again.refused) == (taken(first), first.measured, first.refused)
    assert set(engines.ran) == {"openvino fp32"}  # only to warm up


CHANGES = {
    "another version": lambda engines, monkeypatch: setattr(engines, "version", "2"),
    "another machine": lambda engines, monkeypatch: monkeypatch.setattr(cache, "machine", lambda device: {"cpu": "x"}),
    "another source": lambda engines, monkeypatch: monkeypatch.setattr(cache, "graph_source", lambda: "x"),
    "damaged": lambda engines, monkeypatch: next(engines.folder.glob("*.choice")).write_text("{}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_measured_anew_when_what_it_rests_on_changes(change, engines, monkeypatch):
    engines.open()
    CHANGES[change](engines, monkeypatch)
    engines.seconds["openvino"] = 0.9
    assert taken(engines.open()) == "eager fp32"


def test_one_choice_for_batches_and_other_sizes(engines):
    engines.open()
    engines.seconds["openvino"] = 9.0
    engine = engines.open(shape=(4, 8, 8))
    assert (taken(engine), set(engines.ran)) == ("openvino fp32", {"openvino fp32"})
    assert taken(engines.open(shape=(1, 16, 24), usual_size=(8, 8))) == "openvino fp32"
    assert taken(engines.open(shape=(1, 16, 24))) == "eager fp32"


def test_what_no_longer_opens_makes_room_for_the_next(engines):
    engines.open()
    engines.seconds["openvino"] = None
    engine = engines.open()
    assert (taken(engine), engine.refused["openvino fp32"]) == ("eager fp32", "openvino fp32 does not work")


def test_without_openvino_the_first_that_works_is_compiled(engines):
    engines.seconds["openvino"] = None
    engine = engines.open()
    assert (taken(engine), engine.measured) == ("inductor fp32", {})
    engines.seconds["inductor"] = None
    assert taken(engines.open()) == "eager fp32"


def test_every_native_precision_is_a_candidate(engines):
    engines.native = ("fp32", "bf16")
    engines.seconds |= {"openvino fp32": 0.3}
    assert taken(engines.open()) == taken(engines.open("openvino")) == "openvino bf16"
    assert taken(engines.open(precision="fp32")) == taken(engines.open("openvino", "fp32")) == "openvino fp32"
    assert set(engines.open().measured) == {"openvino fp32", "openvino bf16", "eager fp32", "eager bf16"}
    assert taken(engines.open("inductor")) == "inductor bf16"  # not measured: it would compile for minutes


@pytest.mark.parametrize(
    ("loss", "precision", "takes"),
    [
        (None, "auto", "fp32"),
        (0.2, "auto", "int8"),
        (0.6, "auto", "fp32"),
        (0.2, "fp32", "fp32"),
        (9.0, "int8", "int8"),
    ],
)
def test_int8_is_taken_where_it_costs_little_and_nobody_forbids_it(loss, precision, takes, engines):
    engines.seconds |= {"openvino int8": 0.05, "inductor": None}
    engine = engines.open(precision=precision, int8_loss=loss, compile_all=True)
    assert taken(engine) == f"openvino {takes}"
    assert ("openvino int8" in engine.measured) == (takes == "int8")


@pytest.mark.parametrize(("capability", "built"), [("AVX2", "int8"), ("AVX512", "int8"), ("DEFAULT", "fp32")])
def test_at_first_only_the_most_promising_is_built(capability, built, engines, monkeypatch):
    monkeypatch.setattr(opening.torch.backends.cpu, "get_cpu_capability", lambda: capability)
    engine = engines.open(int8_loss=0.2)
    assert set(engine.measured) == {f"openvino {built}", "eager fp32"}
    engine = engines.open(int8_loss=0.2, compile_all=True)
    assert set(engine.measured) == {"inductor fp32", "openvino fp32", "openvino int8", "eager fp32"}
    assert engines.open(int8_loss=0.2).measured == engine.measured


def test_an_engine_that_has_no_int8_says_so(engines):
    with pytest.raises(
        EngineError, match="inductor does not compute in int8; use another precision, or the engine open"
    ):
        engines.open("inductor", "int8")

"""Manifests and headers of any content: a network, or a WeightsError of one short line; never anything else."""

import json

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seg_ros import weights
from seg_ros.errors import WeightsError
from seg_ros.manifest import read_manifest
from test.headers import write

NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 1, 255, 256, 2**31, 2**63, 10**400, 1e308])
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
QUICK = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(value, at=()):
    """The path to each value inside a JSON value, itself included."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def changed(value, at, new):
    """A copy of `value` with `new` at the path `at`."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(copy[at[0]], at[1:], new)
    return copy


def check(read, path):
    refusal = ""
    try:
        read(path)
    except WeightsError as error:
        refusal = str(error)
    assert not refusal or (refusal.startswith(f"{path}: ") and len(refusal) < 2000)


@QUICK
@given(data=st.data())
def test_any_value_at_any_place(tmp_path, small_weights, data):
    manifest, tensors = weights.load(small_weights)
    honest = json.loads(manifest.to_json())
    for _ in range(data.draw(st.integers(1, 2))):
        honest = changed(honest, data.draw(st.sampled_from(sorted(places(honest), key=repr))), data.draw(VALUES))
        if not isinstance(honest, dict):
            break
    check(weights.load_model, write(tmp_path / "a.safetensors", honest, tensors))


@QUICK
@given(name=st.text(max_size=10), value=VALUES, arguments=st.dictionaries(st.text(max_size=8), VALUES, max_size=3))
def test_any_key_and_any_arguments(tmp_path, small_weights, name, value, arguments):
    manifest, tensors = weights.load(small_weights)
    honest = json.loads(manifest.to_json())
    honest["arguments"] |= arguments
    check(weights.load_model, write(tmp_path / "a.safetensors", honest, tensors))
    check(weights.load_model, write(tmp_path / "a.safetensors", honest | {name: value}, tensors))


HEADERS = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps({"__metadata__": value}).encode())


@QUICK
@given(head=HEADERS, size=st.integers(0, 99))
def test_any_header(tmp_path, head, size):
    path = tmp_path / "a.safetensors"
    for length in (len(head), size, 2**64 - 1 - size):
        path.write_bytes(length.to_bytes(8, "little") + head)
        check(read_manifest, path)
        check(weights.load, path)

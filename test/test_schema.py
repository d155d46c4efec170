"""Checks of values from outside: what is taken, and what the refusal says."""

import json

import pytest

from seg_ros import schema

COLOUR = schema.array(schema.whole(0, 255), 3, 3)
PERSON = schema.record({"name": schema.text(5), "age": schema.number(0, 150), "red": schema.flag}, optional=["red"])


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (COLOUR, [0, 128, 255]),
        (COLOUR, (0, 128, 255)),
        (PERSON, {"name": "Ann", "age": 3.5, "red": True}),
        (PERSON, {"name": "Jörg", "age": 3}),
        (schema.table(schema.flag, 2), {"a": True, "b": False}),
        (schema.one_of({"a": 1}), "a"),
        (schema.any_of("a flag or a text", schema.flag, schema.text(3)), "abc"),
    ],
)
def test_what_is_right_passes(check, value):
    check("it", value)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (COLOUR, [0, 128], r"it: expected 3 values, got 2: \[0, 128\]"),
        (COLOUR, "red", "it: expected a list of 3 values, got 'red'"),
        (COLOUR, [0, 0, 256], r"it\[2\]: expected a whole number in 0\.\.255, got 256"),
        (COLOUR, [0, 0.0, 0], r"it\[1\]: expected a whole number in 0\.\.255, got 0\.0"),
        (COLOUR, [True, 0, 0], r"it\[0\]: expected a whole number in 0\.\.255, got True"),
        (PERSON, {"name": "Ann"}, "it: 'age' is missing; expected name, age, red"),
        (PERSON, {"name": "Ann", "age": 1, "shoe": 9}, "it: 'shoe' is unknown; expected name, age, red"),
        (PERSON, {"name": "Ann", "age": float("nan")}, r"it\.age: expected a number in 0\.\.150, got nan"),
        (PERSON, {"name": "Ann", "age": 10**400}, r"it\.age: expected a number in 0\.\.150, got 1000"),
        (
            PERSON,
            {"name": "A\nn", "age": 1},
            r"it\.name: expected a text of at most 5 printable characters, got 'A\\nn'",
        ),
        (
            PERSON,
            {"name": "A\0", "age": 1},
            r"it\.name: expected a text of at most 5 printable characters, got 'A\\x00'",
        ),
        (PERSON, {"name": "Annabel", "age": 1}, r"it\.name: expected a text of at most 5 printable characters"),
        (PERSON, [], r"it: expected an object of name, age, red, got \[\]"),
        (PERSON, {"name": "Ann", "age": 1, "red": 1}, r"it\.red: expected true or false, got 1"),
        (schema.table(schema.flag, 2), {"a": 1}, r"it\.a: expected true or false"),
        (schema.table(schema.flag, 2), dict.fromkeys("abc", True), "it: expected an object of at most 2 names"),
        (schema.table(schema.flag, 2), {"\n": True}, "a name in it: expected a text"),
        (schema.one_of({"a": 1}), ["a"], r"it: expected one of a, got \['a'\]"),
        (schema.any_of("a flag or a text", schema.flag, schema.text(3)), 5, "it: expected a flag or a text, got 5"),
    ],
)
def test_what_is_wrong_is_said(check, value, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        check("it", value)


def test_a_refusal_is_short_whatever_came():
    with pytest.raises(ValueError, match="got 'x") as error:
        schema.whole(0, 1)("it", "x" * 10**7)
    assert len(str(error.value)) < 200


def test_json_of_any_depth_is_read_or_refused():
    assert schema.parse(json.dumps({"a": [1]})) == {"a": [1]}
    for text in ("[" * 200_000, '{"a":' * 200_000, "[" * 200_000 + "]" * 200_000):
        with pytest.raises(ValueError, match="nested too deep"):
            schema.parse(text)
    with pytest.raises(ValueError, match="Expecting value"):
        schema.parse("nonsense")

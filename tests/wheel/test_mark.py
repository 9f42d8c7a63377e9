"""The mark survives being written and read, and nothing else passes for one."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base.model import Mark
from freshwheel.wheel import mark

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "mark.md"
STAMP = Mark(
    digest="5e1fa9c03b7d" + "0" * 20,
    settled=True,
    label="s5e1fa9c03b7d",
    base="1.2.3",
    backend="maturin",
    inner_wheel="demo-1.2.3-py3-none-any.whl",
    freshwheel="0.1.0",
    native="1c" * 16,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@st.composite
def marks(draw):
    """Any mark."""
    digest = draw(st.text("0123456789abcdef", min_size=32, max_size=32))
    return Mark(
        digest=digest,
        settled=draw(st.booleans()),
        label=draw(st.sampled_from([None, mark.label(digest)])),
        base=draw(TEXTS),
        backend=draw(TEXTS),
        inner_wheel=draw(TEXTS),
        freshwheel=draw(TEXTS),
        native=draw(st.none() | st.text("0123456789abcdef", min_size=32, max_size=32)),
    )


def altered(**fields):
    """The text of a mark with other fields; those that are Ellipsis are missing."""
    found = json.loads(mark.dump(STAMP)) | fields
    return json.dumps({key: value for key, value in found.items() if value is not ...}).encode()


@given(marks())
def test_any_mark(stamp):
    """What is written is read again, is ASCII with sorted keys and ends with a newline."""
    data = mark.dump(stamp)
    assert mark.parse(data) == stamp
    assert data.isascii()
    assert data.endswith(b"}\n")
    assert list(json.loads(data)) == sorted(json.loads(data))


@given(st.one_of(st.binary(), st.recursive(st.none() | st.booleans() | st.integers(), st.lists).map(json.dumps)))
def test_anything_else(data):
    """A text that is no mark is a ValueError and never another failure."""
    with pytest.raises(ValueError, match=r"."):
        mark.parse(data if isinstance(data, bytes) else data.encode())


def test_a_mark_as_it_lies_in_the_wheel():
    """The bytes are fixed: two marks of one tree, made anywhere, are equal."""
    assert mark.dump(STAMP).decode().splitlines() == [
        "{",
        '  "backend": "maturin",',
        '  "base": "1.2.3",',
        '  "built": null,',
        '  "digest": "5e1fa9c03b7d00000000000000000000",',
        '  "format": 1,',
        '  "freshwheel": "0.1.0",',
        '  "inner_wheel": "demo-1.2.3-py3-none-any.whl",',
        '  "label": "s5e1fa9c03b7d",',
        f'  "native": "{"1c" * 16}",',
        '  "settled": true',
        "}",
    ]


def test_keys_of_a_later_version():
    """They are ignored as long as the format is the same."""
    assert mark.parse(altered(later={"a": [1]})) == STAMP


def test_mark_of_an_earlier_version():
    """It has no native digest, and none of other sources."""
    assert mark.parse(altered(native=..., built=...)) == dataclasses.replace(STAMP, native=None)


@pytest.mark.parametrize(
    "key",
    [*(field.name for field in dataclasses.fields(Mark) if field.name not in ("built", "label", "native")), "format"],
)
@pytest.mark.parametrize("value", [..., 1.5, [], {}, ""])
def test_a_field_of_another_type_or_none(key, value):
    """The reason names the field."""
    with pytest.raises(ValueError, match=key):
        mark.parse(altered(**{key: value}))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (altered(format=2), "format 1"),
        (altered(settled=1), "its settled can't be 1"),
        (altered(settled=None), "its settled can't be None"),
        (altered(base=None), "its base can't be None"),
        (altered(native=1), "its native can't be 1"),
        (altered(digest="5E1FA9C03B7D" + "0" * 20), "digest is not"),
        (altered(digest="5e1fa9c03b7d" + "0" * 21), "digest is not"),
        (altered(label="s000000000000"), "its label not of it"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "no table"),
        (b"", "Expecting value"),
    ],
)
def test_not_a_mark(data, reason):
    """It is refused, with the reason."""
    with pytest.raises(ValueError, match=reason):
        mark.parse(data)


def test_the_page_about_the_mark():
    """Its example is one, and its table has a line for each key."""
    page = PAGE.read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)[1].encode()
    assert mark.dump(mark.parse(example)) == example
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(json.loads(mark.dump(STAMP)))

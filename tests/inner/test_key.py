"""The build key: which values are told apart, and what of them is shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.inner import build_key
from freshwheel.inner.build_key import component, secret

SALT = b"salt of one store"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda below: st.lists(below, max_size=3).map(tuple),
    max_leaves=6,
)


def typed(value):
    """A value together with its type all the way down: Python takes 1, True and 1.0 for equal."""
    return (tuple, tuple(map(typed, value))) if isinstance(value, tuple) else (type(value), value)


@given(VALUES, VALUES)
def test_two_values_have_two_keys(one, other):
    """Values are told apart by type, nesting and length, and equal ones have one key."""
    keys = [build_key.key([component("x", value)]) for value in (one, other)]
    assert (keys[0] == keys[1]) == (typed(one) == typed(other))


@given(VALUES, VALUES)
def test_what_is_shown_differs_where_values_do(one, other):
    """No two values look alike, so a difference of keys can always be named."""
    shown = [build_key.parts([component("x", value)], salt=SALT)["x"] for value in (one, other)]
    assert (shown[0] == shown[1]) == (typed(one) == typed(other))
    assert all("\n" not in text and len(text) <= 120 for text in shown)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=5), st.randoms())
def test_the_order_of_components_does_not_matter(values, random):
    """The key is one of a set of named values."""
    components = [component(name, value) for name, value in values.items()]
    shuffled = random.sample(components, len(components))
    assert build_key.key(components) == build_key.key(shuffled)


def test_a_key_is_the_same_everywhere():
    """A key is SHA-256 over a format that is written down, so it never depends on the machine that makes it."""
    made = build_key.key([component("b", ("x", None, True, 1)), component("a", b"\0"), secret("c", "s")])
    assert made == "dadd9a76f37770f6406b25300872fd5c3047b6c5daa6aa447e4b4acd4323dd97"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "bc"}, {"ab": "c"}),
        ({"a": "x", "b": ""}, {"a": "", "b": "x"}),
        ({"a": None}, {"a": ""}),
        ({"a": None}, {}),
        ({"a": ("b", "c")}, {"a": ("bc",)}),
        ({"a": (("b",), "c")}, {"a": ("b", ("c",))}),
        ({"a": "1"}, {"a": 1}),
        ({"a": True}, {"a": 1}),
        ({"a": b"x"}, {"a": "x"}),
        ({"a": "\udc80"}, {"a": "\udc81"}),
    ],
)
def test_what_looks_alike_is_told_apart(one, other):
    """Lengths, types and absence are part of what is hashed."""
    assert build_key.key(component(*item) for item in one.items()) != build_key.key(
        component(*item) for item in other.items()
    )


def test_a_name_twice_is_refused():
    """Two components can't have one name: one would hide the other."""
    with pytest.raises(ValueError, match="named x"):
        build_key.key([component("x", 1), component("x", 1)])


def test_short_values_are_shown_and_long_ones_digested():
    """People read versions and names; what is long, binary or secret is a digest."""
    shown = build_key.parts(
        [
            component("version", "3.11.7 (main)"),
            component("digits", "12"),
            component("word", "null"),
            component("none", None),
            component("number", 12),
            component("list", ("a", "b")),
            component("long", "x" * 200),
            component("raw", b"x"),
            secret("variable", "x"),
        ],
        salt=SALT,
    )
    digests = {name: shown.pop(name) for name in ("long", "raw", "variable")}
    assert shown == {
        "version": "3.11.7 (main)",
        "digits": '"12"',
        "word": '"null"',
        "none": "null",
        "number": "12",
        "list": '["a", "b"]',
    }
    assert all(re.fullmatch("#[0-9a-f]{16}", digest) for digest in digests.values())


def test_a_secret_is_neither_held_nor_shown():
    """The value can't be read from the component, and another store shows another digest."""
    one = secret("environment TOKEN", "hunter2")
    shown = [build_key.parts([one], salt=salt)["environment TOKEN"] for salt in (SALT, b"another")]
    assert shown[0] != shown[1]
    assert all("hunter2" not in text for text in (repr(one), str(one.value), *shown))


def test_a_difference_is_told_by_name():
    """Two keys are compared by what is kept of them."""
    one = build_key.parts([component("tool rustc", "rustc 1.95"), component("same", 1), component("old", 1)], salt=SALT)
    other = build_key.parts(
        [component("tool rustc", "rustc 1.96"), component("same", 1), component("new", 1)], salt=SALT
    )
    found = [(each.name, each.before, each.after) for each in build_key.difference(one, other)]
    assert found == [("new", None, "1"), ("old", "1", None), ("tool rustc", "rustc 1.95", "rustc 1.96")]


BASE = {
    "source": lambda: [component("source digest", "0" * 32), component("hook", "build_wheel")],
    "settings": lambda: build_key.settings({"build-args": ["-a", "-b"], "x": "1"}),
    "platform": lambda: build_key.facts("platform", {"machine": "x86_64", "libc": "glibc 2.36"}),
    "requirements": lambda: build_key.requirements(["maturin>=1.9,<2", "cffi"]),
    "distributions": lambda: build_key.distributions({"numpy": ("2.1.0", "a" * 64)}),
    "environment": lambda: build_key.secrets("environment", {"CFLAGS": "-O2", "LDFLAGS": ""}),
}
"""The components of one build, group by group."""


def whole(**changed):
    """The key of all groups, some of them replaced."""
    return build_key.key([one for name, group in BASE.items() for one in changed.get(name, group())])


FLIPS = {
    "no settings": {"settings": build_key.settings(None)},
    "setting: value": {"settings": build_key.settings({"build-args": ["-a", "-b"], "x": "2"})},
    "setting: name": {"settings": build_key.settings({"build-args": ["-a", "-b"], "y": "1"})},
    "setting: order in a list": {"settings": build_key.settings({"build-args": ["-b", "-a"], "x": "1"})},
    "setting: a list of one": {"settings": build_key.settings({"build-args": ["-a", "-b"], "x": ["1"]})},
    "setting: one string": {"settings": build_key.settings({"build-args": "-a -b", "x": "1"})},
    "setting: an empty list": {"settings": build_key.settings({"build-args": [], "x": "1"})},
    "a fact": {"platform": build_key.facts("platform", {"machine": "aarch64", "libc": "glibc 2.36"})},
    "no fact": {"platform": build_key.facts("platform", {"machine": "x86_64", "libc": None})},
    "requirement: text": {"requirements": build_key.requirements(["maturin>=1.10,<2", "cffi"])},
    "requirement: more": {"requirements": build_key.requirements(["maturin>=1.9,<2", "cffi", "puccinialin"])},
    "requirement: fewer": {"requirements": build_key.requirements(["maturin>=1.9,<2"])},
    "requirement: URL": {"requirements": build_key.requirements(["maturin>=1.9,<2", "cffi @ https://host/cffi.whl"])},
    "distribution: version": {"distributions": build_key.distributions({"numpy": ("2.2.0", "a" * 64)})},
    "distribution: files": {"distributions": build_key.distributions({"numpy": ("2.1.0", "b" * 64)})},
    "distribution: more": {
        "distributions": build_key.distributions({"numpy": ("2.1.0", "a" * 64), "cython": ("3", "c" * 64)})
    },
    "distribution: none": {"distributions": []},
    "variable: value": {"environment": build_key.secrets("environment", {"CFLAGS": "-O3", "LDFLAGS": ""})},
    "variable: unset": {"environment": build_key.secrets("environment", {"CFLAGS": "-O2"})},
    "variable: more": {"environment": build_key.secrets("environment", {"CFLAGS": "-O2", "LDFLAGS": "", "CC": "gcc"})},
}


@pytest.mark.parametrize("changed", FLIPS.values(), ids=FLIPS)
def test_each_listed_fact_changes_the_key(changed):
    """T13: whatever may shape a wheel is in its key."""
    assert whole(**changed) != whole()


def test_no_two_flips_have_one_key():
    """Every change of the table leads to a key of its own."""
    assert len({whole(**changed) for changed in FLIPS.values()} | {whole()}) == len(FLIPS) + 1


SAME = {
    "settings: order of names": {"settings": build_key.settings({"x": "1", "build-args": ["-a", "-b"]})},
    "requirements: order": {"requirements": build_key.requirements(["cffi", "maturin>=1.9,<2"])},
    "requirements: twice": {"requirements": build_key.requirements(["cffi", "maturin>=1.9,<2", " cffi"])},
}


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_what_means_the_same_has_one_key(changed):
    """Order where it means nothing, and white space, are no inputs."""
    assert whole(**changed) == whole()


def test_no_settings_and_empty_settings_are_one():
    """Frontends say "none" in two ways."""
    assert build_key.settings(None) == build_key.settings({}) == []


@pytest.mark.parametrize("odd", [True, 1, None, 1.5, {"a": 1}, ["x", ["y"]], {1: {2: object}}])
def test_a_setting_may_hold_anything(odd):
    """Frontends pass what they like; it has a key, another one than its text has."""
    found = build_key.settings({"x": odd})
    assert build_key.key(found) not in {build_key.key(build_key.settings({"x": str(odd)})), build_key.key([])}


def test_credentials_in_requirements_are_neither_shown_nor_counted():
    """A token that is renewed changes nothing, and is seen nowhere."""
    texts = ["x @ https://user:{}@host/x.whl?token={}", "y @ git+ssh://{}@host/y"]
    one = build_key.requirements([text.format("hunter2", "same") for text in texts])
    other = build_key.requirements([text.format("changed", "same") for text in texts])
    assert one == other
    assert "same" not in str(build_key.parts(one, salt=SALT))

"""Cache keys of uv: what is generated, and how it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.adopt import uv
from freshwheel.adopt.uv import Layout, spelled
from freshwheel.base.errors import FreshwheelError


def layout(watched, others="", **more):
    """A layout from paths with blanks between them."""
    return Layout(watched=frozenset(watched.split()), others=frozenset(others.split()), **more)


def texts(where):
    """The files and variables of the keys, shortly."""
    return [text for key in uv.keys(where) for text in key.values()]


RUST = layout(
    "pyproject.toml Cargo.toml build.rs README.md ../Cargo.toml ../Cargo.lock ../.cargo/config.toml "
    "../rust-toolchain.toml src/lib.rs src/deep/mod.rs src/words.json ../core/Cargo.toml ../core/src/lib.rs "
    "python/demo/__init__.py python/demo/sub/a.py python/demo/py.typed",
    "target/debug/build/x/out/bindings.rs ../core/tests/a.rs ../core/benches/b.rs python/demo/_native.abi3.so "
    "python/demo/__pycache__/a.pyc docs/a.md tests/test_a.py ../other/src/lib.rs",
    env=frozenset(("RUSTFLAGS", "DEMO_FAST")),
)


def test_the_list_of_a_rust_project():
    """Manifests and what lies beside them by name, folders by suffix; nothing of target."""
    assert texts(RUST) == [
        "pyproject.toml",
        "Cargo.toml",
        "README.md",
        "build.rs",
        "python/**/*.py",
        "python/**/*.typed",
        "src/**/*.json",
        "src/**/*.rs",
        "../.cargo/**/*.toml",
        "../Cargo.lock",
        "../Cargo.toml",
        "../core/Cargo.toml",
        "../core/src/**/*.rs",
        "../rust-toolchain.toml",
        "DEMO_FAST",
        "RUSTFLAGS",
    ]


def test_a_generated_file_that_is_not_there_yet():
    """A file that the build will write is never covered, so that no build asks for the next one."""
    where = layout("pyproject.toml src/demo/__init__.py src/demo/a.py src/demo/sub/b.py", "src/demo/_version.py")
    assert texts(where)[1:] == ["src/demo/__init__.py", "src/demo/a.py", "src/demo/sub/**/*.py"]


def test_what_builds_leave_beside_sources():
    """Objects and modules are no reason to name the sources, and inputs of that kind are named themselves."""
    where = layout("pyproject.toml src/a.c src/b.c src/lib.so src/LICENSE", "src/a.o src/b.so")
    assert texts(where)[1:] == ["src/**/*.c", "src/LICENSE", "src/lib.so"]


def test_many_crates_in_one_folder():
    """They share patterns, unless one beside them is no input."""
    crates = " ".join(f"crates/{name}/Cargo.toml crates/{name}/src/lib.rs" for name in "abcdef")
    assert texts(layout(f"pyproject.toml {crates}"))[1:] == ["crates/*/Cargo.toml", "crates/*/src/**/*.rs"]
    beside = texts(layout(f"pyproject.toml {crates}", "crates/fuzz/src/deep/lib.rs"))
    assert "crates/a/src/**/*.rs" in beside
    assert "crates/*/Cargo.toml" in beside


def test_files_behind_a_link():
    """No glob reaches them, so each has its name."""
    where = layout("pyproject.toml src/lib.rs src/protos/a.proto", linked=frozenset(("src/protos",)))
    assert texts(where)[1:] == ["src/**/*.rs", "src/protos/a.proto"]


def test_files_of_version_control():
    """They are named, and nothing else of it is covered."""
    where = layout("pyproject.toml .git/HEAD .git/refs/heads/main ext/a/a.h ext/b/b.h ext/b/.git/HEAD", ".git/index")
    assert texts(where)[1:] == [".git/HEAD", ".git/refs/heads/main", "ext/**/*.h", "ext/b/.git/HEAD"]


def test_a_version_from_git():
    """Commits and tags are watched there, and nowhere else."""
    found = uv.keys(layout("pyproject.toml", versioned=True))
    assert [uv.shown(one) for one in found][1:] == ["{ git = { commit = true, tags = true } }"]
    assert uv.keys(layout("pyproject.toml")) == [{"file": "pyproject.toml"}]


@pytest.mark.parametrize("pyproject", [{}, {"tool": 1}, {"tool": {"uv": []}}])
def test_without_a_list(pyproject):
    """What uv looks at by itself is as good as a list, if it is all that there is."""
    enough = [{"file": "pyproject.toml"}, {"file": "setup.py"}]
    assert uv.listed(pyproject, enough) == enough
    assert uv.listed(pyproject, [*enough, {"file": "a.c"}]) == []


NAMES = st.sampled_from(
    ["a.rs", "b.py", "c.json", "x", "Cargo.toml", "Cargo.lock", "setup.py", "[w].rs", "{b}*.py", "!n", "#c.rs", "é.rs"]
)
FOLDERS = st.lists(st.sampled_from(["src", "demo", "crates", "target", "d[1]", "{e}", "!f", "tests"]), max_size=3)
PATHS = st.builds(
    lambda climb, folders, name: "/".join([".."] * climb + folders + [name]), st.integers(0, 2), FOLDERS, NAMES
)


def uv_covers(text, path):
    """Whether uv lets a key cover a path: as a naive reader of its documentation would have it, without regexes."""
    if not any(char in text for char in "*?[{"):
        return text == path
    return segments(text.split("/"), path.split("/"))


def segments(pattern, names):
    """Whether names match a pattern, segment by segment."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(names)
        return segments(pattern[1:], names) or (bool(names) and segments(pattern, names[1:]))
    return bool(names) and letters(pattern[0], names[0]) and segments(pattern[1:], names[1:])


def letters(pattern, name):
    """Whether one name matches one segment; only single characters stand in brackets here."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return letters(pattern[1:], name) or (bool(name) and letters(pattern, name[1:]))
    if pattern[0] == "[":
        assert pattern[2] == "]"
        return bool(name) and name[0] == pattern[1] and letters(pattern[3:], name[1:])
    return bool(name) and pattern[0] in ("?", name[0]) and letters(pattern[1:], name[1:])


@given(st.sets(PATHS, min_size=1, max_size=12), st.sets(PATHS, max_size=8))
def test_every_input_is_covered_and_nothing_else(inputs, others):
    """Whatever lies where: each input has a key, and no other file has."""
    others -= inputs
    found = texts(layout(" ".join(inputs), " ".join(others)))
    for path in inputs:
        assert any(uv_covers(text, path) for text in found), path
    for path in others:
        assert not any(uv_covers(text, path) for text in found), path
    assert len(set(found)) == len(found)


@given(PATHS, st.booleans())
def test_a_path_as_a_pattern(path, in_glob):
    """What a path is spelled as matches it, whatever is in its names."""
    assert uv_covers(spelled(path, in_glob=in_glob), path)


def test_a_name_that_is_no_text():
    """Bytes that are no UTF-8 can't stand in TOML; a wildcard for one byte does."""
    assert spelled("src/\udcff.rs") == "src/?.rs"


KEYS = [{"file": "pyproject.toml"}, {"env": "X"}, {"git": {"commit": True, "tags": True}}]
LIST = "[\n" + "".join(f"    {uv.shown(key)},\n" for key in KEYS) + "]"
WRITTEN = [
    ("[project]\nname = 'a' # c\n", f"[project]\nname = 'a' # c\n\n[tool.uv]\ncache-keys = {LIST}\n"),
    ("[tool.uv]\n# c\ndev = 1\n\n[z]\n", f"[tool.uv]\n# c\ndev = 1\ncache-keys = {LIST}\n\n[z]\n"),
    ('[tool.uv]\ncache-keys = [ # c\n"x"]\nz = 1 # d', f"[tool.uv]\nz = 1 # d\ncache-keys = {LIST}"),
    ("[tool.uv.sources]\na = 1\n", f"[tool.uv.sources]\na = 1\n\n[tool.uv]\ncache-keys = {LIST}\n"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("before", "after"), WRITTEN)
def test_the_list_is_written(before, after, end):
    """All else stays byte for byte, comments and line ends; a second time changes nothing."""
    before, after = (text.replace("\n", end).encode() for text in (before, after))
    assert uv.written(before, KEYS) == after
    assert uv.written(after, KEYS) == after


@pytest.mark.parametrize(
    "text",
    [
        "tool = 1\n",
        "[tool]\nuv = 1\n",
        "[[tool.uv]]\n",
        "[tool.uv.cache-keys]\nfile = 'x'\n",
        "tool.uv.dev = 1\n",
        "[tool]\nuv = { dev = 1 }\n",
    ],
)
def test_a_file_that_is_not_changed(text):
    """Where it makes no sense, or `tool.uv` has no header, it is left alone, and what to write by hand is said."""
    with pytest.raises(FreshwheelError) as caught:
        uv.written(text.encode(), KEYS)
    assert '{ file = "pyproject.toml" }' in caught.value.hint


@pytest.mark.parametrize(
    ("pyproject", "requires", "expected"),
    [
        ({}, ["setuptools>=61", "setuptools-scm[toml]>=8"], True),
        ({}, ["setuptools_scm"], True),
        ({"tool": {"setuptools_scm": {}}}, [], True),
        ({}, ["hatchling", "hatch-vcs"], True),
        ({"tool": {"hatch": {"version": {"source": "vcs"}}}}, [], True),
        ({}, ["vcs-versioning"], True),
        ({}, ["versioningit~=3.0"], True),
        ({"tool": {"versioningit": {}}}, [], True),
        ({}, ["dunamai"], True),
        ({}, ["poetry-dynamic-versioning>=1"], True),
        ({}, ["uv-dynamic-versioning"], True),
        ({}, ["setuptools-git-versioning<3"], True),
        ({}, ["versioneer[toml]==0.29"], True),
        ({"tool": {"versioneer": {"VCS": "git"}}}, [], True),
        ({}, ["flit_scm"], True),
        ({"tool": {"pdm": {"version": {"source": "scm"}}}}, ["pdm-backend"], True),
        ({"tool": {"pdm": {"version": {"source": "file"}}}}, ["pdm"], False),
        (
            {
                "tool": {
                    "scikit-build": {"metadata": {"version": {"provider": "scikit_build_core.metadata.setuptools_scm"}}}
                }
            },
            ["scikit-build-core"],
            True,
        ),
        ({}, ["scikit-build-core", "maturin>=1", "setuptools", "hatchling"], False),
        ({"tool": {"hatch": {"version": {"path": "x.py"}}}}, [], False),
        ({"tool": "odd"}, ["???", ""], False),
        ({"tool": {"hatch": {"version": {"source": ["vcs"]}}}}, [], True),
    ],
)
def test_a_version_from_version_control_is_noticed(pyproject, requires, expected):
    """Whoever takes the base version from tags is known by requirement or table."""
    assert uv.versioned(pyproject, requires) == expected

"""Cache keys of uv: what is generated, what is found wrong with a list, and how it is written."""

import posixpath
import re
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freshwheel.adopt import uv_check, uv_keys, uv_table
from freshwheel.adopt.uv_globs import Pattern, spelled
from freshwheel.adopt.uv_keys import Key, Layout
from freshwheel.errors import FreshwheelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def layout(inputs, others="", **more):
    """A layout from paths with blanks between them."""
    inputs, others = inputs.split(), others.split()
    folders = {folder for path in (*inputs, *others) for folder in above(path)}
    return Layout(
        inputs=frozenset(inputs), others=dict.fromkeys(others, "no input"), folders=frozenset(folders), **more
    )


def above(path):
    """The folders that hold a path."""
    while path:
        path = posixpath.dirname(path)
        yield path


def texts(found):
    """The keys as they are written, shortly."""
    return [key.text for key in found]


def listed(*elements):
    """A pyproject with a list; a string stands for a file."""
    return {"tool": {"uv": {"cache-keys": [{"file": one} if isinstance(one, str) else one for one in elements]}}}


def findings(where, *elements, **more):
    """Kind and place of each finding about a list."""
    return [(one.kind, one.where) for one in uv_check.check(where, listed(*elements), **more).findings]


def kinds(where, *elements):
    """The kinds of the findings."""
    return {kind for kind, _ in findings(where, *elements)}


# As seen of uv 0.5.31 and 0.13.9: pattern, files that both match, files that the newer one adds.
FILES = ("a.rs", "src/a.rs", "src/x/b.rs", "src/.hid/c.rs", "src/.h.rs", "src/noext", "src/[w].rs", "src/{b}.rs")
OUTSIDE = ("../out/o.rs", "../out/deep/p.rs")
SEEN = [
    ("src/**", FILES[1:], ()),
    ("src/**/*", FILES[1:], ()),
    ("src/*", ("src/a.rs", "src/.h.rs", "src/noext", "src/[w].rs", "src/{b}.rs"), ()),
    ("*.rs", [one for one in FILES if one.endswith(".rs")], ()),
    ("**/*.rs", [one for one in FILES if one.endswith(".rs")], ()),
    ("src/*.rs", ("src/a.rs", "src/.h.rs", "src/[w].rs", "src/{b}.rs"), ("src/x/b.rs", "src/.hid/c.rs")),
    ("src/**/*.rs", [one for one in FILES[1:] if one.endswith(".rs")], ()),
    ("../out/**", OUTSIDE, ()),
    ("../out/**/*.rs", OUTSIDE, ()),
    ("../out/o.rs", OUTSIDE[:1], ()),
    ("src/[[]w].rs", ("src/[w].rs",), ()),
    ("src/[[]w[]].rs", ("src/[w].rs",), ()),
    ("src/[w].rs", (), ()),
    ("src/{b}.rs", (), ("src/x/b.rs",)),
    ("src/[{]b}.rs", (), ()),
    ("src/[{]b[}].rs", ("src/{b}.rs",), ()),
    ("src/\\{b\\}.rs", ("src/{b}.rs",), ()),
    ("src/?b?.rs", ("src/{b}.rs",), ()),
    ("src/x/**", ("src/x/b.rs",), ()),
    ("src/", (), ()),
    ("src", (), ()),
    ("!src/**", (), ()),
    ("", (), ()),
]


@pytest.mark.parametrize(("text", "both", "newer"), SEEN, ids=lambda value: value if isinstance(value, str) else "")
def test_patterns_are_read_as_uv_reads_them(text, both, newer):
    """What every version matches, and what some version matches, are told apart."""
    pattern = Pattern.of(text)
    everything = (*FILES, *OUTSIDE)
    assert [path for path in everything if pattern.matches(path)] == [one for one in everything if one in both]
    loose = {path for path in everything if pattern.may_match(path)}
    assert loose == {*both, *newer}


@pytest.mark.parametrize("text", ["src/[", "a{b/*", "a}*", "x/*\\", "/abs/**", "C:/x", "./src/**", "..", "."])
def test_what_uv_does_not_read(text):
    """It matches nothing, and what is wrong is said."""
    pattern = Pattern.of(text)
    assert pattern.wrong
    assert not pattern.matches("src/a.rs")


RUST = layout(
    "pyproject.toml Cargo.toml build.rs README.md ../Cargo.toml ../Cargo.lock ../.cargo/config.toml "
    "../rust-toolchain.toml src/lib.rs src/deep/mod.rs src/words.json ../core/Cargo.toml ../core/src/lib.rs "
    "python/demo/__init__.py python/demo/sub/a.py python/demo/py.typed",
    "target/debug/build/x/out/bindings.rs ../core/tests/a.rs ../core/benches/b.rs python/demo/_native.abi3.so "
    "python/demo/__pycache__/a.pyc docs/a.md tests/test_a.py ../other/src/lib.rs",
    env=frozenset(("RUSTFLAGS", "DEMO_FAST")),
)


def test_the_list_of_a_rust_project():
    """Parents by name, whole folders where no build leaves anything, Python by suffix; nothing of target."""
    assert texts(uv_keys.keys(RUST)) == [
        "pyproject.toml",
        "Cargo.toml",
        "README.md",
        "build.rs",
        "python/**/*.py",
        "python/demo/py.typed",
        "src/**",
        "../.cargo/**",
        "../Cargo.lock",
        "../Cargo.toml",
        "../core/Cargo.toml",
        "../core/src/**",
        "../rust-toolchain.toml",
        "DEMO_FAST",
        "RUSTFLAGS",
    ]


def test_without_globs_outside():
    """Files outside are named, for a uv that finds none by a glob; inside nothing changes."""
    found = texts(uv_keys.keys(RUST, names=True))
    assert "../core/src/lib.rs" in found
    assert "src/**" in found
    assert [text for text in found if text.startswith("..") and "*" in text] == []
    assert uv_check.check(RUST, listed("../core/src/**"), names=True).findings != ()


def test_a_generated_file_that_is_not_there_yet():
    """A file that the build will write is never covered, so that no build asks for the next one."""
    where = layout("pyproject.toml src/demo/__init__.py src/demo/a.py src/demo/sub/b.py", "src/demo/_version.py")
    assert texts(uv_keys.keys(where))[1:] == ["src/demo/__init__.py", "src/demo/a.py", "src/demo/sub/**/*.py"]


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ("src/_gen.py", ["src/a.py", "src/b.py"]),
        ("**/_gen*.py", ["src/a.py", "src/b.py"]),
        ("src/gen/**", ["src/a.py", "src/b.py"]),
        ("docs/**", ["src/**/*.py"]),
        ("**/*.md", ["src/**/*.py"]),
    ],
)
def test_what_is_excluded_is_not_covered_some_day(exclude, expected):
    """Where an excluded file may be born, files are named; elsewhere a pattern does."""
    where = layout("pyproject.toml src/a.py src/b.py", exclude=(Pattern.of(exclude),))
    assert texts(uv_keys.keys(where))[1:] == expected


def test_many_crates_in_one_folder():
    """They share patterns, unless one beside them is no input."""
    crates = " ".join(f"crates/{name}/Cargo.toml crates/{name}/src/lib.rs" for name in "abcdef")
    assert texts(uv_keys.keys(layout(f"pyproject.toml {crates}")))[1:] == ["crates/*/Cargo.toml", "crates/*/src/**"]
    beside = layout(f"pyproject.toml {crates}", "crates/fuzz/src/lib.rs")
    assert "crates/a/src/**" in texts(uv_keys.keys(beside))
    assert "crates/*/Cargo.toml" in texts(uv_keys.keys(beside))


def test_files_behind_a_link():
    """No glob reaches them, so each has its name."""
    where = layout("pyproject.toml src/lib.rs src/protos/a.proto", linked=frozenset(("src/protos",)))
    assert texts(uv_keys.keys(where))[1:] == ["src/**", "src/protos/a.proto"]


def test_files_of_version_control():
    """They are named, and no glob goes through a folder that has such a one in it: each command may change others."""
    where = layout("pyproject.toml .git/HEAD .git/refs/heads/main ext/a/a.h ext/b/b.h ext/b/.git/HEAD")
    expected = [".git/HEAD", ".git/refs/heads/main", "ext/a/**", "ext/b/.git/HEAD", "ext/b/b.h"]
    assert texts(uv_keys.keys(where))[1:] == expected


def test_a_lock_that_git_ignores():
    """It is watched, and need not be there."""
    where = layout("pyproject.toml Cargo.toml", locks=frozenset(("Cargo.lock",)))
    assert "Cargo.lock" in texts(uv_keys.keys(where))
    assert findings(where, "pyproject.toml", "Cargo.toml", "Cargo.lock") == []


def test_a_version_from_git():
    """Commits and tags are watched there, and nowhere else."""
    git = {"git": {"commit": True, "tags": True}}
    versioned = layout("pyproject.toml", versioned="setuptools-scm")
    assert uv_keys.keys(versioned)[-1].render() == "{ git = { commit = true, tags = true } }"
    assert findings(versioned, "pyproject.toml", git) == []
    assert findings(versioned, "pyproject.toml", {"git": True})[0][0] == "missing"
    assert findings(layout("pyproject.toml"), "pyproject.toml", git)[0][0] == "superfluous"


# The fault classes of hand-written lists: name, layout, list, and the findings that name the faults.
CARGO = "pyproject.toml Cargo.toml Cargo.lock build.rs src/lib.rs src/deep/mod.rs"
FAULTS = {
    "dir in place of its files": (
        layout(f"{CARGO} .cargo/config.toml python/a/__init__.py"),
        (
            "pyproject.toml",
            "Cargo.toml",
            "Cargo.lock",
            "build.rs",
            {"dir": ".cargo"},
            {"dir": "src"},
            {"dir": "python"},
        ),
        {("missing", "src/**"), ("missing", ".cargo/**"), ("missing", "python/**/*.py")},
    ),
    "configuration and toolchain forgotten": (
        layout("pyproject.toml Cargo.toml Cargo.lock .cargo/config.toml rust-toolchain.toml crates/a/src/l.rs"),
        ("pyproject.toml", "Cargo.toml", "Cargo.lock", "crates/**/*.rs"),
        {("missing", ".cargo/**"), ("missing", "rust-toolchain.toml")},
    ),
    "included files of other suffixes": (
        layout(f"{CARGO} src/words.json src/data.bin"),
        ("pyproject.toml", "Cargo.toml", "Cargo.lock", "build.rs", "src/**/*.rs"),
        {("missing", "src/**")},
    ),
    "tests and benches are covered": (
        layout("pyproject.toml crates/a/Cargo.toml crates/a/src/l.rs", "crates/a/tests/t.rs crates/a/benches/b.rs"),
        ("pyproject.toml", "crates/**/*.rs", "crates/**/Cargo.toml"),
        {("superfluous", "crates/**/*.rs")},
    ),
    "manifests of crates outside": (
        layout("pyproject.toml Cargo.toml src/lib.rs ../../core/Cargo.toml ../../core/src/lib.rs"),
        ("pyproject.toml", "Cargo.toml", "src/**/*.rs", "../../core/**/*.rs"),
        {("missing", "../../core/Cargo.toml")},
    ),
    "a target folder outside": (
        layout("pyproject.toml ../../core/src/lib.rs", "../../core/target/debug/out/gen.rs"),
        ("pyproject.toml", "../../core/**/*.rs"),
        {("superfluous", "../../core/**/*.rs")},
    ),
    "the root manifest": (
        layout("pyproject.toml Cargo.toml Cargo.lock a/Cargo.toml a/src/lib.rs"),
        ("pyproject.toml", "Cargo.lock", "a/Cargo.toml", "a/src/**/*.rs"),
        {("missing", "Cargo.toml")},
    ),
    "build scripts beside src": (
        layout(f"{CARGO}"),
        ("pyproject.toml", "Cargo.toml", "Cargo.lock", "src/**/*.rs"),
        {("missing", "build.rs")},
    ),
    "a crate that lies deeper": (
        layout("pyproject.toml rdma/extension/Cargo.toml rdma/extension/lib.rs rdma/Cargo.toml rdma/src/lib.rs"),
        ("pyproject.toml", "*/src/**/*.rs", "*/Cargo.toml"),
        {("missing", "rdma/extension/Cargo.toml"), ("unrooted", "*/src/**/*.rs"), ("unrooted", "*/Cargo.toml")},
    ),
    "parents": (
        layout("pyproject.toml setup.py a.c ../Cargo.toml ../src/lib.rs ../mini.h ../../Cargo.toml ../../Cargo.lock"),
        ("pyproject.toml", "setup.py", "a.c", "../Cargo.toml", "../src/**/*.rs"),
        {("missing", "../mini.h"), ("missing", "../../Cargo.toml"), ("missing", "../../Cargo.lock")},
    ),
    "variables": (
        layout("pyproject.toml setup.py", env=frozenset(("MINI_PROFILE",))),
        ("pyproject.toml", "setup.py"),
        {("missing", "MINI_PROFILE")},
    ),
    "the defaults dropped": (
        layout("pyproject.toml setup.py native/Cargo.toml native/src/lib.rs"),
        ("native/Cargo.toml", "native/src/**"),
        {("missing", "pyproject.toml"), ("missing", "setup.py")},
    ),
    "every commit": (
        layout("pyproject.toml"),
        ("pyproject.toml", {"git": {"commit": True, "tags": True}}),
        {("superfluous", "commit tags")},
    ),
    "unrooted globs": (
        layout(CARGO, "target/debug/build/x/out/gen.rs"),
        ("pyproject.toml", "**/*.rs", "**/Cargo.toml", "**/Cargo.lock"),
        {("unrooted", "**/*.rs"), ("superfluous", "**/*.rs"), ("unrooted", "**/Cargo.toml")},
    ),
    "only what goes into an installed wheel": (
        layout("pyproject.toml src/lib.rs karva/__init__.py README.md LICENSE"),
        ("pyproject.toml", "src/**"),
        {("missing", "karva/**/*.py"), ("missing", "README.md"), ("missing", "LICENSE")},
    ),
    "a file of another tool in .git": (
        layout("pyproject.toml src/lib.rs", ".git/fastws-cargo-key"),
        ("pyproject.toml", "src/**/*.rs", ".git/fastws-cargo-key"),
        {("superfluous", ".git/fastws-cargo-key")},
    ),
    "a file that is not there": (
        layout(CARGO),
        ("pyproject.toml", "rust/Cargo.toml", "src/**", "build.rs"),
        {("superfluous", "rust/Cargo.toml"), ("missing", "Cargo.toml"), ("missing", "Cargo.lock")},
    ),
    "build files and submodules of C++": (
        layout("pyproject.toml CMakeLists.txt include/a.hpp src/a.cpp extern/lib/b.hpp", versioned="setuptools-scm"),
        ("include/**", "src/**/*.cpp"),
        {("missing", "CMakeLists.txt"), ("missing", "extern/**"), ("missing", "commit tags")},
    ),
    "hidden files": (
        layout("pyproject.toml .bazelrc bindings.nims cpp/a.cpp"),
        ("pyproject.toml", "cpp/**/*.{cpp,hpp}"),
        {("missing", ".bazelrc"), ("missing", "bindings.nims")},
    ),
    "six named files": (
        layout("pyproject.toml setup.py a.nim b.nim nimby.lock"),
        ("a.nim",),
        {("missing", name) for name in ("pyproject.toml", "setup.py", "b.nim", "nimby.lock")},
    ),
    "its own output": (
        layout("pyproject.toml tribal.nim", "libtribal.so"),
        ("pyproject.toml", "tribal.nim", "libtribal.*"),
        {("superfluous", "libtribal.*"), ("unrooted", "libtribal.*")} - {("unrooted", "libtribal.*")},
    ),
    "an output that is not there yet": (
        layout("pyproject.toml src/a.nim"),
        ("pyproject.toml", "src/**", "src/libtribal.so"),
        {("superfluous", "src/libtribal.so")},
    ),
    "an empty list": (layout("pyproject.toml"), (), {("missing", "pyproject.toml")}),
}


def short(finding):
    """Kind and the text of the key of a finding."""
    value = tomllib.loads(f"x = {finding.where}")["x"]
    [(_, text)] = value.items()
    return finding.kind, " ".join(text) if isinstance(text, dict) else text


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_hand_written_lists(name):
    """Each is found, and the generated list has none of them."""
    where, elements, expected = FAULTS[name]
    found = uv_check.check(where, listed(*elements))
    assert expected <= {short(one) for one in found.findings}
    assert all(one.what and one.todo for one in found.findings)
    good = uv_check.check(where, listed(*(key.value() for key in found.keys)))
    assert good.findings == ()


@pytest.mark.parametrize(
    "element",
    [
        {"files": "pyproject.toml"},
        {"file": "a", "dir": "b"},
        {"git": {"branch": True}},
        {"git": "x"},
        {"file": 1},
        {},
        {"file": "/abs"},
        {"file": "src/["},
        {"file": "!tests/**"},
        {"file": "./src/**"},
        {"file": "src"},
        {"file": "src/"},
        {"file": ""},
    ],
    ids=str,
)
def test_an_element_that_is_no_key(element):
    """It is named, with what uv makes of it."""
    where = layout("pyproject.toml src/a.rs")
    found = uv_check.check(where, listed("pyproject.toml", "src/**", element)).findings
    assert [one.kind for one in found] == ["wrong"]


@pytest.mark.parametrize("value", ["x", 1, {"file": "x"}, True])
def test_what_is_no_list(value):
    """It is one finding, beside what is then not covered."""
    found = uv_check.check(layout("pyproject.toml"), {"tool": {"uv": {"cache-keys": value}}}).findings
    assert [one.kind for one in found] == ["wrong", "missing"]


@pytest.mark.parametrize("pyproject", [{}, {"tool": 1}, {"tool": {"uv": []}}])
def test_without_a_list(pyproject):
    """What uv looks at by itself is checked."""
    assert uv_check.check(layout("pyproject.toml setup.py"), pyproject).findings == ()
    [one] = uv_check.check(layout("pyproject.toml src/a.py"), pyproject).findings
    assert (one.kind, "there is no list" in one.what) == ("missing", True)


def test_a_variable_that_nothing_reads():
    """It is superfluous, unless it shapes wheels of that backend anyway."""
    assert findings(layout("pyproject.toml"), "pyproject.toml", {"env": "X"}) == [("superfluous", '{ env = "X" }')]
    assert findings(layout("pyproject.toml", harmless=frozenset("X")), "pyproject.toml", {"env": "X"}) == []


def test_what_is_odd_and_no_mistake():
    """`dir` and globs outside are explained, with the versions that do not know them."""
    where = layout("pyproject.toml ../core/src/a.rs src/a.rs")
    found = uv_check.check(where, listed("pyproject.toml", "src/**", "../core/src/**", {"dir": "src"}))
    assert found.findings == ()
    assert [re.findall(r"0\.\d+\.\d+", note) for note in found.notes] == [["0.6.17"], ["0.7.21"]]


def test_one_finding_for_many_files():
    """What one key would cover is one finding."""
    where = layout("pyproject.toml " + " ".join(f"src/m{number}.rs" for number in range(50)))
    [one] = uv_check.check(where, listed("pyproject.toml")).findings
    assert "src/m0.rs, src/m1.rs, src/m10.rs and 47 more" in one.what
    assert one.todo == 'add { file = "src/**" }'


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


@given(st.sets(PATHS, min_size=1, max_size=12), st.sets(PATHS, max_size=8), st.booleans())
def test_every_input_is_covered_and_nothing_else(inputs, others, names):
    """Whatever lies where: each input has a key, no other file has, and the check of the list finds nothing."""
    others -= inputs
    where = layout(" ".join(inputs), " ".join(others))
    assume(not where.inputs & where.folders)
    found = uv_keys.keys(where, names=names)
    for path in inputs:
        assert any(uv_covers(key.text, path) for key in found), path
    odd = "!#"  # what no glob can spell is matched by `?`, which matches more
    for path in others:
        assert path[0] in odd or "/!" in path or "/#" in path or not any(uv_covers(key.text, path) for key in found)
    assert uv_check.check(where, listed(*(key.value() for key in found)), names=names).findings == ()
    assert len(set(found)) == len(found)
    assert not (names and any(Pattern.of(key.text).climbs for key in found if "**" in key.text))


@given(PATHS, st.booleans())
def test_a_path_as_a_pattern(path, in_glob):
    """What a path is spelled as matches it, whatever is in its names."""
    assert Pattern.of(spelled(path, in_glob=in_glob)).matches(path) or (in_glob and Pattern.of(path).wrong)


def test_a_name_that_is_no_text():
    """Bytes that are no UTF-8 can't stand in TOML; a wildcard for one byte does."""
    assert spelled("src/\udcff.rs") == "src/?.rs"


KEYS = (Key(kind="file", text="pyproject.toml"), Key(kind="env", text="X"), Key(kind="git", text="commit tags"))
LIST = uv_keys.lines(KEYS)
WRITTEN = [
    ("[project]\nname = 'a' # c\n", f"[project]\nname = 'a' # c\n\n[tool.uv]\ncache-keys = {LIST}\n"),
    ("[tool.uv]\n# c\ndev = 1\n", f"[tool.uv]\ncache-keys = {LIST}\n# c\ndev = 1\n"),
    ('[tool.uv]\ncache-keys = [ # c\n"x"] # d\nz = 1', f"[tool.uv]\ncache-keys = {LIST} # d\nz = 1"),
    ("tool.uv.dev = 1 # c\n", f"tool.uv.dev = 1 # c\ntool.uv.cache-keys = {LIST}\n"),
    ("[tool]\nuv.dev = 1\n[x]\n", f"[tool]\nuv.dev = 1\nuv.cache-keys = {LIST}\n[x]\n"),
    ("[tool]\nuv = { dev = 1 }\n", f"[tool]\nuv = {{ dev = 1, cache-keys = {LIST} }}\n"),
    ("[tool.uv.sources]\na = 1\n", f"[tool.uv.sources]\na = 1\n\n[tool.uv]\ncache-keys = {LIST}\n"),
    (
        "[tool.freshwheel]\nbackend = 'x'\n\n[tool.z]\n",
        f"[tool.freshwheel]\nbackend = 'x'\n\n[tool.uv]\ncache-keys = {LIST}\n\n[tool.z]\n",
    ),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(("before", "after"), WRITTEN)
def test_the_list_is_written(before, after, mark, end):
    """All else stays byte for byte, comments, line ends and byte order mark; a second time changes nothing."""
    before, after = (mark + text.replace("\n", end).encode() for text in (before, after))
    assert uv_table.written(before, KEYS) == after
    assert uv_table.written(after, KEYS) == after


@pytest.mark.parametrize(
    "text", ["tool = 1\n", "[tool]\nuv = 1\n", "[[tool.uv]]\n", "[tool.uv.cache-keys]\nfile = 'x'\n"]
)
def test_a_file_that_makes_no_sense(text):
    """It is left alone, and what to write by hand is said."""
    with pytest.raises(FreshwheelError) as caught:
        uv_table.written(text.encode(), KEYS)
    assert '{ file = "pyproject.toml" }' in caught.value.hint

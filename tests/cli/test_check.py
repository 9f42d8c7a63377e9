"""What check finds: every finding settles by the line that it names, and nothing that is right is one."""

import os

import pytest

from freshwheel.memory import discoveries


def findings(desk):
    """Kind and place of each finding; the exit code says whether there are any."""
    code, found = desk.json("check")
    assert code == (1 if found["findings"] else 0)
    return [(one["kind"], one["where"]) for one in found["findings"]]


def test_a_tree_that_was_never_built(desk):
    """Nothing can be compared, which is said with how to change it, and is no failure."""
    code, out, err = desk.pyproject()("check")
    assert (code, out) == (0, "no findings\n")
    assert "no build of this tree is on record" in err
    assert "pip wheel" in err


def test_a_tree_of_which_the_build_showed_nothing(desk):
    """It is clean, and nothing is said beside that."""
    assert desk.rust().shown()("check") == (0, "no findings\n", "")


def test_a_file_that_was_read_and_is_declared_nowhere(desk):
    """It is named with who read it, and with the line that declares it, which keeps what is there already."""
    desk.pyproject('include = ["../shared/known.txt"]').files("shared/known.txt", "shared/x[1].txt")
    desk.shown(discovered={"../shared/x[1].txt": "build.rs of demo", "../shared/known.txt": "the same"})
    code, out, _ = desk("check")
    assert code == 1
    assert out == (
        "../shared/x[1].txt\n"
        "  a build has taken it (build.rs of demo), and nothing declares it\n"
        '  include = ["../shared/x[[]1].txt"]\n'
        "[tool.freshwheel] with all of that in it:\n"
        '  include = ["../shared/known.txt", "../shared/x[[]1].txt"]\n'
        "1 finding\n"
    )


@pytest.mark.parametrize("name", ["../shared/x[1].txt", "../shared", '../sha\'red/a "b".txt'])
def test_the_line_of_a_missed_input_settles_it(desk, name):
    """Put into the table, it leaves no finding, and moves nothing out."""
    if name == "../shared":
        desk.files("shared/a.txt", "shared/deep/b.txt")
    else:
        try:
            desk.files(name.removeprefix("../"))
        except OSError:
            pytest.skip("such names are refused here")
    desk.pyproject().shown(discovered={name: "somebody"})
    _, found = desk.json("check")
    before = [one["path"] for one in desk.json("inputs")[1]["inputs"]]
    assert [one["where"] for one in found["findings"]] == [name]
    desk.pyproject("\n".join(found["lines"]))
    assert findings(desk) == []
    assert [one["path"] for one in desk.json("inputs")[1]["inputs"]] == before


def test_many_files_of_a_folder_are_one_line(desk):
    """Where nothing else in it is an input; a few files are named one by one."""
    names = [f"../shared/more/{name}" for name in ("a.txt", "b.txt", "deep/c.txt", "deep/d.txt")]
    few = ["../other/a.txt", "../other/b.txt"]
    desk.pyproject().files(*(name.removeprefix("../") for name in [*names, *few]))
    desk.shown(discovered=dict.fromkeys([*names, *few], "somebody"))
    _, found = desk.json("check")
    assert [one["where"] for one in found["findings"]] == [*few, "../shared"]
    assert found["findings"][-1]["what"] == "a build has taken 4 files in it (somebody), and nothing declares them"
    desk.pyproject("\n".join(found["lines"]))
    assert findings(desk) == []
    desk.pyproject('include = ["../shared/more/a.txt"]')
    assert len(findings(desk)) == len([*few, *names]) - 1  # something else is declared there


def test_a_file_that_was_read_and_is_gone(desk):
    """It is no input, so it is no finding."""
    desk.pyproject().shown(discovered={"../shared/gone.txt": "somebody"})
    assert findings(desk) == []


def test_an_input_that_the_build_wrote(desk):
    """The line that excludes it settles it."""
    desk.rust().files("demo/demo/_generated.py").shown(written={"demo/_generated.py": "made by the build"})
    _, found = desk.json("check")
    assert [one["todo"] for one in found["findings"]] == ['exclude = ["demo/_generated.py"]']
    assert found["lines"] == ['exclude = ["demo/_generated.py"]']
    desk.rust("\n".join(found["lines"]))
    assert findings(desk) == []


def test_a_generated_source_that_is_excluded_by_its_name(desk):
    """The line that check proposes for what the build writes never is a finding itself."""
    desk.rust().shown(written={"src/bound.rs": "made by the build"})
    _, found = desk.json("check")
    desk.rust("\n".join(found["lines"]))
    assert findings(desk) == []
    assert "src/bound.rs" in desk.json("check")[1]["notes"][0]


@pytest.mark.parametrize("path", ["../Cargo.lock", "Cargo.toml", "pyproject.toml"])
def test_what_decides_about_the_build_is_never_proposed_for_exclude(desk, path):
    """Where the build wrote a lock or a manifest, something else must be done."""
    desk.rust().shown(written={path: "changed by the build"})
    _, found = desk.json("check")
    assert [one["where"] for one in found["findings"]] == [path]
    assert "exclude" not in found["findings"][0]["todo"]
    assert found["lines"] == []


@pytest.mark.parametrize(
    "pattern",
    ["Cargo.toml", "../Cargo.lock", "../Cargo.toml", "src/**", "src/*.rs", "../core/**", "../core/src/"],
)
def test_an_exclude_that_takes_away_what_a_build_reads(desk, pattern):
    """A manifest, the lock, or sources of the closure by a pattern: named, whether anything was built or not."""
    desk.rust(f'exclude = ["{pattern}"]')
    assert findings(desk) == [("excluded", pattern)]


def test_an_exclude_that_takes_away_what_a_build_was_seen_to_read(desk):
    """By a pattern it is a finding, by its exact name a note."""
    desk.files("demo/data/a.txt").shown(discovered={"data/a.txt": "build.rs of demo"})
    assert findings(desk.rust('exclude = ["data/*"]')) == [("excluded", "data/*")]
    assert findings(desk.rust('exclude = ["data/a.txt"]')) == []
    assert "data/a.txt" in desk.json("check")[1]["notes"][0]


def test_an_exclude_that_is_right(desk):
    """Texts, generated Python, tests of a crate, and a whole crate that nothing builds."""
    desk.rust().files("demo/README.md", "demo/tests/a.rs", "demo/fuzz/src/lib.rs")
    desk.files("demo/fuzz/Cargo.toml", of='[package]\nname = "fuzz"\nversion = "0.1.0"\n')
    patterns = '["README.md", "demo/_generated.py", "tests/**", "fuzz/**"]'
    desk.pyproject(f"exclude = {patterns}", backend="setuptools.build_meta")
    assert findings(desk) == []


def test_a_manifest_that_is_excluded_without_its_crate(desk):
    """Where the backend builds whatever crates there are, one whose sources stay needs its manifest."""
    desk.rust().pyproject('exclude = ["sub/Cargo.toml"]', backend="setuptools.build_meta")
    desk.files("demo/sub/Cargo.toml", of='[package]\nname = "sub"\nversion = "0.1.0"\n').files("demo/sub/src/lib.rs")
    assert findings(desk) == [("excluded", "sub/Cargo.toml")]


def test_a_manifest_that_is_no_toml(desk):
    """What it leads to is not known, which is a finding until it is mended."""
    desk.rust().files("demo/Cargo.toml", of="[package\n")
    assert findings(desk) == [("unread", "Cargo.toml")]


def test_an_exclude_without_effect(desk):
    """What matches nothing, and what is an input in any case, are notes."""
    desk.pyproject('exclude = ["gone/**", "pyproject.toml"]')
    code, found = desk.json("check")
    assert code == 0
    assert found["notes"] == [
        'exclude = ["gone/**"] matches no input now',
        'exclude = ["pyproject.toml"] does not take away pyproject.toml, which is an input in any case',
    ]


def test_an_exclude_that_takes_away_very_many(desk):
    """The finding names a few, and counts the others."""
    desk.rust('exclude = ["src/**"]').files(*(f"demo/src/m{number}.rs" for number in range(9)))
    [one] = desk.json("check")[1]["findings"]
    assert "src/bound.rs, src/lib.rs, src/m0.rs and 8 more" in one["what"]


PLAIN = '[build-system]\nrequires = ["maturin"]\n{backend}\n[project]\nname = "demo"\nversion = "1"\n'
HALF = '[tool.freshwheel]\nbackend = "maturin"\n'
WHOLE = (
    '[build-system]\nrequires = ["freshwheel", "maturin"]\nbuild-backend = "freshwheel"\n'
    '[project]\nname = "demo"\ndynamic = ["version"]\n[tool.freshwheel]\nbackend = "maturin"\n{line}\n'
)


@pytest.mark.parametrize(
    ("verb", "backend"), [*((verb, "maturin") for verb in ("digest", "inputs", "why", "uv")), ("check", "pdm.backend")]
)
def test_each_verb_names_the_way_in(desk, verb, backend):
    """In a project that is not switched; whoever is told to write a table would have one that nobody reads."""
    desk.files("demo/pyproject.toml", of=PLAIN.format(backend=f'build-backend = "{backend}"'))
    code, _, err = desk(verb)
    assert (code, "`freshwheel init` switches this project" in err) == (2, True)


@pytest.mark.parametrize(
    "backend",
    [
        'build-backend = "maturin"',
        'build-backend = "setuptools.build_meta"',
        "",
        'build-backend = "freshwheel"',  # which nothing brings
        'build-backend = "Freshwheel"',
        'build-backend = "freshwheel:x"',
        'build-backend = "freshwheel"\nbackend-path = ["."]',
    ],
)
def test_a_table_that_nobody_reads_is_a_finding(desk, backend):
    """And what completes it is `init`; the other verbs answer, and say it too."""
    desk.files("demo/pyproject.toml", of=PLAIN.format(backend=backend) + HALF).files(
        "demo/Cargo.toml", of="[package]\n"
    )
    assert ("idle", "[tool.freshwheel]") in findings(desk)
    assert "freshwheel init" in desk("check")[1]
    for verb in ("digest", "inputs"):
        code, _, err = desk(verb)
        assert (code, "nobody reads [tool.freshwheel]" in err, "`freshwheel init`" in err) == (0, True, True)


@pytest.mark.parametrize("line", ['backend-path = ["nope"]', 'version = { path = "nope.py" }'])
def test_a_setting_by_which_each_build_fails_is_an_error(desk, line):
    """It is told as a hook tells it."""
    text = WHOLE.format(line=line)
    code, _, err = desk.files("demo/pyproject.toml", of=text).files("demo/Cargo.toml", of="[package]\n")("check")
    assert (code, "nope" in err) == (2, True)


@pytest.mark.parametrize(
    "backend",
    [
        'build-backend = "wrapper"\nbackend-path = ["."]',
        'build-backend = "somebody.wraps"',
    ],
)
def test_a_wrapper_may_read_the_table(desk, backend):
    """One in the tree, or one that is installed: nobody can tell, so nothing is said."""
    desk.files("demo/pyproject.toml", of=PLAIN.format(backend=backend) + HALF).files(
        "demo/Cargo.toml", of="[package]\n"
    )
    assert findings(desk) == []


def climbing(desk, ours=""):
    """A project whose build files take what lies beside it in the repository."""
    desk.pyproject(ours, backend="setuptools.build_meta")
    desk.files("core/a.h", "include/b.h", "demo/src/x.cpp")
    desk.files(
        "demo/CMakeLists.txt", of="project(demo)\nadd_subdirectory(../core core)\ninstall(FILES ../include/b.h)\n"
    )
    return desk.files("demo/src/CMakeLists.txt", of="include_directories(${CMAKE_CURRENT_SOURCE_DIR}/../../core)\n")


def test_what_lies_outside_is_named_before_any_build(desk):
    """By file, line and path, with the line that declares it, which settles it."""
    climbing(desk)
    assert findings(desk) == [("outside", "../core"), ("outside", "../include/b.h")]
    code, out, _ = desk("check")
    assert code == 1
    assert "CMakeLists.txt:2, src/CMakeLists.txt:1 may take it" in out
    line = 'include = ["../core/**", "../include/b.h"]'
    assert line in out
    assert findings(climbing(desk, line)) == []
    assert findings(climbing(desk, 'exclude = ["../core"]\ninclude = ["../include/*"]')) == []


def test_an_observed_build_knows_better(desk):
    """Then nobody need guess what it reads."""
    climbing(desk)
    discoveries.keep_account(str(desk.cache), str(desk.project), discoveries.Page(observed=True))
    assert findings(desk) == []


@pytest.mark.skipif(os.name == "nt", reason="scripts of POSIX")
def test_a_command_whose_program_is_not_there(desk, tmp_path):
    """It is a finding, and no command is run to tell."""
    trace, program = tmp_path / "trace", tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho x > {trace}\n")
    program.chmod(0o755)
    known = f"""["no-such-program", "--version"], ['{program}'], ["sh", "-c", "exit 1"]"""
    desk.pyproject(f"commands = [{known}]")
    assert findings(desk) == [("command", "no-such-program --version")]
    assert "there is no program no-such-program" in desk("check")[1]
    assert not trace.exists()

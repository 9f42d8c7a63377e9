"""What is an input, why, and what is not: for people, for JSON and for pipes."""

import os
import sys

import pytest

TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"
odd_names = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="such names are refused there")


def reasons(found):
    """Path -> reason."""
    return {one["path"]: one["reason"] for one in found["inputs"]}


def test_inputs_of_a_rust_project_stand_under_their_reasons(desk):
    """Each file is named with the root by which it was found."""
    desk.rust('include = ["../shared/*.txt"]').files("shared/a.txt", "demo/LICENSE")
    _, found = desk.json("inputs")
    assert reasons(found) == {
        "../Cargo.lock": "lock file",
        "../Cargo.toml": "workspace root",
        "../core/Cargo.toml": "crate core: path dependency of demo",
        "../core/src/lib.rs": "crate core: path dependency of demo",
        "../shared/a.txt": "[tool.freshwheel] include",
        "Cargo.toml": "crate demo: built by the project",
        "LICENSE": "licence",
        "demo/__init__.py": "crate demo: built by the project",
        "pyproject.toml": "settings of the project",
        "src/bound.rs": "crate demo: built by the project",
        "src/lib.rs": "crate demo: built by the project",
    }


def test_inputs_of_any_other_backend_are_the_project_directory(desk):
    """All of it counts, crates included; the file of the own version has its own reason."""
    desk.rust().pyproject('version = { path = "about.py" }', backend="setuptools.build_meta")
    desk.files("demo/about.py", of='__version__ = "1"\n')
    desk.files("demo/sub/Cargo.toml", of='[package]\nname = "sub"\nversion = "0.1.0"\n').files("demo/sub/src/lib.rs")
    found = reasons(desk.json("inputs")[1])
    assert found["demo/__init__.py"] == found["src/lib.rs"] == "the project directory"
    assert found["sub/src/lib.rs"] == "the project directory"
    assert found["about.py"] == "[tool.freshwheel] version"


def test_a_file_that_a_build_was_seen_to_read_says_so(desk):
    """The reason repeats who has said it."""
    desk.pyproject().files("shared/a.txt").shown(discovered={"../shared/a.txt": "build.rs of demo"})
    assert reasons(desk.json("inputs")[1])["../shared/a.txt"] == "seen by a build: build.rs of demo"


def test_what_is_left_out_is_named_with_its_reason(desk):
    """An ignored lock, a declared output that exists, a pruned folder, and the names from the environment."""
    desk.rust('env = ["DEMO_B", "DEMO_A"]').files(".gitignore", of="Cargo.lock\n")
    desk.files("demo/target/CACHEDIR.TAG", of=TAG)
    _, found = desk.json("inputs")
    assert found["left_out"] == {"../Cargo.lock": "a lock file that git ignores"}
    assert found["pruned"] == {"target": "no source of the crate speaks of it"}
    assert found["env"] == ["DEMO_A", "DEMO_B"]


def test_a_declared_output_that_does_not_exist_is_not_named(desk):
    """What is left out are files that are there."""
    desk.files(
        "demo/pyproject.toml",
        of='[tool.freshwheel]\nbackend = "setuptools.build_meta"\n'
        '[build-system]\nrequires = ["freshwheel", "setuptools"]\nbuild-backend = "freshwheel"\n'
        '[tool.setuptools_scm]\nversion_file = "demo/_version.py"\n',
    )
    assert desk.json("inputs")[1]["left_out"] == {}
    desk.files("demo/demo/_version.py")
    assert desk.json("inputs")[1]["left_out"] == {"demo/_version.py": "written by setuptools_scm"}


def test_text_is_grouped_and_counts_what_is_not_looked_into(desk):
    """The text for people: digest, groups, what is left out; folders only if asked for."""
    desk.pyproject().files("demo/a.py", "demo/sub/b.py").files("demo/cache/CACHEDIR.TAG", of=TAG)
    digest = desk("digest")[1].strip()
    head = f"{digest}: 3 inputs\nsettings of the project\n  pyproject.toml\n"
    head += "the project directory\n  a.py\n  sub/b.py\n"
    assert desk("inputs")[1] == head + "1 folder not looked into; -v lists them\n"
    assert desk("inputs", "-v")[1] == head + "not looked into\n  cache: tagged as a cache\n"


@odd_names
def test_any_name_survives_json(desk):
    """JSON gives the bytes of each name back."""
    names = [b"a b", b"a\nb", "\u00e9".encode(), b"\xff\xfe", b"\x1b[31m"]
    desk.pyproject()
    for name in names:
        desk.files(b"demo/" + name, of="x")
    found = [one["path"].encode("utf-8", "surrogateescape") for one in desk.json("inputs")[1]["inputs"]]
    assert sorted(found) == sorted([*names, b"pyproject.toml"])


@odd_names
def test_text_lets_no_name_move_the_cursor(desk):
    """Line ends, escape sequences and bytes that are no text are escaped."""
    desk.pyproject().files(b"demo/a\nb", b"demo/\xff", b"demo/\x1b[31m", of="x")
    _, out, _ = desk("inputs")
    assert "  a\\nb\n" in out
    assert "  \\udcff\n" in out
    assert "  \\x1b[31m\n" in out
    assert "\x1b" not in out


@pytest.mark.unlike_wine("its console has no colours")
def test_colours_need_a_terminal_and_rich(desk, monkeypatch):
    """Without rich a terminal gets the same text as a file."""
    desk.pyproject()
    plain = desk("inputs")[1]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pytest.importorskip("rich")
    assert "\x1b[" in desk("inputs")[1]
    for name in ("rich", "rich.console", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    assert desk("inputs")[1] == plain


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_cannot_be_read(desk):
    """Exit code 4, and a message that names it."""
    desk.pyproject().files("demo/secret.py")
    (desk.project / "secret.py").chmod(0)
    code, out, err = desk("inputs")
    assert (code, out) == (4, "")
    assert err.startswith("freshwheel: error: secret.py can't be read")


def test_the_account_of_a_project_that_is_not_wrapped_is_refused(desk):
    """What is wrong with the settings is said as by all other verbs."""
    desk.files(
        "demo/pyproject.toml", of='[build-system]\nrequires = ["flit-core"]\nbuild-backend = "flit_core.buildapi"\n'
    )
    code, _, said = desk("inputs", "--account")
    assert code == 2
    assert "freshwheel init" in said

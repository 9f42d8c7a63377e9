"""The verb uv: the difference, the check, the file that it writes, and what is left alone."""

import json
import os
import sys

import pytest

from freshwheel.memory import discoveries

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def files(desk):
    """The files that the list names."""
    table = tomllib.loads((desk.project / "pyproject.toml").read_text(encoding="utf-8"))
    return [one.get("file") for one in table["tool"]["uv"]["cache-keys"]]


def answer(desk, *words):
    """Exit code and parsed JSON of one call."""
    code, out, _ = desk(*words, "--json")
    return code, json.loads(out)


def test_the_list_is_shown_and_not_written(desk):
    """Without --yes there is a difference to look at, what no list can do, the alternative, and no change."""
    desk.rust()
    before = (desk.project / "pyproject.toml").read_bytes()
    code, out, err = desk("uv")
    assert (code, err) == (0, "")
    assert '+    { file = "../core/src/**/*.rs" },' in out
    assert "a deleted file" in out
    assert "symbolic link" in out
    assert "reinstall-package" in out
    assert out.endswith("nothing is written yet; --yes does that\n")
    assert (desk.project / "pyproject.toml").read_bytes() == before


def test_the_list_is_written_once(desk):
    """--yes writes it, --check is satisfied then, and a second time nothing is changed."""
    desk.rust()
    assert desk("uv", "--check")[0] == 1
    code, out, _ = desk("uv", "--yes")
    assert code == 0
    assert out.endswith("pyproject.toml has 10 keys now\n")
    assert files(desk) == [
        "pyproject.toml",
        "Cargo.toml",
        "demo/**/*.py",
        "src/**/*.rs",
        "../Cargo.lock",
        "../Cargo.toml",
        "../core/Cargo.toml",
        "../core/src/**/*.rs",
        None,
        None,
    ]
    assert desk("uv", "--check")[0] == 0
    written = (desk.project / "pyproject.toml").read_bytes()
    assert desk("uv", "--yes")[0] == 0
    assert (desk.project / "pyproject.toml").read_bytes() == written


def test_a_new_file_that_no_key_covers(desk):
    """The check names it, and exits with 1."""
    desk.rust()("uv", "--yes")
    desk.files("demo/build.rs")
    code, found = answer(desk, "uv", "--check")
    assert (code, found["missing"], found["superfluous"]) == (1, ['{ file = "build.rs" }'], [])
    code, out, _ = desk("uv", "--check")
    assert (code, 'missing: { file = "build.rs" }\n' in out) == (1, True)


def test_a_key_that_is_not_generated(desk):
    """It is a difference, whatever it covers, and `--yes` takes it out; what uv does not understand is one as well."""
    desk.pyproject("[tool.uv]\ncache-keys = ['setup.cfg', { dir = 'src' }, 1, { git = true }]")
    code, out, _ = desk("uv", "--check")
    assert code == 1
    shown = ('{ file = "setup.cfg" }', '{ dir = "src" }', "1", "{ git = true }")
    for text in shown:
        assert f"superfluous: {text} is not generated\n" in out
    assert 'missing: { file = "pyproject.toml" }\n' in out
    assert desk("uv", "--yes")[0] == 0
    assert files(desk) == ["pyproject.toml"]


def test_the_order_of_a_list(desk):
    """It says nothing, and a text is as good as a table with it."""
    desk.pyproject("[tool.uv]\ncache-keys = ['src/**/*.c', { file = 'pyproject.toml' }]").files("demo/src/a.c")
    code, out, _ = desk("uv", "--check")
    assert (code, out) == (0, "2 keys, as they are generated\n")


def test_what_a_build_leaves(desk):
    """A target folder, bytecode and modules are not in the list, and do not disturb it."""
    desk.rust()("uv", "--yes")
    before = files(desk)
    desk.files("target/CACHEDIR.TAG", of="Signature: 8a477f597d28d172789f06886806bc55")
    desk.files("target/debug/a.rs", "demo/demo/__pycache__/a.pyc", "demo/demo/_native.abi3.so", "demo/src/.lib.rs.swp")
    assert desk("uv", "--check")[0] == 0
    assert desk("uv", "--yes")[0] == 0
    assert files(desk) == before


def test_a_clone_inside_of_a_folder_that_is_an_input(desk):
    """What git keeps in it is no input, and no glob covers that: each command of git would be a change."""
    desk.pyproject(backend="setuptools.build_meta").files("demo/setup.py", of="")
    desk.files("demo/extern/one/a.hpp", "demo/extern/two/b.hpp", "demo/extern/two/.git/index", "demo/.git/index")
    assert desk("uv", "--yes")[0] == 0
    assert files(desk) == ["pyproject.toml", "extern/**/*.hpp", "setup.py"]


def test_what_the_build_writes(desk):
    """An input that the last build wrote is not watched: each build would ask for the next one."""
    desk.rust().files("demo/demo/_gen.py").shown(written={"demo/_gen.py": "made by the build"})
    desk("uv", "--yes")
    assert files(desk).count("demo/__init__.py") == 1
    assert "demo/_gen.py" not in files(desk)


def test_a_version_from_git(desk):
    """Where something takes the version from git, commits and tags are watched."""
    desk.pyproject("[tool.setuptools_scm]\nlocal_scheme = 'x'", backend="setuptools.build_meta")
    _, found = answer(desk, "uv")
    assert {"git": {"commit": True, "tags": True}} in found["keys"]


def test_variables(desk):
    """Those that the settings declare, and that people set for a compiler, whatever builds have asked for here."""
    desk.rust('env = ["DEMO_FAST"]')
    page = discoveries.Page(observed=True, names=("HOME", "TMPDIR"))
    discoveries.keep_account(str(desk.cache), str(desk.project), page)
    _, found = answer(desk, "uv")
    assert [one["env"] for one in found["keys"] if "env" in one] == ["DEMO_FAST", "MATURIN_PEP517_ARGS", "RUSTFLAGS"]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_a_folder_behind_a_link(desk):
    """Its files are named one by one, because no glob of uv reaches them."""
    desk.rust().files("protos/a.proto")
    (desk.project / "src" / "protos").symlink_to("../../protos")
    desk("uv", "--yes")
    assert "src/protos/a.proto" in files(desk)
    assert desk("uv", "--check")[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="a file system that knows only text")
@pytest.mark.parametrize("name", [b"demo/src/\xff.rs", b"demo/src/[a]*.rs", b"demo/src/{x}.rs", b'demo/src/a "b".rs'])
def test_odd_names(desk, name):
    """They are covered, whatever is in them."""
    try:
        desk.rust().files(os.fsdecode(name))
    except OSError:
        pytest.skip("such names are refused here")
    assert desk("uv", "--yes")[0] == 0
    assert desk("uv", "--check")[0] == 0


def test_a_file_that_can_not_be_changed_safely(desk):
    """It is left alone, and standard error says what to write by hand."""
    desk.rust("[[tool.uv]]")
    code, _, err = desk("uv")
    assert code == 1
    assert "write by hand, in [tool.uv]" in err


def test_check_and_yes_together(desk):
    """The list is written, and that it was another one is a failure."""
    desk.rust()
    assert desk("uv", "--check", "--yes")[0] == 1
    assert desk("uv", "--check", "--yes")[0] == 0


def test_json(desk):
    """Programs get the keys, and how the list differs."""
    code, found = answer(desk.rust(), "uv", "--yes")
    assert code == 0
    assert sorted(found) == ["keys", "missing", "superfluous", "written"]
    assert found["written"] is True
    assert answer(desk, "uv", "--yes")[1]["written"] is False

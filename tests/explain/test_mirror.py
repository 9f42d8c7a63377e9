"""What is installed from a folder, held against that folder: status, the guard of an import, the pytest plugin."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

from freshwheel import guard
from freshwheel.base import backends
from freshwheel.base.errors import FreshwheelError
from freshwheel.build import recipes
from freshwheel.cli import machine
from freshwheel.cli.main import main
from freshwheel.explain import installed
from freshwheel.memory import editables, installs
from freshwheel.sources import disk

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recording-backend"
SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
EXACT = pytest.mark.skipif(
    os.name == "nt" or disk.slack(tempfile.gettempdir()) is None, reason="no row is trusted here"
)


class Place:
    """A project, an environment, and what is installed there."""

    def __init__(self, folder):
        self.tree, self.site, self.cache = folder / "my tree", folder / "site", folder / "cache"
        shutil.copytree(FIXTURE, self.tree, ignore=shutil.ignore_patterns("__pycache__"))
        self.site.mkdir()
        self.environ = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "FRESHWHEEL_CACHE_DIR": str(self.cache),
            "RECORDING_LOG": str(folder / "log"),
        }

    def install(self, *, hook="build_wheel", installer="pip", url=None):
        """The project is installed, as an installer does it: the path of its metadata."""
        dist = self.site.with_name("dist")
        shutil.rmtree(dist, ignore_errors=True)
        call = recipes.Call(tree=str(self.tree), environ=self.environ, hook=hook, settings=None, say=lambda _: None)
        name = recipes.wheel(call, str(dist))
        for old in self.site.glob("*.dist-info"):
            shutil.rmtree(old)
        with zipfile.ZipFile(dist / name) as file:
            file.extractall(self.site)
        [info] = self.site.glob("*.dist-info")
        direct = {"url": url or self.tree.as_uri(), "dir_info": {"editable": True} if "edit" in hook else {}}
        (info / "direct_url.json").write_text(json.dumps(direct))
        (info / "INSTALLER").write_text(f"{installer}\n")
        return info

    def status(self):
        """How it stands."""
        [one] = installed.statuses([str(self.site)], self.environ, suffix=SUFFIX)
        return one

    def edit(self, text="ANSWER = 2\n"):
        """Another source."""
        (self.tree / "src" / "recorded.py").write_text(text)

    def configure(self, old, new):
        """Another `pyproject.toml`."""
        file = self.tree / "pyproject.toml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@pytest.fixture
def there(tmp_path):
    """A project that is not installed yet."""
    return Place(tmp_path)


# --- what came from a folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"url": "file:///a/b%20c", "dir_info": {}}', ("folder", "/a/b c", False)),
        ('{"url":"file:///a","dir_info":{"editable":true}}', ("folder", "/a", True)),
        ('{"dir_info": {"editable": false}, "url": "file://localhost/a/"}', ("folder", "/a", False)),
        ('{"dir_info": {\n"editable" : true}, "url" : "file:///%C3%BC%zz"}', ("folder", "/ü%zz", True)),
        ('{"url": "https://x/y.git", "vcs_info": {}}', ("elsewhere", "", False)),
        ('{"url": "file:///x.whl", "archive_info": {}}', ("elsewhere", "", False)),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")
def test_what_a_direct_url_says(tmp_path, text, found):
    """As pip and uv write it."""
    info = tmp_path / "My.Demo-1.0.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text(text)
    [one] = installs.listed([str(tmp_path)], "my_demo")
    assert (one.origin, one.tree, one.editable) == found
    assert (one.name, one.version) == ("My.Demo", "1.0")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"url": "ftp://x", "dir_info": {}}', '{"url": "file:\\\\u002f", "dir_info": {}}']
)
def test_an_odd_direct_url_says_nothing(tmp_path, text):
    """It is no reason to say anything, nor to fail."""
    info = tmp_path / "demo-1.0.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text(text)
    assert list(installs.listed([str(tmp_path), str(tmp_path / "nowhere"), str(info / "direct_url.json")])) == []


def test_the_first_of_a_name_counts(tmp_path):
    """As it does for an import, also where that one came from an index."""
    for folder in ("one", "two"):
        (tmp_path / folder / "demo-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "two" / "demo-1.0.dist-info" / "direct_url.json").write_text('{"url": "file:///a", "dir_info": {}}')
    assert list(installs.listed([str(tmp_path / "one"), str(tmp_path / "two")])) == []
    assert len(list(installs.listed([str(tmp_path / "two"), str(tmp_path / "one")]))) == 1


# --- wheels


def test_a_wheel_of_the_tree_is_current(there):
    """And nothing need be done."""
    there.install()
    one = there.status()
    assert (one.state, one.why, one.mend, one.wrong) == ("current", "", "", False)
    assert one.digest == one.tree_digest
    assert (one.name, one.tree, one.editable) == ("recorded", str(there.tree), False)


@pytest.mark.parametrize(
    ("installer", "mend"),
    [("pip", "python -m pip install '{}'"), ("uv", "uv pip install '{}'"), ("", "python -m pip install '{}'")],
)
def test_an_edit_makes_it_stale(there, installer, mend):
    """The files that changed are named, and the command that mends it; taking it back is current again."""
    there.install(installer=installer)
    before = (there.tree / "src" / "recorded.py").read_bytes()
    there.edit()
    (there.tree / "src" / "new.py").write_text("")
    one = there.status()
    assert (one.state, one.wrong) == ("stale", True)
    assert "changed: src/recorded.py" in one.why
    assert "added: src/new.py" in one.why
    assert one.mend == mend.format(there.tree)
    (there.tree / "src" / "recorded.py").write_bytes(before)
    (there.tree / "src" / "new.py").unlink()
    assert there.status().state == "current"


def test_a_project_with_a_lock_of_uv_is_mended_by_uv_sync(there):
    """For `uv pip install` would leave what the lock says."""
    there.install(installer="uv")
    (there.tree / "uv.lock").write_text("")
    there.edit()
    assert there.status().mend == f"uv sync --project '{there.tree}' --reinstall-package recorded"


def test_a_static_version_is_no_hindrance(there):
    """The mark says what the version can't."""
    there.configure('dynamic = ["version"]', 'version = "1.2.3"')
    there.install()
    assert (there.status().state, there.status().version) == ("current", "1.2.3")
    there.edit()
    assert there.status().state == "stale"


def test_a_tree_that_is_gone_is_said(there):
    """Moved or deleted: what is installed can't be held against anything."""
    there.install()
    shutil.move(there.tree, there.tree.with_name("moved"))
    one = there.status()
    assert (one.state, one.why) == ("stale", "the folder is gone")
    there.tree.mkdir()
    assert there.status().why == "there is no project any more"


def test_another_project_in_the_folder_is_said(there):
    """Installing that would not replace this one."""
    there.install()
    there.configure('name = "recorded"', 'name = "other"')
    one = there.status()
    assert (one.state, one.mend) == ("unknown", "uninstall recorded")
    assert "another project now: other" in one.why


def test_what_came_from_elsewhere_is_skipped(there):
    """Nobody can edit it here."""
    info = there.install()
    (info / "direct_url.json").write_text('{"url": "https://x/y.git", "vcs_info": {"vcs": "git"}}')
    assert (there.status().state, there.status().wrong) == ("skipped", False)


def test_a_project_that_does_not_use_freshwheel_is_skipped(there):
    """Unless it does by now: then what is installed is from before."""
    info = there.install()
    (info / "freshwheel.json").unlink()
    assert (there.status().state, there.status().why) == ("stale", "it was built without freshwheel")
    there.configure('build-backend = "freshwheel"', 'build-backend = "recording"')
    assert there.status().state == "skipped"


def test_a_tree_whose_settings_are_wrong_is_not_known(there):
    """The reason is that of a build."""
    there.install()
    there.configure('backend = "recording"', 'backend = "recording"\nexclud = []')
    one = there.status()
    assert (one.state, one.wrong) == ("unknown", True)
    assert "exclud" in one.why


# --- editable ones


@pytest.fixture
def compiled(there, monkeypatch):
    """An editable project with modules in its tree, and what the record says of them."""
    (there.tree / "src" / "recorded").mkdir()
    (there.tree / "src" / "recorded" / "__init__.py").write_text("")
    (there.tree / "src" / "lib.rs").write_text("// one\n")
    info = there.install(hook="build_editable")
    mark = info / "freshwheel.json"
    mark.write_text(mark.read_text().replace('"backend": "recording"', '"backend": "maturin"'))
    found = [(b"src/recorded/_native.so", "intact")]
    monkeypatch.setattr(editables, "check", lambda *_, **__: found)
    return there, found


def test_python_that_was_edited_is_live(compiled):
    """It is current, though its version is of the sources before."""
    there, _ = compiled
    assert (there.status().state, there.status().why) == ("current", "")
    (there.tree / "src" / "recorded" / "__init__.py").write_text("A = 1\n")
    assert there.status().state == "current"
    assert "only Python" in there.status().why


def test_what_must_be_compiled_is_not_live(compiled):
    """The command installs it as an editable again."""
    there, _ = compiled
    (there.tree / "src" / "lib.rs").write_text("// two\n")
    one = there.status()
    assert one.state == "stale"
    assert "changed: src/lib.rs" in one.why
    assert one.mend == f"python -m pip install -e '{there.tree}'"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("missing", "is missing"),
        ("known", "of other sources"),
        ("foreign", "not one that is on record"),
        ("read", "has read it"),
    ],
)
def test_modules_that_are_not_those_of_the_sources_are_named(compiled, what, why):
    """Lost, of another branch, or altered."""
    there, found = compiled
    found[:] = [(b"src/recorded/_native.so", what)]
    one = there.status()
    assert one.state == "stale"
    assert "src/recorded/_native.so" in one.why
    assert why in one.why


def test_modules_of_which_nothing_is_on_record_are_not_known(compiled, monkeypatch):
    """The cache may have been cleared."""
    there, _ = compiled
    monkeypatch.setattr(editables, "check", lambda *_, **__: None)
    assert (there.status().state, there.status().wrong) == ("unknown", True)


@pytest.mark.parametrize("what", ["first", "left"])
def test_module_that_is_superfluous_is_to_be_removed(compiled, monkeypatch, what):
    """To install again would leave it there; the guard says the same."""
    there, found = compiled
    found[:] = [(b"src/recorded/_native.so", "intact"), (b"src/recorded/_old.so", what)]
    one = there.status()
    assert one.state == "stale"
    assert "src/recorded/_old.so" in one.why
    assert "_native.so" not in one.why
    assert one.mend == f"remove '{os.path.join(there.tree, 'src/recorded/_old.so')}'"
    monkeypatch.setattr(sys, "path", [str(there.site)])
    for name, value in there.environ.items():
        monkeypatch.setenv(name, value)
    with pytest.warns(guard.StaleWarning, match="_old.so .*; remove .*_old.so'$"):
        guard.check("recorded")


@pytest.mark.parametrize(("what", "why"), [("whole", "may have read what was edited"), ("ways", "other packages")])
def test_what_can_not_be_told_of_the_modules_is_said(compiled, what, why):
    """It is never taken for current."""
    there, found = compiled
    found[:] = [(b"", what)]
    one = there.status()
    assert (one.state, why in one.why, one.mend) == ("unknown", True, f"python -m pip install -e '{there.tree}'")


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("maturin", "stale"),
        ("setuptools.build_meta:__legacy__", "stale"),
        ("mesonpy", "current"),
        ("hatchling.build", "current"),
        ("setuptools_extra", "unknown"),
        ("maturin_wrapper:api", "unknown"),
        ("recording", "unknown"),
    ],
)
def test_only_known_backends_are_believed(compiled, backend, expected):
    """Nobody knows what another one puts into the tree."""
    there, found = compiled
    found[:] = [(b"src/recorded/_native.so", "missing")]
    [mark] = there.site.glob("*.dist-info/freshwheel.json")
    mark.write_text(mark.read_text().replace('"backend": "maturin"', f'"backend": "{backend}"'))
    assert there.status().state == expected


def test_an_unknown_backend_that_compiles_nothing_is_believed(there):
    """There is nothing that could be stale."""
    there.install(hook="build_editable")
    assert there.status().state == "current"


def test_what_is_spelled_twice_is_the_same():
    """The light column can't load what the recipes know."""
    known = {module for known in backends.KNOWN if known.in_place for module in known.modules}
    assert set(installs._IN_PLACE) == known
    modules = {module for backend in backends.KNOWN for module in backend.modules}
    assert set(installs._APART) <= {*modules, "uv_build"} - known


def test_an_editable_of_setuptools_that_compiles_nothing_is_current(there, monkeypatch):
    """No module of it was ever put anywhere."""
    info = there.install(hook="build_editable")
    mark = info / "freshwheel.json"
    mark.write_text(mark.read_text().replace('"backend": "recording"', '"backend": "setuptools.build_meta"'))
    monkeypatch.setattr(editables, "check", lambda *_, **__: None)
    assert there.status().state == "current"
    (there.tree / "src" / "_native.c").write_text("")
    assert there.status().state == "stale"


# --- the guard


@pytest.fixture
def guarded(there, monkeypatch):
    """An installed project, and an import that asks."""
    monkeypatch.setattr(sys, "path", [str(there.site)])
    for name, value in there.environ.items():
        monkeypatch.setenv(name, value)
    there.install()
    return there


def test_the_guard_is_silent_where_all_is_right(guarded, recwarn):
    """With the tree, without it, for another name, and for what came from an index."""
    guard.check("recorded", error=True)
    guard.check("nothing-of-that-name", error=True)
    shutil.move(guarded.tree, guarded.tree.with_name("moved"))
    guard.check("recorded", error=True)
    assert not recwarn.list


def test_the_guard_says_what_is_stale(guarded):
    """A warning that points at who imports, or an error; both with the command."""
    guarded.edit()
    with pytest.warns(guard.StaleWarning, match=r"recorded is stale: .*pip install"):
        guard.check("recorded")
    with pytest.raises(guard.StaleError, match="recorded is stale"):
        guard.check("Recorded", error=True)


def test_the_guard_says_that_a_tree_moved_while_it_was_built(guarded):
    """As `status` does: nobody knows of which sources that is."""
    [mark] = guarded.site.glob("*.dist-info/freshwheel.json")
    mark.write_text(mark.read_text().replace('"settled": true', '"settled": false'))
    with pytest.warns(guard.StaleWarning, match="moved while it was built"):
        guard.check("recorded")
    mark.unlink()
    guard.check("recorded", error=True)


def test_the_guard_is_silent_where_the_folder_has_another_project(guarded, recwarn):
    """To install that would not mend it."""
    guarded.configure('name = "recorded"', 'name = "other"')
    guard.check("recorded", error=True)
    assert not recwarn.list


def test_the_guard_never_gets_in_the_way(guarded, monkeypatch, recwarn):
    """An import goes on whatever is wrong with the looking."""
    guarded.edit()
    monkeypatch.setattr(installs, "listed", lambda *_: 1 / 0)
    guard.check("recorded", error=True)
    assert not recwarn.list


@EXACT
def test_the_guard_loads_the_light_column_only(guarded):
    """It is imported with the package; the tree is known, so nothing heavy is."""
    time.sleep(2.5)
    installed.digests(str(guarded.tree), guarded.environ)
    source = str(Path(guard.__file__).parents[1])
    program = (
        f"import sys; sys.path[:0] = [{source!r}, {str(guarded.site)!r}]\n"
        f"import xxhash; before = set(sys.modules)\n"
        "from freshwheel import guard; guard.check('recorded', error=True)\n"
        "print('\\n'.join(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **guarded.environ},
    )
    loaded = {name for name in done.stdout.split() if not name.startswith("freshwheel")}
    assert loaded <= {"errno", "fcntl", "struct", "_struct", "_imp"}
    assert "freshwheel.memory.installs" in done.stdout


@EXACT
def test_what_is_right_is_told_without_the_recipes(guarded):
    """A person who asks often waits for Python, and for little else."""
    time.sleep(2.5)
    installed.digests(str(guarded.tree), guarded.environ)
    source = str(Path(guard.__file__).parents[1])
    program = (
        f"import sys; sys.path[:0] = [{source!r}, {str(guarded.site)!r}]\n"
        "from freshwheel.cli.main import main; code = main(['status', 'recorded']); print(*sys.modules)\nsys.exit(code)"
    )
    environ = {**os.environ, **guarded.environ}
    environ.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environ, cwd=guarded.site
    )
    assert " current " in done.stdout
    assert {"freshwheel.build.context", "freshwheel.build.recipes", "freshwheel.explain.report"}.isdisjoint(
        done.stdout.split()
    )


def test_a_real_install_costs_one_look(guarded, monkeypatch):
    """Without `direct_url.json` no tree is looked for."""
    [info] = guarded.site.glob("*.dist-info")
    (info / "direct_url.json").unlink()
    monkeypatch.setattr(installs, "digests", lambda *_: pytest.fail("the tree was looked at"))
    guard.check("recorded", error=True)


# --- the verb


def test_the_verb_names_what_is_not_there(there):
    """A name that nobody installed from a folder is an error, with what to do."""
    with pytest.raises(FreshwheelError, match="nothing-here"):
        machine.looked(["nothing-here"], there.environ, folder=str(there.tree))


def test_the_verb_asks_the_environment_that_is_active(there, tmp_path):
    """The freshwheel that is asked may be installed elsewhere."""
    pytest.importorskip("venv")
    there.install()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    pattern = "Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"
    [site] = (tmp_path / "venv").glob(pattern)
    shutil.copytree(there.site, site, dirs_exist_ok=True)
    environ = {**there.environ, "VIRTUAL_ENV": str(tmp_path / "venv")}
    prefix, [one] = machine.looked([], environ, folder=str(there.tree))
    assert (prefix, one.name, one.state) == (str(tmp_path / "venv"), "recorded", "current")


def environment(place):
    """What looks like an environment, and its interpreter."""
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for path in (place / "pyvenv.cfg", python):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    python.chmod(0o755)
    return str(python)


def test_an_environment_is_found_as_uv_finds_it(tmp_path):
    """The active one, else the nearest `.venv` of the project or the workspace around it; a folder without is none."""
    active, root = environment(tmp_path / "active"), environment(tmp_path / "work" / ".venv")
    member = tmp_path / "work" / "member"
    (member / ".venv").mkdir(parents=True)
    assert machine.interpreter({"VIRTUAL_ENV": str(tmp_path / "active")}, str(member), None) == active
    assert machine.interpreter({}, str(member), None) == root
    nearest = environment(member / ".venv")
    assert machine.interpreter({}, str(member), None) == nearest
    environ = {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "active")}
    assert machine.interpreter(environ, str(member), None) == active
    assert machine.interpreter({}, str(tmp_path), None) is None
    assert machine.interpreter({"VIRTUAL_ENV": sys.prefix}, str(member), None) is None


@pytest.mark.skipif(os.name == "nt", reason="programs are found by other endings there")
def test_an_environment_is_named_in_any_way(tmp_path):
    """By its folder, its interpreter or a name; for all else there is an error that says so."""
    inside = environment(tmp_path / ".venv")
    named = tmp_path / "path" / "python3.77"
    shutil.copytree(tmp_path / ".venv" / "bin", named.parent)
    (named.parent / "python").rename(named)
    environ = {"PATH": str(named.parent)}
    for word, expected in (
        (".venv", inside),
        (inside, inside),
        (".venv/bin/python", inside),
        ("python3.77", str(named)),
    ):
        assert machine.interpreter(environ, str(tmp_path), word) == expected
    for word in ("python3.78", "no/such/place", "path"):
        with pytest.raises(FreshwheelError, match=f"no Python {word}"):
            machine.interpreter(environ, str(tmp_path), word)


@pytest.mark.skipif(os.name == "nt", reason="scripts of POSIX")
@pytest.mark.parametrize(
    ("script", "fine"),
    [
        (f'echo hello\nexec "{sys.executable}" "$@"\n', True),
        ("echo 5\n", False),
        ("echo '[1, 2, 3]'\n", False),
        ('echo \'["a", [3], "b"]\'\n', False),
        ("exit 0\n", False),
    ],
)
def test_what_else_an_interpreter_prints_is_no_answer(there, tmp_path, script, fine):
    """As one with a greeting does; the answer is its last line."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}")
    python.chmod(0o755)
    if fine:
        machine.looked([], there.environ, folder="/", python=str(python))
        return
    with pytest.raises(FreshwheelError, match="does not say where its modules are"):
        machine.looked([], there.environ, folder="/", python=str(python))


def test_the_verb_ends_with_1_where_something_must_be_done(there, monkeypatch, capsys):
    """With the same in JSON; and with 0 where all is right."""
    there.install()
    monkeypatch.setattr(sys, "path", [str(there.site)])
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(there.site)
    for name, value in there.environ.items():
        monkeypatch.setenv(name, value)
    assert main(["status"]) == 0
    assert "current" in capsys.readouterr().out
    there.edit()
    assert main(["status", "--json", "Recorded"]) == 1
    assert json.loads(capsys.readouterr().out)["distributions"][0]["state"] == "stale"
    assert main(["status", "nothing-here"]) == 1
    assert "not installed from a folder" in capsys.readouterr().err


def test_the_lines_say_state_reason_and_command(there):
    """In this order; a program reads the same."""
    there.install()
    there.edit()
    found = [there.status(), dataclasses.replace(there.status(), name="other", state="skipped", why="", mend="")]
    texts = [line.text for line in machine.table(found, "")]
    assert texts[0].split()[:3] == ["recorded", found[0].version, "stale"]
    assert texts[2].strip().startswith("python -m pip install")
    assert "nothing in /venv was" in machine.table([], "/venv")[0].text

"""The interpreter that the inner backend hands to the compilers, with real virtual environments."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyproject_hooks
import pytest

from freshwheel.inner import distributions, process
from freshwheel.inner.process import Interpreter
from freshwheel.observe import witness

SOURCE = Path(__file__).parents[2] / "src"
HOME = Path(os.__file__).parent
HOOKS = Path(pyproject_hooks.__file__).parents[1]
VARIABLES = ("MATURIN_PEP517_USE_BASE_PYTHON", "SETUPTOOLS_RUST_PEP517_USE_BASE_PYTHON")

HERE = f"""
import dataclasses, json, sys
sys.path[:0] = [{str(SOURCE)!r}, {str(HOOKS)!r}]
from freshwheel.inner.process import Interpreter
del sys.path[1]
print(json.dumps(dataclasses.asdict(Interpreter.here())))
"""
SEE = """
import json, os, sys
try:
    import dep
except ImportError:
    dep = None
module = sys.modules.get("sitecustomize")
print(json.dumps({
    "dep": getattr(dep, "VERSION", None),
    "path": sys.path[1:],
    "sitecustomize": os.path.dirname("" if hasattr(module, "adopt") else getattr(module, "__file__", "")),
    "noted": getattr(sys, "noted", []),
}))
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a base interpreter can't be put together from links")


class World:
    """A base interpreter with its own, empty site-packages, a virtual environment of it, and what is in their reach."""

    def __init__(self, folder):
        self.folder = folder
        self.witness = None
        self.base = _relocated(folder / "base")
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", *VARIABLES))
        }
        self.environ |= {"PYTHONUSERBASE": str(folder / "user"), "PYTHONDONTWRITEBYTECODE": "1"}
        self.python = self.environment("env", str(self.base))
        self.own, self.user, self.site = (self._site(python) for python in (self.base, "user", self.python))

    def environment(self, name, base, *options):
        """The interpreter of a new virtual environment."""
        command = [base, "-m", "venv", "--without-pip", *options, str(self.folder / name)]
        subprocess.run(command, check=True, env=self.environ)
        return self.folder / name / "bin" / "python"

    def _site(self, python):
        what, python = ("usersitepackages", self.base) if python == "user" else ("sitepackages", python)
        code = f"import site; found = site.get{what}(); print(found if isinstance(found, str) else found[0])"
        found = Path(self._run(python, "-c", code).strip())
        found.mkdir(parents=True, exist_ok=True)
        return found

    def _run(self, python, *arguments, environ=None, cwd=None):
        environ = self.environ if environ is None else environ
        done = subprocess.run([python, *arguments], capture_output=True, text=True, check=True, env=environ, cwd=cwd)
        assert done.stderr == ""
        return done.stdout

    def facts(self, python=None, **environ):
        """What a process of freshwheel in the environment knows of itself."""
        return Interpreter(
            **_tuples(json.loads(self._run(python or self.python, "-c", HERE, environ={**self.environ, **environ})))
        )

    def see(self, environ, python=None, *flags, cwd=None):
        """What a new process of the interpreter (the base, if none is named) has on its path."""
        return json.loads(self._run(python or self.base, *flags, "-c", SEE, environ=environ, cwd=cwd))

    def stable(self, facts=None, **environ):
        """The environment for the inner backend, in a context."""
        facts, given = facts or self.facts(**environ), {**self.environ, **environ}
        return process.stable(given, variables=VARIABLES, facts=facts, witness=self.witness, files=True)

    def folders(self, *names):
        """New folders with a `sitecustomize.py` that notes its name."""
        made = [self.folder / name for name in names]
        for folder in made:
            folder.mkdir()
            note = f"import sys; sys.noted = getattr(sys, 'noted', []) + [{folder.name!r}]\n"
            (folder / "sitecustomize.py").write_text(note)
        return [str(folder) for folder in made]


def _relocated(prefix):
    """An interpreter whose prefix is `prefix`: its binary is a copy, its standard library is links."""
    source = os.path.realpath(sys._base_executable)
    library = prefix / "lib" / HOME.name
    (prefix / "bin").mkdir(parents=True)
    library.mkdir(parents=True)
    python = Path(shutil.copy2(source, prefix / "bin"))
    for entry in HOME.iterdir():
        # Debian's has a sitecustomize.py of its own, which would stand before that of a test.
        if entry.name not in {"site-packages", "dist-packages", "sitecustomize.py"}:
            (library / entry.name).symlink_to(entry)
    for entry in HOME.parent.glob("libpython*"):
        (prefix / "lib" / entry.name).symlink_to(entry)
    answer = subprocess.run(
        [python, "-Ic", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=False
    )
    if answer.stdout.strip() != str(prefix):
        pytest.skip("this interpreter can't be moved")
    return python


def _tuples(facts):
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


def plant(folder, version):
    """A distribution `dep` of that version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dep.py").write_text(f"VERSION = {version!r}\n")


@pytest.fixture
def world(tmp_path, request):
    """A base and an environment whose path would not survive careless quoting."""
    world = World(tmp_path / "wörld 'of' \"two\"")
    plant(world.site, 2)
    if getattr(request, "param", False):
        world.witness = str(world.folder / "notes")
        os.mkdir(world.witness)
    return world


witnessed = pytest.mark.parametrize("world", [False, True], indirect=True, ids=["alone", "witnessed"])


def test_base_without_the_requirement_gets_it(world):
    """A build script that runs the base interpreter finds the build requirements."""
    assert world.see(world.environ)["dep"] is None
    with world.stable() as environ:
        assert world.see(environ)["dep"] == 2


@pytest.mark.parametrize("place", ["own", "user"])
def test_older_copy_of_the_base_does_not_win(world, place):
    """Whether it is the base's own or its user's, the build environment's copy is imported."""
    plant(getattr(world, place), 1)
    assert world.see(world.environ)["dep"] == 1
    with world.stable() as environ:
        seen = world.see(environ)
    assert seen["dep"] == 2
    assert str(getattr(world, place)) not in seen["path"]


@pytest.mark.parametrize("place", ["own", "user"])
def test_older_copy_that_was_imported_early_does_not_win(world, place):
    """A `.pth` file of the base that imports its copy at startup changes nothing."""
    plant(getattr(world, place), 1)
    (getattr(world, place) / "early.pth").write_text("import dep\n")
    with world.stable() as environ:
        assert world.see(environ)["dep"] == 2


def test_import_hook_of_the_base_does_not_win(world):
    """A finder that a `.pth` file of the base put in front, as setuptools does for distutils, is gone."""
    hook = """
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_loader
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "dep":
            return spec_from_loader(name, SourceFileLoader(name, __file__))
sys.meta_path.insert(0, Finder)
sys.path_hooks.insert(0, lambda entry: sys.exit("asked"))
VERSION = 1
"""
    (world.own / "hook.py").write_text(hook.replace("sys.path_hooks", "# sys.path_hooks"))
    (world.own / "hook.pth").write_text("import hook\n")
    assert world.see(world.environ)["dep"] == 1
    (world.own / "hook.py").write_text(hook)
    with world.stable() as environ:
        assert world.see(environ)["dep"] == 2


def test_namespace_that_the_base_set_up_early_does_not_win(world):
    """An old-style namespace package of the base does not put its own portion before the build environment's."""
    line = (
        "import sys, types, os; m = sys.modules.setdefault('dep', types.ModuleType('dep')); "
        "m.__path__ = [*getattr(m, '__path__', []), os.path.join({folder!r}, 'dep')]; m.VERSION = m.__path__\n"
    )
    (world.site / "dep.py").unlink()
    for folder in (world.own, world.site):
        (folder / "dep-nspkg.pth").write_text(line.format(folder=str(folder)))
    with world.stable() as environ:
        assert world.see(environ)["dep"] == [str(world.site / "dep")]


@witnessed
def test_path_of_the_base_is_that_of_the_environment(world):
    """Standard library first, then exactly what the environment's own interpreter has, in its order."""
    plant(world.own, 1)
    for name in ("one", "two"):
        (world.folder / name).mkdir()
        (world.site / f"{name}.pth").write_text(f"{world.folder / name}\n")
        (world.folder / name / "nested.pth").write_text(f"{world.folder}\n")
    with world.stable() as environ:
        assert world.see(environ)["path"] == world.see(world.environ, world.python)["path"]


def test_pth_file_with_an_import_line_is_run(world):
    """Once, and after the folder is on the path."""
    (world.site / "startup.pth").write_text("import dep, sys; sys.noted = [*getattr(sys, 'noted', []), dep.VERSION]\n")
    with world.stable() as environ:
        assert world.see(environ)["noted"] == [2]


def test_environment_that_sees_the_packages_of_its_base(world):
    """With system site packages those of the base stay, behind the environment's own."""
    plant(world.own, 1)
    python = world.environment("open", str(world.base), "--system-site-packages")
    with world.stable(world.facts(python)) as environ:
        assert world.see(environ)["path"] == world.see(world.environ, python)["path"]
        assert world.see(environ)["dep"] == 1


@witnessed
def test_environment_that_sees_the_packages_of_its_base_comes_first(world):
    """Even if the base has imported its own copy at startup; and its startup code is run for the environment again."""
    plant(world.own, 1)
    (world.own / "early.pth").write_text("import dep; dep.VERSION = dep.VERSION * 10\n")
    python = world.environment("open", str(world.base), "--system-site-packages")
    for wanted in (10, 30):
        with world.stable(world.facts(python)) as environ:
            assert world.see(environ)["dep"] == world.see(world.environ, python)["dep"] == wanted
        plant(world._site(python), 3)


def test_base_that_is_reached_through_a_link(world):
    """Inner backends resolve the path of the base, and find the packages there all the same."""
    link = world.folder / "link"
    link.symlink_to(world.base.parent.parent)
    python = world.environment("linked", str(link / "bin" / world.base.name))
    plant(world._site(python), 3)
    facts = world.facts(python)
    assert facts.base_prefix == str(link)
    with world.stable(facts) as environ:
        assert world.see(environ, os.path.realpath(facts.base_executable))["dep"] == 3


def test_environment_itself_is_not_touched(world):
    """Its own interpreter, which runs the inner backend, is as it was."""
    with world.stable() as environ:
        assert world.see(environ, world.python) == world.see(world.environ, world.python)


def test_another_environment_of_the_same_base_is_not_touched(world):
    """A build may make environments of its own."""
    other = world.environment("other", str(world.base))
    with world.stable() as environ:
        assert world.see(environ, other) == world.see(world.environ, other)


def _others(environ):
    """Interpreters at hand that are of another version than this one, and can run `SEE` in peace."""
    names = ("python", "python2", "python3", *(f"python3.{minor}" for minor in range(6, 16)))
    beside = Path(sys.base_prefix).parent.glob("*/bin/python")
    at_hand = {os.path.realpath(path) for path in [*filter(None, map(shutil.which, names)), *map(str, beside)]}
    others = set()
    for python in at_hand:
        # Some are only scripts that start the real one.
        command = [python, "-c", f"import sys; print(sys.executable); print(sys.version)\n{SEE}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
        if not done.returncode and not done.stderr and sys.version not in done.stdout:
            others.add(os.path.realpath(done.stdout.partition("\n")[0]))
    return sorted(others)


@witnessed
def test_interpreters_of_other_versions_are_not_touched(world):
    """From 2.7 on: the same path, the same `sitecustomize`, and not a word on stderr."""
    [note] = world.folders("note")
    others = _others(world.environ)
    for extra in ({}, {"PYTHONPATH": note}):
        with world.stable(world.facts(), **extra) as environ:
            seen = [world.see(environ, python) for python in others]
        assert seen == [world.see({**world.environ, **extra}, python) for python in others]
    if not others:
        pytest.skip("there is no other interpreter at hand")


@pytest.mark.parametrize("change", [{"version": "another build"}, {"base_prefix": "/another/place"}])
def test_interpreter_that_is_not_our_base_is_not_touched(world, change):
    """Both have to be the same: the build of the interpreter, and where it stands."""
    facts = dataclasses.replace(world.facts(), **change)
    with world.stable(facts) as environ:
        assert environ["PYTHONPATH"]
        assert world.see(environ) == world.see(world.environ)


def test_isolated_interpreter_is_not_touched(world):
    """`-I` ignores the environment, and so all of this."""
    with world.stable() as environ:
        assert world.see(environ, world.base, "-I") == world.see(world.environ, world.base, "-I")


@witnessed
def test_processes_further_down_get_the_same(world):
    """A build script may start another interpreter, and that one another."""
    code = f"import subprocess, sys; sys.exit(subprocess.run([{str(world.base)!r}, '-c', sys.argv[1]]).returncode)"
    with world.stable() as environ:
        for python in (world.base, world.python):
            assert json.loads(world._run(python, "-c", code, SEE, environ=environ))["dep"] == 2


def pip_like(world):
    """A `sitecustomize` that isolates as pip does: no packages but those in its own folders."""
    overlay = world.folder / "overlay"
    plant(overlay, 4)
    (overlay / "startup.pth").write_text("import sys; sys.noted = [*getattr(sys, 'noted', []), 'overlay']\n")
    folder = world.folder / "pip-site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"""import site, sys
sys.path = [entry for entry in sys.path if entry != {str(world.site)!r}]
assert {str(overlay)!r} not in sys.path
site.addsitedir({str(overlay)!r})
"""
    )
    return {"PYTHONPATH": str(folder), "PYTHONNOUSERSITE": "1"}


@witnessed
def test_isolation_of_pip_is_kept_in_the_environment(world):
    """The `sitecustomize` that was on PYTHONPATH before still does its work where the inner backend runs."""
    pip = pip_like(world)
    with world.stable(**pip) as environ:
        seen = world.see(environ, world.python)
        assert seen == world.see({**world.environ, **pip}, world.python)
    assert (seen["dep"], seen["sitecustomize"], seen["noted"]) == (4, pip["PYTHONPATH"], ["overlay"])


@witnessed
def test_base_gets_what_pip_installed_for_the_build(world):
    """And neither what the environment holds besides nor what the base has; pip's own code does not complain."""
    plant(world.own, 1)
    pip = pip_like(world)
    with world.stable(**pip) as environ:
        seen = world.see(environ)
    assert seen["dep"] == 4
    assert "overlay" in seen["noted"]
    assert not {str(world.own), str(world.site)}.intersection(seen["path"])
    assert seen["path"] == world.see({**world.environ, **pip}, world.python)["path"]


@witnessed
@pytest.mark.parametrize("where", ["base", "python"])
def test_next_sitecustomize_is_the_one_that_counts(world, where):
    """The first one on PYTHONPATH behind ours runs, once, and is the module of that name."""
    first, second = world.folders("first", "second")
    with world.stable(PYTHONPATH=os.pathsep.join([first, second])) as environ:
        seen = world.see(environ, getattr(world, where))
    assert (seen["noted"], seen["sitecustomize"]) == (["first"], first)


@witnessed
def test_sitecustomize_of_the_base_still_runs(world):
    """Distributions finish their interpreters there; that its folder leaves the path does not undo it."""
    (world.own / "sitecustomize.py").write_text("import sys; sys.noted = ['own']\n")
    with world.stable() as environ:
        assert world.see(environ)["noted"] == ["own"]


@witnessed
@pytest.mark.parametrize("code", ["raise RuntimeError('broken')", "import not_there_at_all", "raise ImportError('no')"])
def test_broken_sitecustomize_fails_as_it_would_without_us(world, code):
    """The interpreter complains as ever, and has the packages."""
    [folder] = world.folders("broken")
    Path(folder, "sitecustomize.py").write_text(code)
    said = []
    command = [world.base, "-c", "import sys; print('sitecustomize' in sys.modules)"]
    with world.stable(PYTHONPATH=folder, facts=world.facts()) as environ:
        for each in ({**world.environ, "PYTHONPATH": folder}, environ):
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=each)
            said.append((done.stdout, done.stderr))
        done = subprocess.run([world.base, "-c", "import dep"], capture_output=True, check=True, env=environ)
    assert said[0] == said[1]
    assert said[0][1]


def test_entries_of_pythonpath_stay_in_front(world):
    """Relative ones too, whatever directory they are seen from."""
    for name in ("here/rel", "there/rel"):
        plant(world.folder / name, name)
    with world.stable(PYTHONPATH=os.pathsep.join(["rel", str(world.folder)]), facts=world.facts()) as environ:
        for name in ("here", "there"):
            seen = world.see(environ, cwd=world.folder / name)
            assert seen["dep"] == f"{name}/rel"
            assert seen["path"][:2] == [str(world.folder / name / "rel"), str(world.folder)]


@pytest.mark.parametrize(
    ("given", "wanted"), [(None, False), ("", False), (os.pathsep, True), (f"{os.pathsep}/x", True)]
)
def test_working_directory_is_on_the_path_only_if_it_was(world, tmp_path, given, wanted):
    """An empty PYTHONPATH is none, an empty entry of it means the working directory."""
    script = tmp_path / "script.py"
    script.write_text("import os, sys; print(os.getcwd() in sys.path)")
    extra = {} if given is None else {"PYTHONPATH": given}
    for environ in ({**world.environ, **extra}, None):
        with world.stable(world.facts(), **extra) as stable:
            assert world._run(world.base, script, environ=environ or stable, cwd=world.folder) == f"{wanted}\n"


def test_only_what_is_needed_is_set(world):
    """The two kinds of variables, and not a third; what was given is not changed in place."""
    given = {**world.environ, "PYTHONPATH": "/x", "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
    before = dict(given)
    with process.stable(given, variables=VARIABLES, facts=world.facts()) as environ:
        assert environ.pop("PYTHONPATH").endswith(f"{os.pathsep}/x")
        assert [environ.pop(name) for name in VARIABLES] == ["1", "1"]
    assert given == before
    assert environ == {name: value for name, value in before.items() if name != "PYTHONPATH"}


@pytest.mark.parametrize("value", ["0", "", "true"])
def test_variable_that_is_set_already_wins(world, value):
    """Even if it is empty."""
    with world.stable(**{VARIABLES[0]: value}) as environ:
        assert [environ[name] for name in VARIABLES] == [value, "1"]


def test_nothing_changes_outside_of_a_virtual_environment(world):
    """A base interpreter is stable by itself."""
    given = {"PYTHONPATH": "/x"}
    facts = world.facts(world.base)
    with process.stable(given, variables=VARIABLES, facts=facts) as environ:
        assert environ == given
        assert environ is not given


def test_nothing_changes_if_it_is_switched_off(world):
    """No variables at all means: leave everything as it is."""
    with process.stable({"A": "1"}, variables=None, facts=world.facts()) as environ:
        assert environ == {"A": "1"}


def test_nothing_changes_if_the_base_is_gone(world):
    """There is no interpreter to hand down."""
    facts = dataclasses.replace(world.facts(), base_executable=str(world.folder / "gone"))
    with process.stable({"A": "1"}, variables=VARIABLES, facts=facts) as environ:
        assert environ == {"A": "1"}


@pytest.mark.parametrize("where", ["base", "python"])
@pytest.mark.parametrize("variables", [None, VARIABLES])
def test_witness_alone_changes_nothing_else(world, where, variables):
    """Outside of an environment, or where everything is left as it is: the path is that of before."""
    plant(world.own, 1)
    [first] = world.folders("first")
    facts = world.facts(world.base) if variables else world.facts()
    notes = world.folder / "notes"
    notes.mkdir()
    given = {**world.environ, "PYTHONPATH": first}
    with process.stable(given, variables=variables, facts=facts, witness=str(notes)) as environ:
        assert {**environ, "PYTHONPATH": first} == given
        assert environ["PYTHONPATH"].endswith(os.pathsep + first)
        assert world.see(environ, getattr(world, where)) == world.see(given, getattr(world, where))
    assert len(list(notes.iterdir())) == 1


def test_witness_does_not_hear_what_we_ask_ourselves(world):
    """But what others ask while the interpreter starts."""
    (world.site / "startup.pth").write_text("import os; os.environ.get('ASKED_BY_PTH')\n")
    [first] = world.folders("first")
    Path(first, "sitecustomize.py").write_text("import os; os.environ.get('ASKED_BY_SITECUSTOMIZE')\n")
    notes = world.folder / "notes"
    notes.mkdir()
    world.witness = str(notes)
    with world.stable(PYTHONPATH=first) as environ:
        world._run(world.base, "-c", "", environ=environ)
    assert witness.read(world.witness).variables == {"ASKED_BY_PTH", "ASKED_BY_SITECUSTOMIZE"}


@pytest.mark.parametrize("name", ["not/there", f"with{os.pathsep}separator"])
def test_nothing_changes_without_a_usable_private_folder(world, monkeypatch, name):
    """The base without the packages would be worse than the environment."""
    folder = world.folder / name
    if "separator" in name:
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with process.stable({"A": "1"}, variables=VARIABLES, facts=world.facts()) as environ:
        assert environ == {"A": "1"}
    assert not folder.exists() or not list(folder.iterdir())


def test_private_folder_is_removed(world):
    """Also after a failure, and with what interpreters have left in it."""
    seen = []

    def fail():
        with world.stable() as environ:
            seen.append(Path(environ["PYTHONPATH"]))
            (seen[0] / "__pycache__").mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not seen[0].exists()


def test_facts_of_this_process_are_those_of_sys():
    """Whatever is not said otherwise is about the process that asks."""
    facts = Interpreter.here()
    assert (facts.version, facts.prefix, facts.base_prefix) == (sys.version, sys.prefix, sys.base_prefix)
    assert (facts.base_executable, list(facts.path)) == (sys._base_executable, sys.path)


def test_packages_are_what_stands_behind_the_standard_library(world, monkeypatch):
    """Not what a program put in front of it, what is not there, or what only makes sense in one directory."""
    facts = world.facts()
    there = str(world.folder)
    (world.folder / "relative").mkdir()
    monkeypatch.chdir(there)
    path = (there, "", "_backend", *facts.path, "relative", str(world.folder / "gone"), there)
    assert dataclasses.replace(facts, path=path).packages() == [str(world.site), there]


@pytest.mark.parametrize(
    ("module", "wanted"),
    [("json", True), ("pytest", True), ("_a_module_that_nobody_has", False), ("", False), (".json", False)],
)
def test_module_is_importable_or_not(module, wanted):
    """It is looked for as the inner backend's interpreter would; nonsense is not importable."""
    assert distributions.importable(module) is wanted


def test_looking_for_a_module_does_not_import_it(tmp_path, monkeypatch):
    """A backend whose import fails is importable all the same: the error is the inner process's to show."""
    (tmp_path / "fails_at_import.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    assert distributions.importable("fails_at_import")

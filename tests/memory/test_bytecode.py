"""The bytecode of freshwheel, kept from one environment of a build to the next: it saves time, and never decides."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from freshwheel.about import __version__
from freshwheel.memory import bytecode

REPOSITORY = Path(__file__).parents[2]
FIXTURE = REPOSITORY / "fixtures" / "recording-backend"
PACKAGE = Path(bytecode.__file__).parents[1]
FIRST = [
    "__init__",
    "about",
    "base.__init__",
    "base.environment",
    "base.files",
    "hooks",
    "memory.__init__",
    "memory.bytecode",
]
"""Modules that are loaded before any bytecode can be taken."""
MODULE = "sources/digest.py"
"""One that the answer needs."""

PROGRAM = """
import json, os, sys
site, prefix = sys.argv[1:]
sys.prefix, sys.path[:0] = prefix, [site]
compiled = []

def hook(event, arguments):
    name = os.fsdecode(arguments[1]) if event == "compile" and arguments[1] else ""
    if name.startswith(site):
        compiled.append(os.path.relpath(name, os.path.join(site, "freshwheel"))[:-3].replace(os.sep, "."))

sys.addaudithook(hook)
exec(os.environ["FIRST"])
import freshwheel
answer = freshwheel.get_build_inputs(json.loads(os.environ["SETTINGS"]))["digest"]
print(json.dumps([answer, sorted(compiled), (sys.modules["freshwheel.sources.digest"].__doc__ or "")[:4]]))
"""


class Site:
    """A folder that freshwheel is installed in, without bytecode."""

    def __init__(self, folder, cache):
        self.folder, self.cache = folder, cache
        shutil.copytree(PACKAGE, folder / "freshwheel", ignore=shutil.ignore_patterns("__pycache__"))

    def ask(self, name, *options, tree=FIXTURE, settings=None, first="", **variables):
        """The digest, the modules that were compiled, and how the text of one begins, in a new environment."""
        environ = {
            **{name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ},
            "FRESHWHEEL_CACHE_DIR": str(self.cache),
            "HOME": str(self.folder),
            "SETTINGS": json.dumps(settings),
            "FIRST": first,
            **variables,
        }
        prefix = str(self.folder / name)
        command = [sys.executable, *options, "-c", PROGRAM, str(self.folder), prefix]
        if ".tmp" in name:  # uv makes a new one each time
            for own in list(self.folder.rglob("__pycache__")):
                shutil.rmtree(own)
        done = subprocess.run(command, cwd=tree, env=environ, check=True, capture_output=True, text=True)
        # Without a memory the recipes have to answer.
        shutil.rmtree(self.cache / "memory", ignore_errors=True)
        return json.loads(done.stdout)

    def kept(self):
        """The files of bytecode that are kept, by name."""
        return {path.name: path.read_bytes() for path in sorted((self.cache / "code").glob("*"))}


@pytest.fixture
def site(tmp_path):
    """The modules in an environment of a build, and an empty cache."""
    return Site(tmp_path / "site", tmp_path / "cache")


NEW = "builds-v0/.tmpOne"


def test_the_second_environment_compiles_next_to_nothing(site):
    """What the first one compiled is taken, whatever its place was called."""
    digest, compiled, _ = site.ask(NEW)
    assert {*FIRST, MODULE[:-3].replace("/", ".")} < set(compiled)
    assert site.ask("builds-v0/.tmpTwo")[:2] == [digest, FIRST]
    assert {name.split(".")[-2] for name in site.kept()} == {sys.implementation.cache_tag}


def test_an_environment_that_stays_keeps_its_own(site):
    """Python keeps the bytecode beside the sources there, and whoever edits them sees the edit."""
    digest, _, _ = site.ask("venv")
    assert site.kept() == {}
    assert (site.folder / "freshwheel" / "sources" / "__pycache__").is_dir()
    assert site.ask("venv")[0] == digest


def test_source_of_other_bytes_is_compiled(site):
    """Though its size and its time are those of the one before, and freshwheel calls itself the same."""
    site.ask(NEW)
    path = site.folder / "freshwheel" / MODULE
    status = path.stat()
    path.write_text(path.read_text().replace('"""The ', '"""Its ', 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    _, compiled, begins = site.ask(NEW)
    assert (compiled, begins, path.stat().st_size) == ([*FIRST, "sources.digest"], "Its ", status.st_size)


def test_source_of_another_time_is_the_same(site):
    """An installer may write each environment anew, so that nothing but the bytes tells."""
    digest, _, _ = site.ask(NEW)
    for path in site.folder.rglob("*.py"):
        os.utime(path, (1, 1))
    assert site.ask(NEW)[:2] == [digest, FIRST]


def test_another_version_takes_nothing(site):
    """Two that are in use by turns do not write over each other."""
    compiled, before = site.ask(NEW)[1], site.kept()
    about = site.folder / "freshwheel" / "about.py"
    about.write_text(about.read_text().replace(__version__, "9.9"))
    assert site.ask(NEW)[1] == compiled
    assert site.kept().items() > before.items()


SPOILED = {
    "cut off": lambda data: data[:-1],
    "another byte": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("how", SPOILED)
def test_damaged_bytecode_is_compiled_anew(site, how):
    """A file that is cut off, or has another byte, is no bytecode, and the next environment has a sound one."""
    digest, _, _ = site.ask(NEW)
    before = site.kept()
    [name] = [name for name in before if ".sources.digest." in name]
    (site.cache / "code" / name).write_bytes(SPOILED[how](before[name]))
    assert site.ask(NEW)[:2] == [digest, [*FIRST, "sources.digest"]]
    assert site.kept() == before


def test_what_the_installer_has_compiled_is_taken(site):
    """Some compile what they install: nothing more is kept."""
    command = [sys.executable, "-m", "compileall", "-q", str(site.folder / "freshwheel")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    assert site.ask("build-env-one")[1] == []
    assert site.kept() == {}


def test_nothing_is_kept_where_no_bytecode_is_wanted(site):
    """PYTHONDONTWRITEBYTECODE also holds for the cache; what is there may be read."""
    first = site.ask(NEW, PYTHONDONTWRITEBYTECODE="1")
    assert site.kept() == {}
    assert site.ask(NEW) == first
    assert site.ask(NEW, PYTHONDONTWRITEBYTECODE="1")[1] == FIRST


@pytest.mark.parametrize(
    "sign",
    [
        {"CI": "true"},
        {"CIBUILDWHEEL": "1"},
        {"FRESHWHEEL_LABEL": "off"},
        {"FRESHWHEEL_STORE": "off"},
        {"settings": {"freshwheel.label": "off"}},
        {"tree": "unpacked"},
    ],
)
def test_release_runs_nothing_of_the_cache(site, sign):
    """Nor does a CI service, whose cache may have been saved by another run; and neither leaves anything there."""
    if "tree" in sign:
        unpacked = shutil.copytree(FIXTURE, site.folder / sign["tree"])
        (unpacked / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: recorded\nVersion: 1.2.3\n")
        sign = {"tree": unpacked}
    _, compiled, _ = site.ask(NEW, **sign)
    assert not site.kept()
    site.ask(NEW)
    assert site.ask(NEW, **sign)[1] == compiled


def test_optimized_bytecode_is_apart(site):
    """Without assertions and docstrings it is another one."""
    first = site.ask(NEW)
    assert site.ask(NEW, "-OO")[:2] == first[:2]
    assert {name.split(".")[-2] for name in site.kept()} == {sys.implementation.cache_tag, "opt-2"}


OTHERS = {
    "no hash of sources": "import importlib.util; del importlib.util.source_hash",
    "no rule for such hashes": "import _imp; del _imp.check_hash_based_pycs",
    "another finder": """
import importlib.machinery as own
pairs = (own.SourceFileLoader, own.SOURCE_SUFFIXES), (own.ExtensionFileLoader, own.EXTENSION_SUFFIXES)
sys.path_hooks[:] = [type("Other", (own.FileFinder,), {}).path_hook(*pairs)]
sys.path_importer_cache.clear()
""",
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_import_system_compiles(site, what):
    """What is not there, or is another, costs time alone."""
    digest, compiled, _ = site.ask("build-env-other")
    shutil.rmtree(site.cache)
    for own in list(site.folder.rglob("__pycache__")):
        shutil.rmtree(own)
    assert site.ask(NEW, first=OTHERS[what])[:2] == [digest, compiled]
    assert site.kept() == {}


def test_no_place_to_keep_it(site):
    """Where the cache directory is a file, everything is compiled, and the answer is the same."""
    digest, compiled, _ = site.ask(NEW)
    shutil.rmtree(site.cache)
    site.cache.write_text("")
    assert site.ask(NEW)[:2] == [digest, compiled]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no such owners here")
@pytest.mark.parametrize("folder", ["", "code"])
def test_what_others_may_write_is_not_run(site, folder):
    """Where somebody else may write into the folder, nothing of it is taken."""
    digest, compiled, _ = site.ask(NEW)
    (site.cache / folder).chmod(0o777)
    assert site.ask(NEW)[:2] == [digest, compiled]


def test_what_is_kept_is_for_its_owner_alone(site):
    """Nobody else reads or writes it."""
    if not hasattr(os, "getuid"):
        pytest.skip("files have no such owners here")
    site.ask(NEW)
    places = [site.cache / "code", *(site.cache / "code").iterdir()]
    assert {place.stat().st_mode & 0o077 for place in places} == {0}

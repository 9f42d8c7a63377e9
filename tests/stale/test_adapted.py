"""Wheels of earlier builds that do: relabelled where an edit reaches nothing, repacked where a file is only packed."""

import json
import zipfile

import pytest

from freshwheel.wheel import archive

from .conftest import c, main, requires_c, requires_cargo, requires_cmake, requires_ninja

pytestmark = pytest.mark.slow

SETUP = """\
import os
from setuptools import Extension, setup
{before}
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", f'"{{WORD}}"')])])
"""
READING = {
    "opened": "WORD = open('notes/one.txt').read()",
    "sized": "WORD = str(os.path.getsize('notes/one.txt'))",
    "by a program": "WORD = __import__('subprocess').check_output(['cat', 'notes/one.txt'], text=True)",
    "by what is open": "os.chdir('notes'); WORD = open('/proc/self/cwd/one.txt').read(); os.chdir('..')",
    "by a link that goes": "os.symlink('notes', 'way'); WORD = open('way/one.txt').read(); os.unlink('way')",
    "by a folder that is open": "f = os.open('notes', 0); WORD = os.read(os.open('one.txt', 0, dir_fd=f), 9).decode()",
}
UNREAD = "WORD = 'same'"
LISTING = {
    "listed": "WORD = ' '.join(sorted(os.listdir('notes')))",
    "walked": "WORD = ' '.join(sorted(n for _, _, names in os.walk('notes') for n in names))",
    "looked for": "WORD = str(os.path.exists('notes/two.txt'))",
    "opened in vain": "try: WORD = open('notes/two.txt').read()\nexcept OSError: WORD = 'none'",
    "by a link that goes": "os.symlink('notes', 'way'); WORD = str(os.path.exists('way/two.txt')); os.unlink('way')",
}


def notes(bench, word="eins"):
    """A file that is an input, and that nobody need read."""
    bench.write("notes/one.txt", word)


def packed(wheel, name):
    """What a member holds, the rest being what RECORD says."""
    assert archive.flaws(archive.read(str(wheel.file))) == {}
    return wheel.read(name).decode()


def mark(wheel):
    """What the mark of a wheel says."""
    with zipfile.ZipFile(wheel.file) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/freshwheel.json")]
        return json.loads(archive.read(name))


def built(bench, **environ):
    """One build: the wheel, and its mark and word while it is there."""
    wheel = bench.build(**environ)
    return wheel, mark(wheel), "".join(wheel.words)


def setuptools(bench):
    """A label, since the version is freshwheel's to say."""
    bench.setuptools(c('"one"'), table='version = "1.0"\n')
    bench.replace("pyproject.toml", 'version = "1.0.0"\n', 'dynamic = ["version"]\n')


def maturin(bench):
    """What lies beside a crate is no input unless it is said to be one."""
    notes(bench)
    bench.maturin(main('"one"'), script='fn main() { println!("cargo:rerun-if-changed=build.rs"); }\n')
    bench.replace("pyproject.toml", "[tool.freshwheel]\n", '[tool.freshwheel]\ninclude = ["notes/**"]\n')


BACKENDS = [
    pytest.param(setuptools, id="setuptools", marks=requires_c),
    pytest.param(lambda bench: bench.cmake(c('"one"')), id="scikit-build-core", marks=requires_cmake),
    pytest.param(lambda bench: bench.meson(c('"one"')), id="meson-python", marks=requires_ninja),
    pytest.param(maturin, id="maturin", marks=requires_cargo),
]


@pytest.mark.parametrize("make", BACKENDS)
def test_an_edit_that_no_build_reads_is_another_label(bench, make):
    """The wheel is the earlier one; its mark names the sources as they are, and those that it was built from."""
    make(bench)
    notes(bench)
    bench.settle()
    first, before, _ = built(bench)
    notes(bench, "zwei")
    second, after, word = built(bench)
    assert after["digest"] != before["digest"]
    assert word == "one"
    if not bench.observed:
        assert "made to fit" not in second.said
        return
    assert not first.unstored
    assert "made to fit" in second.said
    assert (before["built"], after["built"]) == (None, before["digest"])
    assert (second.file.name == first.file.name) == (before["label"] is None)
    third, again, _ = built(bench)
    assert third.hit
    assert again == after


@requires_c
@pytest.mark.parametrize("before", READING.values(), ids=READING)
def test_what_a_build_uses_is_built(bench, before):
    """By whatever path it comes there."""
    bench.setuptools(c(), setup=SETUP.format(before=before))
    notes(bench, "one")
    size = "sized" if "getsize" in before else ""
    bench.check(lambda: notes(bench, "twelve"), before="3" if size else "one", after="6" if size else "twelve")


@requires_c
@pytest.mark.parametrize("before", LISTING.values(), ids=LISTING)
def test_a_file_where_a_build_looks_is_built(bench, before):
    """A new one in a folder that was listed, or by a name that was looked for."""
    bench.setuptools(c(), setup=SETUP.format(before=before))
    notes(bench, "one")
    bench.settle()
    assert built(bench)[2] == built(bench)[2]
    *_, before = built(bench)
    bench.write("notes/two.txt", "two")
    last, _, after = built(bench)
    assert not last.hit
    assert after != before


@requires_c
@pytest.mark.nightly
def test_a_file_where_no_build_looks_is_another_label(bench):
    """New or gone; and so is a folder with all that lies in it."""
    bench.setuptools(c('"one"'), setup=SETUP.format(before=UNREAD), more="[tool.setuptools.package-data]\ndemo = []\n")
    notes(bench)
    bench.write("notes/deep/three.txt", "three")
    bench.settle()
    first = built(bench)
    bench.write("notes/deep/two.txt", "two")
    second, *more = built(bench)
    bench.path("notes/deep/two.txt").unlink()
    bench.path("notes/deep/three.txt").unlink()
    third, *most = built(bench)
    assert {first[2], more[1], most[1]} == {"one"}
    assert len({first[1]["digest"], more[0]["digest"], most[0]["digest"]}) == 3
    if bench.observed:
        assert second.hit, second.said
        assert third.hit, third.said


@requires_cargo
def test_what_was_read_for_what_is_kept_is_built(bench):
    """A build script that does not run again has read a file for what lies in the build folder since."""
    script = """fn main() {
        println!("cargo:rustc-env=WORD={}", std::fs::read_to_string("notes/one.txt").unwrap());
        println!("cargo:rerun-if-changed=build.rs"); }
    """
    bench.maturin(main('env!("WORD")'), script=script, table='include = ["notes/**"]\n')
    notes(bench, "one")
    bench.settle()
    assert bench.build().word == "one"
    bench.write("src/main.rs", main('env!("WORD")') + "// edited\n")
    bench.settle()
    assert bench.build().word == "one"
    notes(bench, "two")
    assert bench.build().word == "two"


@requires_c
def test_a_backend_of_the_project_is_asked_each_time(bench):
    """What it asks for may rest on any file, and nobody observes that hook."""
    bench.setuptools(c('"one"'), table='backend-path = ["backend"]\nstore = "on"\n')
    bench.replace("pyproject.toml", '"setuptools.build_meta"', '"own"')
    bench.write(
        "backend/own.py",
        "from setuptools.build_meta import *\n"
        "def get_requires_for_build_wheel(settings=None):\n    open('notes/one.txt').read()\n    return []\n",
    )
    notes(bench)
    bench.settle()
    bench.build()
    assert bench.build().hit or not bench.observed
    notes(bench, "zwei")
    assert not bench.build().hit


@requires_c
@pytest.mark.nightly
def test_a_new_label_is_proved(bench):
    """Where each wheel is to be proved, so is one that got another label."""
    bench.setuptools(c('"one"'))
    notes(bench)
    bench.settle()
    bench.build()
    notes(bench, "zwei")
    wheel = bench.build(FRESHWHEEL_STORE="verify")
    assert wheel.word == "one"
    if bench.observed:
        assert "a clean build gives the same" in wheel.said


WORDS = "WORD = '<<{}>>'\n"
BESIDE = {
    "read": "WORD = open('demo/words.py').read()[10:13]",
    "imported": "sys.path.insert(0, os.getcwd())\nfrom demo.words import WORD\nWORD = WORD[2:5]",
    "read by a program": "WORD = subprocess.check_output(['cat', 'demo/words.py'], text=True)[10:13]",
    "by a copy": "shutil.copy('demo/words.py', 'own'); WORD = open('own').read()[10:13]; os.unlink('own')",
}
STAGED = """
from setuptools.command.build_py import build_py
class Build(build_py):
    def run(self):
        super().run()
        with open(os.path.join(self.build_lib, "demo", "words.py")) as file:
            text = file.read()
        with open(os.path.join(self.build_lib, "demo", "more.txt"), "w") as file:
            file.write(text)
WORD = "same"
"""
TWICE = """
from setuptools.command.build_py import build_py
class Build(build_py):
    def run(self):
        super().run()
        shutil.copy(os.path.join(self.build_lib, "demo", "words.py"), os.path.join(self.build_lib, "demo", "more.txt"))
WORD = "same"
"""


def hatchling(bench):
    """Pure Python, for which the store is off unless told otherwise."""
    bench.pyproject("hatchling.build", ["hatchling"], table='store = "on"\n')
    bench.write("demo/__init__.py", "")


PACKING = [
    *BACKENDS[:3],
    pytest.param(maturin, id="maturin", marks=requires_cargo),
    pytest.param(hatchling, id="hatchling"),
]


@pytest.mark.parametrize("make", PACKING)
def test_an_edit_of_what_is_only_packed_is_packed_anew(bench, make):
    """The compiled part is the earlier one; RECORD and mark are of the sources as they are."""
    make(bench)
    bench.write("demo/__init__.py", "")
    bench.write("demo/words.py", WORDS.format("one"))
    if make is BACKENDS[2].values[0]:
        bench.replace(
            "meson.build", "python.ext", "python.install_sources('demo/words.py', subdir: 'demo')\npython.ext"
        )
    if make is not setuptools:  # beside which setuptools-scm asks git for the files of the project
        bench.write(".gitignore", "target\n")
        bench.commit()
    bench.settle()
    first, before, _ = built(bench)
    bench.write("demo/words.py", WORDS.format("twelve"))
    second, after, _ = built(bench)
    assert packed(second, "demo/words.py") == WORDS.format("twelve")
    assert after["digest"] != before["digest"]
    if not bench.observed:
        return
    assert not first.unstored
    assert second.hit, second.said
    assert after["built"] == before["digest"]
    bench.write("demo/words.py", WORDS.format("three"))
    third = bench.build()
    assert third.hit
    assert packed(third, "demo/words.py") == WORDS.format("three")


@requires_c
@pytest.mark.parametrize("before", BESIDE.values(), ids=BESIDE)
def test_what_is_packed_and_read_is_built(bench, before):
    """A build that reads a module for more than to pack it may make something else of it."""
    bench.setuptools(c(), setup="import shutil, subprocess, sys\n" + SETUP.format(before=before))
    bench.write("demo/words.py", WORDS.format("one"))
    bench.settle()
    assert [bench.build().words for _ in range(2)] == [{"one"}, {"one"}]
    bench.write("demo/words.py", WORDS.format("two"))
    assert bench.build().words == {"two"}


MEASURED = "import subprocess; WORD = subprocess.check_output(['stat', '-c', '%s', 'demo/words.py'], text=True).strip()"
SIZES = ["os.path.getsize('demo/words.py')", "os.stat('demo/words.py').st_size"]


@requires_c
@pytest.mark.nightly
@pytest.mark.parametrize("before", [MEASURED, *(f"import os; WORD = str({size})" for size in SIZES)])
def test_what_is_packed_and_measured_is_built(bench, before):
    """A program that asks for a file may go by its size, and so may `setup.py`, which asks for all that it packs."""
    bench.setuptools(c(), setup=SETUP.format(before=before))
    bench.write("demo/words.py", "eins")
    bench.settle()
    assert [bench.build().word for _ in range(2)] == ["4", "4"]
    bench.write("demo/words.py", "zwölf")
    assert bench.build().word == "6"


SCRIPT = "import subprocess, sys; WORD = subprocess.check_output([sys.executable, 'measure.py'], text=True).strip()"


@requires_c
@pytest.mark.parametrize("before", ["import measure; WORD = measure.WORD", SCRIPT], ids=["module", "script"])
@pytest.mark.parametrize("size", ["os.path.getsize('demo/words.py')", "os.lstat('demo/words.py')[6]"])
def test_what_code_of_the_project_measures_is_built(bench, before, size):
    """Not in `setup.py` itself: in a module that it imports, or a script that it runs."""
    bench.setuptools(c(), setup=f"import sys; sys.path.insert(0, '.')\n{SETUP.format(before=before)}")
    bench.write("measure.py", f"import os\n\nWORD = str({size})\nprint(WORD)\n")
    bench.write("demo/words.py", "eins")
    bench.settle()
    assert [bench.build().word for _ in range(2)] == ["4", "4"]
    bench.write("demo/words.py", "zwölf")
    assert bench.build().word == "6"


@requires_c
@pytest.mark.parametrize("before", [STAGED, TWICE], ids=["read", "copied"])
def test_what_is_read_where_it_waits_to_be_packed_is_built(bench, before):
    """The copy that a build makes to pack it may be read as well."""
    setup = SETUP.format(before=before).replace("setup(ext", 'setup(cmdclass={"build_py": Build}, ext')
    bench.setuptools(c(), setup="import shutil\n" + setup)
    bench.write("demo/words.py", WORDS.format("one"))
    bench.settle()
    bench.build()
    bench.write("demo/words.py", WORDS.format("two"))
    wheel = bench.build()
    assert wheel.read("demo/more.txt").decode() == WORDS.format("two")


@requires_c
@pytest.mark.nightly
def test_a_module_with_the_version_is_built(bench):
    """It is packed, and read for the metadata."""
    bench.setuptools(c('"one"'), more='[tool.setuptools.dynamic]\nversion = {attr = "demo.words.VERSION"}\n')
    bench.replace("pyproject.toml", 'version = "1.0.0"\n', 'dynamic = ["version"]\n')
    bench.write("demo/words.py", "VERSION = '1.0'\n")
    bench.settle()
    bench.build()
    bench.write("demo/words.py", "VERSION = '2.0'\n")
    assert bench.build().file.name.startswith("demo-2.0")


@requires_cargo
@pytest.mark.nightly
def test_a_module_that_a_crate_includes_is_built(bench):
    """The compiler has read it, too, though not in the last build."""
    maturin(bench)
    bench.write("src/main.rs", main('include_str!("../demo/words.py")'))
    bench.write("demo/__init__.py", "")
    bench.write("demo/words.py", "one")
    bench.settle()
    assert bench.build().word == "one"
    bench.write("demo/more.py", "")
    bench.settle()
    assert bench.build().word == "one"
    bench.write("demo/words.py", "two")
    assert bench.build().word == "two"


@requires_c
@pytest.mark.nightly
def test_a_wheel_that_does_again_and_again_is_not_forgotten_for_others(bench):
    """As that of a main branch, beside the builds of others."""
    setup = SETUP.format(before="WORD = open('notes/two.txt').read()")
    bench.setuptools(c(), setup=setup, table='version = "1.0"\n')
    bench.replace("pyproject.toml", 'version = "1.0.0"\n', 'dynamic = ["version"]\n')
    notes(bench)
    bench.write("notes/two.txt", "one")
    bench.settle()
    assert not bench.build().unstored or not bench.observed
    for number in range(10 if bench.observed else 0):
        bench.write("notes/two.txt", f"branch {number}")
        assert bench.build().word == f"branch {number}"
        bench.write("notes/two.txt", "one")
        notes(bench, f"edit {number}")
        assert "made to fit" in bench.build().said


@requires_c
def test_why_foretells_that_a_wheel_is_made_to_fit(bench):
    """As far as it can be told without a build; what a build has read is told to be built."""
    bench.setuptools(c('"one"'))
    notes(bench)
    bench.settle()
    bench.build()

    def foretold():
        told = json.loads(bench.run(bench.python, "-m", "freshwheel", "why", "--json", bench.tree))
        return told["next"], told["adapted"]

    assert foretold()[1] is False
    notes(bench, "zwei")
    assert foretold() == (("hit", True) if bench.observed else ("build", False))
    bench.write("demo/_native.c", c('"two"'))
    assert foretold() == ("build", False)


@requires_c
def test_a_repacked_wheel_is_proved(bench):
    """By a clean build, where each wheel is to be proved."""
    bench.setuptools(c('"one"'))
    bench.write("demo/words.py", WORDS.format("one"))
    bench.settle()
    bench.build()
    bench.write("demo/words.py", WORDS.format("two"))
    wheel = bench.build(FRESHWHEEL_STORE="verify")
    assert packed(wheel, "demo/words.py") == WORDS.format("two")
    if bench.observed:
        assert "a clean build gives the same" in wheel.said


PLACEHOLDER = """\
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

class Filling(build_py):
    def build_module(self, module, file, package):
        made, done = super().build_module(module, file, package)
        with open(made) as text:
            filled = text.read().replace("@WORD@", "filled")
        with open(made, "w") as text:
            text.write(filled)
        return made, done

setup(cmdclass={"build_py": Filling}, ext_modules=[Extension("demo._native", ["demo/_native.c"])])
"""


def fill_in(bench):
    """Once there is something to be filled in the wheel has it, though earlier builds packed the file as it was."""
    bench.write("demo/more.py", "WORD = 1\n")
    bench.settle()
    for _ in range(2):
        bench.build()
    bench.write("demo/more.py", "WORD = '@WORD@'\n")
    assert packed(bench.build(), "demo/more.py") == "WORD = 'filled'\n"


@requires_c
def test_code_that_fills_in_what_it_packs_is_run(bench):
    """There was nothing to be filled in before."""
    setuptools(bench)
    bench.write("setup.py", PLACEHOLDER)
    fill_in(bench)


INLINE = """\
import os
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

class Filling(build_py):
    def build_module(self, module, file, package):
        made = self.get_module_outfile(self.build_lib, [package], module)
        self.mkpath(os.path.dirname(made))
        with open(file) as text, open(made, "w") as target:
            target.write(text.read().replace("@WORD@", "filled"))
        return made, True

native = [Extension("demo._native", ["demo/_native.c"])]
"""
BEFORE = """\
import os, tempfile
from setuptools import Extension, setup

folder = tempfile.mkdtemp()
with open("demo/more.py") as text, open(os.path.join(folder, "more.py"), "w") as target:
    target.write(text.read().replace("@WORD@", "filled"))
open(os.path.join(folder, "__init__.py"), "w").close()
setup(package_dir={"demo": os.path.relpath(folder)}, ext_modules=[Extension("demo._native", ["demo/_native.c"])])
"""
HELPER = """\
import sys; sys.path.insert(0, ".")
from helper import native, options, setup
setup(ext_modules=native, **options)
"""
WAYS = {
    "class": ("", INLINE + "setup(cmdclass={'build_py': Filling}, ext_modules=native)\n"),
    "helper": (INLINE + "options = {'cmdclass': {'build_py': Filling}}\n", HELPER),
    "patched": ("", INLINE + "build_py.build_module = Filling.build_module\nsetup(ext_modules=native)\n"),
    "before": ("", BEFORE),
}


@requires_c
@pytest.mark.parametrize("way", sorted(WAYS))
def test_code_that_fills_in_what_it_reads_once_is_run(bench, way):
    """Whoever opens a file only to pack it is the backend, and nobody has a hand in that."""
    helper, setup = WAYS[way]
    setuptools(bench)
    bench.write("setup.py", setup)
    bench.write("helper.py", helper)
    fill_in(bench)


HOOK = """\
import os, tempfile
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        path = os.path.join(tempfile.mkdtemp(), "more.py")
        with open("demo/more.py") as text, open(path, "w") as target:
            target.write(text.read().replace("@WORD@", "filled"))
        build_data["force_include"][path] = "demo/more.py"
"""


@pytest.mark.nightly
def test_a_hook_of_hatchling_that_fills_in_what_it_reads_is_run(bench):
    """Wherever it is declared."""
    bench.pyproject("hatchling.build", ["hatchling"], table='store = "on"')
    wheel = '[build.targets.wheel]\npackages = ["demo"]\nexclude = ["demo/more.py"]\n'
    bench.write("hatch.toml", f'{wheel}[build.hooks.custom]\npath = "hook.py"\n')
    bench.write("hook.py", HOOK)
    bench.write("demo/__init__.py", "")
    fill_in(bench)


@requires_ninja
@pytest.mark.nightly
def test_what_is_packed_and_measured_by_meson_is_built(bench):
    """`fs.size` reads nothing."""
    more = "fs = import('fs')\npython.install_sources('demo/more.py', subdir: 'demo')\nsize = fs.size('demo/more.py')"
    bench.meson(c(), more=more, extension="c_args: ['-DWORD=\"' + size.to_string() + '\"']")
    bench.write("demo/more.py", "eins")
    bench.settle()
    assert [bench.build().word for _ in range(2)] == ["4", "4"]
    bench.write("demo/more.py", "zwoelf")
    assert bench.build().word == "6"


@requires_c
@pytest.mark.nightly
def test_the_first_line_of_a_script_is_the_installers(bench):
    """A line that names Python becomes another one when it is packed."""
    setuptools(bench)
    scripts = 'ext_modules=[Extension("demo._native", ["demo/_native.c"])], scripts=["tool"]'
    bench.write("setup.py", f"from setuptools import Extension, setup\nsetup({scripts})\n")
    bench.write("tool", "#!python\n")
    bench.settle()
    bench.build()
    bench.write("tool", "#!/usr/bin/env python3\n")
    wheel = bench.build()
    [name] = [name for name in wheel.members if name.endswith("/scripts/tool")]
    assert packed(wheel, name) == "#!python\n"


@requires_cmake
def test_a_file_that_a_table_names_is_not_only_packed(bench):
    """It may be a template, in which nothing was to be filled in before."""
    bench.cmake(
        c('"one"'),
        tables='[[tool.scikit-build.generate]]\npath = "demo/made.py"\ntemplate-path = "notes/demo/made.py"\n',
    )
    bench.write("notes/demo/made.py", "WORD = 1\n")
    bench.settle()
    for _ in range(2):
        bench.build()
    bench.write("notes/demo/made.py", "WORD = '${version}'\n")
    assert packed(bench.build(), "demo/made.py") == "WORD = '1.0.0'\n"

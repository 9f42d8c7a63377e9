"""In the way of those who adopt freshwheel, and in the hands of those whose checkout one only looks at."""

from pathlib import Path

import pytest

from .conftest import c, main, requires_c, requires_cargo, requires_git, run, write

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("observed", [True], indirect=True)]

COMPILED = """\
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class Build(build_ext):
    def build_extension(self, ext):
        ext.define_macros.append(("WORD", '"%s"' % self.distribution.{version}))
        super().build_extension(ext)


setup(ext_modules=[Extension("demo._native", ["demo/_native.c"])], cmdclass={{"build_ext": Build}})
"""
WRITTEN = """\
import os

from setuptools import Extension, setup
from setuptools.command.build_py import build_py


class Build(build_py):
    def run(self):
        super().run()
        with open(os.path.join(self.build_lib, "demo", "about.py"), "w") as file:
            file.write("VERSION = '<<%s>>'\\n" % self.distribution.{version})


setup(ext_modules=[Extension("demo._native", ["demo/_native.c"])], cmdclass={{"build_py": Build}})
"""
VERBS = (["why"], ["why", "--json"])
HELD = (["digest"], ["inputs"], ["check"], ["status"], ["uv", "--check"], ["init"])


def ask(bench, *words, okay=True):
    """What freshwheel says to a person who stands in the tree."""
    program = Path(bench.python).with_name("freshwheel")
    if okay:
        return "".join(run(program, *words, environ=bench.environ, cwd=bench.tree))
    wrapped = ("sh", "-c", '"$@" || true', "sh", program, *words)
    return "".join(run(*wrapped, environ=bench.environ, cwd=bench.tree))


@requires_c
@pytest.mark.parametrize("version", ["get_version()", "metadata.version"])
@pytest.mark.parametrize("setup", [COMPILED, WRITTEN], ids=["compiled", "written"])
def test_version_that_setup_py_takes_from_the_distribution_stays(bench, setup, version):
    """P2: `init` must not make the build see another one; it says so where the version stays where it is."""
    bench.setuptools(c() if setup == COMPILED else "int nothing;\n", setup=setup.format(version=version))
    bench.write(
        "pyproject.toml",
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'
        '[project]\nname = "demo"\nversion = "3.1.4"\nrequires-python = ">=3.10"\n\n'
        '[tool.setuptools]\npackages = ["demo"]\n',
    )
    said = ask(bench, "init", "--yes")
    made = bench.build()
    assert made.word == "3.1.4"
    assert made.file.name.split("-")[1].partition("+")[0] == "3.1.4"
    moved = 'dynamic = ["version"]' in (bench.tree / "pyproject.toml").read_text(encoding="utf-8")
    assert moved or "setup.py" in said, said


@pytest.fixture
def canary(bench):
    """A program of the checkout that leaves a trace when anybody runs it: its path, and what it has left."""
    trace = bench.folder / "sung"
    bench.program("canary", f'#!/bin/sh\necho "$0 $*" >> {trace}\n')
    return bench.tree / "canary", lambda: trace.read_text(encoding="utf-8") if trace.exists() else ""


def commands(bench, program):
    """The table of freshwheel names it."""
    bench.setuptools(c('"one"'), table=f'commands = [["{program}", "commands"]]')


def monitored(bench, program):
    """The repository's own settings name it, where git asks what has changed."""
    tracked(bench)
    bench.git("config", "core.fsmonitor", program)


def filtered(bench, program):
    """The repository's own settings name it, as what cleans the files that are checked out."""
    tracked(bench)
    bench.git("config", "filter.canary.clean", program)
    bench.write(".gitattributes", "*.c filter=canary\n")
    bench.write("demo/_native.c", c('"two"'))


def tracked(bench):
    """A project whose version comes from git."""
    bench.setuptools(c('"one"'))
    bench.replace("pyproject.toml", 'version = "1.0.0"', 'dynamic = ["version"]')
    bench.replace("pyproject.toml", '"setuptools"]', '"setuptools", "setuptools-scm"]')
    bench.commit()


def toolchain(bench, program):
    """The toolchain of rustup is one in the checkout."""
    bench.maturin(main('"one"'))
    for name in ("cargo", "rustc"):
        write(bench.tree / "toolchain" / "bin" / name, program.read_bytes(), mode=0o755)
    bench.write("rust-toolchain.toml", f'[toolchain]\npath = "{bench.tree}/toolchain"\n')


@requires_git
@pytest.mark.parametrize(
    "plant",
    [commands, monitored, filtered, pytest.param(toolchain, marks=requires_cargo)],
    ids=lambda plant: plant.__name__,
)
@pytest.mark.parametrize("verbs", [VERBS, HELD], ids=["why", "others"])
def test_nothing_of_an_unknown_checkout_is_run_to_explain_it(bench, canary, plant, verbs):
    """H1: by no verb that explains."""
    program, sung = canary
    plant(bench, program)
    for words in verbs:
        ask(bench, *words, okay=verbs == VERBS)
        assert not sung(), words


@requires_c
def test_nothing_of_a_checkout_that_was_built_is_run_to_explain_it(bench, canary):
    """H1: what was built once may say something else since the last pull."""
    program, sung = canary
    commands(bench, program)
    bench.build()
    assert sung()
    before = sung()
    for words in VERBS:
        ask(bench, *words)
    assert sung() == before

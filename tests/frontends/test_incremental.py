"""Isolated builds with CMake or Meson: each has a new environment, and compiles only what was edited."""

import re
import sys
import zipfile

import pytest

from .conftest import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what nobody observed is compiled anew"),
]

OTHER = "int other(void) { return %d; }\n"
WHERE_CMAKE = """\
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/where.txt" "${Python_EXECUTABLE}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/where.txt" DESTINATION demo)
"""
WHERE_MESON = """\
configure_file(output: 'where.txt', configuration: {'WHERE': python.full_path()}, install: true,
    install_dir: python.get_install_dir() / 'demo')
"""
ROOMS = re.compile(rb"builds-v0|pip-build-env-|build-env-")


TOX = """\
[tox]
env_list = py
[testenv]
package = wheel
pass_env = *
commands = python -c "import demo"
[pkgenv]
pass_env = *
"""


def of_two_sources(project):
    """A project with one source more, and a text that says where its Python is."""
    if project.fixture == "meson-python":
        project.edit("meson.build", "'native/_native.c'", "'native/_native.c', 'native/other.c'")
        project.edit("meson.build", "python.install_sources", f"{WHERE_MESON}python.install_sources")
    else:
        project.edit("CMakeLists.txt", "WITH_SOABI", "WITH_SOABI native/other.c")
        project.edit("CMakeLists.txt", "install(", f"{WHERE_CMAKE}install(")
    (project.path / "native" / "other.c").write_text(OTHER % 1)
    return project


def kept(cache):
    """The one build folder that is kept, and when each object in it was made."""
    [folder] = (cache / "kept").iterdir()
    return folder, {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.c.o")}


def compiled(first, second):
    """What was compiled again."""
    assert first.keys() == second.keys()
    return [name for name in first if first[name] != second[name]]


@pytest.mark.parametrize("name", ["scikit-build-core", pytest.param("meson-python", marks=pytest.mark.nightly)])
def test_an_edited_file_is_one_compilation(frontend, project, tmp_path_factory, tmp_path, name):
    """And nothing names the environment of one build, or shows in the wheel that there is a copy of it."""
    project, cache, round_ = of_two_sources(project(name)), tmp_path_factory.mktemp("c"), iter(range(9))

    def objects():
        dist = tmp_path / f"dist{next(round_)}"
        frontend.wheel(project.path, dist, FRESHWHEEL_CACHE_DIR=str(cache), CI="")
        [wheel] = dist.glob("*.whl")
        return wheel, kept(cache)[1]

    _, first = objects()
    (project.path / "native" / "other.c").write_text(OTHER % 2)
    wheel, second = objects()
    folder, _ = kept(cache)
    assert len(first) == 2
    assert [name.endswith("other.c.o") for name in compiled(first, second)] == [True]
    [copy] = (cache / "environments").iterdir()
    held = [path for place in (folder, copy / "bin") for path in place.rglob("*") if path.is_file()]
    assert [path for path in held if ROOMS.search(path.read_bytes())] == []
    with zipfile.ZipFile(wheel) as archive:
        texts = b"".join(map(archive.read, archive.namelist()))
    assert not [path for path in (folder, copy) if path.name.encode() in texts]
    assert ROOMS.search(texts), "the text that says where Python is does so as without a copy"


@pytest.mark.nightly
def test_tox_compiles_one_edited_file(tox, environ, project, tmp_path):
    """Its environment for packaging stays where it is, so there is no copy of it."""
    project, cache = of_two_sources(project("scikit-build-core")), tmp_path / "cache"
    (project.path / "tox.ini").write_text(TOX, encoding="utf-8")
    alone = {**environ, "CI": "", "FRESHWHEEL_CACHE_DIR": str(cache)}
    run(tox.python, "-m", "tox", "run", environ=alone, cwd=project.path)
    _, first = kept(cache)
    (project.path / "native" / "other.c").write_text(OTHER % 2)
    run(tox.python, "-m", "tox", "run", environ=alone, cwd=project.path)
    _, second = kept(cache)
    assert [name.endswith("other.c.o") for name in compiled(first, second)] == [True]
    assert not (cache / "environments").exists()

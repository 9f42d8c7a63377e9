"""Ways by which a build comes to a file that leave no path behind which leads there afterwards."""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from .conftest import c, requires_c

pytestmark = [pytest.mark.slow, requires_c, pytest.mark.skipif(sys.platform != "linux", reason="ways of Linux")]

SETUP = """\
import os
import shutil
import sqlite3
import tempfile

from setuptools import Extension, setup


def read(path):
    with open(path) as file:
        return file.read()


def linked(path, use):
    folder = tempfile.mkdtemp()
    os.symlink(path, folder + "/link")
    word = use(folder + "/link")
    shutil.rmtree(folder)
    return word


def kept(path):
    if not os.path.lexists(path + ".link"):
        os.symlink(path, path + ".link")
    return read(path + ".link")


def asked(sql, path):
    connection = sqlite3.connect(path)
    word = connection.execute(sql).fetchone()[0]
    connection.close()
    return word


def started(path):
    return "yes" if shutil.which(os.path.basename(path), path=os.path.dirname(path)) else "no"


def entered(path):
    before = os.getcwd()
    os.chdir(path)
    word = read("word")
    os.chdir(before)
    return word


words = [
    {ways},
]
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", '"%s"' % ".".join(words))])])
"""
WAYS = {
    "link": "linked({path!r}, read)",
    "folder": "linked({folder!r}, lambda link: read(link + '/folder'))",
    "names": "linked({path!r}, lambda link: str(len(os.listdir(link))))",
    "kept": "kept({path!r})",
    "descriptor": "read('/proc/self/fd/%d' % os.open({path!r}, os.O_PATH))",
    "below": "read('/dev/fd/%d/below' % os.open({folder!r}, os.O_RDONLY))",
    "working": "read('/proc/self/cwd/../beside/working')",
    "size": "str(os.path.getsize({path!r}))",
    "memory": "read({path!r})",
    "database": "asked('select word from words', {path!r})",
    "dangling": "os.readlink(os.path.relpath({path!r}))",
    "runs": "started({path!r})",
    "entered": "entered({path!r})",
}
STARTS = {"names": "1", "size": "1", "runs": "no"}
ENDS = {"names": "2", "size": "2", "runs": "yes"}
"""What the wheel says of ways that do not hand on what a file says."""


class Files:
    """The files that the ways lead to, each of which can be changed."""

    def __init__(self, folder, memory):
        self.folder = folder
        self.memory = memory
        for way in WAYS:
            self.change(way, "a")

    def path(self, way):
        """Where the file of a way lies."""
        return self.memory if way == "memory" else self.folder / way

    def change(self, way, word="bb"):
        """The file says something else, or there is one more."""
        path = self.path(way)
        if way == "names":
            path.mkdir(exist_ok=True)
            path = path / word
        if way == "database":
            with sqlite3.connect(path) as connection:
                connection.executescript("create table if not exists words (word); delete from words")
                connection.execute("insert into words values (?)", (word,))
            connection.close()
        elif way == "dangling":
            path.unlink(missing_ok=True)
            path.symlink_to(word)
        elif way == "runs":
            path.write_text("#!/bin/sh\n")
            path.chmod(0o644 if word == "a" else 0o755)
        elif way == "entered":
            folder = path.parent / f"entered-{word}"
            folder.mkdir()
            (folder / "word").write_text(word)
            path.unlink(missing_ok=True)
            path.symlink_to(folder.name)
        else:
            path.write_text(word)


@pytest.fixture
def memory(tmp_path):
    """A file in memory, where the system has a place for such."""
    folder = Path("/dev") / "shm"
    if not folder.is_dir():
        pytest.skip("there is no /dev/shm")
    path = folder / f"freshwheel-{os.getpid()}-{tmp_path.name}"
    yield path
    path.unlink(missing_ok=True)


def test_each_way_leads_to_the_file(bench, memory):
    """One after the other is changed, and the next wheel says so."""
    shutil.rmtree(bench.outside, ignore_errors=True)
    bench.outside.mkdir()
    files = Files(bench.outside, memory)
    ways = [text.format(path=str(files.path(way)), folder=str(bench.outside)) for way, text in WAYS.items()]
    bench.setuptools(c(), setup=SETUP.replace("{ways}", ",\n    ".join(ways)))
    bench.settle()
    words = [STARTS.get(way, "a") for way in WAYS]
    assert bench.build().word == ".".join(words)
    again = bench.build()
    assert again.hit or (again.unstored and not bench.observed), again.said
    for place, way in enumerate(WAYS):
        files.change(way)
        words[place] = ENDS.get(way, "bb")
        assert bench.build().word == ".".join(words), way

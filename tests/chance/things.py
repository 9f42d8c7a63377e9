"""The world of one project, and what there is in it that a build may take: each thing can change in several ways."""

import os
import shutil
import subprocess
from pathlib import Path

WORDS = ("alpha", "bravo", "candy")
"""All of one length, and few: sizes tell nothing, and states come again."""
PYTHON = """\
import glob, mmap, os, shutil, subprocess, sys


def text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        return type(error).__name__


def mapped(path):
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return bytes(data).decode().strip()
    except OSError as error:
        return type(error).__name__


def listed(path):
    try:
        return " ".join(sorted(os.listdir(path)))
    except OSError as error:
        return type(error).__name__


def imported(path):
    folder, name = os.path.split(path)
    sys.path.insert(0, os.path.abspath(folder))
    try:
        return __import__(name.removesuffix(".py")).WORD
    except ImportError:
        return "absent"


def ran(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()
    except OSError as error:
        return type(error).__name__
"""
"""What the Python of a project takes things with."""
TAKER = r"""
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int count, char **words) {
    const char *how = words[1], *what = words[2];
    char text[4096] = "absent";
    if (!strcmp(how, "variable")) {
        if (getenv(what)) strcpy(text, getenv(what));
    } else if (!strcmp(how, "exists")) {
        if (!access(what, F_OK)) strcpy(text, "there");
    } else if (!strcmp(how, "executable")) {
        if (!access(what, X_OK)) strcpy(text, "executable");
    } else if (!strcmp(how, "list")) {
        struct dirent **names;
        int many = scandir(what, &names, NULL, alphasort);
        if (many >= 0) *text = 0;
        for (int one = 0; one < many; one++) strcat(strcat(text, names[one]->d_name), " ");
    } else {
        int file = open(what, O_RDONLY), size = file < 0 ? -1 : (int) lseek(file, 0, SEEK_END);
        char *data = size <= 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (!strcmp(how, "map") && data != MAP_FAILED) {
            memcpy(text, data, size);
            text[size] = 0;
        } else if (!strcmp(how, "read") && data != MAP_FAILED) {
            text[pread(file, text, sizeof text - 1, 0)] = 0;
        }
    }
    return puts(text) < 0;
}
"""
"""A program in C, compiled beforehand, that takes one thing and prints it."""


def run(*command, cwd=None, environ=None):
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, check=False, cwd=cwd, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class World:
    """A repository with the tree of a project in it, and what lies around: all that a change may touch."""

    def __init__(self, root, environ):
        self.root, self.repository, self.tree = root, root / "repository", root / "repository" / "project"
        self.outside, self.home = root / "outside", root / "home"
        self.early, self.bin = root / "early", root / "bin"
        self.places = {
            "outside": self.outside / "data",
            "beside": self.repository / "beside",
            "excluded": self.tree / "docs",
            "pruned": self.tree / "third_party" / "build",
            "input": self.tree / "data",
            "home": self.home / ".config",
        }
        for folder in (*self.places.values(), self.outside / "include", self.early, self.bin, root / "tmp"):
            folder.mkdir(parents=True)
        (self.places["pruned"] / "CMakeCache.txt").write_text("# This is the CMakeCache file.\n")
        path = os.pathsep.join([str(self.early), str(self.bin), environ["PATH"]])
        self.environ = {**environ, "PATH": path, "HOME": str(self.home), "TMPDIR": str(root / "tmp")}
        self.settings = {}

    def git(self, *words):
        """Runs git in the repository, as somebody whom no build knows."""
        known = ("-c", "user.name=Somebody", "-c", "user.email=some@body", "-c", "commit.gpgsign=false")
        run("git", *known, *words, cwd=self.repository, environ={**os.environ, "HOME": os.devnull})


class Thing:
    """Something that a build may take. `state` is what is there: a word, a list, or None."""

    def __init__(self, world, name, chance, way):
        self.world, self.name, self.chance, self.way = world, name, chance, way
        self.variable = f"CHANCE_{name.upper()}"
        self.place = chance.choice(way.places)
        self.path = world.places.get(self.place, world.root / self.place) / way.file.replace("@NAME@", name)
        self.state = None
        is_near = self.place != "home" and not way.absolute and chance.random() < 0.5
        self.spelled = os.path.relpath(self.path, world.tree) if is_near else str(self.path)
        self.begin()

    def begin(self):
        """How it is at first."""
        raise NotImplementedError

    def possible(self):
        """The changes that can happen now, by name."""
        raise NotImplementedError

    def change(self):
        """Lets one of the changes happen that the way allows; its name, or nothing where none can."""
        names = [name for name in self.possible() if name in self.way.changes]
        if not names:
            return ""
        name = self.chance.choice(names)
        getattr(self, name)()
        return name

    def other(self):
        """Another word than the one that is there."""
        return self.chance.choice([word for word in WORDS if word != self.state])

    def told(self):
        """The way, and what is there now."""
        return f"{self.way.name} of {self.spelled} ({self.state})"


class File(Thing):
    """A file with one word in it."""

    def begin(self):
        """There, or absent where that is what the way is about."""
        if "create" not in self.way.changes or self.chance.random() < 0.5:
            self.create()

    def possible(self):
        """By what is there."""
        if self.state is None:
            return ["create"]
        return ["delete", *(["edit", "edit_slyly", "replace", "make_folder"] if self.state in WORDS else [])]

    def write(self, path):
        """Writes what is there now."""
        path.write_text(self.way.text.replace("@NAME@", self.name).replace("@WORD@", self.state))
        path.chmod(self.way.mode)

    def create(self):
        """It is there now."""
        self.state = self.other()
        self.write(self.path)

    def edit(self):
        """Another word, in place."""
        self.create()

    def edit_slyly(self):
        """Another word, with the size and time of the old one."""
        status = self.path.stat()
        self.create()
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def replace(self):
        """Another file is renamed over it."""
        self.state = self.other()
        new = self.path.with_name(f"new-{self.path.name}")
        self.write(new)
        new.rename(self.path)

    def delete(self):
        """It is gone."""
        shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink()
        self.state = None

    def make_folder(self):
        """A folder of its name."""
        self.delete()
        self.path.mkdir()
        (self.path / "within").write_text("within\n")
        self.state = "folder"


class Read(File):
    """A file that a script on PATH reads."""

    def begin(self):
        """Also the script."""
        script = self.world.bin / f"{self.name}-reader"
        script.write_text(f"#!/bin/sh\ncat {self.path} || echo absent\n")
        script.chmod(0o755)
        super().begin()


class Mode(File):
    """A file that can be executed, or not."""

    def possible(self):
        """Its mode changes."""
        return ["permit"]

    def permit(self):
        """The other mode."""
        self.path.chmod(self.path.stat().st_mode ^ 0o111)


class Program(File):
    """A script on PATH that prints one word."""

    def possible(self):
        """Also another one of its name, earlier on PATH."""
        more = ["overtake", "forbid"] if self.state in WORDS else []
        return [*super().possible(), *more]

    def overtake(self):
        """Another one comes first, or goes."""
        early = Path(self.world.early / self.path.name)
        if early.exists():
            early.unlink()
        else:
            self.state = self.other()
            self.write(early)

    def forbid(self):
        """It can't be executed any more, or can again."""
        self.path.chmod(self.path.stat().st_mode ^ 0o111)


class Compiler(File):
    """A script around the compiler, which CC names."""

    def begin(self):
        """Named, or not yet."""
        self.create()
        if self.chance.random() < 0.5:
            self.name_it()

    def possible(self):
        """As for a file, and for a variable."""
        return [*super().possible(), "name_it"]

    def name_it(self):
        """CC is set, or isn't any more."""
        if self.world.environ.pop("CC", None) is None:
            self.world.environ["CC"] = str(self.path)


class Front(File):
    """A script around the compiler, first on PATH by the compiler's own names."""

    def begin(self):
        """The second name leads to the first, which may not be there."""
        (self.path.parent / "cc").symlink_to(self.path.name)
        super().begin()


class Archive(File):
    """A static library."""

    def write(self, path):
        """Compiled anew."""
        source = path.with_suffix(".c")
        source.write_text(f'const char *{self.name}_word(void) {{ return "{self.name}={self.state};"; }}\n')
        run("gcc", "-g0", "-fPIC", "-c", source.name, "-o", f"{self.name}.o", cwd=path.parent)
        path.unlink(missing_ok=True)
        run("ar", "rcsD", path.name, f"{self.name}.o", cwd=path.parent)


class Link(Thing):
    """A symbolic link to one of two files."""

    def begin(self):
        """To the first."""
        for number in range(2):
            (self.path.parent / f"{self.name}-{number}").write_text(f"{self.chance.choice(WORDS)} {number}\n")
        self.state = "0"
        self.path.symlink_to(f"{self.name}-0")

    def possible(self):
        """Always the same."""
        return ["retarget", "edit", "dangle"]

    def lead(self, state):
        """Leads it elsewhere."""
        self.state = state
        self.path.unlink()
        self.path.symlink_to(f"{self.name}-{state}")

    def retarget(self):
        """It leads to the other file."""
        self.lead("1" if self.state == "0" else "0")

    def dangle(self):
        """It leads nowhere."""
        self.lead("nowhere")

    def edit(self):
        """Another word in the files."""
        word = self.chance.choice(WORDS)
        for number in range(2):
            (self.path.parent / f"{self.name}-{number}").write_text(f"{word} {number}\n")


class Folder(Thing):
    """A folder, of which the names matter."""

    def begin(self):
        """With one file in it."""
        self.path.mkdir()
        self.state = ["one"]
        (self.path / "one").write_text("one\n")

    def possible(self):
        """By what is there."""
        if self.state is None:
            return ["return_"]
        return ["add", "vanish", "make_file", *(["remove", "rename", "edit"] if self.state else [])]

    def add(self):
        """One file more."""
        self.state = [*self.state, f"n{len(self.state)}{self.chance.randrange(9)}"]
        (self.path / self.state[-1]).write_text("new\n")

    def remove(self):
        """One file less."""
        (self.path / self.state.pop()).unlink(missing_ok=True)

    def rename(self):
        """Another name."""
        old = self.state.pop()
        self.state.append(f"r{self.chance.randrange(99)}")
        if (self.path / old).exists():
            (self.path / old).rename(self.path / self.state[-1])

    def edit(self):
        """Another content, of which no list tells."""
        (self.path / self.state[-1]).write_text(f"{self.chance.choice(WORDS)}\n")

    def vanish(self):
        """It is gone."""
        shutil.rmtree(self.path)
        self.state = None

    def make_file(self):
        """A file of its name."""
        self.vanish()
        self.path.write_text("one\n")

    def return_(self):
        """It is there again, empty."""
        self.path.unlink(missing_ok=True)
        self.path.mkdir()
        self.state = []


class Variable(Thing):
    """A variable of the environment."""

    def begin(self):
        """Set, or not yet."""
        if "unset" not in self.way.changes or self.chance.random() < 0.5:
            self.set()

    def possible(self):
        """By what is there."""
        return ["set"] if self.state is None else ["set", "unset"]

    def set(self):
        """To another word."""
        self.state = self.world.environ[self.variable] = self.other()

    def unset(self):
        """Not set any more."""
        self.state = self.world.environ.pop(self.variable, None) and None


class Gate(File):
    """A file that is read only where a variable is set."""

    def possible(self):
        """As for a file, and the gate."""
        return [*super().possible(), "open_or_close"]

    def open_or_close(self):
        """The variable is set, or isn't any more."""
        if self.world.environ.pop(self.variable, None) is None:
            self.world.environ[self.variable] = "1"


class Setting(File):
    """A file that a config setting names."""

    def possible(self):
        """As for a file, and the setting."""
        return [*super().possible(), "give"]

    def give(self):
        """The setting is given, or isn't any more."""
        name = self.way.setting.replace("@NAME@", self.variable)
        if self.world.settings.pop(name, None) is None:
            self.world.settings[name] = str(self.path)


class Repository(Thing):
    """What version control knows."""

    def begin(self):
        """The first commit is made when all is there."""
        self.state = 0

    def possible(self):
        """Any of these."""
        return ["commit", "tag", "configure", "branch", "pack"]

    def commit(self):
        """One without files."""
        self.state += 1
        self.world.git("commit", "--quiet", "--allow-empty", "--message", f"{self.name} {self.state}")

    def tag(self):
        """Another tag here."""
        self.state += 1
        self.world.git("tag", f"{self.name}-{self.state}")

    def configure(self):
        """Another word in the configuration."""
        self.state += 1
        self.world.git("config", f"chance.{self.name}", str(self.state))

    def branch(self):
        """Another branch."""
        self.state += 1
        self.world.git("checkout", "--quiet", "-b", f"{self.name}-branch-{self.state}")

    def pack(self):
        """Nothing but another form of the same."""
        self.world.git("gc", "--quiet")

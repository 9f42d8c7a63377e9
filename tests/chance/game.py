"""A game of chance: small projects take things in random ways, one thing changes, and the next wheel must be right.

Run as a program: `python game.py PYTHON FOLDER ROUNDS SEED...` plays one project for each seed, by the backends that
are installed beside PYTHON, and prints its figures, and what went wrong, as one line of JSON. What decides is the wheel
that the inner backend makes by itself in a copy of the whole world. The projects play in step, for what is written must
be some seconds old before it counts as settled, and so they wait together.
"""

import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from hosts import HOSTS, filled
from things import TAKER, WORDS, Repository, World, run
from ways import WAYS

WRAPPED = "import json, sys, freshwheel; freshwheel.build_wheel(sys.argv[1], json.loads(sys.argv[2]))"
CLEAN = """
import importlib, json, os, sys
sys.path[:] = [os.path.abspath(sys.argv[4]), *sys.path[1:]] if sys.argv[4] else sys.path[1:]
importlib.import_module(sys.argv[3]).build_wheel(sys.argv[1], json.loads(sys.argv[2]))
"""
BUILT = "was built:"
FITTED = "made to fit"
SPARE = ("notes/one.txt", "notes/deep/two.txt", "demo/plain.py", "demo/deep/plain.py", "demo/data.txt", "plain.py")
"""Files that no way leads to: some are packed by some backends, others by none."""
SPARES = 5
"""Times that some of them change in one round."""
WAYS_TAKEN = 7
"""By one project."""
SETTLED = 2.2
"""Seconds after which what was written is no longer restless."""
LITTER = ("build", "demo.egg-info", "target", "__pycache__")
"""What earlier builds leave in a tree."""
PASSED = ("CARGO_HOME", "RUSTUP_HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN")


def environment(python, tools):
    """The variables that all worlds begin with."""
    home = os.path.expanduser("~")
    known = {"CARGO_HOME": f"{home}/.cargo", "RUSTUP_HOME": f"{home}/.rustup", "CARGO_NET_OFFLINE": "true"}
    known |= {name: os.environ[name] for name in PASSED if name in os.environ}
    path = os.pathsep.join([str(tools), os.path.dirname(python), os.environ["PATH"]])
    # Debugging information has the path of the tree in it, which is another one in a copy.
    return {**known, "PATH": path, "CFLAGS": "-g0"}


class Table:
    """One project at play."""

    def __init__(self, seed, folder, python, tools):
        self.seed, self.folder, self.python = seed, folder, python
        self.chance = random.Random(seed)  # noqa: S311 - a game
        self.host = HOSTS[seed % len(HOSTS)]
        self.world = World(folder / "world", environment(python, tools))
        self.things, self.fits = [], False
        self.write()
        self.history, self.wrong, self.unstored = [], [], []
        self.figures = {"rounds": 0, "shown": 0, "tries": 0, "hits": 0, "builds": 0, "fitted": 0}
        self.right = None

    def write(self):
        """Makes the project, and all that it takes."""
        # What git says changes with each file, so that no earlier wheel is made to fit where it is asked.
        asks_git = not self.host.fits or self.chance.random() < 0.5
        found = [way for way in WAYS if set(way.code) & set(self.host.languages)]
        found = [way for way in found if asks_git or way.thing is not Repository]
        self.chance.shuffle(found)
        taken = []
        for number, way in enumerate(found[:WAYS_TAKEN]):
            thing = way.thing(self.world, f"w{number}", self.chance, way)
            taken.append((thing, self.chance.choice([one for one in self.host.languages if one in way.code])))
        self.things = [thing for thing, _ in taken]
        self.fits = self.host.fits and not any(isinstance(thing, Repository) for thing in self.things)
        tree = self.world.tree
        own = f'backend-path = ["{self.host.path}"]\n' if self.host.path else ""
        (tree / "pyproject.toml").write_text(
            f"{filled(self.host.code, backend=self.host.backend)}{own}{self.host.more}"
        )
        (tree / "demo").mkdir()
        (tree / "demo" / "__init__.py").write_text("")
        for path in SPARE:
            self.spare(path)
        self.host.write(self.world, taken, self.chance)
        (self.world.repository / ".gitignore").write_text("".join(f"/project/{name}/\n" for name in LITTER))
        self.world.git("init", "--quiet", "--initial-branch", "main")
        self.world.git("add", "--all")
        self.world.git("commit", "--quiet", "--message", "first")

    def spare(self, path):
        """Another content for a file that no way leads to, or none."""
        place = self.world.tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and self.chance.random() < 0.05:
            place.unlink()
        else:
            place.write_text(f"# {self.chance.choice(WORDS)} {self.chance.random()}\n")

    def change(self):
        """Lets something happen, or nothing."""
        if self.wrong:
            return
        what = "nothing"
        thing = self.chance.choice(self.things)
        if self.history and self.chance.random() < 0.85:
            what = f"{thing.change() or 'nothing'}: {thing.told()}"
        self.history.append(what)

    def play(self):
        """One round, unless the project has lost already."""
        try:
            if not self.wrong:
                self.round()
            for _ in range(SPARES if self.fits else 0):
                if not self.wrong:
                    self.spares()
        except AssertionError as error:
            self.wrong.append(self.told("it fails", str(error)))

    def round(self):
        """Builds until the wheel is from the store, which it must be the third time; each wheel must be right."""
        self.figures["rounds"] += 1
        before, self.right = self.right, self.clean()
        self.figures["shown"] += before is not None and before != self.right
        for attempt in range(3):
            is_hit, found, said = self.build(attempt)
            if found != self.right:
                self.wrong.append(
                    self.told("a wrong hit" if is_hit else "a wrong build", differences(found, self.right))
                )
                return
            if is_hit and (attempt or self.history[-1] == "nothing"):
                break
        self.figures["tries"] += 1
        self.figures["hits"] += is_hit
        if not is_hit and not self.unstored:  # the first tells enough
            self.unstored.append(self.told("no hit", *(line for line in said.split("\n") if "freshwheel: " in line)))

    def spares(self):
        """Some files change that no way leads to: whatever is made of the earlier wheel must be right."""
        paths = self.chance.sample(SPARE, self.chance.choice((1, 1, 2)))
        for path in paths:
            self.spare(path)
        self.history.append(f"spare: {', '.join(paths)}")
        self.right = self.clean()
        _, found, said = self.build(0)
        self.figures["fitted"] += FITTED in said
        if found != self.right:
            self.wrong.append(self.told("a wrong fit", differences(found, self.right)))

    def told(self, *what):
        """A failure in words, with all that leads there."""
        ways = [f"{thing.name}: {thing.told()}" for thing in self.things]
        return "\n".join([f"CHANCE_SEED={self.seed}, {self.host.backend}: {what[0]}", *what[1:], *ways, *self.history])

    def build(self, attempt):
        """Whether the hook's wheel is from the store, what is in it, and what the hook says."""
        dist = self.folder / f"dist-{len(self.history)}-{attempt}"
        said = self.call(WRAPPED, dist, self.world.tree, FRESHWHEEL_CACHE_DIR=str(self.folder / "cache"))
        is_hit = BUILT not in said
        self.figures["builds"] += not is_hit
        return is_hit, members(dist), said

    def clean(self):
        """What the inner backend makes of a copy."""
        copy = self.folder / "clean"
        tree = self.world.tree

        def litter(folder, names):
            return set(names).intersection(LITTER) if Path(folder) == tree else {"__pycache__"}

        shutil.copytree(self.world.root, copy, symlinks=True, ignore=litter)
        try:
            dist = copy / "dist"
            self.call(CLEAN, dist, copy / tree.relative_to(self.world.root), self.host.backend, self.host.path)
            return members(dist)
        finally:
            shutil.rmtree(copy)

    def call(self, program, dist, cwd, *words, **more):
        """What a hook says, called in a process of its own."""
        dist.mkdir()
        command = [self.python, "-c", program, str(dist), json.dumps(self.world.settings), *words]
        environ = {**self.world.environ, **more}
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said
        return said


def members(dist):
    """What is in the one wheel of a folder, but for what freshwheel may write: programs by what they print."""
    [path] = dist.glob("*.whl")
    found = {}
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None
        for name in wheel.namelist():
            folder, _, last = name.rpartition("/")
            data = wheel.read(name)
            if last in {"RECORD", "freshwheel.json"} or folder.endswith("/sboms"):
                continue  # the last has the time in it
            if folder.endswith(".dist-info") and last == "METADATA":
                data = re.sub(rb"(?m)^Version: .*$", b"", data)
            if folder.endswith(".data/scripts"):
                wheel.extract(name, dist)
                (dist / name).chmod(0o755)
                data = run(str(dist / name)).encode()
            found[re.sub(r"^(demo-)[^/]*(\.dist-info|\.data)/", r"\1\2/", name)] = data
    return found


def differences(found, right):
    """The members of two wheels that differ, in words."""
    names = [name for name in sorted({*found, *right}) if found.get(name) != right.get(name)]
    return "\n".join(f"{name} is\n{shown(found.get(name))}\nand should be\n{shown(right.get(name))}" for name in names)


def shown(data):
    """The lines of a member, or the words that a library holds."""
    if data is None or not data.startswith(b"\x7fELF"):
        return data and data.decode(errors="replace")
    return " ".join(sorted(set(re.findall(r"w\d=\w*;", data.decode(errors="replace")))))


def main():
    """Plays."""
    python, folder, rounds, *seeds = sys.argv[1:]
    tools = Path(folder) / "tools"
    tools.mkdir(parents=True)
    (tools / "taker.c").write_text(TAKER)
    run("gcc", "-g0", "-o", "taker", "taker.c", cwd=tools)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        playing = [seed for seed in map(int, seeds) if all(map(shutil.which, HOSTS[seed % len(HOSTS)].needs))]
        tables = [Table(seed, Path(folder) / str(seed), python, tools) for seed in playing]
        for _ in range(int(rounds)):
            for table in tables:
                table.change()
            time.sleep(SETTLED)
            list(pool.map(Table.play, tables))
    figures = {name: sum(table.figures[name] for table in tables) for name in tables[0].figures}
    wrong = [one for table in tables for one in table.wrong]
    unstored = [one for table in tables for one in table.unstored]
    seconds = round(time.monotonic() - started, 1)
    json.dump({**figures, "seconds": seconds, "wrong": wrong, "unstored": unstored}, sys.stdout)


if __name__ == "__main__":
    main()

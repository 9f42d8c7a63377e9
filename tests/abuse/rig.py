"""A tree with a quick inner backend and a store; its hooks are called in copies of this process, which may be killed.

Run as a program, for a process with threads can't be copied safely: `python rig.py SCENE FOLDER [WORD...]` plays one of
the scenes, prints its figures as one line of JSON, and fails where anything was wrong.
"""

import base64
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from pathlib import Path

import pyproject_hooks  # noqa: F401 - what a hook loads late is loaded before it is copied
import xxhash

import freshwheel.hooks
from freshwheel.build import recipes
from freshwheel.cli.main import main as main_of_cli
from freshwheel.memory import lease
from freshwheel.store import upkeep
from freshwheel.store.store import Store
from freshwheel.wheel import archive

PYPROJECT = """\
[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[project]
name = "abused"
dynamic = ["version"]

[tool.freshwheel]
backend = "abused_backend"
backend-path = ["_backend"]
store = "on"
env = ["ABUSED_WORD"]
"""
BACKEND = """\
import base64
import hashlib
import os
import time
import zipfile

STAMP = (2020, 1, 1, 0, 0, 0)
METADATA = b"Metadata-Version: 2.1\\nName: abused\\nVersion: 1.2.3\\n"
WHEEL = b"Wheel-Version: 1.0\\nGenerator: abused\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def pause():
    time.sleep(float(os.environ.get("ABUSED_PAUSE", "0")))


def get_requires_for_build_wheel(config_settings=None):
    return ["abused-requirement"]


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = os.path.join(metadata_directory, "abused-1.2.3.dist-info")
    os.mkdir(info)
    with open(os.path.join(info, "METADATA"), "wb") as file:
        file.write(METADATA)
    return "abused-1.2.3.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(os.environ["ABUSED_LOG"], "a") as log:
        log.write("build\\n")
    members = {}
    pause()
    for name in sorted(os.listdir("src")):
        try:
            with open(os.path.join("src", name), "rb") as file:
                members[name] = file.read()
        except FileNotFoundError:
            continue  # it went after it was listed
        pause()
    info = "abused-1.2.3.dist-info"
    members[f"{info}/METADATA"], members[f"{info}/WHEEL"] = METADATA, WHEEL
    rows = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}\\n")
    members[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\\n"]).encode()
    name = "abused-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for member, data in members.items():
            archive.writestr(zipfile.ZipInfo(member, STAMP), data)
    if "ABUSED_FAILS" in os.environ:
        raise RuntimeError("it fails")
    return name


if "ABUSED_WITHOUT" in os.environ:
    del prepare_metadata_for_build_wheel
if "ABUSED_SEEN" in os.environ:
    with open("/proc/self/cmdline", "rb") as mine, open(os.environ["ABUSED_SEEN"], "ab") as seen:
        seen.write(mine.read())
"""
HOOKS = {
    "requires": "get_requires_for_build_wheel",
    "metadata": "prepare_metadata_for_build_wheel",
    "wheel": "build_wheel",
}
LONG = 60
"""Seconds. What takes longer is stuck."""
DAY = 86400 * 10**9


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a copy of this process ended."""

    status: int
    """As `os.waitpid` has it."""
    answer: object
    said: str

    @property
    def value(self):
        """What the hook has answered; there must be an answer."""
        assert self.status == 0, (self.status, self.said)
        return self.answer


@dataclasses.dataclass(frozen=True)
class Running:
    """A copy of this process in a hook. It leads a process group, which the inner backend is in as well."""

    pid: int
    out: Path

    def kill(self, *, group=True):
        """Kills it, with its inner backend or alone; gives how it ended."""
        try:
            (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it does not lead its group yet
            os.kill(self.pid, signal.SIGKILL)
        return self.ended()

    def ended(self):
        """How it ends."""
        deadline = time.monotonic() + LONG
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.killpg(self.pid, signal.SIGKILL)
                raise AssertionError(f"stuck: {self.out.with_suffix('.err').read_text()}")
            time.sleep(0.001)
        answer, said = self.out.with_suffix(".json"), self.out.with_suffix(".err")
        return Ended(
            status,
            json.loads(answer.read_text()) if status == 0 else None,
            said.read_text(errors="replace") if said.exists() else "",
        )


class Rig:
    """The tree, and what is beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.tree, self.cache, self.dist = folder / "tree", folder / "cache", folder / "dist"
        self.log, self.tmp, self.outs = folder / "builds", folder / "tmp", folder / "outs"
        for one in ("tree/src", "tree/_backend", "dist", "tmp", "outs", "home", "rooms", "bin"):
            (folder / one).mkdir(parents=True)
        self.numbers = iter(range(10**9))
        self.files({"pyproject.toml": PYPROJECT, "_backend/abused_backend.py": BACKEND, "README.md": "Read me.\n"})
        self.digests = {}
        self.environ = {
            "PATH": str(folder / "bin"),
            "HOME": str(folder / "home"),
            "TMPDIR": str(self.tmp),
            "FRESHWHEEL_CACHE_DIR": str(self.cache),
            "ABUSED_LOG": str(self.log),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.enter()

    def files(self, texts):
        """Writes files of the tree."""
        for name, text in texts.items():
            (self.tree / name).write_text(text, encoding="utf-8")

    def enter(self):
        """From now on calls are those of another run of a frontend, in an environment made for it."""
        for room in (self.folder / "rooms").iterdir():
            shutil.rmtree(room)
        self.room = self.folder / "rooms" / f"pip-build-env-{next(self.numbers)}" / "overlay"
        self.room.mkdir(parents=True)

    def start(self, hook, *arguments, before=None, settings=None, **environ):
        """A hook, or any function, called in a copy of this process, which calls `before` first."""
        out = self.outs / f"{next(self.numbers)}"
        pid = os.fork()
        if not pid:
            code = 70
            try:
                code = self.within(out, hook, arguments, before, settings, environ)
            except BaseException:  # noqa: BLE001 - nothing of this may go on in the copy
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        return Running(pid, out)

    def within(self, out, hook, arguments, before, settings, environ):
        """The rest of the life of a copy."""
        os.setsid()
        handle = os.open(out.with_suffix(".err"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(self.tree)
        os.environ.clear()
        os.environ.update({**self.environ, "PYTHONPATH": str(self.room), **environ})
        tempfile.tempdir = None
        # What is installed beside freshwheel is looked through by each call, and is not what is tested.
        sys.path[:] = [path for path in sys.path if not path.endswith("site-packages")]
        sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        if before is not None:
            before()
        try:
            if callable(hook):
                answer = hook()
            else:
                more = () if hook == "requires" else arguments[:1]
                answer = getattr(freshwheel.hooks, HOOKS[hook])(*more, settings, *arguments[1:])
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 1
        out.with_suffix(".json").write_text(json.dumps(answer))
        return 0

    def call(self, hook, *arguments, **how):
        """How a hook ends that is left alone; a wheel goes to `dist` where nothing else is said."""
        if hook == "wheel" and not arguments:
            arguments = (str(self.emptied()),)
        if hook == "metadata" and not arguments:
            arguments = (tempfile.mkdtemp(dir=self.tmp),)
        return self.start(hook, *map(str, arguments), **how).ended()

    def emptied(self):
        """`dist`, empty, as a frontend makes one for each call."""
        shutil.rmtree(self.dist, ignore_errors=True)
        self.dist.mkdir()
        return self.dist

    def run(self):
        """A whole run of a frontend, which nobody disturbs."""
        self.enter()
        self.call("requires").value  # noqa: B018 - there must be an answer
        prepared = self.call("metadata").value
        name = self.call("wheel").value
        assert name.split("-")[:2] == prepared.removesuffix(".dist-info").split("-")
        assert self.settled(self.dist / name) == self.held()
        return name

    def builds(self):
        """How often the inner backend has built."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    @property
    def store(self):
        """The store."""
        return Store.open(str(self.cache))

    def held(self):
        """The sources now."""
        found = {}
        for path in (self.tree / "src").iterdir():
            found[path.name] = path.read_bytes()
        return found

    def digest(self, sources):
        """The source digest of the tree if its sources were these; it is worked out in a twin, without any cache."""
        known = tuple(sorted(sources.items()))
        if known not in self.digests:
            twin = self.folder / "twin"
            shutil.rmtree(twin, ignore_errors=True)
            shutil.copytree(self.tree, twin, ignore=shutil.ignore_patterns("src"))
            (twin / "src").mkdir()
            for name, data in sources.items():
                (twin / "src" / name).write_bytes(data)
            call = recipes.Call(tree=str(twin), environ={}, hook="build_wheel", settings=None, say=lambda _: None)
            self.digests[known] = recipes.source_digest(call)
        return self.digests[known]

    def settled(self, path):
        """The sources that a wheel holds, if it names them; None where it says that it names none.

        Fails where it names others, and where one that should name none has the label of known sources.
        """
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None
            members = {name: file.read(name) for name in file.namelist() if "/" not in name}
        mark, label = archive.mark_of(str(path)), path.name.split("-")[1].partition("+")[2]
        assert label == mark.label
        if mark.settled:
            assert mark.digest == self.digest(members), ("a wrong wheel", path, members)
            assert label == f"s{mark.digest[:12]}"
            return members
        assert label[1:] not in {digest[:12] for digest in self.digests.values()}, ("a wrong label", path, members)
        return None

    def delivered(self):
        """The wheels that a frontend could take, each of them judged."""
        return [self.settled(path) for path in self.dist.glob("*.whl")]

    def is_whole(self):
        """Nothing in the store is wrong, and a sweep after two days leaves nothing half-written."""
        assert upkeep.flaws(self.store.shelf) == [], upkeep.flaws(self.store.shelf)
        upkeep.prune(self.store.shelf, now=time.time_ns() + 2 * DAY, force=True)
        lease.sweep(str(self.cache), time.time() + 2 * DAY / 10**9)
        for folder in ("v1", "trees", "answers", "builds", "leases", "states"):
            left = list((self.cache / folder).rglob("*.tmp"))
            assert left == [], left


# --- kill -9 at every point

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.link", "os.truncate", "os.chmod")
EVENTS += ("fcntl.flock", "fcntl.lockf", "subprocess.Popen", "open")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Points:
    """Each step of a process that changes anything; the one with the number `at` is its last."""

    def __init__(self, rig, at):
        self.inside = (str(rig.cache), str(rig.dist), str(rig.tree), str(rig.tmp))
        self.own = str(rig.outs)
        self.at = at
        self.count = 0
        self.file = rig.folder / "point"
        self.real = os.write

    def reached(self, name):
        """One step."""
        self.count += 1
        if self.count > self.at:
            handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self.real(handle, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(LONG)

    def heard(self, event, arguments):
        """An audit hook; it is called before what it is told of."""
        if event not in EVENTS or self.count > self.at:
            return
        if event == "open" and not arguments[2] & WRITES:
            return
        path = arguments[0] if arguments else None
        if event.startswith("fcntl.") or event == "subprocess.Popen":
            self.reached(event)
        elif isinstance(path, (str, bytes)) and os.fsdecode(path).startswith(self.inside):
            self.reached(f"{event} {os.fsdecode(path)}")

    def write(self, handle, data):
        """`os.write`, which can be stopped half-way."""
        if handle > 2:
            if self.count == self.at:
                self.real(handle, bytes(data)[: len(data) // 2])
            self.reached(f"write {len(data)}")
        return self.real(handle, data)

    def watch(self):
        """Begins, in a copy of the process."""
        os.write = self.write
        sys.addaudithook(self.heard)


def lose_answers(rig):
    """The store has the wheel, and nothing is remembered of the tree but when its requirements were resolved."""
    for folder in rig.cache.iterdir():
        if folder.name not in {"v1", "resolved"}:
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def without_recipes():
    """From now on there is only what can be replayed."""
    freshwheel.hooks._run = None


def know_all(rig):
    """The answer can be replayed."""
    deadline = time.monotonic() + LONG
    while rig.call("wheel", before=without_recipes).status:
        assert time.monotonic() < deadline, "never replayed"
        time.sleep(0.1)
        rig.run()


STATES = {"stored": lose_answers, "promised": lose_answers, "replayed": know_all}


def kill_points(rig, state, hook, *, most=10**9):
    """A hook in one state of the cache, killed at each point in turn; gives how many points there are."""
    rig.files({"src/one.py": "WORD = 1\n"})
    time.sleep(0.05)
    template = rig.folder / "template"
    if state != "cold":
        rig.run()
        rig.run()
        STATES[state](rig)
        shutil.copytree(rig.cache, template)
    wanted, slowest = rig.held(), 0.0
    for at in range(most):
        shutil.rmtree(rig.cache, ignore_errors=True)
        if state != "cold":
            shutil.copytree(template, rig.cache)
        assert state != "replayed" or at or rig.call("wheel", before=without_recipes).status == 0
        rig.enter()
        if state == "promised":
            assert rig.call("requires").value == []
        rig.emptied()
        target = str(rig.dist) if hook == "wheel" else tempfile.mkdtemp(dir=rig.tmp)
        ended = rig.start(hook, target, before=Points(rig, at).watch).ended()
        if not os.WIFSIGNALED(ended.status):
            assert ended.value is not None
            return {"points": at, "slowest": round(slowest, 2)}
        where = (state, hook, at, (rig.folder / "point").read_text())
        assert [one for one in rig.delivered() if one != wanted] == [], where
        assert upkeep.flaws(rig.store.shelf) == [], where
        started = time.monotonic()
        if at % 3:
            rig.enter()
        assert rig.settled(rig.dist / rig.call("wheel").value) == wanted, where
        slowest = max(slowest, time.monotonic() - started)
        asked = rig.builds()
        assert rig.settled(rig.dist / rig.call("wheel").value) == wanted, where
        assert rig.builds() == asked, where
        rig.is_whole()
    return {"points": most, "slowest": round(slowest, 2)}


# --- kill -9 at any time


def random_kills(rig, count, seed):
    """Hooks of one tree, which is edited between them, killed at any time; one that is left alone follows, or a run."""
    chance, took = random.Random(seed), {}  # noqa: S311 - to be repeated
    done = {"kills": 0, "in time": 0, "runs": 0, "delivered": 0, "slowest": 0.0}
    for number in range(count):
        rig.files({"src/one.py": f"WORD = {chance.randrange(12)}\n", "src/two.py": f"WORD = {chance.randrange(4)}\n"})
        if not number % 100:
            shutil.rmtree(rig.cache, ignore_errors=True)
        hook = chance.choice(("requires", "metadata", "wheel", "wheel"))
        if chance.random() < 0.5:
            rig.enter()
        rig.emptied()
        target = str(rig.dist) if hook == "wheel" else tempfile.mkdtemp(dir=rig.tmp)
        running = rig.start(hook, target)
        time.sleep(chance.uniform(0, 1.2 * took.get(hook, 0.2)))
        ended = running.kill(group=chance.random() < 0.5)
        done["kills"] += 1
        done["in time"] += os.WIFSIGNALED(ended.status)
        assert os.WIFSIGNALED(ended.status) or ended.status == 0, ended.said
        done["delivered"] += len(rig.delivered())
        if not number % 6:
            started = time.monotonic()
            rig.run()
            done["slowest"] = round(max(done["slowest"], time.monotonic() - started), 2)
            done["runs"] += 1
        else:
            rig.emptied()
            started = time.monotonic()
            ended = rig.call(hook, target) if hook == "wheel" else rig.call(hook)
            took[hook] = 0.7 * took.get(hook, 0.2) + 0.3 * (time.monotonic() - started)
            assert ended.status == 0, ended.said
            done["delivered"] += len(rig.delivered())
        if not number % 50:
            rig.is_whole()
            for one in (*rig.tmp.iterdir(), *rig.outs.iterdir()):
                shutil.rmtree(one, ignore_errors=True) if one.is_dir() else one.unlink(missing_ok=True)
    rig.is_whole()
    return done


# --- edits during builds

PAUSE = "0.004"


class Editor:
    """Somebody who edits the sources of a rig, by chance."""

    def __init__(self, rig, seed):
        self.src = rig.tree / "src"
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated

    def path(self, *, is_there=None):
        """One of four sources, which is there or not."""
        paths = [self.src / f"{name}.py" for name in ("one", "two", "three", "four")]
        found = [path for path in paths if is_there is None or path.exists() == is_there]
        return self.chance.choice(found) if found else None

    def text(self):
        """One of few texts, all of one length: sizes tell nothing, and states come again."""
        return f"WORD = {self.chance.randrange(3)}\n".encode()

    def change(self):
        """In place."""
        self.path().write_bytes(self.text())

    def replace(self):
        """By renaming a new file over it, as editors and git do."""
        path = self.path()
        path.with_suffix(".new").write_bytes(self.text())
        path.with_suffix(".new").rename(path)

    def create(self):
        """A file that was not there."""
        path = self.path(is_there=False)
        if path is not None:
            path.write_bytes(self.text())

    def delete(self):
        """A file that was there."""
        path = self.path(is_there=True)
        if path is not None:
            path.unlink()

    def rename(self):
        """One file to another's name."""
        path = self.path(is_there=True)
        if path is not None:
            path.rename(self.path())

    def edit_and_restore(self):
        """Other bytes for a while, then the old ones with the old time, in place or by renaming."""
        path = self.path(is_there=True)
        if path is None:
            return
        data, status = path.read_bytes(), path.stat()
        aside = self.chance.random() < 0.5
        if aside:
            path.rename(path.with_suffix(".old"))
        path.write_bytes(self.text())
        time.sleep(self.chance.uniform(0, 0.06))
        if aside:
            path.with_suffix(".old").rename(path)
        else:
            path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def any(self):
        """Any of these; gives whether it was the last one."""
        acts = (self.change, self.replace, self.create, self.delete, self.rename)
        act = self.chance.choice((*acts, *[self.edit_and_restore] * 3))
        act()
        return act == self.edit_and_restore


def edits(rig, count, seed):
    """Edits while a wheel is built or handed out; each wheel holds what it names, or names no sources."""
    editor, took = Editor(rig, seed), 0.15
    rig.files({f"src/{name}.py": "WORD = 0\n" for name in ("one", "two", "three")})
    done = {"edits": 0, "restored": 0, "unsettled": 0, "builds": 0}
    for number in range(count):
        if not number % 200:
            shutil.rmtree(rig.cache, ignore_errors=True)
        if editor.chance.random() < 0.3:
            rig.enter()
            rig.call("requires").value  # noqa: B018 - there must be an answer
        rig.emptied()
        before, asked, started = rig.held(), rig.builds(), time.monotonic()
        rig.digest(before)
        running = rig.start("wheel", str(rig.dist), ABUSED_PAUSE=PAUSE)
        time.sleep(editor.chance.uniform(0, took))
        done["restored"] += editor.any()
        done["edits"] += 1
        ended = running.ended()
        rig.digest(rig.held())
        if rig.builds() > asked:
            took = 0.8 * took + 0.2 * (time.monotonic() - started)
        sources = rig.settled(rig.dist / ended.value)
        if sources is None:
            done["unsettled"] += 1
            assert "changed during the build" in ended.said or "have no digest" in ended.said, ended.said
        if editor.chance.random() < 0.2:
            assert rig.settled(rig.dist / rig.call("wheel").value) == rig.held()
    done["builds"] = rig.builds()
    for sources in list(rig.digests):
        shutil.rmtree(rig.tree / "src")
        (rig.tree / "src").mkdir()
        for name, data in sources:
            (rig.tree / "src" / name).write_bytes(data)
        rig.enter()
        assert rig.settled(rig.dist / rig.call("wheel").value) == rig.held()
    rig.is_whole()
    return {**done, "states": len(rig.digests), "entries": len(upkeep.entries(rig.store.shelf))}


# --- what happens between two hooks of one run


def altered(folder):
    """Somebody writes into the metadata."""
    metadata = folder / "METADATA"
    metadata.write_text(metadata.read_text().replace("Name: abused", "Name: other"))


def missing(folder):
    """It is not there any more."""
    shutil.rmtree(folder)


def foreign(folder):
    """Another project's is in its place."""
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 9\n")


def linked(folder):
    """It is a link to a folder elsewhere."""
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def drift(rig, repeats):
    """Each thing that may happen between prepare and build, in each state of the store."""
    done = {"cases": 0}
    for number in range(repeats):
        for state in ("cold", "stored", "promised", "kept"):
            for act in (None, altered, missing, foreign, linked):
                for edited in (False, True):
                    rig.files({"src/one.py": f"WORD = {number}\n", "src/two.py": f"STATE = {state!r}\n"})
                    drifted(rig, state, act, edited=edited)
                    done["cases"] += 1
    rig.is_whole()
    return done


def drifted(rig, state, act, *, edited):
    """One case."""
    where = (state, act, edited)
    more = {"ABUSED_WITHOUT": "1"} if state == "kept" else {}
    shutil.rmtree(rig.cache, ignore_errors=True)
    rig.enter()
    if state in {"stored", "promised"}:
        rig.call("wheel").value  # noqa: B018 - there must be an answer
    wanted = rig.call("requires", **more).value if state != "stored" else None
    assert wanted == {"promised": [], "stored": None}.get(state, ["abused-requirement"]), where
    before, asked = rig.held(), rig.builds()
    prepared = Path(tempfile.mkdtemp(dir=rig.tmp))
    folder = prepared / rig.call("metadata", prepared, **more).value
    metadata = (folder / "METADATA").read_bytes()
    if act is not None:
        act(folder)
    if edited:
        rig.files({"src/one.py": "WORD = 'edited'\n"})
    name = rig.call("wheel", rig.emptied(), folder, **more).value
    sources = rig.settled(rig.dist / name)
    # What was promised is all that this run can have: its requirements were not installed.
    assert sources == (before if state == "promised" else rig.held()), where
    is_announced = "-".join(name.split("-")[:2]) == folder.name.removesuffix(".dist-info")
    assert is_announced == (sources == before), where
    if is_announced:
        with zipfile.ZipFile(rig.dist / name) as file:
            assert file.read(f"{folder.name}/METADATA") == metadata, where
    if not edited:
        assert rig.builds() - asked == (state in {"cold", "kept"}), where


# --- secrets

VARIABLES = (
    *("ABUSED_WORD", "CFLAGS", "CXXFLAGS", "LDFLAGS", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "PYO3_CONFIG_FILE"),
    *("CARGO_REGISTRIES_MINE_TOKEN", "CARGO_REGISTRY_TOKEN", "CARGO_PROFILE_RELEASE_LTO", "MATURIN_PASSWORD"),
    *("MATURIN_PYPI_TOKEN", "MATURIN_PEP517_ARGS", "UV_INDEX_URL", "UV_INDEX_MINE_PASSWORD", "UV_PUBLISH_TOKEN"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTPS_PROXY", "ALL_PROXY", "SETUPTOOLS_SCM_PRETEND_VERSION"),
    *("GITHUB_TOKEN", "GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "TWINE_PASSWORD", "NPM_TOKEN", "SSH_AUTH_SOCK"),
    *("GIT_ASKPASS", "DOCKER_AUTH_CONFIG", "CMAKE_ARGS", "SKBUILD_CMAKE_DEFINE", "CI_JOB_TOKEN", "DIST_EXTRA_CONFIG"),
    *(
        "ABUSED_TOKEN",
        "SOURCE_DATE_EPOCH",
        "CARGO_HTTP_PROXY",
        "CARGO_SOURCE_MINE_TOKEN",
        "RUSTC_WRAPPER",
        "VIRTUAL_ENV",
    ),
    *("UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX_URL", "PIP_FIND_LINKS", "PIP_PROXY", "MINE_TOKEN", "ZIG_TOKEN"),
    *("CC", "CXX", "AR", "CPPFLAGS", "PKG_CONFIG_PATH", "LD_PRELOAD_TOKEN"),
    *("SCCACHE_REDIS_PASSWORD", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
)


class Canaries:
    """Values that must be found nowhere."""

    def __init__(self):
        self.values = []

    def __call__(self):
        """Another one."""
        self.values.append(f"canary{len(self.values):02}x{os.urandom(3).hex()}Jq")
        return self.values[-1]

    @property
    def forms(self):
        """The ways to write each of them, and what anybody could work out who guesses it."""
        found = {}
        for value in self.values:
            data = value.encode()
            found |= dict.fromkeys((data, data.hex().encode(), base64.b64encode(data).rstrip(b"=")[:-1]), value)
            for algorithm in (hashlib.sha256(data), hashlib.blake2b(data), xxhash.xxh3_128(data), xxhash.xxh3_64(data)):
                found |= dict.fromkeys((algorithm.digest(), algorithm.hexdigest().encode()), value)
        return found

    def found(self, *folders):
        """Where one of them is, and which."""
        forms, seen = self.forms, []
        for folder in folders:
            for path in folder.rglob("*"):
                data = opened(path) if path.is_file() else b""
                seen += [(str(path), value) for form, value in forms.items() if form in data]
                seen += [(str(path), value) for form, value in forms.items() if form in os.fsencode(path.name)]
        return seen


def opened(path):
    """The bytes of a file, and of all that is packed in it."""
    data = path.read_bytes()
    for start in [found.start() for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data)]:
        with contextlib.suppress(zlib.error):
            data += zlib.decompressobj().decompress(data[start:])
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            data += b"".join(file.read(name) for name in file.namelist())
    return data


def cli(*words):
    """Calls the command line in the tree."""
    return lambda: main_of_cli(list(words))


SAYING = (("why",), ("why", "--json"), ("digest", "--json"), ("inputs", "--json"), ("store", "info"))
SAYING += (("store", "list", "--json"), ("store", "verify"), ("check",))


def secrets(rig, rounds):
    """Canaries in variables, settings, URLs, files and commands: all hooks and verbs in all states, all searched."""
    take = Canaries()
    (rig.folder / "ask").write_text(f"#!/bin/sh\necho {take()}\necho {take()} >&2\n")
    (rig.folder / "ask").chmod(0o700)
    (rig.folder / "constraints.txt").write_text(f"other @ https://user:{take()}@host/other.whl\n")
    table = PYPROJECT.replace('"freshwheel"]', f'"freshwheel", "other @ https://user:{take()}@host/other.whl"]', 1)
    table = table.replace('"ABUSED_WORD"', '"ABUSED_WORD", "ABUSED_TOKEN"')
    rig.files({"pyproject.toml": f'{table}commands = [["{rig.folder}/ask"]]\n', "src/one.py": "WORD = 1\n"})
    settings = {"token": take(), "many": [take(), f"--password={take()}"], "deep": {"a": take()}}
    environ = {"PIP_CONSTRAINT": f"{rig.folder}/constraints.txt", "ABUSED_SEEN": str(rig.folder / "outs" / "seen")}
    environ |= {"PIP_BUILD_CONSTRAINT": f"https://user:{take()}@host/c.txt"}
    environ |= {name: (f"https://user:{take()}@host/" if "URL" in name else f"-D{take()}") for name in VARIABLES}
    environ |= {"MATURIN_X": take(), "UV_CONSTRAINT": f"{rig.folder}/constraints.txt", "PIP_X": take()}
    assert len(take.values) >= 60
    done = {"runs": 0, "stored": 0}
    plain = {name: text for name, text in environ.items() if name != "PIP_BUILD_CONSTRAINT"}
    for number in range(rounds):
        # A constraint file that can't be read means that nothing is stored.
        used = environ if not number % 3 else plain
        if not number % 5:
            rig.files({"src/one.py": f"WORD = {number}\n"})
        if not number % 4:
            used = {**used, "ABUSED_WORD": take()}
        rig.enter()
        for hook in ("requires", "metadata", "wheel"):
            rig.call(hook, settings=settings, **used).value  # noqa: B018 - there must be an answer
            done["runs"] += 1
        failed = rig.call("wheel", settings={**settings, "other": take()}, ABUSED_FAILS="1", **used)
        assert failed.status
        assert "it fails" in failed.said
        done["runs"] += 1
        for words in SAYING if not number % 4 else ():
            rig.start(cli(*words), **used).ended()
            done["runs"] += 1
        if not number % 8 or number == rounds - 1:
            seen = take.found(rig.cache, rig.dist, rig.outs, rig.tmp)
            assert seen == [], seen[:9]
            for one in (*rig.tmp.iterdir(), *rig.outs.iterdir()):
                shutil.rmtree(one) if one.is_dir() else one.unlink()
    done["stored"] = len(upkeep.entries(rig.store.shelf))
    assert done["stored"]
    return {**done, "canaries": len(take.values)}


# --- many builders of one tree


def whole_run(folder):
    """All hooks of a run, one after the other, in this process."""
    os.environ["PYTHONPATH"] = str(folder / "pip-build-env-x" / "overlay")
    os.makedirs(os.environ["PYTHONPATH"])
    os.mkdir(folder / "prepared")
    os.mkdir(folder / "dist")
    freshwheel.hooks.get_requires_for_build_wheel()
    prepared = freshwheel.hooks.prepare_metadata_for_build_wheel(str(folder / "prepared"))
    name = freshwheel.hooks.build_wheel(str(folder / "dist"), None, str(folder / "prepared" / prepared))
    assert "-".join(name.split("-")[:2]) + ".dist-info" == prepared
    return name


def crowd(rig, rounds, builders=8):
    """Rounds of so many runs of one tree at once, which is edited between them: one build, one wheel."""
    done = {"runs": 0, "builds": 0}
    for number in range(rounds):
        rig.files({"src/one.py": f"WORD = {number // 2}\n", "src/two.py": f"WORD = {number % 2}\n"})
        tops = [rig.folder / "crowd" / f"{number}-{builder}" for builder in range(builders)]
        for top in tops:
            top.mkdir(parents=True)
        asked = rig.builds()
        running = [rig.start(functools.partial(whole_run, top), ABUSED_PAUSE=PAUSE) for top in tops]
        names = [one.ended().value for one in running]
        wheels = [top / "dist" / name for top, name in zip(tops, names, strict=True)]
        assert len({wheel.read_bytes() for wheel in wheels}) == 1
        assert rig.settled(wheels[0]) == rig.held()
        assert rig.builds() - asked == 1
        done["runs"] += builders
        shutil.rmtree(rig.folder / "crowd")
    rig.is_whole()
    return {**done, "builds": rig.builds()}


SCENES = {
    "points": kill_points,
    "kills": random_kills,
    "edits": edits,
    "drift": drift,
    "secrets": secrets,
    "crowd": crowd,
}


def main():
    """Plays a scene."""
    scene, folder, *words = sys.argv[1:]
    rig = Rig(Path(folder))
    more = [int(word) if word.isdecimal() else word for word in words]
    started = time.monotonic()
    found = SCENES[scene](rig, *more)
    json.dump({**found, "seconds": round(time.monotonic() - started, 1)}, sys.stdout)


if __name__ == "__main__":
    main()

"""Real commands below the real kernel: what is written down of them, and that they do not notice."""

import contextlib
import ctypes
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
import xxhash

from freshwheel.observe import observer

REASON = observer.unavailable(None)
if sys.platform != "linux":
    pytest.skip(REASON, allow_module_level=True)

OBSERVABLE = pytest.mark.skipif(bool(REASON), reason=REASON)
SOURCE = str(Path(observer.__file__).parents[2])
CHAIN = max(1, min(os.cpu_count() or 1, 4)) + 1
"""Receivers and keeper."""
EMPTY_LOG = 50
"""Bytes."""
PYTHON = (sys.executable, "-I", "-S", "-c")
HOOK = """
import os, pickle, sys
sys.path.insert(0, sys.argv[1])
from freshwheel.observe import observer
folder, *command = sys.argv[2:]
try:
    seen = observer.run(command, cwd=None, environ=dict(os.environ), folder=folder)
except KeyboardInterrupt:
    seen = None
with open(os.path.join(folder, "seen"), "wb") as file:
    pickle.dump(seen, file)
"""
"""A hook in a process of its own."""


class Bench:
    """A folder to work in, and a way to find all processes that a test has started."""

    def __init__(self, folder, mark):
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.work = folder / "work"
        self.work.mkdir()
        self.mark = mark

    def run(self, *command, environ=None, cwd=None):
        """One observed command."""
        environ = {**os.environ, **(environ or {})}
        return observer.run(command, cwd=cwd or str(self.work), environ=environ, folder=str(self.logs))

    def python(self, code, **options):
        """The same of Python code that knows the folder as `work`: the account, and that of the folder's files."""
        seen = self.run(*PYTHON, f"import os\nwork = {str(self.work)!r}\n{textwrap.dedent(code)}", **options)
        assert (seen.status, seen.reason) == (0, "")
        return seen.account, self.uses(seen.account)

    def uses(self, account):
        """What was done with the paths in the folder, and whether they were there at first."""
        start = os.fsencode(self.work) + b"/"
        return {
            os.fsdecode(path[len(start) :]): (ways(use), use.first is not None, use.before)
            for path, use in account.uses.items()
            if path.startswith(start)
        }

    def hook(self, *command, **options):
        """A hook in a process of its own, which has begun."""
        start = [sys.executable, "-c", HOOK, SOURCE, str(self.logs), *command]
        return subprocess.Popen(start, cwd=self.work, **options)

    def seen(self):
        """What the hook has returned."""
        return pickle.loads((self.logs / "seen").read_bytes())  # noqa: S301 - from our own child

    def processes(self, words=b""):
        """All that run for this test, but the test itself, with such words on their command line."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdecimal() and int(name) != os.getpid():
                with contextlib.suppress(OSError):
                    environ = Path(f"/proc/{name}/environ").read_bytes()
                    line = Path(f"/proc/{name}/cmdline").read_bytes()
                    if self.mark in environ and words in line:
                        found.append(int(name))
        return sorted(found)

    def supervisors(self):
        """Those of the chain."""
        return self.processes(b"supervisor.main")

    def await_file(self, name, seconds=20):
        """Waits until a file is there; its text."""
        until((self.work / name).exists, seconds)
        return (self.work / name).read_text()


def until(said, seconds=20):
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def ways(use):
    """How a path was used, in letters."""
    return "".join(way[0] for way in ("read", "asked", "run", "written") if getattr(use, way))


@pytest.fixture(params=["alone", "in turns"])
def shared(request, monkeypatch):
    """Whether one receiver has all events, as long as it is quick enough, or three of them have each third one."""
    if request.param == "in turns":
        command = observer._command
        busy = "supervisor, recorder; recorder._BUSY = -1; supervisor._TURN = 1; supervisor.main"
        monkeypatch.setattr(observer, "_receivers", lambda: 3)
        monkeypatch.setattr(
            observer,
            "_command",
            lambda call: [word.replace("supervisor; supervisor.main", busy) for word in command(call)],
        )
    return request.param == "in turns"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Ends with no process left that the test has started."""
    mark = f"FRESHWHEEL_MARK={os.getpid()}.{time.monotonic_ns()}"
    monkeypatch.setenv(*mark.split("="))
    one = Bench(tmp_path, mark.encode())
    yield one
    try:
        until(lambda: one.processes() == [], 10)
    finally:
        for pid in one.processes():
            os.kill(pid, signal.SIGKILL)


CASES = {
    "a file is read": ("open(f'{work}/old').read()", {"old": ("r", True, True)}),
    "a file that is absent is opened": (
        "try: open(f'{work}/new')\nexcept FileNotFoundError: pass",
        {"new": ("a", False, True)},
    ),
    "a folder is listed": ("os.listdir(f'{work}/folder')", {"folder": ("r", True, True)}),
    "a file is asked for": ("os.stat(f'{work}/old')", {"old": ("a", True, True)}),
    "a link is asked for": ("os.lstat(f'{work}/old')", {"old": ("a", True, True)}),
    "a link is read": ("try: os.readlink(f'{work}/old')\nexcept OSError: pass", {"old": ("a", True, True)}),
    "an access is asked for": ("os.access(f'{work}/new', 4)", {"new": ("a", False, True)}),
    "a file is opened for its place only": ("os.open(f'{work}/old', os.O_PATH)", {"old": ("a", True, True)}),
    "a file is made": ("open(f'{work}/new', 'w')", {"new": ("w", False, False)}),
    "a file is made that must be new": ("open(f'{work}/new', 'x')", {"new": ("w", False, True)}),
    "a file that must be new is there": (
        "try: open(f'{work}/old', 'x')\nexcept FileExistsError: pass",
        {"old": ("a", True, True)},
    ),
    "a file is written anew": ("open(f'{work}/old', 'w')", {"old": ("w", True, False)}),
    "a file is appended to": ("open(f'{work}/old', 'a')", {"old": ("w", True, False)}),
    "a file is changed": ("open(f'{work}/old', 'r+')", {"old": ("rw", True, True)}),
    "a file is made to be read": (
        "os.open(f'{work}/new', os.O_RDWR | os.O_CREAT)",
        {"new": ("rw", False, True)},
    ),
    "a file is made to be appended to": ("open(f'{work}/new', 'a')", {"new": ("w", False, True)}),
    "permissions are set": ("os.chmod(f'{work}/old', 0o644)", {"old": ("a", True, True)}),
    "an owner is set": ("os.chown(f'{work}/old', -1, -1)", {"old": ("a", True, True)}),
    "times are set": ("os.utime(f'{work}/old')", {"old": ("a", True, True)}),
    "attributes are asked for": ("os.listxattr(f'{work}/old')", {"old": ("a", True, True)}),
    "a file system is asked for": ("os.statvfs(f'{work}/folder')", {"folder": ("a", True, True)}),
    "a file has no name": ("os.open(f'{work}/folder', os.O_TMPFILE | os.O_RDWR)", {}),
    "a file is read and then written": (
        "open(f'{work}/old').read()\nopen(f'{work}/old', 'w')",
        {"old": ("rw", True, True)},
    ),
    "a file is written and then read": (
        "open(f'{work}/new', 'w').close()\nopen(f'{work}/new').read()",
        {"new": ("rw", False, False)},
    ),
    "a file is sought and then made": (
        "os.path.exists(f'{work}/new')\nopen(f'{work}/new', 'w')",
        {"new": ("aw", False, True)},
    ),
    "a file is sought, made by another and read": (
        (
            "try: open(f'{work}/new')\nexcept FileNotFoundError: pass\n"
            "os.system(f'echo > {work}/new')\nopen(f'{work}/new').read()"
        ),
        {"new": ("raw", False, True)},
    ),
    "a file is renamed": (
        "os.rename(f'{work}/old', f'{work}/new')",
        {"old": ("rw", True, True), "new": ("w", False, False)},
    ),
    "a file that is absent is renamed": (
        "try: os.rename(f'{work}/none', f'{work}/new')\nexcept FileNotFoundError: pass",
        {"none": ("a", False, True), "new": ("a", False, True)},
    ),
    "a folder is renamed": (
        "os.rename(f'{work}/folder', f'{work}/new')",
        {"folder": ("rw", True, True), "new": ("w", False, False)},
    ),
    "a file is linked": (
        "os.link(f'{work}/old', f'{work}/new')",
        {"old": ("r", True, True), "new": ("w", False, True)},
    ),
    "a link is made": ("os.symlink('old', f'{work}/new')", {"new": ("w", False, False)}),
    "a folder is made": ("os.mkdir(f'{work}/new')", {"new": ("w", False, False)}),
    "a folder is made that is there": (
        "try: os.mkdir(f'{work}/folder')\nexcept FileExistsError: pass",
        {"folder": ("a", True, True)},
    ),
    "a pipe is made": ("os.mkfifo(f'{work}/new')", {"new": ("w", False, False)}),
    "a file is removed": ("os.unlink(f'{work}/old')", {"old": ("w", True, False)}),
    "a file that is absent is removed": (
        "try: os.unlink(f'{work}/new')\nexcept FileNotFoundError: pass",
        {"new": ("a", False, True)},
    ),
    "a folder is removed": ("os.rmdir(f'{work}/folder')", {"folder": ("w", True, False)}),
    "a file is cut": ("os.truncate(f'{work}/old', 1)", {"old": ("rw", True, True)}),
    "a path is relative": ("os.chdir(work)\nopen('folder/leaf').read()", {"folder/leaf": ("r", True, True)}),
    "a path begins at an open folder": (
        "there = os.open(f'{work}/folder', os.O_PATH)\nos.open('leaf', os.O_RDONLY, dir_fd=there)",
        {"folder": ("a", True, True), "folder/leaf": ("r", True, True)},
    ),
    "both paths of a renaming begin at open folders": (
        (
            "there = os.open(f'{work}/folder', os.O_PATH)\nhere = os.open(work, os.O_PATH)\n"
            "os.rename('leaf', 'new', src_dir_fd=there, dst_dir_fd=here)"
        ),
        {"folder": ("a", True, True), "folder/leaf": ("rw", True, True), "new": ("w", False, False)},
    ),
    "a path has dots and empty parts": (
        "os.chdir(work)\nopen('.//folder/./leaf')\nopen(f'{work}//folder/./leaf')\nos.stat('folder/')",
        {"folder/leaf": ("r", True, True), "folder": ("a", True, True)},
    ),
    "a path leads up again": ("open(f'{work}/folder/../old')", {"folder/../old": ("r", True, True)}),
    "a path is long": (
        "name = work + '/folder/..' * 150 + '/old'\nopen(name)",
        {"folder/.." + "/folder/.." * 149 + "/old": ("r", True, True)},
    ),
    "an open file is asked about": (
        "file = open(f'{work}/old')\nfor _ in range(3): os.fstat(file.fileno())",
        {"old": ("r", True, True)},
    ),
    "an open file is opened again": (
        "file = open(f'{work}/old')\nfor top in ('/proc/self/fd', '/dev/fd'): open(f'{top}/{file.fileno()}')",
        {"old": ("r", True, True)},
    ),
    "a folder that is open is gone into by its number": (
        "there = os.open(f'{work}/folder', os.O_PATH)\nopen(f'/proc/{os.getpid()}/fd/{there}/../old')",
        {"folder": ("a", True, True), "folder/../old": ("r", True, True)},
    ),
    "a link is made and followed": (
        "os.symlink('old', f'{work}/new')\nopen(f'{work}/new')\nos.unlink(f'{work}/new')",
        {"new": ("rw", False, False), "old": ("r", True, True)},
    ),
    "a thread reads": (
        (
            "import _thread, time\ndone = []\n_thread.start_new_thread(lambda: done.append(open(f'{work}/old')), ())\n"
            "while not done: time.sleep(.01)"
        ),
        {"old": ("r", True, True)},
    ),
}


@OBSERVABLE
@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("case", CASES)
def test_what_a_program_does_with_a_file_is_told(bench, case):
    """Each use is in the account as what it is, with what was there before, and nothing else is."""
    (bench.work / "old").write_text("old")
    (bench.work / "folder").mkdir()
    if "dir(" not in case and "a folder is removed" not in case:
        (bench.work / "folder" / "leaf").write_text("leaf")
    code, expected = CASES[case]
    account, uses = bench.python(code)
    assert uses == expected
    # What is in a folder that was there before has another path from then on.
    assert bool(account.doubts) == (case == "a folder is renamed")
    # Whether the other ones had a turn as well is for the scheduler to say.
    assert any(len(log.read_bytes()) > EMPTY_LOG for log in bench.logs.iterdir())


@OBSERVABLE
@pytest.mark.usefixtures("shared")
def test_a_file_that_is_opened_more_than_once_is_told(bench):
    """By one program, the same way or another, by two, and by what it has forked; to ask for it is not to open it."""
    for name in ("once", "twice", "flags", "spelled", "forked", "another", "asked"):
        (bench.work / name).write_text("x")
    account, _ = bench.python(
        """
        import subprocess
        def read(path, flags=0):
            os.close(os.open(f"{work}/{path}", os.O_RDONLY | flags))
        for name in ("once", "twice", "twice", "flags", "spelled", "forked", "another", "asked"):
            read(name)
        read("flags", os.O_NONBLOCK)
        read("./spelled")
        os.stat(f"{work}/asked")
        os.stat(f"{work}/asked")
        if not os.fork():
            read("forked")
            os._exit(0)
        os.wait()
        subprocess.run(["cat", f"{work}/another"], stdout=subprocess.DEVNULL)
        """
    )
    start = os.fsencode(bench.work) + b"/"
    often = {
        os.fsdecode(path[len(start) :]) for path, use in account.uses.items() if use.often and path.startswith(start)
    }
    assert often == {"twice", "flags", "spelled", "forked", "another"}


@OBSERVABLE
def test_the_row_is_that_of_the_first_moment(bench):
    """The state of a file is the one that the build has met, not what the build has made of it."""
    old = bench.work / "old"
    old.write_text("old")
    status = old.stat()
    account, _ = bench.python("open(f'{work}/old').read()\nopen(f'{work}/old', 'w').write('more than before')")
    row = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    assert account.uses[os.fsencode(old)].first == row


@OBSERVABLE
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of calls")
def test_the_newest_ways_to_open_and_ask_are_seen(bench):
    """`openat2` and `statx`, which glibc rarely uses, are no way around; neither is a name across two pages."""
    for name in ("two", "statx", "edge"):
        (bench.work / name).write_text(name)
    _, uses = bench.python("""
        import ctypes, mmap, struct
        libc = ctypes.CDLL(None)
        how = ctypes.create_string_buffer(struct.pack("QQQ", 0, 0, 0))
        libc.syscall(437, -100, f"{work}/two".encode(), how, 24)
        libc.syscall(332, -100, f"{work}/statx".encode(), 0, 0xfff, ctypes.create_string_buffer(256))
        pages = mmap.mmap(-1, 8192)
        path = f"{work}/edge".encode() + bytes(1)
        pages[4092:4092 + len(path)] = path
        start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        libc.open(ctypes.c_void_p(start + 4092), 0)
    """)
    assert uses == {name: (way, True, True) for name, way in (("two", "r"), ("statx", "a"), ("edge", "r"))}


@OBSERVABLE
@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
def test_the_walk_of_realpath_is_no_event(bench):
    """A compiler asks of each folder above each header whether it is a link; it opens what it has found in any case."""
    if tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) < (2, 33):
        pytest.skip("an older glibc asks otherwise")
    (bench.work / "old").write_text("old")
    _, uses = bench.python("import ctypes\nassert ctypes.CDLL(None).realpath(f'{work}/old'.encode(), None)")
    assert uses == {}


@OBSERVABLE
@pytest.mark.usefixtures("shared")
def test_a_shell_script_and_what_it_runs_are_told_apart(bench):
    """Each program is named with its words, and each use with the program that made it."""
    (bench.work / "bin").mkdir()
    script = bench.work / "bin" / "hello"
    script.write_text("#!/bin/sh\ncat input > output\n")
    script.chmod(0o755)
    (bench.work / "input").write_text("text")
    path = f"{bench.work}/none:{bench.work}/bin:{os.environ['PATH']}"
    account = bench.run("sh", "-c", "hello there; true", environ={"PATH": path}).account
    names = [one.words for one in account.programs]
    assert names[:3] == [
        (b"sh", b"-c", b"hello there; true"),
        (b"/bin/sh", os.fsencode(script), b"there"),
        (b"cat", b"input"),
    ]
    assert os.path.realpath(account.programs[2].path) == os.fsencode(os.path.realpath(shutil.which("cat")))
    assert len({one.pid for one in account.programs if not one.forked}) == 3
    assert bench.uses(account) == {
        "none/sh": ("a", False, True),
        "none/hello": ("a", False, True),
        "none/cat": ("a", False, True),
        "bin/sh": ("a", False, True),
        "bin/hello": (ways(account.uses[os.fsencode(script)]), True, True),
        "bin/cat": ("a", False, True),
        "input": ("r", True, True),
        "output": ("w", False, False),
    }
    assert account.uses[os.fsencode(script)].run == {0}
    assert 1 in account.uses[os.fsencode(script)].read
    assert account.uses[os.fsencode(bench.work / "input")].read == {2}
    assert account.uses[os.fsencode(bench.work / "output")].written == {1}


@OBSERVABLE
@pytest.mark.usefixtures("shared")
def test_a_program_that_opens_nothing_is_named(bench):
    """Its execution is enough."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (bench.work / "idle.c").write_text(
        "void _start(void) { for (;;) { __asm__ volatile(\n"
        '#ifdef __x86_64__\n"mov $0, %edi; mov $231, %eax; syscall"\n'
        '#else\n"mov x0, #0; mov x8, #94; svc #0"\n#endif\n); } }\n'
    )
    idle = str(bench.work / "idle")
    subprocess.run([compiler, "-nostdlib", "-static", "-o", idle, f"{idle}.c"], check=True)
    account = bench.run("sh", "-c", f"{idle} a; {idle} b; true").account
    assert [one.words for one in account.programs if one.path == idle.encode()] == [
        (idle.encode(), b"a"),
        (idle.encode(), b"b"),
    ]


@OBSERVABLE
def test_what_the_kernel_itself_answers_does_not_count(bench):
    """Nothing below /proc, /sys and /dev is in an account."""
    account, _ = bench.python("open('/proc/self/stat'), open('/dev/null'), os.listdir('/sys'), os.listdir('/sys/')")
    assert not [path for path in account.uses if path.startswith((b"/proc/", b"/dev/", b"/sys/"))]


@OBSERVABLE
@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill $$", -15)])
def test_the_exit_status_is_that_of_the_command(bench, script, status):
    """Also where a signal has ended it."""
    seen = bench.run("sh", "-c", script)
    assert (seen.status, seen.reason) == (status, "")
    assert seen.account.uses


@OBSERVABLE
def test_a_command_that_can_not_start_fails_as_without(bench):
    """The same exception, for a program and for a folder that is not there, and for a file that is no program."""
    (bench.work / "text").write_text("text")
    none = str(bench.work / "none")
    for command, cwd in ((("no-such-program",), None), ((none,), None), (("true",), none), (("./text",), None)):
        with pytest.raises(OSError) as without:  # noqa: PT011 - which it is, is compared
            subprocess.run(command, cwd=cwd or bench.work, check=False)
        with pytest.raises(OSError) as within:  # noqa: PT011
            bench.run(*command, cwd=cwd)
        assert type(within.value) is type(without.value)
        assert (within.value.errno, within.value.filename) == (without.value.errno, without.value.filename)


STATE = """
import json, os, sys
lines = open('/proc/self/status').read().splitlines()
pairs = [line.split(':', 1) for line in lines if line.startswith(('Sig', 'Umask', 'Groups', 'Spec'))]
state = {name: value.strip() for name, value in pairs}
state.pop('SigQ')
environ = {name: value for name, value in os.environ.items()}
links = {name: os.readlink('/proc/self/fd/' + name) for name in sorted(os.listdir('/proc/self/fd')) if int(name) < 3}
count = len(os.listdir('/proc/self/fd'))
limits = open('/proc/self/limits').read()
places = os.getcwd(), os.getpgid(0), os.getsid(0)
json.dump([state, environ, links, count, places, limits, sys.argv], open('state', 'w'))
"""


@OBSERVABLE
@pytest.mark.parametrize("ignored", [(), (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)])
def test_a_command_can_not_tell_that_it_is_observed(bench, ignored):
    """Signals, mask, variables, folder, descriptors, group, session and limits are those of a plain child."""
    extra, there = os.open(os.devnull, os.O_RDONLY), {**os.environ, "A": "b", "EMPTY": ""}
    os.set_inheritable(extra, True)  # noqa: FBT003
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
    command = [*PYTHON, STATE, "word"]
    try:
        subprocess.run(command, cwd=bench.work, env=there, stdin=subprocess.DEVNULL, check=True)
        plain = json.loads((bench.work / "state").read_text())
        seen = observer.run(command, cwd=str(bench.work), environ=there, folder=str(bench.logs))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(extra)
    if signal.SIGCHLD not in ignored:
        assert seen.status == 0
    assert json.loads((bench.work / "state").read_text()) == plain


@OBSERVABLE
@pytest.mark.usefixtures("shared")
def test_two_hundred_processes_at_once_are_all_seen(bench):
    """None is forgotten, and none is stuck."""
    for number in range(200):
        (bench.work / str(number)).write_text("text")
    seen = bench.run("sh", "-c", "i=0; while [ $i -lt 200 ]; do cat $i > out.$i & i=$((i+1)); done; wait")
    assert seen.status == 0
    uses = bench.uses(seen.account)
    assert [number for number in range(200) if uses.get(str(number)) != ("r", True, True)] == []
    assert sum(one.words[:1] == (b"cat",) for one in seen.account.programs) == 200


SERVER = """
import os, sys, time
seconds, result = float(sys.argv[1]), sys.argv[2]
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
if len(sys.argv) < 4:
    for number in range(3): os.close(number)
    for number in range(3): os.open('/dev/null', os.O_RDWR)
open(result + '.began', 'w').close()
end, count = time.monotonic() + seconds, 0
while time.monotonic() < end:
    open(result + '.part', 'w').write('x')
    assert os.stat(result + '.part').st_size == 1
    os.unlink(result + '.part')
    count += os.spawnv(os.P_WAIT, '/bin/true', ['true']) == 0
    time.sleep(0.05)
open(result + '.new', 'w').write(str(count))
os.rename(result + '.new', result)
"""


def serve(bench, seconds):
    """A build that leaves a server behind; the hook reads what it says through a pipe."""
    command = [*PYTHON, SERVER, str(seconds), str(bench.work / "count")]
    hook = bench.hook("sh", "-c", '"$@"; echo built', "sh", *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    began = time.monotonic()
    output, errors = hook.communicate(timeout=30)
    took = time.monotonic() - began
    assert (output, errors, hook.returncode) == (b"built\n", b"", 0)
    assert bench.seen().status == 0
    assert len(bench.supervisors()) == CHAIN
    return took


def with_parent(pid):
    """A process and its parent, none where it has just ended: what the server starts bears its words for a moment."""
    with contextlib.suppress(OSError):
        return pid, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid, None


@OBSERVABLE
def test_a_server_that_a_build_leaves_behind_works_on(bench):
    """The build ends without it, no pipe is held open, the server finds its files, and all is gone after it."""
    assert serve(bench, 3) < 2.5
    supervisors = bench.supervisors()
    theirs = bench.processes(str(bench.work / "count").encode())
    parents = dict(with_parent(pid) for pid in theirs if pid not in supervisors)
    [parent] = {parent for parent in parents.values() if parent not in parents} - {None}
    assert parent in supervisors  # who else may not look into it, where Yama watches
    assert int(bench.await_file("count")) > 3
    until(lambda: not bench.supervisors(), 5)


@OBSERVABLE
@pytest.mark.nightly
def test_a_server_works_for_a_minute(bench):
    """The same for long."""
    serve(bench, 60)
    assert int(bench.await_file("count", 90)) > 100


@OBSERVABLE
def test_a_server_costs_a_supervisor_no_memory(bench):
    """What is answered after the end of the build is not written down."""
    serve(bench, 3)
    logs = sorted(bench.logs.iterdir())
    sizes = [path.stat().st_size for path in logs]
    bench.await_file("count")
    assert [path.stat().st_size for path in logs] == sizes
    assert sorted(bench.logs.iterdir()) == logs


BUILD = """
import os, sys, time
open('began', 'w').close()
for number in range(40):
    open('part', 'w').write('x')
    assert os.spawnv(os.P_WAIT, '/bin/true', ['true']) == 0
    time.sleep(0.05)
open('done', 'w').close()
"""


@OBSERVABLE
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_build_goes_on_when_the_hook_is_killed(bench, number):
    """As without observation: it works to its end, and nothing is left."""
    hook = bench.hook(*PYTHON, BUILD)
    bench.await_file("began")
    hook.send_signal(number)
    assert hook.wait(10) == -number
    assert len(bench.supervisors()) == CHAIN
    bench.await_file("done")


@OBSERVABLE
@pytest.mark.parametrize("place", range(CHAIN))
def test_a_build_ends_when_a_supervisor_is_killed(bench, place):
    """Whichever it is: the hook is told that all must be done again, and nothing of the build is left."""
    hook = bench.hook("sh", "-c", '"$@"; true', "sh", *PYTHON, BUILD)
    bench.await_file("began")
    os.kill(bench.supervisors()[place], signal.SIGKILL)
    assert hook.wait(20) == 0
    seen = bench.seen()
    assert (seen.status, seen.account, seen.reason) == (None, None, "the observer died")
    assert bench.processes() == []
    assert not (bench.work / "done").exists()


@OBSERVABLE
def test_a_build_that_does_not_heed_is_ended_by_force(bench):
    """Without a supervisor it can open nothing, and would only be in the way of the next."""
    hook = bench.hook("sh", "-c", 'trap "" TERM HUP; : > began; while :; do :; done')
    bench.await_file("began")
    os.kill(bench.supervisors()[0], signal.SIGKILL)
    assert hook.wait(20) == 0
    assert bench.seen().status is None
    assert bench.processes() == []


@OBSERVABLE
def test_a_supervisor_does_not_heed_signals_of_the_terminal(bench):
    """The build decides what they mean to it."""
    hook = bench.hook(*PYTHON, BUILD)
    bench.await_file("began")
    for pid in bench.supervisors():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGUSR1):
            os.kill(pid, number)
    assert hook.wait(20) == 0
    assert bench.seen().status == 0
    assert (bench.work / "done").exists()


@OBSERVABLE
def test_an_interrupt_of_the_group_ends_the_build(bench):
    """Ctrl-C reaches hook and command, and no supervisor stays."""
    hook = bench.hook("sh", "-c", ": > began; exec sleep 60", start_new_session=True)
    bench.await_file("began")
    began = time.monotonic()
    os.killpg(hook.pid, signal.SIGINT)
    assert hook.wait(10) == 0
    assert time.monotonic() - began < 5
    assert bench.seen() is None
    until(lambda: not bench.processes(), 5)


@OBSERVABLE
def test_an_interrupted_hook_ends_a_build_that_ignores_it(bench):
    """As `subprocess.run` does."""
    hook = bench.hook("sh", "-c", 'trap "" INT; : > began; while :; do sleep 0.1; done')
    bench.await_file("began")
    hook.send_signal(signal.SIGINT)
    assert hook.wait(10) == 0
    assert bench.seen() is None
    until(lambda: not bench.processes(), 5)


@OBSERVABLE
def test_an_observed_build_inside_of_an_observed_build_is_run_unobserved(bench):
    """The kernel has one listener only; the outer one sees all of it."""
    (bench.work / "input").write_text("text")
    inner = bench.folder / "inner"
    inner.mkdir()
    hook = [sys.executable, "-c", HOOK, SOURCE, str(inner), "sh", "-c", "read -r x < input; echo $x >> output; exit 4"]
    seen = bench.run(*hook)
    assert (seen.status, seen.reason) == (0, "")
    assert bench.uses(seen.account)["input"] == ("r", True, True)
    within = pickle.loads((inner / "seen").read_bytes())  # noqa: S301 - from our own child
    assert (within.status, within.account) == (4, None)
    assert "another program observes" in within.reason
    assert (bench.work / "output").read_text() == "text\n"


REFUSING = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | int(sys.argv[1])), (6, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(text)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs a command below a filter that refuses filters."""


@OBSERVABLE
@pytest.mark.parametrize("error", [1, 38])
def test_a_build_that_may_not_be_observed_is_run_once(bench, error):
    """Below the filter of a container that refuses others, it runs as ever, and the reason is told."""
    hook = [sys.executable, "-c", HOOK, SOURCE, str(bench.logs), "sh", "-c", "echo x >> output; exit 5"]
    subprocess.run([*PYTHON, REFUSING, str(error), *hook], check=True, cwd=bench.work, timeout=30)
    seen = bench.seen()
    assert (seen.status, seen.account) == (5, None)
    assert seen.reason.startswith("it can't be observed here: ")
    assert (bench.work / "output").read_text() == "x\n"
    asked = "import sys; sys.path.insert(0, sys.argv[1]); from freshwheel.observe import observer as o; "
    asked += "print(o.unavailable(sys.argv[2]))"
    command = [*PYTHON, REFUSING, str(error), sys.executable, "-c", asked, SOURCE, str(bench.folder / "cache")]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=30).stdout
    assert said.startswith(b"builds can't be observed here: ")
    assert not (bench.folder / "cache").exists()


POWERLESS = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for number in range(64):
    libc.prctl(24, number, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a command without capabilities, which root has and others have not."""


@OBSERVABLE
def test_nobody_needs_to_be_privileged(bench):
    """Without capabilities, the same is seen; only then can no program below gain any."""
    (bench.work / "input").write_text("text")
    command = ["sh", "-c", "read -r x < input; grep NoNewPrivs /proc/self/status > status"]
    hook = [sys.executable, "-c", HOOK, SOURCE, str(bench.logs), *command]
    subprocess.run([*PYTHON, POWERLESS, *hook], check=True, cwd=bench.work, timeout=30)
    seen = bench.seen()
    assert (seen.status, seen.reason, seen.account.doubts) == (0, "", ())
    assert bench.uses(seen.account)["input"] == ("r", True, True)
    assert (bench.work / "status").read_text().split() == ["NoNewPrivs:", "1"]


@OBSERVABLE
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_the_privileged_may_call_sudo(bench):
    """Nothing is renounced where that is not needed."""
    account, _ = bench.python("open(f'{work}/status', 'w').write(open('/proc/self/status').read())")
    assert account.uses
    assert "NoNewPrivs:\t0\n" in (bench.work / "status").read_text()


def interpreter_for_all():
    """A Python of this version that any user can run; None: there is none."""
    check = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([path, "-I", "-S", "-c", check], user="nobody", check=True, stderr=subprocess.DEVNULL)
            return path
    return None


@OBSERVABLE
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_another_user_can_be_observed():
    """As nobody, with what a user has: a home of its own, and no rights beside."""
    python = interpreter_for_all()
    if python is None:
        pytest.skip("nobody can run this Python")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), b"")
        (bench.work / "input").write_text("text\n")
        library = bench.folder / "library"
        shutil.copytree(Path(observer.__file__).parents[1], library / "freshwheel")
        shutil.copytree(Path(xxhash.__file__).parent, library / "xxhash")
        for path in (bench.folder, *bench.folder.rglob("*")):
            shutil.chown(path, "nobody")
        start = [python, "-c", HOOK, str(library), str(bench.logs), "sh", "-c", "read -r x < input; echo $x > output"]
        subprocess.run(start, user="nobody", check=True, cwd=bench.work, timeout=30)
        account = bench.seen().account
        assert (bench.work / "output").read_text() == "text\n"
        assert bench.uses(account)["output"] == ("w", False, False)
        assert bench.uses(account)["input"] == ("r", True, True)


@OBSERVABLE
def test_a_program_that_can_not_be_looked_into_is_a_doubt(bench):
    """A program may forbid that others read its memory; then what it opens is not known, and that is said."""
    code = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); open('/etc/passwd').read()"
    hook = [sys.executable, "-c", HOOK, SOURCE, str(bench.logs), *PYTHON, code]
    subprocess.run([*PYTHON, POWERLESS, *hook], check=True, cwd=bench.work, timeout=30)
    seen = bench.seen()
    assert seen.status == 0
    assert "it can't be seen what " in seen.account.doubts[0]


@OBSERVABLE
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of calls")
@pytest.mark.parametrize(("number", "words"), [(165, "mounted"), (161, "mounted"), (304, "handles")])
def test_a_call_behind_which_nothing_is_seen_is_a_doubt(bench, number, words):
    """Mounts, other roots and handles."""
    account, _ = bench.python(f"import ctypes\nctypes.CDLL(None).syscall({number}, 0, 0, 0, 0, 0)")
    assert [doubt for doubt in account.doubts if words in doubt]


@OBSERVABLE
def test_there_are_no_rings(bench):
    """As on older kernels and in containers: programs do without them, and what they open is seen."""
    code = "import ctypes; ring = ctypes.CDLL(None, use_errno=True).syscall(425, 1, bytes(200))"
    account, _ = bench.python(f"{code}; raise SystemExit(ring != -1 or ctypes.get_errno() != 38)")
    assert account.doubts == ()


@OBSERVABLE
@pytest.mark.skipif(os.uname().machine != "x86_64" or not shutil.which("cc"), reason="takes x86_64 and a C compiler")
@pytest.mark.parametrize(
    "call",
    [
        '__asm__ volatile("int $0x80" : "=a"(r) : "a"(45), "b"(0));',
        '__asm__ volatile("syscall" : "=a"(r) : "a"(0x40000000 + 257) : "rcx", "r11");',
    ],
    ids=["i386", "x32"],
)
def test_a_program_of_another_architecture_is_a_doubt(bench, call):
    """Its calls have other numbers; it works, and that it ran is told."""
    source = bench.work / "foreign.c"
    source.write_text(f"int main(void) {{ long r = 0; {call} return 0; }}\n")
    subprocess.run(["cc", "-o", bench.work / "foreign", source], check=True)
    seen = bench.run("./foreign")
    assert seen.status == 0
    assert [doubt for doubt in seen.account.doubts if "another architecture" in doubt]


@OBSERVABLE
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("go"), reason="takes Go")
def test_the_threads_of_go_are_not_disturbed(bench):
    """Go interrupts its threads by signals all the time; no call fails for it."""
    (bench.work / "main.go").write_text(
        textwrap.dedent("""
            package main
            import ("os"; "sync"; "fmt")
            func main() {
                var all sync.WaitGroup
                for g := 0; g < 8; g++ {
                    all.Add(1)
                    go func(g int) {
                        defer all.Done()
                        for i := 0; i < 500; i++ {
                            name := fmt.Sprintf("f%d.%d", g, i%10)
                            if err := os.WriteFile(name, []byte("x"), 0600); err != nil { panic(err) }
                            for j, n := 0, 0; j < 20000; j++ { n += j }
                        }
                    }(g)
                }
                all.Wait()
            }
        """)
    )
    environ = {**os.environ, "GOCACHE": str(bench.folder / "cache"), "GO111MODULE": "off"}
    subprocess.run(["go", "build", "-o", "prog", "main.go"], check=True, cwd=bench.work, env=environ)
    seen = bench.run("./prog")
    assert seen.status == 0
    written = [name for name, use in bench.uses(seen.account).items() if use[0].endswith("w")]
    assert len(written) == 80
    assert len(seen.account.programs) == 1


@OBSERVABLE
def test_no_zombie_stays_below_the_hook(bench):
    """Nor does the garbage collector complain of a process that was not waited for."""
    bench.run("true")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@OBSERVABLE
def test_the_cpu_of_all_is_counted(bench):
    """Who measures its children finds the time of the command and of those who watched it."""

    def spent():
        return os.times().children_user + os.times().children_system

    before = spent()
    bench.python("import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass")
    assert spent() - before >= 0.45


@OBSERVABLE
def test_a_kernel_is_tried_once(tmp_path, monkeypatch):
    """What was found out is kept for as long as the same kernel runs."""
    cache = tmp_path / "cache"
    assert observer.unavailable(str(cache)) == ""
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(observer, "_tried", lambda: pytest.fail("it was tried again"))
    assert observer.unavailable(str(cache)) == ""
    monkeypatch.setattr(observer, "_tried", lambda: "kernel:it is another one")
    monkeypatch.setattr(observer, "_kernel", lambda: ("x86_64", "5.4.0", "#1"))
    assert observer.unavailable(str(cache)) == "this kernel can't observe builds: it is another one"


def test_a_trial_that_hangs_is_given_up(monkeypatch):
    """A kernel that lets the first file hang would let a build hang."""
    monkeypatch.setattr(observer, "_LIMIT", 0.2)
    monkeypatch.setattr(observer, "_command", lambda _: ["sleep", "60"])
    assert "does not go on" in observer.unavailable(None)


def test_a_trial_that_fails_is_a_reason(monkeypatch):
    """An interpreter without ctypes can observe nothing."""
    monkeypatch.setattr(observer, "_command", lambda _: ["false"])
    assert "this Python" in observer.unavailable(None)


@pytest.mark.parametrize(("platform", "machine"), [("darwin", "arm64"), ("linux", "riscv64")])
def test_other_systems_are_not_tried(monkeypatch, platform, machine):
    """They say so themselves."""
    monkeypatch.setattr(observer, "_tried", lambda: pytest.fail("it was tried"))
    monkeypatch.setattr(observer.sys, "platform", platform)
    monkeypatch.setattr(observer.platform, "machine", lambda: machine)
    assert platform in observer.unavailable(None) or machine in observer.unavailable(None)


def test_a_build_is_run_where_no_supervisor_starts(bench, monkeypatch):
    """Whether it can't be started, or dies before the command does anything."""
    for command in (["/no/such/python"], ["true"]):
        monkeypatch.setattr(observer, "_command", lambda _, command=command: command)
        seen = bench.run("sh", "-c", "echo x >> output; exit 6")
        assert (seen.status, seen.account) == (6, None)
        assert seen.reason
    assert (bench.work / "output").read_text() == "x\nx\n"


def test_pointers_are_as_long_as_they_are_taken_for():
    """The layouts of the kernel are those of a 64-bit machine."""
    assert REASON or ctypes.sizeof(ctypes.c_void_p) == 8

"""Pythons that write down what they ask for: nobody notices, and nothing is missing."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freshwheel.inner import process
from freshwheel.observe import programs, witness

FIXTURES = Path(__file__).parents[2] / "fixtures"
PYENV = Path("~/.pyenv/versions").expanduser()
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name in {"HOME", "PATH", "SYSTEMROOT", "TMPDIR"} or name.startswith("LC_")
}

posix = pytest.mark.skipif(os.name == "nt", reason="of POSIX alone")


class World:
    """A folder where Pythons write down what they ask for."""

    def __init__(self, folder, environ):
        self.folder = folder
        self.environ = environ

    def run(self, code, *flags, python=sys.executable, **more):
        """The output of a process, which has nothing to complain of."""
        command = [python, *flags, "-c", textwrap.dedent(code)]
        done = subprocess.run(command, env=self.environ | more, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    def account(self):
        """What all of them say."""
        return witness.read(str(self.folder))

    def asked(self, code, *flags, **more):
        """The names that a process asks for."""
        self.run("import os\n" + textwrap.dedent(code), *flags, **more)
        return set(self.account().variables)


@contextlib.contextmanager
def _world(folder, *, files=False, **more):
    folder.mkdir()
    with process.stable({**PLAIN, **more}, variables=None, witness=str(folder), files=files) as environ:
        yield World(folder, environ)


@pytest.fixture
def world(tmp_path):
    """Processes of which the variables are written down."""
    with _world(tmp_path / "notes", SET="1", OTHER="2") as made:
        yield made


@pytest.fixture
def all_of_it(tmp_path):
    """Processes of which the files and programs are written down as well."""
    with _world(tmp_path / "notes", files=True) as made:
        yield made


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("os.environ['SET']", "SET"),
        ("os.environ.get('UNSET')", "UNSET"),
        ("os.getenv('UNSET', '5')", "UNSET"),
        ("'UNSET' in os.environ", "UNSET"),
        ("os.environ.pop('UNSET', None)", "UNSET"),
        ("os.environ.setdefault('UNSET', '1')", "UNSET"),
        ("del os.environ['SET']", "SET"),
        ("os.path.expandvars('$SET')", "SET"),
        ("'%(SET)s' % os.environ", "SET"),
        ("import collections; collections.ChainMap({}, os.environ)['SET']", "SET"),
        ("import copy; copy.copy(os.environ)['SET']", "SET"),
        ("os.environ['SET'] = os.environ['OTHER']; os.environ['SET']", "OTHER"),
        ("os.environ['UNSET'] = '1'; os.environ['UNSET']", ""),
        ("os.environ.update(UNSET='1'); os.getenv('UNSET')", ""),
        ("os.environ |= {'UNSET': '1'}; os.getenv('UNSET')", ""),
        ("len(os.environ), os.environ.keys()", ""),
        ("os.environ.copy()", "*"),
        ("dict(os.environ)", "*"),
        ("{**os.environ}", "*"),
        ("f = lambda **names: 0; f(**os.environ)", "*"),
        ("os.environ | {}", "*"),
        ("{} | os.environ", "*"),
        ("list(os.environ.items())", "*"),
        ("list(os.environ.values())", "*"),
        ("[os.environ[name] for name in os.environ]", "*"),
        ("os.environ == {}", "*"),
        ("repr(os.environ)", "*"),
        ("{**os.environ}; os.environ['SET']", "* SET"),
        ("import subprocess, sys; subprocess.run([sys.executable, '-Ic', ''], env=os.environ)", ""),
        ("import shutil; shutil.which('anything')", ""),
        ("os.environ['PATH']", "PATH"),
        ("os.environ.get('_')", ""),
        ("os.environ['SÄTZE'] = '1'; os.environ.get('WÖRTER')", "WÖRTER"),
    ],
)
def test_questions_are_told_from_what_is_none(world, code, wanted):
    """A name that the process has set itself is none; a copy asks for everything, but for one that is passed on."""
    if sys.version_info < (3, 9) and "|" in code:
        pytest.skip("new in 3.9")
    assert world.asked(code) == set(wanted.split())


@posix
@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("os.environb[b'SET']", "SET"),
        ("os.getenvb(b'UNSET')", "UNSET"),
        ("dict(os.environb)", "*"),
        ("os.environb.get(b'W\\xff')", "W\udcff"),
        ("os.environb[b'UNSET'] = b'1'; os.environb[b'UNSET']", ""),
    ],
)
def test_bytes_are_asked_for_as_well(world, code, wanted):
    """Any name that a system may have."""
    assert world.asked(code) == set(wanted.split())


@pytest.mark.parametrize("package", ["setuptools.command", "mesonbuild", "elsewhere"])
def test_copy_by_one_who_passes_it_on_is_no_question(world, tmp_path, package):
    """But a name that such a one asks for is."""
    folder = tmp_path / "packages" / package.replace(".", "/")
    folder.mkdir(parents=True)
    for one in (folder, folder.parent):
        (one / "__init__.py").write_text("import os\nCOPY = {**os.environ}\nASKED = os.environ.get('ASKED')\n")
    path = os.pathsep.join([world.environ["PYTHONPATH"], str(tmp_path / "packages")])
    wanted = {"ASKED", "*"} if package == "elsewhere" else {"ASKED"}
    assert world.asked(f"import {package}", PYTHONPATH=path) == wanted


def test_text_that_distutils_substitutes_is_its_callers(world, tmp_path):
    """It copies all variables for that; its own texts have none of them."""
    folder = tmp_path / "packages" / "setuptools"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("def subst_vars():\n    import os\n    {**os.environ}\n")
    (folder / "command.py").write_text("import setuptools\nsetuptools.subst_vars()\n")
    path = os.pathsep.join([world.environ["PYTHONPATH"], str(tmp_path / "packages")])
    assert world.asked("import setuptools.command", PYTHONPATH=path) == set()
    assert world.asked("import setuptools; setuptools.subst_vars()", PYTHONPATH=path) == {"*"}


def test_start_of_python_asks_for_nothing(world):
    """What happens before, and what our own code wants to know, is nobody's question."""
    assert world.asked("") == set()
    assert len(list(world.folder.iterdir())) == 1


def test_every_process_further_down_is_a_witness(world):
    """By the id that the system gave it."""
    code = """
        import os, subprocess, sys
        os.environ.get("ABOVE")
        child = "import os; os.getenv('BELOW'); print(os.getpid())"
        print(os.getpid(), subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
    """
    pids = {int(pid) for pid in world.run(code).split()}
    account = world.account()
    assert (set(account.witnessed), account.variables) == (pids, {"ABOVE", "BELOW"})
    assert (account.uses, account.programs, account.doubts) == ({}, (), ())


@pytest.mark.parametrize("flags", [["-I"], ["-E"], ["-S"]])
def test_process_that_ignores_the_environment_is_no_witness(world, flags):
    """It may have asked for anything, and whoever reads that knows."""
    assert world.asked("os.environ.get('UNSET')", *flags) == set()
    assert not world.account().witnessed


@posix
def test_forks_and_threads_write_as_well(world):
    """Into the file of the program that they are of, and nothing of it is torn."""
    code = """
        import os, threading
        def ask(who):
            for number in range(50):
                os.environ.get(f"{who}_{number}")
        threads = [threading.Thread(target=ask, args=(f"T{number}",)) for number in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        for number in range(4):
            if not os.fork():
                ask(f"F{number}")
                os._exit(0)
        for number in range(4): os.wait()
    """
    world.run(code)
    wanted = {f"{who}{one}_{number}" for who in "TF" for one in range(4) for number in range(50)}
    assert world.account().variables == wanted
    assert len(world.account().witnessed) == 1


@posix
def test_program_in_the_place_of_a_fork_is_no_witness(world):
    """It is not Python, whatever its process was before."""
    world.run("import os\nif not os.fork(): os.execv('/bin/true', ['true'])\nos.wait()")
    assert len(world.account().witnessed) == 1


@posix
def test_killed_process_loses_nothing(world):
    """What it asked for is on the disk before it gets the answer."""
    code = "import os, time\nos.environ.get('ASKED')\nprint(flush=True)\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], env=world.environ, stdout=subprocess.PIPE)
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert world.account().variables == {"ASKED"}


@posix
def test_witness_that_can_not_write_is_none(world):
    """Half of its questions would pass for all of them."""
    code = """
        import os, resource, signal
        os.environ.get("FIRST")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))
        os.environ.get("SECOND")
        os.environ.get("THIRD")
    """
    world.run(code)
    assert not world.account().witnessed
    assert not world.account().variables


@pytest.mark.parametrize("when", ["before", "during"])
def test_folder_that_is_gone_is_in_nobodys_way(world, when):
    """The process does as it would."""
    if when == "before":
        shutil.rmtree(world.folder)
    code = f"import os, shutil; shutil.rmtree({str(world.folder)!r}, True); print(os.environ.get('SET'))"
    assert world.run(code) == "1\n"
    assert not world.folder.exists()


@posix
def test_what_a_build_closes_or_replaces_is_not_relied_upon(world, tmp_path):
    """Some close all that is open; others put their own `os.open` in the place of the system's."""
    code = f"""
        import os
        os.closerange(3, 64)
        with open({str(tmp_path / "own")!r}, "w") as file:
            os.environ.get("FIRST")
        os.open = os.write = os.close = None
        os.environ.get("SECOND")
    """
    assert world.asked(code) == {"FIRST", "SECOND"}
    assert (tmp_path / "own").read_bytes() == b""


@pytest.mark.parametrize("key", ["5", "None", "[]", "b'x'", "'\\udc80\\ud800'", "'a\\0b'", "'a=b'", "''"])
def test_names_that_are_none_are_refused_as_ever(world, key):
    """The same error with the same words."""
    code = f"""
        import os
        for ask in (os.environ.__getitem__, os.environ.get, os.environ.__contains__, os.environ.__delitem__):
            try:
                print(ask({key}))
            except Exception as error:
                print(type(error), error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    plain = subprocess.run(command, env=PLAIN, capture_output=True, text=True, check=True)
    assert world.run(code) == plain.stdout


def _pythons():
    names = [path for path in PYENV.glob("*/bin/python") if path.exists()]
    return [str(path) for path in sorted(names)] or [sys.executable]


@pytest.mark.parametrize("python", _pythons(), ids=lambda path: Path(path).parts[-3])
def test_any_python_starts_in_peace(world, python):
    """Those before 3.8 are no witnesses."""
    code = "import os, sys; os.environ.get('UNSET'); print('%d %d' % sys.version_info[:2])"
    version = tuple(map(int, world.run(code, python=python).split()))
    assert world.account().variables == ({"UNSET"} if version >= (3, 8) else set())


@pytest.mark.parametrize("python", _pythons(), ids=lambda path: Path(path).parts[-3])
def test_any_python_starts_in_peace_with_its_files(all_of_it, tmp_path, python):
    """And works as ever with those functions that no audit hook hears."""
    code = f"""
        import os, pickle, shutil, sys, tempfile
        folder = tempfile.mkdtemp()
        os.mkdir(os.path.join(folder, "below"))
        shutil.rmtree(folder)
        assert pickle.loads(pickle.dumps(os.stat)) is os.stat
        if sys.version_info > (3,):
            import pathlib
            assert pathlib.Path({str(tmp_path)!r}).exists()
            assert pathlib.Path({str(tmp_path)!r}).stat().st_ino
            assert not os.access("nowhere", os.R_OK, follow_symlinks=True)
            assert os.stat in os.supports_fd
    """
    all_of_it.run(code, python=python)


# Transparency: the same questions, asked of a process that writes down and of one that doesn't.

WORKER = """
import json, os, sys
def run(steps):
    for name in list(os.environ):
        if name.startswith("T_"):
            del os.environ[name]
    os.environ.update(T_A="1", T_B="\\u00e4")
    told = []
    for step, key, value in steps:
        try:
            found = STEPS[step](key, value)
            if isinstance(found, dict):
                found = [(k, v) for k, v in found.items() if k.startswith("T_")], type(found).__name__
        except BaseException as error:
            found = [type(error).__name__, str(error)]
        told.append(repr(found))
    return told + [repr(os.environ), str(len(os.environ)), type(os.environ).__name__, type(os.environ).__module__]
STEPS = {
    "get": lambda k, v: os.environ[k],
    "or": lambda k, v: os.environ.get(k, v),
    "env": lambda k, v: os.getenv(k),
    "bytes": lambda k, v: os.getenvb(k.encode()) if hasattr(os, "getenvb") else None,
    "in": lambda k, v: k in os.environ,
    "set": lambda k, v: os.environ.__setitem__(k, v),
    "del": lambda k, v: os.environ.__delitem__(k),
    "pop": lambda k, v: os.environ.pop(k),
    "popped": lambda k, v: os.environ.pop(k, v),
    "default": lambda k, v: os.environ.setdefault(k, v),
    "copy": lambda k, v: os.environ.copy(),
    "dict": lambda k, v: dict(os.environ),
    "stars": lambda k, v: dict(**os.environ),
    "union": lambda k, v: os.environ | {k: v},
    "inverse": lambda k, v: {k: v} | os.environ,
    "update": lambda k, v: os.environ.update({k: v}),
    "keys": lambda k, v: (sorted(os.environ.keys()), sorted(os.environ.items()), sorted(os.environ.values())),
    "equal": lambda k, v: (os.environ == dict(os.environ), os.environ != {}, os.environ == os.environ),
    "type": lambda k, v: (isinstance(os.environ, os._Environ), bool(os.environ), hash(type(os.environ)) != 0),
    "child": lambda k, v: (os.putenv(k, v), os.unsetenv(k)),
    "expand": lambda k, v: os.path.expandvars("$" + k),
    "during": lambda k, v: [os.environ.pop(name, None) for name in os.environ if name == k],
}
if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
"""
NAMES = st.sampled_from(["T_A", "T_B", "T_C", "T_ß", "t_a", "T_", "T_a=b"])
STEPS = [line.split('"')[1] for line in WORKER.splitlines() if line.startswith('    "')]


class Worker:
    """A process that does as it is told."""

    def __init__(self, environ):
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, steps):
        """What came of it."""
        print(json.dumps(steps), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        """The end of it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """One that writes down, one that doesn't, but with the same variables."""
    with _world(tmp_path_factory.mktemp("workers") / "notes", files=True) as world:
        other = tmp_path_factory.mktemp("other")
        (other / "sitecustomize.py").write_text("")
        made = [Worker(world.environ), Worker(world.environ | {"PYTHONPATH": str(other)})]
        yield made
        for one in made:
            one.close()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), NAMES, st.sampled_from(["", "1", "ü\udc80"])), max_size=12))
def test_nobody_can_tell_the_difference(workers, steps):
    """Whatever is done to `os.environ`, in whatever order."""
    told = [json.dumps(one.ask(steps)).replace(path, "") for one, path in zip(workers, _paths(workers), strict=True)]
    assert told[0] == told[1]


def _paths(workers):
    return [json.loads(one.ask([("env", "PYTHONPATH", "")])[0].replace("'", '"')) for one in workers]


# The files and programs.


def uses(world, folder):
    """How the paths below a folder were used, by their names: the letters of it, with `!` where nothing was there."""
    found = {}
    for path, use in world.account().uses.items():
        if path.startswith(os.fsencode(folder) + os.sep.encode()):
            letters = [letter for letter in ("read", "asked", "written", "before") if getattr(use, letter)]
            name = os.fsdecode(path)[len(str(folder)) + 1 :]
            found[name] = "".join(letter[0] for letter in letters) + "!" * (use.first is None)
    return found


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("open('old').close()", {"old": "rb"}),
        ("open(f'{os.getcwd()}/old', 'rb').close()", {"old": "rb"}),
        ("open('old', 'w').close(); open('old').close()", {"old": "rw"}),
        ("open('old').close(); open('old', 'a').close()", {"old": "rwb"}),
        ("open('old', 'r+').close()", {"old": "rwb"}),
        ("open('new', 'x').close()", {"new": "w"}),
        ("os.close(os.open('old', os.O_RDONLY))", {"old": "rb"}),
        ("os.path.exists('absent')", {"absent": "ab!"}),
        ("os.path.isfile('old'), os.access('absent', os.R_OK)", {"old": "ab", "absent": "ab!"}),
        ("os.stat(path='old'), os.lstat(b'old')", {"old": "ab"}),
        ("import pathlib; pathlib.Path('absent').exists()", {"absent": "ab!"}),
        ("os.listdir(), os.listdir('folder')", {".": "rb", "folder": "rb"}),
        ("list(os.walk('folder'))", {"folder": "rb"}),
        ("import glob; glob.glob('folder/*.x')", {"folder": "rb"}),
        ("os.rename('old', 'new')", {"old": "rwb!", "new": "w"}),
        ("os.replace('old', 'new')", {"old": "rwb!", "new": "w"}),
        ("os.unlink('old')", {"old": "w!"}),
        ("os.mkdir('made'), os.rmdir('made')", {"made": "w!"}),
        ("import shutil; shutil.copyfile('old', 'new')", {"old": "rab", "new": "aw"}),
        ("os.symlink('old', 'new')", {"new": "w"}),
        ("os.chdir('folder'); open('inner').close()", {"folder/inner": "rb"}),
        ("import sys; sys.path.insert(0, 'folder'); import module", {"folder/module.py": "rb", "folder": "rb"}),
        ("os.stat(1), os.fstat(0), open(os.dup(0)).close()", {}),
    ],
)
def test_files_are_written_down(all_of_it, tmp_path, code, wanted):
    """Whatever Python itself does with them, and in what order."""
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    for name in ("old", "folder/inner", "folder/module.py"):
        (tree / name).write_text("")
    all_of_it.run(f"import os\nos.chdir({str(tree)!r})\n{code}", PYTHONDONTWRITEBYTECODE="1")
    found = uses(all_of_it, tree)
    assert {name: found.get(name) for name in wanted} == wanted
    assert "import" in code or set(found) <= {*wanted, "folder/inner"}


@posix
@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['true', '1'])",
        "subprocess.run(['true', '1'], close_fds=False)",
        "subprocess.run([b'true', '1'], env={'PATH': os.environ['PATH']})",
        "os.spawnvp(os.P_WAIT, 'true', ['true', '1'])",
        "os.posix_spawnp('true', ['true', '1'], os.environ)",
        "os.execvp('true', ['true', '1'])",
    ],
)
def test_programs_are_written_down(all_of_it, code):
    """With where they were found, beside the Python that started them."""
    all_of_it.run(f"import os, subprocess\n{code}")
    python, *others = all_of_it.account().programs
    assert python.pid
    assert os.path.samefile(python.path, sys.executable)
    wanted = (os.fsencode(shutil.which("true", path=PLAIN["PATH"])), (b"true", b"1"), 0)
    assert wanted in {(one.path, one.words, one.pid) for one in others}


@posix
def test_shell_is_a_program(all_of_it):
    """With the line that it was given."""
    all_of_it.run("import os, subprocess\nos.system('true 1')\nsubprocess.run('true 2', shell=True)")
    words = [one.words[-1] for one in all_of_it.account().programs[1:]]
    assert words == [b"true 1", b"true 2"]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="a process does not know its own words")
@pytest.mark.parametrize(("flag", "silent"), [([], 0), (["-I"], 1)])
def test_python_that_speaks_for_itself_is_there_once(all_of_it, tmp_path, flag, silent):
    """One that ignores the environment stays a program like any other."""
    script = tmp_path / "script"
    script.write_text(f"#!{sys.executable} {''.join(flag)}\n")
    script.chmod(0o755)
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, *{flag}, '-c', 'pass', 'word'])\n"
    all_of_it.run(code + (f"subprocess.run([{str(script)!r}, 'word'])" if os.name != "nt" else ""))
    pids = [one.pid for one in all_of_it.account().programs]
    assert pids.count(0) == silent * (1 if os.name == "nt" else 2)


@posix
def test_python_that_lost_its_environment_is_silent(all_of_it):
    """Though another with the same words speaks."""
    code = """
        import os, subprocess, sys
        for environ in (None, {}):
            subprocess.run([sys.executable, "-c", "pass"], env=environ)
    """
    all_of_it.run(code)
    assert [one.pid == 0 for one in all_of_it.account().programs] == [False, False, True]


# Real backends.

BACKENDS = {
    "setuptools-c": ("setuptools.build_meta", {"CC", "CFLAGS", "LDSHARED", "DIST_EXTRA_CONFIG"}),
    "scikit-build-core": ("scikit_build_core.build", {"SKBUILD_CMAKE_ARGS", "CMAKE_EXECUTABLE"}),
    "meson-python": ("mesonpy", {"CC", "CC_LD", "PKG_CONFIG_PATH", "NINJA"}),
    "hatchling-pure": ("hatchling.build", {"HATCH_BUILD_HOOKS_ENABLE", "SOURCE_DATE_EPOCH"}),
}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter with the backends."""
    folder = tmp_path_factory.mktemp("backends") / "env"
    uv = pytest.importorskip("uv").find_uv_bin()
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    names = ["setuptools", "scikit-build-core", "meson-python", "meson", "ninja", "cmake", "hatchling"]
    subprocess.run([uv, "pip", "install", "-q", "-p", python, *names], check=True)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("files", [False, True])
@pytest.mark.parametrize("fixture", BACKENDS)
def test_backends_ask_for_names_and_not_for_everything(tmp_path, python, fixture, files):
    """They build, and no copy of theirs makes every variable count."""
    tree = shutil.copytree(FIXTURES / fixture, tmp_path / "tree")
    backend, wanted = BACKENDS[fixture]
    with _world(tmp_path / "notes", files=files) as world:
        environ = {**world.environ, "PATH": os.pathsep.join([str(python.parent), world.environ["PATH"]])}
        code = f"import {backend} as backend\nbackend.build_wheel({str(tmp_path)!r})"
        subprocess.run([python, "-c", code], env=environ, cwd=tree, check=True, capture_output=True)
        account = world.account()
    assert len(list(tmp_path.glob("*.whl"))) == 1
    assert wanted <= account.variables
    assert not {"*", "PATH", "PYTHONPATH"} & account.variables
    assert bool(account.uses) == files
    if files:
        assert bool(programs.unrecorded(account)) == (fixture in {"meson-python", "scikit-build-core", "setuptools-c"})


def test_damaged_files_are_read_as_far_as_they_go(tmp_path):
    """A last record that is torn, or none at all; other files are not read."""
    for name, data in {
        "1.a": b"v1\0ONE\0v1\0TW",
        "2.b": b"",
        "3.c": b"\0\0\0v\0vx\0v0\0v99\0A\0",
        "4.d": b"r2\0/nowhere/x\0zz\0r1\0/nowhere/y\0x1\0",
        "other": b"v1\0OTHER\0",
    }.items():
        (tmp_path / name).write_bytes(data)
    account = witness.read(str(tmp_path))
    assert account.variables == {"ONE"}
    assert set(account.witnessed) == {1, 2, 3, 4}
    assert not account.uses


@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.sampled_from([b"v1", b"r2", b"x3", b"p2", b"7", b"", b"A", b"/x", b"v", b"-1"]), max_size=20))
def test_no_file_is_too_damaged(tmp_path_factory, data):
    """It is read, or it is not; nothing else happens."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "7.a").write_bytes(b"\0".join(data))
    assert set(witness.read(str(folder)).witnessed) == {7}


# The cost.


def test_question_that_was_asked_before_is_cheap(world):
    """Most are asked again and again."""
    code = "import os, timeit; print(min(timeit.repeat(lambda: os.environ.get('SET'), number=9999, repeat=9)) / 9999)"
    plain = subprocess.run([sys.executable, "-c", code], env=PLAIN, capture_output=True, text=True, check=True).stdout
    assert float(world.run(code)) - float(plain) < 1e-6


@pytest.mark.parametrize("files", [False, True])
def test_start_is_cheap(tmp_path, files):
    """By the interpreter's own watch."""
    took = []
    with _world(tmp_path / "notes", files=files) as world:
        for _ in range(10):
            command = [sys.executable, "-X", "importtime", "-c", ""]
            done = subprocess.run(command, env=world.environ, capture_output=True, text=True, check=True)
            took += [int(line.split("|")[1]) for line in done.stderr.splitlines() if line.endswith(" sitecustomize")]
    assert len(took) >= 10
    assert min(one for one in took if one > 100) < 2000

"""The environment of a build, copied to a path that later builds find again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from freshwheel.inner import process
from freshwheel.inner.process import Interpreter

pytestmark = pytest.mark.skipif(os.name == "nt", reason="environments are copied on POSIX alone")
TAG = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PACKAGES = Path("lib", TAG, "site-packages")
SCRIPT = "#!{}/bin/python\nimport demo; print(demo.WORD)\n"


@pytest.fixture
def cache(tmp_path_factory):
    """A cache directory whose path is short enough for the first line of a script."""
    return tmp_path_factory.mktemp("c")


def installed(prefix, word="one", name="demo", *, record=True):
    """A distribution with a module, a script and a file of data in an environment, as an installer leaves it."""
    packages, info = prefix / PACKAGES, prefix / PACKAGES / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (packages / f"{name}.py").write_text(f"WORD = {word!r}\n")
    (packages / "__pycache__").mkdir(exist_ok=True)
    (packages / "__pycache__" / f"{name}.pyc").write_bytes(os.fsencode(prefix))
    for folder in ("bin", "share"):
        (prefix / folder).mkdir(exist_ok=True)
    (prefix / "bin" / name).write_text(SCRIPT.format(prefix))
    (prefix / "bin" / name).chmod(0o755)
    (prefix / "share" / f"{name}.txt").write_text("data")
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n\n")
    lines = f"{name}.py,sha256={word},9\n../../../bin/{name},,\n../../../share/{name}.txt,,\n"
    if record:
        (info / "RECORD").write_text(lines)
    return prefix


def facts(*prefixes):
    """What an interpreter says that has the packages of these environments."""
    home = os.path.dirname(os.__file__)
    return Interpreter(
        version=sys.version,
        prefix=str(prefixes[0]),
        base_prefix=sys.base_prefix,
        base_executable=getattr(sys, "_base_executable", sys.executable),
        home=home,
        path=(home, *(str(prefix / PACKAGES) for prefix in prefixes)),
    )


def copied(cache, *prefixes):
    """The copy of what is installed in these environments."""
    return process.copied(str(cache), [str(prefix.parent) for prefix in prefixes], facts(*prefixes))


def texts(folder):
    """Path -> content of all files."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_environments_with_the_same_have_one_copy(tmp_path, cache):
    """Whatever their paths are; and no file of it names one of them."""
    first = copied(cache, installed(tmp_path / "a" / "env"))
    second = copied(cache, installed(tmp_path / "long-name" / "env"))
    assert first.prefix == second.prefix
    held = texts(Path(first.prefix))
    assert not [path for path, content in held.items() if os.fsencode(tmp_path / "a") in content]
    assert {Path("share", "demo.txt"), PACKAGES / "demo.py", Path("bin", "demo")} <= held.keys()
    assert not [path for path in held if "__pycache__" in path.parts]


def test_a_script_of_the_copy_runs_in_it(tmp_path, cache):
    """Its first line leads to the interpreter of the copy, which has the packages."""
    env = installed(tmp_path / "build" / "env")
    copy = copied(cache, env)
    env.rename(tmp_path / "gone")
    done = subprocess.run([os.path.join(copy.prefix, "bin", "demo")], capture_output=True, text=True, check=True)
    assert done.stdout == "one\n"
    ask = "import sys; print(sys.prefix, sys.base_prefix)"
    done = subprocess.run([copy.python, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [copy.prefix, sys.base_prefix]


@pytest.mark.parametrize("change", ["another version", "another file", "a path file"])
def test_another_environment_has_another_copy(tmp_path, cache, change):
    """What is in it is in its name."""
    first = copied(cache, installed(tmp_path / "a" / "env"))
    other = installed(tmp_path / "b" / "env", word="two" if change == "another version" else "one")
    if change == "another file":
        (other / PACKAGES / "more").mkdir()
        (other / PACKAGES / "more" / "__init__.py").touch()
    if change == "a path file":
        (other / PACKAGES / "more.pth").write_text("/somewhere")
    assert copied(cache, other).prefix != first.prefix


def test_the_folders_of_pip_become_one_environment(tmp_path, cache):
    """It has two for a build, and a third that leads to them, which a Python of the copy does not need."""
    room = tmp_path / "pip-build-env-x"
    overlay, normal = installed(room / "overlay"), installed(room / "normal", name="other")
    copy = copied(cache, overlay, normal)
    assert {"demo.py", "other.py"} <= set(os.listdir(copy.prefix / PACKAGES))
    environ = {
        "PATH": os.pathsep.join([f"{overlay}/bin", f"{normal}/bin", "/usr/bin"]),
        "PYTHONPATH": os.pathsep.join([f"{room}/site", "/mine"]),
    }
    assert copy.environ(environ) == {"PATH": f"{copy.prefix}/bin{os.pathsep}/usr/bin", "PYTHONPATH": "/mine"}


def test_two_folders_that_contradict_each_other_have_none(tmp_path, cache):
    """Which file wins is for the one who made them."""
    overlay, normal = installed(tmp_path / "room" / "overlay"), installed(tmp_path / "room" / "normal", word="two")
    assert copied(cache, overlay, normal) is None


@pytest.mark.parametrize("lacking", ["record", "root"])
def test_what_nobody_knows_wholly_has_none(tmp_path, cache, lacking):
    """A distribution without RECORD; packages that outlive the build."""
    env = installed(tmp_path / "build" / "env", record=lacking != "record")
    roots = [str(tmp_path / ("build" if lacking == "record" else "other"))]
    assert process.copied(str(cache), roots, facts(env)) is None


def test_a_copy_that_was_not_finished_is_never_used(tmp_path, cache, monkeypatch):
    """It has another name until all of it is there; what the disk has no room for leaves nothing."""
    env, calls = installed(tmp_path / "build" / "env"), []

    def full(_, target):
        calls.append(target)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        Path(target).write_bytes(b"half")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copy2", full)
        assert copied(cache, env) is None
    assert list((cache / "environments").iterdir()) == []
    assert (Path(copied(cache, env).prefix) / PACKAGES / "demo.py").read_text() == "WORD = 'one'\n"


def test_a_copy_that_has_lost_something_is_made_anew(tmp_path, cache):
    """Whoever clears a cache directory file by file; the build finds all that it needs."""
    env = installed(tmp_path / "build" / "env")
    module = Path(copied(cache, env).prefix, PACKAGES, "demo.py")
    module.unlink()
    copied(cache, env)
    assert module.read_text() == "WORD = 'one'\n"


def test_nothing_is_written_beside_a_copy(tmp_path, cache):
    """A RECORD may name any file of the machine."""
    env = installed(tmp_path / "build" / "env")
    (tmp_path / "build" / "secret").write_text("of somebody")
    with open(env / PACKAGES / "demo-1.0.dist-info" / "RECORD", "a") as record:
        record.write(f"../../../../secret,,\n{tmp_path}/build/secret,,\n")
    assert copied(cache, env) is not None
    assert not list((cache).rglob("secret"))


@pytest.mark.parametrize("name", ["with blank", "long" * 30])
def test_a_path_that_no_script_can_name_has_none(tmp_path, name):
    """The first line of a script ends at a blank, or is cut off."""
    assert copied(tmp_path / name, installed(tmp_path / "build" / "env")) is None


def test_who_comes_second_takes_the_first_copy(tmp_path, cache, monkeypatch):
    """Two builds at once have one."""
    env, rename = installed(tmp_path / "build" / "env"), os.rename

    def beaten(source, target):
        if not os.path.exists(target):
            os.mkdir(target)
            (Path(target) / "first").touch()
        rename(source, target)

    monkeypatch.setattr("os.rename", beaten)
    copy = copied(cache, env)
    assert os.listdir(copy.prefix) == ["first"]
    assert len(list((cache / "environments").iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are of POSIX")
def test_a_copy_that_others_can_write_to_is_not_used(tmp_path, cache):
    """Whoever may have changed it."""
    env = installed(tmp_path / "build" / "env")
    Path(copied(cache, env).prefix).chmod(0o777)
    assert copied(cache, env) is None

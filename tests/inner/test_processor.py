"""Builds for the processor at hand: where that is asked for, and by what processors are told apart."""

import os
import socket
import sys

import pytest

from freshwheel.base import backends
from freshwheel.inner import build_key, machine
from freshwheel.inner.programs import Answer

from .test_machine import subject_of

ASKING = (
    b"-O3 -march=native",
    b"-mtune=native -O2",
    b"-mcpu=native",
    b"-C target-cpu=native",
    b"-C\x1ftarget-cpu=native",
    b'rustflags = ["-C", "target-cpu=native"]',
    b'rustflags = ["-C target-cpu", "native"]',
    b'add_compile_options("-march=native")',
    b"set(ARCH native)",
    b"extra_compile_args=['-march=native']",
    b"{'setup-args': ['-Dcpu-baseline=native']}",
    b"-xHost",
    b"-tp=host",
)
OTHERS = (
    b"-march=x86-64-v3",
    b"-Wl,--native-file",
    b'native-tls = "0.2"',
    b"--native-file native.ini",
    b"target-cpu=nativelike",
    b"the native half of it",
    b'println!("cargo:rustc-link-search=native={folder}");',
    b"",
)


@pytest.mark.parametrize("text", ASKING)
def test_a_flag_that_asks_for_the_processor_at_hand(text):
    """It is seen however it is written."""
    assert machine.is_native([b"", text])


@pytest.mark.parametrize("text", OTHERS)
def test_a_text_that_asks_for_no_such_thing(text):
    """It is left alone."""
    assert not machine.is_native([text])


def test_files_in_which_flags_stand(tmp_path):
    """They are known by their names, in every folder; one that can't be read holds none."""
    yes = (
        "CMakeLists.txt",
        "a/b.cmake",
        "sub/meson.build",
        "setup.py",
        "x/build.rs",
        ".cargo/config.toml",
        "Makefile.in",
    )
    no = ("a.c", "notsetup.py", "cargo/config.toml", "lib.rs", "CMakeLists.txt.orig")
    for path in (*yes, *no):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    paths = [os.fsencode(path) for path in (*yes, *no, "gone/setup.py")]
    assert [text.decode() for text in machine.recipes(str(tmp_path), paths)] == list(yes)


CPUINFO = """processor\t: {number}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 85
cpu MHz\t\t: {clock}
flags\t\t: fpu sse2 {flags}

"""


def test_linux_tells_processors_apart_by_what_they_can(tmp_path):
    """The number of cores and their clock are no matter; another flag, or a second kind of core, is."""

    def said(*stanzas):
        (tmp_path / "cpuinfo").write_text("".join(stanzas))
        return machine.processor({}, run=silent, platform="linux", cpuinfo=str(tmp_path / "cpuinfo"))

    one = CPUINFO.format(number=0, clock=1000, flags="avx2")
    assert said(one) == said(one, CPUINFO.format(number=1, clock=2000, flags="avx2"))
    assert said(one) != said(CPUINFO.format(number=0, clock=1000, flags="avx512f"))
    assert said(one) != said(one, CPUINFO.format(number=1, clock=1000, flags=""))
    assert "avx2" in said(one)


def silent(*_, **__):
    """A program that does not answer."""
    return Answer(status=None)


def test_other_systems_say_what_they_know():
    """That of Apple by a program, Windows by a variable."""

    def says(*_, **__):
        return Answer(status=1, output=b"machdep.cpu.brand_string: Apple M1\n")

    assert "M1" in machine.processor({}, run=says, platform="darwin")
    environ = {"PROCESSOR_IDENTIFIER": "AMD64 Family 25"}
    assert machine.processor(environ, run=silent, platform="win32") == "AMD64 Family 25"


def test_where_nobody_knows_the_processor_the_wheel_is_for_this_machine(monkeypatch):
    """By its name."""
    monkeypatch.setattr(socket, "gethostname", lambda: "this-one")
    for platform in ("darwin", "win32", "freebsd14"):
        assert machine.processor({}, run=silent, platform=platform, cpuinfo="/nowhere") == "this-one"


def gathered(tree, environ=None, *, inputs=(), settings=None):
    """The facts of a build with scikit-build-core."""
    known = next(one for one in backends.KNOWN if one.name == "scikit-build-core")
    about = subject_of(tree, known, private=(), inputs=inputs, settings=settings)
    return machine.gather(about, {"PATH": "", "HOME": str(tree), **(environ or {})}, path=[])


def test_a_build_for_the_processor_at_hand_has_it_in_its_key(tmp_path, monkeypatch):
    """Asked for by a variable, a setting or a file; another processor is another key, and rows prove nothing."""
    (tmp_path / "CMakeLists.txt").write_text("add_compile_options(-march=native)\n")
    (tmp_path / "tools.cmake").write_text("set(CMAKE_C_FLAGS -mcpu=native)\n")
    asked = (
        {"environ": {"CFLAGS": "-march=native"}},
        {"environ": {"CMAKE_TOOLCHAIN_FILE": "tools.cmake"}},
        {"settings": {"cmake.args": ["-DCMAKE_C_FLAGS=-march=native"]}},
        {"inputs": [b"CMakeLists.txt", b"a.c"]},
    )
    for each in asked:
        keys = []
        for can in ("avx2", "avx512f"):
            monkeypatch.setattr(machine, "processor", lambda *_, can=can, **__: can)
            found = gathered(tmp_path, **each)
            assert found.lookout.untrusted
            keys.append(build_key.key(found.components))
        assert keys[0] != keys[1]
    assert "processor features" not in {one.name for one in gathered(tmp_path, inputs=[b"a.c"]).components}


@pytest.mark.skipif(sys.platform != "linux", reason="reads what this machine says")
def test_this_machine_says_something():
    """A processor has a model or features."""
    assert machine.processor({}, run=silent)

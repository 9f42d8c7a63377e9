"""What tools write down of what they read: with the real tools, and with what is left of damaged records."""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freshwheel.observe import records
from freshwheel.observe.account import Account, Program


def needs(*programs):
    """Skips where one of these is not at hand."""
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"there is no {', '.join(missing)}")


def plant(folder, files):
    """These files, by their paths."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def run(*command, cwd, **more):
    """A tool that does as it should."""
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, env={**os.environ, **more})


def read(account):
    """The real paths that were read, each with a row."""
    assert all(use.first and use.before and use.read == {0} for use in account.uses.values())
    return {os.path.realpath(os.fsdecode(path)) for path in account.uses}


CMAKE = {
    "tree/CMakeLists.txt": """
        cmake_minimum_required(VERSION 3.15)
        project(demo C)
        include(../shared/more.cmake)
        add_library(demo SHARED a.c)
        target_include_directories(demo PRIVATE ../shared)
    """,
    "tree/a.c": '#include <stdio.h>\n#include "outer.h"\nint a(void) { return OUTER; }\n',
    "shared/more.cmake": "",
    "shared/outer.h": "#define OUTER 1\n",
    "toolchain.cmake": "set(CMAKE_C_FLAGS_INIT -g)\n",
}


@pytest.fixture
def configured(tmp_path):
    """A build folder of CMake, after it was built."""
    plant(tmp_path, CMAKE)
    build = tmp_path / "build"
    records.query(str(build))
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'toolchain.cmake'}"
    run("cmake", "-GNinja", "-S", "tree", "-B", "build", toolchain, cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    return build


@needs("cmake", "ninja", "cc")
def test_cmake_says_what_it_has_read(configured, tmp_path):
    """Inside of the tree and outside, and which compiler it has found."""
    account = records.cmake(str(configured))
    found = read(account)
    assert {str(tmp_path / name) for name in CMAKE if name.endswith(("cmake", "txt"))} <= found
    assert not any(path.startswith(str(configured)) for path in found)
    assert shutil.which("cc") in {os.fsdecode(one.path) for one in account.programs[1:]}
    assert not account.doubts


@needs("cmake", "ninja", "cc")
def test_ninja_says_which_headers_were_read(configured, tmp_path):
    """Those of the system as well."""
    account = records.ninja(str(configured))
    assert {str(tmp_path / "shared" / "outer.h"), os.path.realpath("/usr/include/stdio.h")} <= read(account)
    assert not account.doubts


@needs("cmake", "ninja", "cc")
def test_last_record_of_ninja_counts(configured, tmp_path):
    """A header that is no longer included is not in it."""
    (tmp_path / "tree" / "a.c").write_text("int a(void) { return 1; }\n")
    run("cmake", "--build", "build", cwd=tmp_path)
    assert str(tmp_path / "shared" / "outer.h") not in read(records.ninja(str(configured)))


@needs("meson", "ninja", "cc")
def test_meson_says_what_it_has_read(tmp_path):
    """And its ninja which headers."""
    files = {
        "meson.build": "project('demo', 'c')\nsubdir('sub')\nconfigure_file(input: 'in', output: 'out', copy: true)\n",
        "sub/meson.build": "library('demo', 'a.c')\n",
        "sub/a.c": '#include "a.h"\nint a(void) { return 1; }\n',
        "sub/a.h": "",
        "in": "",
    }
    plant(tmp_path, files)
    run("meson", "setup", "build", cwd=tmp_path)
    run("ninja", "-C", "build", cwd=tmp_path)
    build = str(tmp_path / "build")
    assert {str(tmp_path / name) for name in ("meson.build", "sub/meson.build")} <= read(records.meson(build))
    assert str(tmp_path / "sub" / "a.h") in read(records.ninja(build))


@pytest.mark.parametrize("compiler", [pytest.param(name, marks=needs(name)) for name in ("gcc", "clang")])
def test_compilers_say_which_headers_they_read(tmp_path, compiler):
    """Of several compilations, with names that would not survive careless reading."""
    odd = "o$d #d\\d"
    plant(tmp_path, {"a.c": f'#include <stdio.h>\n#include "{odd}/a.h"\n', "b.c": '#include "b.h"\n', "b.h": ""})
    plant(tmp_path, {f"{odd}/a.h": ""})
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a.c", "b.c"):
        run(compiler, "-c", name, cwd=tmp_path, **records.variables(str(notes)))
    account = records.headers(str(notes), str(tmp_path))
    wanted = {str(tmp_path / odd / "a.h"), str(tmp_path / "b.h"), os.path.realpath("/usr/include/stdio.h")}
    assert wanted <= read(account)


def test_gcc_is_not_asked_for_a_file_with_a_space():
    """It would write another."""
    assert "SUNPRO_DEPENDENCIES" not in records.variables("/with space")
    assert "SUNPRO_DEPENDENCIES" in records.variables("/without")


def test_compilers_that_wrote_nothing_have_read_nothing(tmp_path):
    """There is no record of what did not happen."""
    assert records.headers(str(tmp_path), str(tmp_path)) == Account(programs=(Program(path=b"cc"),))


# Damaged records.

READERS = (records.ninja, records.cmake, records.meson)


@pytest.mark.parametrize("reader", READERS)
def test_record_that_is_not_there_is_a_doubt(tmp_path, reader):
    """Nobody can say what was read."""
    [doubt] = reader(str(tmp_path)).doubts
    assert "can't be read" in doubt


def record(words, *, is_path=True):
    """One record of ninja."""
    return struct.pack("<I", len(words) | (0 if is_path else 1 << 31)) + words


def path(name, number):
    """The record of a path."""
    return record(name + b"\0" * (-len(name) % 4) + struct.pack("<i", ~number))


def deps(version, output, *inputs):
    """The record of an output."""
    time = (0,) * (version - 2)
    return record(struct.pack(f"<{1 + len(time) + len(inputs)}I", output, *time, *inputs), is_path=False)


@pytest.mark.parametrize("version", [3, 4])
def test_both_formats_of_ninja_are_read(tmp_path, version):
    """The time of an output has twice as many bytes in the newer one."""
    plant(tmp_path, {"a.h": "", "four": ""})
    head = b"# ninjadeps\n" + struct.pack("<i", version)
    data = head + path(b"a.o", 0) + path(b"a.h", 1) + path(b"four", 2) + deps(version, 0, 1, 2)
    (tmp_path / ".ninja_deps").write_bytes(data)
    account = records.ninja(str(tmp_path))
    assert (read(account), account.doubts) == ({str(tmp_path / "a.h"), str(tmp_path / "four")}, ())
    for size in range(len(data)):
        (tmp_path / ".ninja_deps").write_bytes(data[:size])
        account = records.ninja(str(tmp_path))
        assert len(account.uses) < 2
        # Where it ends between two records, nobody can tell.
        assert account.doubts or data[:size] in {data[: len(head) + end] for end in (0, 12, 24, 36)}


@settings(max_examples=300, deadline=None)
@given(
    version=st.integers(0, 5),
    parts=st.lists(
        st.binary(max_size=12) | st.binary(max_size=12).map(record) | st.just(deps(4, 0, 1, 99)), max_size=5
    ),
)
def test_no_record_of_ninja_is_too_damaged(tmp_path_factory, version, parts):
    """It is read, or it is a doubt."""
    folder = tmp_path_factory.mktemp("ninja")
    (folder / ".ninja_deps").write_bytes(b"# ninjadeps\n" + struct.pack("<i", version) + b"".join(parts))
    assert isinstance(records.ninja(str(folder)), Account)


VALUES = st.recursive(
    st.none() | st.integers() | st.text("a\0/", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["inputs", "path", "paths", "source", "toolchains", "compiler"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(value=VALUES, other=VALUES)
def test_no_answer_of_cmake_or_meson_is_too_damaged(tmp_path_factory, value, other):
    """Whatever is in it."""
    folder = tmp_path_factory.mktemp("json")
    answers = {"reply": {"client-freshwheel": {name: {"jsonFile": f"{name}.json"} for name in records._QUERIES}}}
    reply = ".cmake/api/v1/reply/"
    texts = {f"{reply}index-1.json": answers, "meson-info/intro-buildsystem_files.json": value}
    texts |= {f"{reply}{name}.json": one for name, one in zip(records._QUERIES, (value, other), strict=True)}
    plant(folder, {name: json.dumps(one) for name, one in texts.items()})
    for reader in READERS:
        assert isinstance(reader(str(folder)), Account)


@settings(max_examples=200, deadline=None)
@given(gcc=st.binary(max_size=30), clang=st.binary(max_size=30))
def test_no_list_of_headers_is_too_damaged(tmp_path_factory, gcc, clang):
    """Whatever is in it."""
    folder = tmp_path_factory.mktemp("headers")
    (folder / "gcc").write_bytes(b"a.o: " + gcc)
    (folder / "clang").write_bytes(clang)
    assert isinstance(records.headers(str(folder), str(folder)), Account)


# What may be stored.


def account(*programs, **more):
    """What a Python with the id 1 has started."""
    python = Program(path=b"/usr/bin/python3", pid=1)
    started = [Program(path=os.fsencode(Path("/bin") / name)) for name in programs]
    return Account(**{"witnessed": frozenset((1,)), "programs": (python, *started), **more})


@pytest.mark.parametrize(
    ("backend", "told", "wanted"),
    [
        ("hatchling", account(), ""),
        ("setuptools", account("git"), ""),
        ("maturin", account("maturin", "cargo.exe"), ""),
        ("setuptools-rust", account("cargo", "rustc"), ""),
        ("setuptools", account("cargo"), "cargo was run"),
        ("setuptools", account("gcc"), "gcc was run"),
        ("setuptools-rust", account("cargo", "swig"), "swig was run"),
        ("scikit-build-core", account("cmake"), "cmake was run"),
        ("meson-python", account("python3"), "python3 was run"),
        ("hatchling", account(witnessed=frozenset()), "no Python"),
        ("hatchling", Account(), "no Python"),
        ("hatchling", account(doubts=("something is odd",)), "something is odd"),
    ],
)
def test_only_what_is_recorded_is_complete(backend, told, wanted):
    """A program that may have read anything is a reason not to store."""
    found = records.complete(backend, told)
    assert bool(found) == bool(wanted)
    assert found.startswith(wanted)

"""A variable that a build asks for: nothing shows it to the kernel."""

import json
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

from .conftest import c, main, requires_c, requires_cargo, requires_cmake, requires_git, requires_ninja, run

pytestmark = pytest.mark.slow

PLAIN = """\
cmake_minimum_required(VERSION 3.18)
project(demo LANGUAGES NONE)
{more}
file(WRITE "${{CMAKE_BINARY_DIR}}/word.txt" "<<${{WORD}}>>")
install(FILES "${{CMAKE_BINARY_DIR}}/word.txt" DESTINATION demo)
"""
"""A project that needs no compiler; `more` sets WORD."""
EXECUTE = """\
find_package(Python REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND {command} WORKING_DIRECTORY "${{CMAKE_SOURCE_DIR}}"
  OUTPUT_VARIABLE WORD OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
"""
GENERATOR = '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts(getenv("DEMO_WORD")); return 0; }\n'
SETUP = """\
import os
import sys

from setuptools import Extension, setup

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import flags

setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=flags.macros())])
"""
FLAGS = """\
import os


def macros():
    return [("WORD", '"%s"' % os.environ["PK_VAL"])]
"""
SCRIPT = """\
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=WORD={}", std::env::var("DEMO_WORD").unwrap());
}
"""


def set_to(bench, name, value):
    """A change: the variable has this value from now on."""
    return lambda: bench.environ.update({name: value})


@requires_c
def test_helper_module_of_setup_py_reads_a_variable(bench):
    """S20: setup.py itself asks for nothing."""
    bench.setuptools(c(), setup=SETUP)
    bench.write("flags.py", FLAGS)
    bench.environ["PK_VAL"] = "one"
    bench.check(set_to(bench, "PK_VAL", "two"), again=True)


@requires_cmake
def test_variable_that_names_the_folder_of_a_package_for_cmake(bench):
    """S21: CMake's own `Foo_DIR`, which no file names."""
    bench.cmake("", lists=PLAIN.format(more='find_package(Foo CONFIG REQUIRED)\nset(WORD "${FOO_WORD}")'))
    for word in ("one", "two"):
        bench.write(f"../beside/{word}/FooConfig.cmake", f"set(FOO_WORD {word})\n")
    bench.environ["Foo_DIR"] = str(bench.outside / "one")
    bench.check(set_to(bench, "Foo_DIR", str(bench.outside / "two")))


@requires_cmake
def test_variable_that_a_text_of_cmake_reads(bench):
    """S21: and back in the first environment, the first wheel is there still."""
    bench.cmake("", lists=PLAIN.format(more='set(WORD "$ENV{DEMO_WORD}")'))
    bench.environ["DEMO_WORD"] = "one"
    bench.check(set_to(bench, "DEMO_WORD", "two"))
    back = bench.build(DEMO_WORD="one")
    assert back.word == "one"
    assert back.hit or not bench.observed, back.said


@requires_cmake
@pytest.mark.parametrize("how", ["if", "define"])
def test_variable_that_the_settings_of_the_backend_name(bench, how):
    """S22: `if.env`, and `env` of a definition."""
    tables = {
        "if": '[[tool.scikit-build.overrides]]\nif.env.DEMO_WORD = "one"\ncmake.define.WORD = "one"\n',
        "define": 'cmake.define.WORD = {env = "DEMO_WORD"}\n',
    }
    more = 'if(NOT WORD)\n  set(WORD "two")\nendif()'
    bench.cmake("", lists=PLAIN.format(more=more), tables=tables[how])
    bench.environ["DEMO_WORD"] = "one"
    bench.check(lambda: bench.environ.pop("DEMO_WORD"))


@requires_c
@requires_git
@requires_ninja
@pytest.mark.skipif(not (shutil.which("ld.bfd") and shutil.which("ld.gold")), reason="needs two linkers")
def test_variable_that_names_the_linker_for_meson(bench):
    """S23: CC_LD, as Meson's documentation has it."""
    asked = "'-DWORD=\"' + meson.get_compiler('c').get_linker_id() + '\"'"
    bench.meson(c(), extension=f"c_args: [{asked}]")
    bench.commit()
    bench.environ["CC_LD"] = "bfd"
    bench.check(set_to(bench, "CC_LD", "gold"), before="ld.bfd", after="ld.gold")


@requires_cargo
@pytest.mark.parametrize("name", ["CARGO_TERM_FOO", "MATURIN_NO_FOO", "CARGO_REGISTRIES_FOO_TOKEN"])
def test_variable_that_the_source_reads_is_not_harmless(bench, name):
    """S24: `option_env!` of a name that fits a family of those that shape nothing; cargo says that it was read."""
    bench.maturin(f'fn main() {{ println!("{{}}", option_env!("{name}").unwrap_or("<<none>>")); }}\n')
    bench.environ[name] = "<<one>>"
    bench.check(set_to(bench, name, "<<two>>"))


def parts(bench, **environ):
    """The parts of the build key that `why` sees changed."""
    program = Path(bench.python).with_name("freshwheel")
    said, _ = run(program, "why", "--json", environ={**bench.environ, **environ}, cwd=bench.tree)
    return [part["name"] for part in json.loads(said)["parts"]]


@requires_c
@pytest.mark.parametrize("observed", [True], indirect=True)
@pytest.mark.parametrize("name", ["CFLAGS", "CXXFLAGS"])
def test_processor_counts_where_a_variable_asks_for_the_native_one(bench, name):
    """S25: what is compiled for this processor must not run on another one."""
    bench.setuptools(c('"one"'))
    bench.environ[name] = "-O1"
    assert not bench.build().hit
    assert not [part for part in parts(bench) if "processor" in part]
    assert [part for part in parts(bench, **{name: "-O1 -march=native"}) if "processor" in part]


@requires_cargo
@pytest.mark.parametrize("observed", [True], indirect=True)
@pytest.mark.parametrize("where", ["variable", "configuration"])
def test_processor_counts_where_rust_is_compiled_for_the_native_one(bench, where):
    """S25: RUSTFLAGS, and the file that cargo reads."""
    bench.maturin(main('"one"'))
    assert not bench.build().hit
    environ = {}
    if where == "variable":
        environ["RUSTFLAGS"] = "-C target-cpu=native"
    else:
        bench.write(".cargo/config.toml", '[build]\nrustflags = ["-C", "target-cpu=native"]\n')
    assert [part for part in parts(bench, **environ) if "processor" in part]


@requires_c
@pytest.mark.parametrize("observed", [True], indirect=True)
@pytest.mark.parametrize("backend", ["setuptools", "scikit-build-core", "meson-python"])
def test_processor_counts_where_a_text_asks_for_the_native_one(bench, backend):
    """S25: setup.py, CMakeLists.txt and meson.build give flags, too."""
    native = "-mcpu=native" if platform.machine() == "aarch64" else "-march=native"
    {
        "setuptools": lambda: bench.setuptools(c('"one"'), extension='extra_compile_args=["-O1"]'),
        "scikit-build-core": lambda: bench.cmake(c('"one"'), more="target_compile_options(_native PRIVATE -O1)"),
        "meson-python": lambda: bench.meson(c('"one"'), extension="c_args: ['-O1']"),
    }[backend]()
    if backend == "meson-python":
        bench.commit()
    assert not bench.build().hit
    name = {"setuptools": "setup.py", "scikit-build-core": "CMakeLists.txt", "meson-python": "meson.build"}[backend]
    bench.replace(name, "-O1", native)
    assert [part for part in parts(bench) if "processor" in part]


@requires_cmake
@pytest.mark.parametrize("kind", ["shell", "make", "python", "c"])
def test_program_that_cmake_runs_reads_a_variable(bench, kind):
    """The neighbours of S20 and S21: a script, a Makefile, a helper in Python, and a program that shows nothing."""
    if kind != "python" and shutil.which({"shell": "sh", "make": "make", "c": "gcc"}[kind]) is None:
        pytest.skip(f"needs {kind}")
    command, file, text = {
        "shell": ("sh word.sh", "word.sh", "echo $DEMO_WORD\n"),
        "make": ("make --silent word", "Makefile", "word:\n\t@echo $(DEMO_WORD)\n"),
        "python": ("${Python_EXECUTABLE} word.py", "word.py", "import os\nprint(os.environ['DEMO_WORD'])\n"),
        "c": (str(bench.outside / "word"), "../beside/word.c", GENERATOR),
    }[kind]
    bench.cmake("", lists=PLAIN.format(more=EXECUTE.format(command=command)))
    bench.write(file, text)
    if kind == "c":
        bench.run("gcc", "-o", bench.outside / "word", bench.outside / "word.c")
    bench.environ["DEMO_WORD"] = "one"
    bench.check(set_to(bench, "DEMO_WORD", "two"))


@requires_c
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_what_make_is_told_by_the_make_above(bench):
    """It takes its own variables from there."""
    asked = "subprocess.check_output(['make', '--silent', 'word'], text=True).strip()"
    bench.setuptools(c(), setup=SETUP)
    bench.write("flags.py", f"import subprocess\n\n\ndef macros():\n    return [('WORD', '\"%s\"' % {asked})]\n")
    bench.write("Makefile", "DEMO_WORD = none\nword:\n\t@echo $(DEMO_WORD)\n")
    bench.environ["MAKEFLAGS"] = "DEMO_WORD=one"
    bench.check(set_to(bench, "MAKEFLAGS", "DEMO_WORD=two"))


@requires_cargo
def test_build_script_reads_a_variable_that_it_does_not_declare(bench):
    """The neighbour of S24: cargo itself would not run the script again; a clean build would."""
    bench.maturin(main('env!("WORD")'), script=SCRIPT)
    bench.environ["DEMO_WORD"] = "one"
    bench.check(set_to(bench, "DEMO_WORD", "two"))


@requires_c
@pytest.mark.parametrize(
    "asked",
    [
        "ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_char_p)(('getenv', ctypes.CDLL(None)))(b'DEMO_WORD').decode()",
        "open('/proc/self/environ').read().partition('DEMO_WORD=')[2].partition(chr(0))[0]",
    ],
)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="ways of Linux")
def test_variable_that_python_is_not_asked_for_counts(bench, asked):
    """By a function of C, or as a file."""
    flags = f'import ctypes\n\n\ndef macros():\n    return [("WORD", \'"%s"\' % {asked})]\n'
    bench.setuptools(c(), setup=SETUP)
    bench.write("flags.py", flags)
    bench.environ["DEMO_WORD"] = "one"
    bench.settle()
    assert [bench.build().word for _ in range(2)] == ["one", "one"]
    bench.environ["DEMO_WORD"] = "two"
    assert bench.build().word == "two"


@requires_cargo
def test_variable_that_a_macro_asks_for_counts(bench):
    """A procedural macro is loaded into rustc, and no tool says what it asks for."""
    manifest = '[package]\nname = "word"\nversion = "1.0.0"\nedition = "2021"\n\n[lib]\nproc-macro = true\n'
    source = """
#[proc_macro]
pub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    format!("{:?}", format!("<<{}>>", std::env::var("DEMO_WORD").unwrap())).parse().unwrap()
}
"""
    bench.write("word/Cargo.toml", manifest)
    bench.write("word/src/lib.rs", source)
    bench.maturin('fn main() { println!("{}", word::word!()); }\n', more='[dependencies]\nword = { path = "word" }\n')
    bench.environ["DEMO_WORD"] = "one"
    bench.check(set_to(bench, "DEMO_WORD", "two"), again=True)


@requires_cmake
def test_folder_of_programs_beside_which_cmake_finds_a_package(bench):
    """CMake looks for packages beside each folder of PATH."""
    more = "set(WORD one)\nfind_package(Two QUIET)\nif(Two_FOUND)\nset(WORD two)\nendif()"
    bench.cmake("", lists=PLAIN.format(more=more))
    bench.write("../prefix/lib/cmake/Two/TwoConfig.cmake", "")
    bench.write("../prefix/bin/unrelated", "")
    bench.check(set_to(bench, "PATH", f"{bench.environ['PATH']}:{bench.path('../prefix/bin')}"))


COMPILED = """\
#include <Python.h>
static PyObject *macros(PyObject *self, PyObject *none) { return Py_BuildValue("[(ss)]", "WORD", getenv("DEMO_WORD")); }
static PyMethodDef functions[] = {{"macros", macros, METH_NOARGS, 0}, {0}};
static struct PyModuleDef flags = {PyModuleDef_HEAD_INIT, "flags", 0, -1, functions};
PyMODINIT_FUNC PyInit_flags(void) { return PyModule_Create(&flags); }
"""


@requires_c
@pytest.mark.skipif(sys.platform == "win32", reason="ways of POSIX")
def test_variable_that_a_python_asks_for_which_another_one_becomes_counts(bench):
    """They have one process, and the second writes nothing down."""
    bench.setuptools(c(), setup=SETUP)
    code = """'import os; os.execl({0!r}, {0!r}, "-I", "-c", "import os; print(os.environ[\\'DEMO_WORD\\'])")'"""
    asked = f"subprocess.check_output([sys.executable, '-c', {code}.format(sys.executable)], text=True).strip()"
    flags = f"import subprocess, sys\n\n\ndef macros():\n    return [('WORD', '\"%s\"' % {asked})]\n"
    bench.write("flags.py", flags)
    bench.environ["DEMO_WORD"] = "one"
    bench.check(set_to(bench, "DEMO_WORD", "two"))


@requires_c
def test_variable_that_a_compiled_module_asks_for_counts(bench):
    """Python itself is asked for nothing."""
    bench.setuptools(c(), setup=SETUP)
    source = bench.write("../flags.c", COMPILED)
    include = sysconfig.get_paths()["include"]
    bench.run("gcc", "-shared", "-fPIC", "-I", include, "-o", bench.tree / "flags.so", source)
    bench.environ["DEMO_WORD"] = '"one"'
    bench.check(set_to(bench, "DEMO_WORD", '"two"'))


TOLD = """\
import locale, os, sys, time
from setuptools import Extension, setup

WORD = {expression}
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", f'"{{WORD}}"')])])
"""


@requires_c
@pytest.mark.parametrize(
    ("expression", "variable", "value", "words"),
    [
        ("__debug__", "PYTHONOPTIMIZE", "1", ("True", "False")),
        ("sys.flags.utf8_mode", "PYTHONUTF8", "1", ("0", "1")),
        ("time.strftime('%H', time.localtime(0))", "TZ", "UTC-5", ("00", "05")),
        ("locale.setlocale(locale.LC_CTYPE, '')", "LC_ALL", "POSIX", ("C.UTF-8", "C")),
    ],
)
def test_variable_that_python_or_the_c_library_reads(bench, expression, variable, value, words):
    """Nobody asks `os.environ` for it, and it was not set at first."""
    bench.environ.update(LANG="C.UTF-8", TZ="UTC")
    bench.setuptools(c(), setup=TOLD.format(expression=expression))
    before, after = words
    bench.check(set_to(bench, variable, value), before=before, after=after)


@requires_c
def test_another_folder_of_modules(bench):
    """Each module stays as it was, and another one is found first."""
    bench.setuptools(c(), setup=SETUP)
    for word in ("one", "two"):
        bench.write(f"../{word}/flags.py", FLAGS.replace('os.environ["PK_VAL"]', repr(word)))
    bench.environ["PYTHONPATH"] = str(bench.path("../one"))
    bench.check(set_to(bench, "PYTHONPATH", str(bench.path("../two"))))


@requires_c
def test_empty_entry_among_the_folders_of_modules(bench):
    """It stands for the working directory, which is the tree."""
    found = "'two' if __import__('importlib.util').util.find_spec('beside') else 'one'"
    bench.setuptools(c(), setup=TOLD.format(expression=found))
    bench.write("beside.py", "")
    bench.check(set_to(bench, "PYTHONPATH", os.pathsep))


@requires_c
@pytest.mark.parametrize(
    "name",
    ["UV_DYNAMIC_VERSIONING_BYPASS", "PDM_BUILD_SCM_VERSION", "POETRY_WORD", "PIP_WORD", "DESKTOP_WORD", "HISTOGRAM"],
)
def test_variable_of_a_frontend_that_a_plug_in_asks_for(bench, name):
    """Where any variable may have been asked for these don't count; by its name each does."""
    bench.setuptools(c(), setup=TOLD.format(expression=f"os.environ.get({name!r}, 'none')"))
    bench.check(set_to(bench, name, "two"), before="none")

"""A program that a build runs: another one under the same name, or one that does something else by now."""

import os
import platform
import shutil
import sysconfig
from functools import partial

import pytest

from .conftest import c, main, requires_c, requires_cargo, requires_cmake

pytestmark = pytest.mark.slow

GCC = shutil.which("gcc") or "gcc"
PLAIN = """\
cmake_minimum_required(VERSION 3.18)
project(demo LANGUAGES NONE)
{more}
file(WRITE "${{CMAKE_BINARY_DIR}}/word.txt" "<<${{WORD}}>>")
install(FILES "${{CMAKE_BINARY_DIR}}/word.txt" DESTINATION demo)
"""
"""A project that needs no compiler; `more` sets WORD."""
PICK = """\
#[cfg(fast)]
macro_rules! word { () => { "one" } }
#[cfg(not(fast))]
macro_rules! word { () => { "two" } }
"""

linux = pytest.mark.skipif(platform.system() != "Linux", reason="options of the linkers of Linux")


def wrapper(word, answer=""):
    """The text of a compiler that has a word of its own, and that answers to --version as gcc does, or `answer`."""
    told = f'[ "$1" = --version ] && echo "{answer}" && exit\n' if answer else ""
    return f'#!/bin/sh\n{told}exec {GCC} \'-DWORD="{word}"\' "$@"\n'


def first(bench):
    """Puts the folder beside the tree at the beginning of PATH."""
    bench.environ["PATH"] = os.pathsep.join([str(bench.outside), bench.environ["PATH"]])


@requires_c
def test_compiler_that_is_a_script_may_say_something_else(bench):
    """S16: CC names it; to --version it answers what it always did."""
    bench.setuptools(c())
    bench.program("../beside/mycc", wrapper("one"))
    bench.environ["CC"] = str(bench.outside / "mycc")
    bench.check(lambda: bench.program("../beside/mycc", wrapper("two")), again=True)


@requires_c
def test_script_in_front_of_the_compiler_may_say_something_else(bench):
    """S16: it is called gcc, and PATH has it first."""
    bench.setuptools(c())
    name = os.path.basename(str(sysconfig.get_config_var("CC")).split()[0])
    for one in {"gcc", name}:
        bench.program(f"../beside/{one}", wrapper("one"))
    first(bench)
    bench.check(lambda: [bench.program(f"../beside/{one}", wrapper("two")) for one in {"gcc", name}])


@requires_c
def test_compiler_behind_another_program_counts(bench):
    """S17: what `env` starts is another compiler, and says so."""
    bench.setuptools(c())
    bench.program("../beside/mygcc", wrapper("one", "mygcc 1"))
    first(bench)
    bench.environ["CC"] = "env mygcc"
    bench.check(lambda: bench.program("../beside/mygcc", wrapper("two", "mygcc 2")))


@requires_cargo
@pytest.mark.parametrize("variable", ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"])
def test_wrapper_of_rustc_may_have_added_something(bench, variable):
    """S18: with it, and without it."""
    bench.maturin(PICK + main("word!()"))
    bench.program("../beside/wrap", '#!/bin/sh\nexec "$@" --cfg fast --check-cfg "cfg(fast)"\n')
    bench.environ[variable] = str(bench.outside / "wrap")
    bench.check(lambda: bench.environ.pop(variable))


@linux
@requires_cargo
def test_linker_that_is_a_script_may_add_something_else(bench):
    """S19: CARGO_TARGET_*_LINKER names it."""

    def link(word):
        bench.program("../beside/mylinker", f"#!/bin/sh\nexec cc \"$@\" '-Wl,-rpath,<<{word}>>'\n")

    bench.maturin("fn main() {}\n")
    link("one")
    bench.environ[f"CARGO_TARGET_{platform.machine().upper()}_UNKNOWN_LINUX_GNU_LINKER"] = str(
        bench.outside / "mylinker"
    )
    bench.check(lambda: link("two"), unseen=True)


@linux
@requires_c
def test_program_that_comes_first_on_path_during_a_build_counts(bench):
    """The build has run another one by then."""
    run = "__import__('os').popen('generate && touch ../ran && sleep 3').read()"
    bench.setuptools(c(), extension=f"define_macros=[('WORD', '\"%s\"' % {run}.strip())]")
    bench.program("../beside/generate", "#!/bin/sh\necho one\n")
    bench.path("../first").mkdir()
    first(bench)
    bench.environ["PATH"] = os.pathsep.join([str(bench.path("../first")), bench.environ["PATH"]])

    bench.settle()
    install = partial(bench.program, "../first/generate", "#!/bin/sh\necho two\n")
    assert bench.build_while("../ran", install).word == "one"
    assert bench.build().word == "two"


@linux
@requires_c
@pytest.mark.parametrize("how", ["program", "link"])
def test_what_the_kernel_executes_a_script_with_counts(bench, how):
    """The first line of the script names it, and nobody opens it."""
    run = "__import__('subprocess').check_output(['../beside/generate'], text=True)"
    bench.setuptools(c(), extension=f"define_macros=[('WORD', '\"%s\"' % {run}.strip())]")
    interpreter = bench.outside / "interpreter"
    for word in ("one", "two"):
        source = bench.write("../beside/say.c", f'#include <stdio.h>\nint main(void) {{ return !puts("{word}"); }}\n')
        bench.run("gcc", "-o", bench.outside / word, source)
    bench.program("../beside/generate", f"#!{interpreter} -x\n")

    def take(word):
        interpreter.unlink(missing_ok=True)
        (interpreter.symlink_to if how == "link" else interpreter.hardlink_to)(bench.outside / word)

    take("one")
    bench.check(lambda: take("two"))


@linux
@requires_c
def test_compiler_that_only_has_the_name_of_one_may_ask_for_any_variable(bench):
    """A program that PATH has first, and that nobody can look into."""
    bench.setuptools(c())
    source = "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nint main(int n, char **words) {\n"
    source += '    char flag[99];\n    snprintf(flag, 99, "-DWORD=\\"%s\\"", getenv("DEMO_WORD"));\n'
    source += f'    words[0] = flag;\n    char *all[n + 2];\n    all[0] = "{shutil.which("gcc")}";\n'
    source += "    for (int i = 0; i <= n; i++) all[i + 1] = words[i];\n    return execv(all[0], all);\n}\n"
    file = bench.write("../beside/wrapper.c", source)
    bench.run("gcc", "-o", bench.outside / "gcc", file)
    first(bench)
    bench.environ.update(CC="gcc", DEMO_WORD="one")
    bench.check(lambda: bench.environ.update(DEMO_WORD="two"))


@linux
@requires_c
def test_archiver_that_is_a_script_may_add_something_else(bench):
    """The neighbour of S16: an `ar` that PATH has first."""
    setup = (
        "from setuptools import Extension, setup\n\n"
        'setup(\n    libraries=[("word", {"sources": ["empty.c"]})],\n'
        '    ext_modules=[Extension("demo._native", ["demo/_native.c"])],\n)\n'
    )
    bench.setuptools("extern const char *given(void);\nconst char *word(void) { return given(); }\n", setup=setup)
    bench.write("empty.c", "int empty;\n")

    def archive(word):
        source = f'const char *given(void) {{ return "<<{word}>>"; }}'
        bench.program(
            "../beside/ar",
            f"#!/bin/sh\nset -e\nd=$(mktemp -d)\necho '{source}' > $d/given.c\n"
            f'{GCC} -fPIC -c $d/given.c -o $d/given.o\nexec {shutil.which("ar")} "$@" $d/given.o\n',
        )

    archive("one")
    first(bench)
    bench.check(lambda: archive("two"))


@requires_c
def test_file_that_a_script_reads_counts(bench):
    """The neighbour of S16: the script stays what it is, and its flags lie elsewhere."""
    bench.setuptools(c())
    flags = bench.outside / "flags"
    bench.write("../beside/flags", '-DWORD="one"')
    bench.program("../beside/mycc", f'#!/bin/sh\nexec {GCC} "$(cat {flags})" "$@"\n')
    bench.environ["CC"] = str(bench.outside / "mycc")
    bench.check(lambda: bench.write("../beside/flags", '-DWORD="two"'))


@requires_c
@requires_cmake
def test_launcher_of_a_compiler_may_have_added_something(bench):
    """The neighbour of S18: CMAKE_C_COMPILER_LAUNCHER is no mere cache of what the compiler gives."""
    bench.cmake(c())

    def launch(word):
        bench.program("../beside/launch", f'#!/bin/sh\nexec "$@" \'-DWORD="{word}"\'\n')

    launch("one")
    bench.environ["CMAKE_C_COMPILER_LAUNCHER"] = str(bench.outside / "launch")
    bench.check(lambda: launch("two"))


@requires_cmake
@pytest.mark.skipif(shutil.which("pkg-config") is None, reason="needs pkg-config")
def test_file_that_pkg_config_finds_counts(bench):
    """The neighbour of S3: PKG_CONFIG_PATH stays what it is, and another version is installed there."""
    ask = 'find_package(PkgConfig REQUIRED)\npkg_check_modules(WORDS REQUIRED words)\nset(WORD "${WORDS_VERSION}")'

    def install(version):
        bench.write("../beside/words.pc", f"Name: words\nDescription: Words\nVersion: {version}\nLibs:\nCflags:\n")

    bench.cmake("", lists=PLAIN.format(more=ask))
    install("1.0")
    bench.environ["PKG_CONFIG_PATH"] = str(bench.outside)
    bench.check(lambda: install("2.0"), before="1.0", after="2.0")

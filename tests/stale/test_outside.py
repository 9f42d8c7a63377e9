"""A file outside of the tree that a compiler, a linker or a script reads (K1 of the notes, and its neighbours)."""

import dataclasses
import shutil
import sys

import pytest

from .conftest import SETUP, c, main, make_wheel, requires_c, requires_cargo, requires_cmake, requires_ninja

pytestmark = pytest.mark.slow

ONE, TWO = '#define WORD "one"\n', '#define WORD "two"\n'
DEFINED = 'add_compile_definitions([[WORD="{}"]])\n'
NATIVE = "[built-in options]\nc_args = ['-DWORD=\"{}\"']\n"
LIBRARY = 'pub const WORD: &str = "<<{}>>";\n'
CRATE = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2021"\n'
DEFINES = "define_macros=[('WORD', '\"%s\"' % {word})]"
WORD_H = '#include "word.h"'
linux = pytest.mark.skipif(sys.platform != "linux", reason="ways of Linux")
requires_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
requires_pkg_config = pytest.mark.skipif(shutil.which("pkg-config") is None, reason="needs pkg-config")


def rewriting(bench, path, text="two\n"):
    """What writes a file anew."""
    return lambda: bench.write(path, text)


def defining(expression, before=""):
    """A setup.py that hands the word of an expression to the compiler."""
    return (
        f"{before}\nfrom setuptools import Extension, setup\n\nWORD = {expression}\n"
        f'setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], {DEFINES.format(word="WORD.strip()")})])\n'
    )


@requires_c
@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_a_header_beside_the_tree_counts(bench, editable):
    """S1: `include_dirs` of setuptools leads to it."""
    bench.setuptools(c(head=WORD_H), extension='include_dirs=["../include"]')
    bench.write("../include/word.h", ONE)
    bench.check(rewriting(bench, "../include/word.h", TWO), editable=editable, again=True)


@requires_c
@pytest.mark.parametrize("file", ["settings", "new/settings"])
def test_file_that_a_build_makes_where_it_is_missing_counts(bench, file):
    """Somebody edits it later; who removes it gets the same again."""
    path = bench.outside / file
    make = f"os.makedirs(os.path.dirname(path), exist_ok=True)\nif not os.path.exists(path):\n{' ' * 4}"
    make = f'import os\npath = {str(path)!r}\n{make}with open(path, "w") as file:\n        file.write("one")\n'
    bench.setuptools(c(), setup=defining("open(path).read()", make))
    bench.check(rewriting(bench, f"../beside/{file}"))
    path.unlink()
    assert bench.build().word == "one"
    assert not bench.observed or bench.build().hit


@requires_c
@pytest.mark.parametrize(
    "make",
    [
        "try:\n    open(path, 'x').write('one')\nexcept FileExistsError:\n    pass",
        "with open(path, 'a+') as file:\n    file.seek(0)\n    if not file.read():\n        file.write('one')",
        "import os\nos.system('echo one >> ../settings')",
    ],
    ids=["new", "appended", "shell"],
)
def test_file_that_a_build_makes_without_asking_counts(bench, make):
    """The call that makes it tells at the same time that there was none."""
    bench.setuptools(c(), setup=defining("open(path).read().split()[0]", f"path = '../settings'\n{make}"))
    bench.check(rewriting(bench, "../settings"))


@requires_c
@pytest.mark.parametrize("call", ["utime(path)", "chmod(path, 0o644)", "statvfs(path)", "listxattr(path)"])
def test_what_a_call_fails_for_counts_when_it_comes(bench, call):
    """Whether something is there is told by each call that needs it."""
    asking = f"import os\npath = os.path.abspath('../flag')\ntry:\n    os.{call}\n    word = 'two'\n"
    bench.setuptools(c(), setup=defining("word", f"{asking}except FileNotFoundError:\n    word = 'one'\n"))
    bench.check(rewriting(bench, "../flag"))


@linux
@requires_c
def test_file_that_somebody_edits_while_the_build_that_made_it_runs_counts(bench):
    """The wheel has what was read, and not what is there at the end."""
    path = bench.outside / "settings"
    make = (
        f"import os, time\npath = {str(path)!r}\nif not os.path.exists(path):\n    os.makedirs(os.path.dirname(path))\n"
    )
    make += '    with open(path, "w") as file:\n        file.write("one")\nword = open(path).read()\n'
    bench.setuptools(c(), setup=defining("word", f'{make}open("../read", "w").close()\ntime.sleep(2)\n'))
    bench.settle()
    assert bench.build_while("../read", lambda: path.write_text("two")).word == "one"
    assert bench.build().word == "two"


@linux
@requires_c
@pytest.mark.parametrize(
    "asked", ["os.readlink('../beside/link')", "str(os.path.getsize('../beside/one'))"], ids=["link", "size"]
)
def test_what_is_asked_of_a_file_and_changes_while_the_build_runs_is_not_stored(bench, asked):
    """A link that leads elsewhere, or nowhere, and a size: the wheel has what they were."""
    bench.write("../beside/one", "one")
    link = bench.outside / "link"
    link.symlink_to("nowhere")
    waiting = "\nif not os.path.exists('../asked'):\n    open('../asked', 'w').close()\n    time.sleep(2)\n"
    bench.setuptools(c(), setup=defining("word", f"import os, time\nword = {asked}{waiting}"))
    bench.settle()

    def change():
        bench.write("../beside/one", "three")
        link.unlink()
        link.symlink_to("elsewhere")

    before, after = ("nowhere", "elsewhere") if "link" in asked else ("3", "5")
    assert bench.build_while("../asked", change).word == before
    assert bench.build().word == after


@requires_cmake
def test_a_library_that_cmake_adds_from_beside_the_tree_counts(bench):
    """S2: `add_subdirectory(../lib)`."""
    more = "add_subdirectory(../lib lib)\ntarget_link_libraries(_native PRIVATE word)\n"
    bench.cmake("extern const char word[]; const char *kept(void) { return word; }\n", more=more)
    lists = "add_library(word STATIC word.c)\nset_target_properties(word PROPERTIES POSITION_INDEPENDENT_CODE ON)\n"
    bench.write("../lib/CMakeLists.txt", lists)
    bench.write("../lib/word.c", 'const char word[] = "<<one>>";\n')
    bench.check(rewriting(bench, "../lib/word.c", 'const char word[] = "<<two>>";\n'), again=True)


@requires_cmake
@pytest.mark.parametrize("where", ["CMAKE_ARGS", "SKBUILD_CMAKE_ARGS", "setting"])
def test_a_toolchain_file_of_cmake_counts(bench, where):
    """S3: whoever names it, by a variable or by a config setting."""
    bench.cmake(c())
    toolchain = bench.write("../tools/tool.cmake", DEFINED.format("one"))
    settings = {"cmake.define.CMAKE_TOOLCHAIN_FILE": str(toolchain)} if where == "setting" else None
    if settings is None:
        bench.environ[where] = f"-DCMAKE_TOOLCHAIN_FILE={toolchain}"
    bench.check(rewriting(bench, toolchain, DEFINED.format("two")), settings=settings)


@requires_cmake
def test_what_a_toolchain_file_includes_counts(bench):
    """S3: not only the file that CMAKE_TOOLCHAIN_FILE names."""
    bench.cmake(c())
    toolchain = bench.write("../tools/tool.cmake", "include(${CMAKE_CURRENT_LIST_DIR}/more.cmake)\n")
    bench.write("../tools/more.cmake", DEFINED.format("one"))
    bench.environ["CMAKE_TOOLCHAIN_FILE"] = str(toolchain)
    bench.check(rewriting(bench, "../tools/more.cmake", DEFINED.format("two")))


@requires_ninja
@pytest.mark.parametrize("where", ["pyproject", "setting"])
def test_a_native_file_of_meson_counts(bench, where):
    """S4: named in `pyproject.toml`, or by a config setting."""
    native = bench.write("../native.ini", NATIVE.format("one"))
    tables = f'[tool.meson-python.args]\nsetup = ["--native-file={native}"]\n' if where == "pyproject" else ""
    bench.meson(c(), tables=tables)
    settings = {"setup-args": f"--native-file={native}"} if where == "setting" else None
    bench.check(rewriting(bench, native, NATIVE.format("two")), settings=settings)


@requires_cargo
@pytest.mark.parametrize("table", ["dependencies", "patch"])
def test_a_crate_by_an_absolute_path_counts(bench, table):
    """S5: as a dependency, or in the place of one from the registry."""
    bench.write("../crate/Cargo.toml", CRATE.format("itoa"))
    source = bench.write("../crate/src/lib.rs", LIBRARY.format("one"))
    folder = source.parents[1].as_posix()
    more = f'[dependencies]\nitoa = {{ path = "{folder}" }}\n'
    if table == "patch":
        more = f'[dependencies]\nitoa = "1"\n\n[patch.crates-io]\nitoa = {{ path = "{folder}" }}\n'
    bench.maturin('fn main() { println!("{}", itoa::WORD); }\n', more=more)
    bench.check(rewriting(bench, source, LIBRARY.format("two")))


@requires_c
@pytest.mark.parametrize("depth", [1, 2], ids=["imported", "imported-by-that"])
def test_a_module_on_the_path_of_python_counts(bench, depth):
    """S6: `setup.py` imports it, or it is imported by what that imports."""
    bench.setuptools(c(), setup=defining("first.WORD", before="import first"))
    files = [bench.write("../modules/first.py", "from second import WORD\n") for _ in range(depth - 1)]
    last = bench.write(f"../modules/{'second' if files else 'first'}.py", 'WORD = "one"\n')
    bench.environ["PYTHONPATH"] = str(last.parent)
    bench.check(rewriting(bench, last, 'WORD = "two"\n'))


@requires_c
def test_a_module_on_the_path_of_python_counts_in_isolation(uv_bench):
    """S6, by uv."""
    bench = uv_bench
    bench.setuptools(c(), setup=defining("first.WORD", before="import first"))
    module = bench.write("../modules/first.py", 'WORD = "one"\n')
    bench.environ["PYTHONPATH"] = str(module.parent)
    bench.check(rewriting(bench, module, 'WORD = "two"\n'), build=bench.uv)


@requires_c
def test_a_header_of_an_installed_requirement_counts(bench, make_workshop, tmp_path):
    """S7: without build isolation somebody may edit what is installed."""
    files = {"headers/__init__.py": "", "headers/word.h": ONE}
    wheel = make_wheel(tmp_path / "made", "headers", "1.0", files)
    python = make_workshop(tmp_path / "venv", "setuptools", wheel)
    own = bench.within(python)
    include = "include_dirs=[__import__('os').path.dirname(__import__('headers').__file__)]"
    own.setuptools(c(head=WORD_H), extension=include)
    [header] = (tmp_path / "venv").rglob("headers/word.h")
    own.check(rewriting(own, header, TWO))


@requires_c
def test_a_requirement_that_is_a_folder_counts(uv_bench):
    """S8: `tool.uv.sources` says where it is, and it is asked for on a miss only."""
    bench = uv_bench
    sources = '[tool.uv.sources]\nhelper = { path = "../helper" }\n'
    setup = defining("helper.WORD", before="import helper")
    bench.setuptools(c(), setup=setup, more=sources, lean=("setuptools", "helper"))
    table = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'
    keys = '[tool.uv]\ncache-keys = [{ file = "**/*.py" }]\n'
    project = '[project]\nname = "helper"\nversion = "1.0"\n\n[tool.setuptools]\npy-modules = ["helper"]\n\n'
    bench.write("../helper/pyproject.toml", table + project + keys)
    module = bench.write("../helper/helper.py", 'WORD = "one"\n')
    bench.check(rewriting(bench, module, 'WORD = "two"\n'), build=bench.uv)


# Neighbours.


@requires_c
@pytest.mark.parametrize(
    ("expression", "before"),
    [
        ('open("../word.txt").read()', ""),
        ('json.load(open("../word.txt"))', "import json"),
        ('pathlib.Path(__file__).parents[1].joinpath("word.txt").read_text()', "import pathlib"),
        ('subprocess.check_output(["cat", "../word.txt"], text=True)', "import subprocess"),
    ],
    ids=["open", "json", "pathlib", "program"],
)
def test_a_text_that_setup_reads_beside_the_tree_counts(bench, expression, before):
    """However it is opened, by Python itself or by a program that it calls."""
    bench.setuptools(c(), setup=defining(expression, before=before))
    quote = '"' if "json" in expression else ""
    bench.write("../word.txt", f"{quote}one{quote}")
    bench.check(rewriting(bench, "../word.txt", f"{quote}two{quote}"))


@requires_c
@requires_make
def test_what_a_makefile_reads_counts(bench):
    """`setup.py` leaves it to make, which includes another file."""
    setup = defining(
        'subprocess.check_output(["make", "-s", "-f", "../make/Makefile"], text=True)', "import subprocess"
    )
    bench.setuptools(c(), setup=setup)
    bench.write("../make/Makefile", "include ../make/word.mk\nall:\n\t@echo $(WORD)\n")
    bench.write("../make/word.mk", "WORD = one\n")
    bench.check(rewriting(bench, "../make/word.mk", "WORD = two\n"))


@requires_c
@pytest.mark.parametrize("flags", ["-include {}", "@{}"], ids=["include", "response"])
def test_a_file_that_the_flags_of_a_compiler_name_counts(bench, flags):
    """CFLAGS as a text stays the same."""
    one, two = (ONE, TWO) if "include" in flags else ("-DWORD='\"one\"'\n", "-DWORD='\"two\"'\n")
    named = bench.write("../word.h", one)
    bench.environ["CFLAGS"] = flags.format(named)
    bench.setuptools(c())
    bench.check(rewriting(bench, named, two))


@requires_c
def test_bytes_that_the_assembler_takes_in_count(bench):
    """`.incbin`: the record of a compiler does not name it."""
    bench.setuptools(
        '__asm__(".data\\n.globl word\\nword:\\n.incbin \\"../word.bin\\"\\n.byte 0\\n.text\\n");\n'
        "extern const char word[]; const char *kept(void) { return word; }\n"
    )
    bench.write("../word.bin", "<<one>>")
    bench.check(rewriting(bench, "../word.bin", "<<two>>"))


@requires_c
def test_a_script_of_the_linker_counts(bench):
    """It names the object that is taken; so do a version script and a response file."""
    for word in ("one", "two"):
        bench.write(f"../objects/{word}.c", f'const char word[] = "<<{word}>>";\n')
        source, made = f"../objects/{word}.c", f"../objects/{word}.o"
        bench.run("gcc", "-fPIC", "-c", "-o", made, source)
    bench.write("../objects/word.ld", f"INPUT({bench.path('../objects/one.o')})\n")
    bench.setuptools(
        "extern const char word[]; const char *kept(void) { return word; }\n",
        extension='extra_link_args=["../objects/word.ld"]',
    )
    bench.check(rewriting(bench, "../objects/word.ld", f"INPUT({bench.path('../objects/two.o')})\n"))


@requires_c
def test_a_link_that_leads_elsewhere_counts(bench):
    """The header is reached through a link to a folder beside the tree; no file is written to."""
    bench.setuptools(c(head=WORD_H), extension='include_dirs=["../include"]')
    bench.write("../version-1/word.h", ONE)
    bench.write("../version-2/word.h", TWO)
    bench.path("../include").symlink_to("version-1")

    def turn():
        bench.path("../include").unlink()
        bench.path("../include").symlink_to("version-2")

    bench.check(turn)


@requires_c
@linux
@pytest.mark.parametrize("path", ["../current/word.txt", "../current/../word.txt"])
def test_a_link_that_leads_into_the_tree_counts(bench, path):
    """All files that it may lead to are inputs, and the link is none."""
    for word in ("one", "two"):
        bench.write(f"{word}/word.txt", word)
        bench.write(f"{word}/below/empty", "")
    bench.setuptools(c(), setup=defining(f"open('{path}').read()"))
    link = bench.path("../current")
    below = "below" if "/../" in path[3:] else ""
    link.symlink_to(bench.tree / "one" / below)

    def turn():
        link.unlink()
        link.symlink_to(bench.tree / "two" / below)

    bench.check(turn)


CANONICAL = """\
fn main() {
    let folder = std::fs::canonicalize("../current").unwrap();
    println!("cargo:rustc-env=WORD={}", std::fs::read_to_string(folder.join("word.txt")).unwrap());
}
"""


@requires_cargo
@linux
def test_a_link_that_is_followed_before_anything_is_opened_counts(bench):
    """`realpath` of glibc asks where each part of a path leads, and then only the place itself is used."""
    bench.maturin(main('env!("WORD")'), script=CANONICAL)
    link = bench.path("../current")
    for word in ("two", "one"):
        bench.write(f"../version-{word}/word.txt", word)
        link.unlink(missing_ok=True)
        link.symlink_to(f"version-{word}")

    def turn():
        link.unlink()
        link.symlink_to("version-two")

    bench.check(turn, unseen=True)


@requires_c
def test_a_folder_of_this_tree_that_a_variable_names_counts_for_others(bench):
    """The clone that builds next has the same sources and the same flags, which lead into the first one."""
    bench.setuptools(c(head=WORD_H))
    bench.write("include/word.h", ONE)
    bench.environ["CFLAGS"] = f"-I{bench.path('include')}"
    bench.settle()
    assert {bench.build().word for _ in range(3)} == {"one"}
    other = dataclasses.replace(bench, folder=bench.folder.with_name("other"))
    shutil.copytree(bench.folder, other.folder)
    bench.write("include/word.h", TWO)
    other.settle()
    assert other.build().word == "two"


@requires_cmake
@pytest.mark.parametrize(
    ("more", "name", "text"),
    [
        ("include(../word.txt)", "../word.txt", 'target_compile_definitions(_native PRIVATE [[WORD="{}"]])\n'),
        (
            "configure_file(../w.h.in w.h)\ntarget_compile_options(_native PRIVATE -include ${CMAKE_BINARY_DIR}/w.h)",
            "../w.h.in",
            '#define WORD "{}"\n',
        ),
        (
            'file(READ ../word.txt WORD)\ntarget_compile_definitions(_native PRIVATE "WORD=\\"${WORD}\\"")',
            "../word.txt",
            "{}",
        ),
        (
            'find_package(Word REQUIRED)\ntarget_compile_definitions(_native PRIVATE "WORD=\\"${WORD}\\"")',
            "../prefix/lib/cmake/Word/WordConfig.cmake",
            "set(WORD {})\n",
        ),
    ],
    ids=["include", "configure_file", "file-read", "find_package"],
)
def test_what_a_script_of_cmake_reads_counts(bench, more, name, text):
    """A script, a template, a text or a package, beside the tree."""
    bench.cmake(c(), more=more)
    bench.write(name, text.format("one"))
    bench.environ["CMAKE_PREFIX_PATH"] = str(bench.path("../prefix"))
    bench.check(rewriting(bench, name, text.format("two")))


@requires_ninja
@pytest.mark.parametrize(
    ("more", "extension"),
    [
        (
            "word = import('fs').read('../word.txt')",
            "c_args: ['-DWORD=\"' + word + '\"']",
        ),
        (
            "configure_file(input: files('../word.txt'), output: 'word.h', copy: true)",
            "c_args: ['-DWORD=\"' + run_command('cat', '../word.txt', check: true).stdout() + '\"']",
        ),
    ],
    ids=["fs", "program"],
)
def test_what_a_script_of_meson_reads_counts(bench, more, extension):
    """A text beside the tree, read by Meson or by a program that it calls."""
    bench.meson(c(), more=more, extension=extension)
    bench.write("../word.txt", "one")
    bench.check(rewriting(bench, "../word.txt", "two"))


@requires_cmake
@requires_pkg_config
@pytest.mark.parametrize("backend", ["meson", "setuptools"])
def test_a_description_of_pkg_config_counts(bench, backend):
    """PKG_CONFIG_PATH stays the same, and so does the version in the file."""
    text = 'Name: word\nDescription: word\nVersion: 1.0\nCflags: -DWORD=\\"{}\\"\n'
    named = bench.write("../pc/word.pc", text.format("one"))
    bench.environ["PKG_CONFIG_PATH"] = str(named.parent)
    if backend == "meson":
        bench.meson(c(), extension="dependencies: dependency('word')")
    else:
        flags = 'shlex.split(subprocess.check_output(["pkg-config", "--cflags", "word"], text=True))'
        extension = f"extra_compile_args={flags}"
        bench.setuptools(c(), setup="import shlex, subprocess\n" + SETUP.format(extension=extension))
    bench.check(rewriting(bench, named, text.format("two")))


@requires_cargo
@pytest.mark.parametrize("how", ["program", "macro"])
def test_what_code_of_the_project_reads_while_it_is_compiled_counts(bench, how):
    """A program that a build script calls, or a macro, opens a file beside the tree.

    Cargo would not compile it again, and must be made to.
    """
    bench.write("../word.txt", "one")
    if how == "program":
        word = (
            'String::from_utf8(std::process::Command::new("cat").arg("../word.txt").output().unwrap().stdout).unwrap()'
        )
        script = f'fn main() {{ println!("cargo:rerun-if-changed=build.rs\\ncargo:rustc-env=WORD={{}}", {word}); }}\n'
        bench.maturin(main('env!("WORD")'), script=script)
    else:
        bench.write("macros/Cargo.toml", CRATE.format("macros") + "\n[lib]\nproc-macro = true\n")
        bench.write(
            "macros/src/lib.rs",
            "#[proc_macro]\npub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
            '    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../word.txt");\n'
            '    format!("\\"<<{}>>\\"", std::fs::read_to_string(path).unwrap()).parse().unwrap()\n}\n',
        )
        more = '[dependencies]\nmacros = { path = "macros" }\n'
        bench.maturin('fn main() { println!("{}", macros::word!()); }\n', more=more)
    bench.check(rewriting(bench, "../word.txt", "two"), unseen=True)

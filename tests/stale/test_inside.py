"""A file inside of the tree that is no input (K2 of the notes, and its neighbours), and a wheel that is too large."""

import os
import subprocess
import sys

import pytest

from .conftest import c, main, requires_c, requires_cargo, requires_cmake, requires_ninja

pytestmark = pytest.mark.slow

BARE = "void *PyInit__native(void) { return 0; }\n"
WRITING = """\
with open("word.txt") as text, open("word.h", "w") as file:
    file.write(f'#define WORD "{text.read()}"\\n')
"""
SETUP = """\
from setuptools import Extension, setup
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"])])
"""
FOO = "extern const char foo[]; const char *kept(void) { return foo; }\n"
ONE, TWO = '#define WORD "one"\n', '#define WORD "two"\n'
EVIDENCE = {
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
    "CMakeCache.txt": "# This is the CMakeCache file.\n",
    "pyvenv.cfg": "home = /usr\n",
}
SCRIPT = """\
fn main() {{
    {asks}
    println!("cargo:rustc-env=WORD={{}}", std::fs::read_to_string("{path}").unwrap().trim());
}}
"""


def rewriting(bench, path, text):
    """What writes a file anew."""
    return lambda: bench.write(path, text)


def archive(bench, path, word):
    """A static library, as another build has left it."""
    source, made = bench.write("../made/foo.c", f'const char foo[] = "<<{word}>>";\n'), "../made/foo.o"
    bench.run("gcc", "-fPIC", "-c", "-o", made, source)
    bench.path(path).parent.mkdir(parents=True, exist_ok=True)
    bench.path(path).unlink(missing_ok=True)
    bench.run("ar", "rcs", path, made)


def shared(bench, path, word):
    """A module that somebody has compiled beforehand."""
    source = bench.write("../made/pre.c", c(f'"{word}"'))
    bench.path(path).parent.mkdir(parents=True, exist_ok=True)
    bench.run("gcc", "-shared", "-fPIC", "-o", path, source)


@requires_c
@pytest.mark.parametrize("backend", ["setuptools", "cmake", "meson"])
def test_an_excluded_header_counts_where_it_is_compiled_in(bench, backend):
    """S9: `exclude` is about what no wheel is made from; a build that reads such a file has the last word."""
    if backend == "cmake" and requires_cmake.args[0]:
        pytest.skip("needs CMake")
    if backend == "meson" and requires_ninja.args[0]:
        pytest.skip("needs ninja")
    getattr(bench, backend)(c(head='#include "../docs/word.h"'), table='exclude = ["docs/**"]')
    bench.write("docs/word.h", ONE)
    bench.check(rewriting(bench, "docs/word.h", TWO), again=backend == "setuptools")


@requires_c
@pytest.mark.parametrize("evidence", sorted(EVIDENCE))
def test_a_static_library_in_a_pruned_folder_counts(bench, evidence):
    """S10: the folder is another build's, and is linked from all the same."""
    folder = "third_party/foo/build"
    bench.write(f"{folder}/{evidence}", EVIDENCE[evidence])
    archive(bench, f"{folder}/libfoo.a", "one")
    bench.setuptools(FOO, extension=f'extra_objects=["{folder}/libfoo.a"]')
    bench.check(lambda: archive(bench, f"{folder}/libfoo.a", "two"))


@requires_cargo
@pytest.mark.parametrize("folder", ["examples", "tests", "benches"])
def test_a_folder_of_a_crate_that_a_build_script_reads_counts(bench, folder):
    """S11: these are left out by their names, and nothing stops a script from reading there."""
    bench.write(f"{folder}/data.txt", "one")
    bench.maturin(main('env!("WORD")'), script=SCRIPT.format(asks="", path=f"{folder}/data.txt"))
    bench.check(rewriting(bench, f"{folder}/data.txt", "two"))


@requires_c
def test_pure_python_that_is_compiled_in_counts_for_an_editable(bench):
    """S12: a C source includes `table.py`."""
    bench.setuptools(c('\n#include "table.py"\n'))
    bench.write("demo/table.py", '"one"\n')
    bench.check(rewriting(bench, "demo/table.py", '"two"\n'), editable=True)


@requires_c
def test_module_that_is_not_there_when_the_metadata_is_asked_for_comes_back(bench):
    """As pip does, the metadata of an editable is asked for first: what lies in the tree then is in no answer."""

    def install(word):
        bench.write("demo/_native.c", c(f'"{word}"'))
        bench.settle()
        bench.metadata(editable=True)
        bench.settle()
        return bench.build(editable=True)

    bench.setuptools(c('"one"'))
    words = ("one", "two", "one")
    assert [install(word).word for word in words] == [*words]
    for path in bench.tree.glob("demo/*.so"):
        path.unlink()
    assert install("one").word == "one"


@requires_c
@pytest.mark.parametrize("name", ["_pre.abi3.so", "_pre.cpython-311-x86_64-linux-gnu.so"])
def test_a_prebuilt_module_beside_a_compiled_one_counts(bench, name):
    """S13: package data that looks like what the build makes."""
    bench.setuptools(BARE, more='\n[tool.setuptools.package-data]\ndemo = ["*.so"]\n')
    shared(bench, f"demo/{name}", "one")
    bench.check(lambda: shared(bench, f"demo/{name}", "two"))


# Neighbours.


@requires_c
@pytest.mark.parametrize(
    "path", [".pytest_cache/word.h", ".hypothesis/word.h", ".venv/word.h", ".idea/word.h", "demo/__pycache__/word.h"]
)
def test_a_header_that_looks_like_litter_counts_where_it_is_compiled_in(bench, path):
    """What tools drop is no input, until a compiler opens it."""
    if path.startswith(".venv"):
        bench.write(".venv/pyvenv.cfg", "home = /usr\n")
    bench.setuptools(c(head=f'#include "../{path}"'))
    bench.write(path, ONE)
    bench.check(rewriting(bench, path, TWO))


@requires_c
def test_an_excluded_file_that_is_packed_counts(bench):
    """No compiler reads it, and it is in the wheel."""
    data = '\n[tool.setuptools.package-data]\ndemo = ["*.txt"]\n'
    bench.setuptools(BARE, more=data, table='exclude = ["demo/word.txt"]')
    bench.write("demo/word.txt", "<<one>>")
    bench.check(rewriting(bench, "demo/word.txt", "<<two>>"))


@requires_cargo
def test_an_excluded_file_that_a_build_script_reads_counts(bench):
    """A build script opens it, and watches itself alone: cargo would not run it again, and must be made to."""
    bench.write("docs/word.txt", "one")
    asks = 'println!("cargo:rerun-if-changed=build.rs");'
    script = SCRIPT.format(asks=asks, path="docs/word.txt")
    bench.maturin(main('env!("WORD")'), script=script, table='exclude = ["docs/**"]')
    bench.check(rewriting(bench, "docs/word.txt", "two"))


@requires_cargo
def test_a_file_that_a_build_script_has_read_and_that_is_gone_is_no_reason_to_build(bench):
    """What an earlier build has read is an input; when it goes, its absence is known, and the next wheel is stored."""
    word = 'std::fs::read_to_string("../word.txt").unwrap_or("none".into())'
    script = f'fn main() {{ println!("cargo:rerun-if-changed=build.rs\\ncargo:rustc-env=WORD={{}}", {word}); }}\n'
    bench.maturin(main('env!("WORD")'), script=script)
    bench.git("init", "--quiet", cwd=bench.folder)
    path = bench.write("../word.txt", "one")
    bench.check(path.unlink, after="none", again=True, unseen=True)
    bench.write("../word.txt", "two")
    last = bench.build()
    assert last.word == "two" or (last.unstored and not bench.observed)


PACKED = """\
from setuptools import Extension, setup
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"])], package_data={"demo": ["models/*"]})
"""


@requires_c
def test_a_file_that_comes_into_a_folder_that_a_variable_calls_a_cache_is_packed(bench):
    """What is read there is no cache's, and a pattern that has found it will find the next one."""
    bench.setuptools(BARE, setup=PACKED)
    bench.environ["MODEL_CACHE"] = str(bench.path("demo/models"))
    bench.write("demo/models/one", "<<1>>")

    def change():
        bench.write("demo/models/one", "")
        bench.write("demo/models/two", "<<2>>")

    bench.check(change, before="1", after="2")


@requires_cmake
@pytest.mark.nightly
def test_a_file_that_comes_into_such_a_folder_is_found_by_cmake(bench):
    """Who lists it, and not the folder above, does not only come by."""
    word = 'target_compile_definitions(_native PRIVATE "WORD=\\"${WORD}\\"")'
    bench.cmake(c(), more=f"file(GLOB FOUND models/*)\nlist(LENGTH FOUND WORD)\n{word}")
    bench.environ["MODEL_CACHE"] = str(bench.path("models"))
    bench.write("models/one", "")
    bench.check(lambda: bench.write("models/two", ""), before="1", after="2")


@requires_c
def test_a_header_that_a_build_writes_and_includes_by_a_path_with_dots_is_no_doubt(bench):
    """It is one file, whatever it is called, and the build has made it: an unchanged project is a hit."""
    bench.setuptools(c(head='#include "../word.h"'), setup=WRITING + SETUP)
    bench.write("word.txt", "one")
    bench.write(".gitignore", "word.h\n")
    bench.write("word.h", '#define WORD "one"\n')
    bench.commit()
    bench.check(rewriting(bench, "word.txt", "two"))


@requires_ninja
def test_what_meson_locks_in_the_tree_is_no_input(bench):
    """`subprojects/.wraplock` comes with the first build, and a fresh clone does without."""
    bench.write("subprojects/dep/meson.build", "project('dep', 'c')\nword = 'one'\n")
    bench.meson(
        c(), more="word = subproject('dep').get_variable('word')", extension="c_args: ['-DWORD=\"' + word + '\"']"
    )
    bench.commit()
    bench.settle()
    first = bench.build()
    assert not first.unstored or not bench.observed
    for _ in range(2):
        assert bench.build().hit or not bench.observed
        bench.path("subprojects/.wraplock").unlink(missing_ok=True)


@pytest.fixture
def small(bench):
    """A folder for temporary files that holds 4 MiB."""
    folder = bench.folder / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, check=False, capture_output=True)
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("nothing may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_wheel_larger_than_the_folder_for_temporary_files_is_built(bench, small):
    """P1: it is built without freshwheel, so it is with it, and it is a hit afterwards."""
    bench.setuptools(setup="from setuptools import setup\n\nsetup()\n", table='store = "on"')
    bench.replace(
        "pyproject.toml", "[tool.setuptools]", '[tool.setuptools.package-data]\ndemo = ["*.bin"]\n[tool.setuptools]'
    )
    data = os.urandom(6 << 20)
    bench.write("demo/data.bin", data)
    bench.environ["TMPDIR"] = str(small)
    assert bench.build().read("demo/data.bin") == data
    assert bench.build().read("demo/data.bin") == data


@requires_cargo
def test_a_lock_that_git_ignores_stays_no_input(bench):
    """Maturin and cargo read it; the key has it, and the label is that of a clone, which has none."""
    bench.maturin(main('"one"'))
    bench.write(".gitignore", "target\nCargo.lock\n")
    bench.settle()
    first = bench.build()
    assert "Cargo.lock" not in first.said
    second = bench.build()
    assert second.hit or (first.unstored and not bench.observed), second.said
    text = bench.path("Cargo.lock").read_text()
    bench.write("Cargo.lock", text + "\n# edited\n")
    assert not bench.build().hit


@requires_cargo
def test_a_size_that_a_build_script_has_asked_for_counts(bench):
    """Cargo is told to watch the script alone, so that it must be made to run it again."""
    size = 'println!("cargo:rustc-env=WORD={}", std::fs::metadata("notes/one.txt").unwrap().len());'
    script = f'fn main() {{ {size} println!("cargo:rerun-if-changed=build.rs"); }}\n'
    bench.maturin(main('env!("WORD")'), script=script, table='include = ["notes/**"]\n')
    bench.write("notes/one.txt", "one")
    bench.check(rewriting(bench, "notes/one.txt", "twelve"), before="3", after="6", unseen=True)


TABLE = """\
import tomllib

from setuptools import Extension, setup

with open("pyproject.toml", "rb") as file:
    word = tomllib.load(file)["tool"]["ruff"]["word"]
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", '"%s"' % word)])])
"""


@requires_c
@pytest.mark.skipif(sys.version_info < (3, 11), reason="reads TOML with what Python has")
def test_table_of_a_tool_that_code_of_the_project_reads_counts(bench):
    """The digest leaves it out, since no backend goes by it."""
    bench.setuptools(c(), setup=TABLE, more='[tool.ruff]\nword = "one"\n')
    bench.check(lambda: bench.replace("pyproject.toml", 'word = "one"', 'word = "two"'))

"""What comes into a folder that a build has listed, packed, or searched for modules."""

import sys
import sysconfig

import pytest

from .conftest import c, main, requires_c, requires_cargo, requires_git

pytestmark = pytest.mark.slow
linux = pytest.mark.skipif(sys.platform != "linux", reason="ways of Linux")

SETUP = """\
import glob, os, sys
from setuptools import Extension, setup
{before}
WORD = {word}
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", f'"{{WORD}}"')])])
"""
IMPORTS = """\
sys.path.insert(0, os.path.abspath("../tools"))
sys.dont_write_bytecode = True
import anchor
try:
    from {package} import WORD as word
except ImportError:
    word = "one"
"""
SCRIPT = "try:\n    from {package} import words\n    print(words.WORD)\nexcept ImportError:\n    print('one')\n"
RUN = "__import__('subprocess').check_output([sys.executable, '../tools/script.py'], text=True).strip()"
WALKING = """
fn walk(path: &std::path::Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() { walk(&entry.path(), names) }
        else { names.push(entry.file_name().into_string().unwrap()) }
    }
}
fn main() {
    let mut names = vec![];
    walk(std::path::Path::new("assets"), &mut names);
    names.sort();
    println!("cargo:rustc-env=WORD={}", names.pop().unwrap());
}
"""
PRUNED = {
    "node_modules": {"node_modules/.package-lock.json": "{}", "node_modules/two": "<<two>>"},
    "dist": {"dist/two": "<<two>>"},
    "build": {"build/CMakeCache.txt": "# This is the CMakeCache file.\n", "build/two": "<<two>>"},
}
"""By folder: what looks like a tool's own."""

pruned = pytest.mark.parametrize("folder", ["node_modules", "dist", "build"])


def adding(bench, place, files):
    """What adds files below a place of the tree."""
    return lambda: [bench.write(f"{place}/{name}", text) for name, text in files.items()]


def cloned(bench):
    """All that lies beside the tree is of one repository."""
    bench.git("init", "--quiet", "--initial-branch", "main", cwd=bench.folder)
    bench.write("../.gitignore", "__pycache__\n")


@requires_c
@pruned
def test_package_data_in_a_folder_that_looks_like_a_tools_own_counts(bench, folder):
    """Package data is looked for however deep."""
    setup = SETUP.format(before="", word="max(map(os.path.basename, glob.glob('demo/static/**/*', recursive=True)))")
    bench.setuptools(c(), setup=setup)
    bench.write("demo/static/one", "")
    bench.check(adding(bench, "demo/static", PRUNED[folder]))


@requires_cargo
@pruned
def test_build_script_that_walks_goes_into_a_folder_that_looks_like_a_tools_own(bench, folder):
    """A build script knows nothing of tools."""
    bench.maturin(main('env!("WORD")'), script=WALKING)
    bench.write("assets/one", "")
    bench.check(adding(bench, "assets", PRUNED[folder]))


@requires_cargo
@pytest.mark.parametrize(
    ("table", "place", "name"),
    [
        ("", "python/demo", "dist/two"),
        ('exclude = ["python/demo/*.txt"]', "python/demo", "two.txt"),
        ('exclude = ["python/demo/data/**"]', "python/demo/data", "two.txt"),
    ],
    ids=["looks like a tool's own", "excluded", "excluded folder"],
)
def test_file_that_maturin_packs_and_that_is_no_input_counts(bench, table, place, name):
    """All that lies in its package is packed by maturin."""
    bench.maturin(main('"one"'), tables='python-source = "python"\n', table=table)
    bench.write("python/demo/__init__.py", "")
    bench.write(f"{place}/a.txt", "")
    bench.settle()
    built = [bench.build() for _ in range(3)]
    assert built[-1].hit or not bench.observed
    bench.write(f"{place}/{name}", "<<two>>")
    assert bench.build().words == {"one", "two"}


@requires_c
@requires_git
@pytest.mark.parametrize("ending", [".pyc", sysconfig.get_config_var("EXT_SUFFIX")])
def test_compiled_module_that_a_build_looked_for_in_vain_counts(bench, ending):
    """A module needs no source."""
    cloned(bench)
    bench.write("../tools/anchor.py", "")
    bench.setuptools(c(), setup=SETUP.format(before=IMPORTS.format(package="words"), word="word"))
    source = bench.write("../made/words.py", 'WORD = "two"\n')
    module = 'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "words", 0, -1, 0};\n'
    module += "PyMODINIT_FUNC PyInit_words(void) { PyObject *o = PyModule_Create(&m);"
    module = f'#include <Python.h>\n{module} PyModule_AddStringConstant(o, "WORD", "two"); return o; }}\n'
    compiled, made = bench.write("../made/words.c", module), bench.path(f"../tools/words{ending}")

    def change():
        if ending == ".pyc":
            code = f"import py_compile; py_compile.compile({str(source)!r}, {str(made)!r}, doraise=True)"
            bench.run(bench.python, "-c", code)
        else:
            headers = sysconfig.get_paths()["include"]
            bench.run("gcc", "-shared", "-fPIC", f"-I{headers}", "-o", made, compiled)

    bench.check(change)


@requires_c
@requires_git
@pytest.mark.parametrize(("package", "there"), [("ns.sub", "ns/a.txt"), ("pk.sub", "pk/__init__.py")])
def test_module_of_a_package_that_a_script_looked_for_in_vain_counts(bench, package, there):
    """A package needs no `__init__.py`."""
    cloned(bench)
    bench.write("../tools/script.py", SCRIPT.format(package=package))
    bench.write(f"../tools/{there}", "")
    bench.setuptools(c(), setup=SETUP.format(before="", word=RUN))
    bench.check(lambda: bench.write(f"../tools/{package.replace('.', '/')}/words.py", "WORD = 'two'\n"))


@requires_c
@requires_git
@pytest.mark.parametrize("package", ["ns", "ns/sub"])
def test_a_nearer_portion_of_a_namespace_package_counts(bench, package):
    """A package without `__init__.py` may lie in several folders of the path."""
    cloned(bench)
    bench.write("../more/ns/a.txt", "")
    bench.write(f"../more/{package}/words.py", "WORD = 'one'\n")
    script = "import sys; sys.path.append(sys.path[0] + '/../more')\nfrom {} import words\nprint(words.WORD)\n"
    bench.write("../tools/script.py", script.format(package.replace("/", ".")))
    bench.setuptools(c(), setup=SETUP.format(before="", word=RUN))
    bench.check(lambda: bench.write(f"../tools/{package}/words.py", "WORD = 'two'\n"))


@requires_c
@requires_git
@pytest.mark.parametrize(
    ("before", "listed"),
    [
        ("os.symlink(os.path.abspath('../names'), '../l')", "os.listdir('../l') + (os.unlink('../l') or [])"),
        ("", "os.listdir('/proc/self/fd/%d' % os.open('../names', os.O_RDONLY))"),
        ("", "os.listdir('/dev/fd/%d' % os.open('../names', os.O_RDONLY))"),
        ("", "os.listdir('../way/../names')"),
    ],
    ids=["link", "descriptor", "device", "climbing"],
)
def test_folder_that_a_python_lists_by_another_path_counts(bench, before, listed):
    """What a path meant is known when it was listed, and no more when the build is over."""
    cloned(bench)
    names = bench.write("../far/names/one", "").parent
    bench.write("../names/.gitignore", "")
    if "way" in listed:
        bench.write("../far/x/y", "")
        bench.path("../way").symlink_to(bench.path("../far/x"))
    else:
        names = bench.write("../names/one", "").parent
    bench.setuptools(c(), setup=SETUP.format(before=before, word=f"max({listed})"))
    bench.check(lambda: (names / "two").write_text(""))


@linux
@requires_c
def test_name_that_comes_while_the_build_changes_the_folder_itself_counts(bench):
    """What the build has listed is what was there then."""
    bench.write("../names/one", "")
    listed = "(max(os.listdir('../names')), open('../names/.made', 'w').close(), time.sleep(2))[0]"
    bench.setuptools(c(), setup=SETUP.format(before="import time", word=listed))
    bench.settle()
    assert bench.build_while("../names/.made", lambda: bench.write("../names/two", "")).word == "one"
    assert bench.build().word == "two"


@requires_c
def test_what_a_build_makes_in_a_folder_that_it_lists_is_none_of_it(bench):
    """A clone, in which it is not there yet, gets the wheel as well; another name there counts."""
    setup = SETUP.format(before="", word="max(name for name in os.listdir('demo/static') if name != 'made')")
    bench.setuptools(c(), setup=setup + "os.makedirs('demo/static/made', exist_ok=True)\n")
    bench.write(".gitignore", "made\n")
    bench.write("demo/static/eins", "")
    bench.settle()
    first = bench.build()
    assert first.word == "eins"
    bench.path("demo/static/made").rmdir()
    again = bench.build()
    assert again.hit or first.unstored
    bench.write("demo/static/zwei/two", "")
    assert bench.build().word == "zwei"


@requires_c
def test_what_setuptools_leaves_beside_packages_is_no_reason_to_build(bench):
    """An editable, or a source distribution, has its `.egg-info` below `src`; that of another project counts."""
    where = '[tool.setuptools]\npackages = ["demo"]\n'
    bench.setuptools(c('"one"'), setup=SETUP.format(before="os.listdir('src')", word="'one'"))
    bench.replace("pyproject.toml", where, f'{where}package-dir = {{"" = "src"}}\n')
    bench.replace("setup.py", "demo/_native.c", "src/demo/_native.c")
    bench.path("src").mkdir()
    bench.path("demo").rename(bench.path("src/demo"))
    bench.settle()
    first = bench.build()
    bench.write("src/demo.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0.0\n")
    assert bench.build().hit or first.unstored
    bench.write("src/other.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: other\nVersion: 1.0.0\n")
    assert not bench.build().hit or not bench.observed

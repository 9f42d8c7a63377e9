"""Where the inputs of a project are, asked of tables in memory and compared with maturin itself."""

import os
import subprocess
import sys
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import backends
from freshwheel.sources import cargo, project

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

MATURIN = backends.find("maturin", [])
SETUPTOOLS = backends.find("setuptools.build_meta", [])
SETUPTOOLS_RUST = backends.find("setuptools.build_meta", ["setuptools-rust"])
SCIKIT_BUILD = backends.find("scikit_build_core.build", [])
MESON = backends.find("mesonpy", [])
HATCHLING = backends.find("hatchling.build", [])
FLIT = backends.find("flit_core.buildapi", [])
UNKNOWN = backends.find("custom_backend", [])
EVERY = (*backends.KNOWN, UNKNOWN)

CRATE = '[package]\nname = "demo"\nversion = "1.0.0"\nedition = "2021"\n'
LIBRARY = CRATE + '[lib]\nname = "demo"\ncrate-type = ["cdylib"]\n'
DEMO = '[project]\nname = "demo"\ndynamic = ["version"]\n'


def existing(files):
    """Whether a file, or a folder with a file in it, is among `files`."""
    return lambda path: any(one == path or one.startswith(f"{path}/") for one in files)


def chosen(text, *files, backend=MATURIN, found=()):
    """The manifests of a project."""
    return project.manifests(tomllib.loads(text), backend, existing(files), found)


def rooted(text, files=None, *, backend=MATURIN, found=()):
    """The roots of a project, as kind and path, each once and sorted by path."""
    files = dict.fromkeys(files, "") if isinstance(files, (list, tuple)) else files or {}
    manifests = chosen(text, *files, backend=backend, found=found)

    def read(path):
        return tomllib.loads(files[path]) if path in files else None

    closure = cargo.closure(manifests, read)
    every = project.roots(tomllib.loads(text), backend, closure, read, existing(files))
    return [(kind, path) for path, kind in sorted({(root.path, root.kind) for root in every})]


def beside(text, files=None, **more):
    """The roots without those that every project of the backend has."""
    usual = {("glob", one) for one in ("LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*")} | {("folder", "")}
    return [root for root in rooted(text, files, **more) if root not in usual]


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        (DEMO, ["Cargo.toml"], ["Cargo.toml"]),
        ("", [], ["Cargo.toml"]),
        ("[tool.maturin]\nmanifest-path = '../rust/./Cargo.toml'", [], ["../rust/Cargo.toml"]),
        ("[tool.maturin]\nmanifest-path = '/rust/Cargo.toml'", [], ["Cargo.toml"]),
        ("[tool.maturin]\nmanifest-path = 7", [], ["Cargo.toml"]),
        (DEMO, ["rust/Cargo.toml"], ["rust/Cargo.toml"]),
        (DEMO, ["Cargo.toml", "rust/Cargo.toml"], ["Cargo.toml", "rust/Cargo.toml"]),
        (DEMO, ["rust/Cargo.toml", "src/demo/__init__.py"], ["rust/Cargo.toml"]),
        ("[project]\nname = 'my-demo'", ["rust/Cargo.toml", "src/my_demo/__init__.py"], ["rust/Cargo.toml"]),
        ("[tool.maturin]\npython-source = 'py'", ["rust/Cargo.toml"], ["rust/Cargo.toml"]),
        (
            DEMO + "[tool.maturin]\npython-packages = ['a']",
            ["rust/Cargo.toml", "src/a/__init__.py"],
            ["rust/Cargo.toml"],
        ),
        (DEMO, ["rust/Cargo.toml", "src/demo/x.py"], ["rust/Cargo.toml"]),
        (DEMO, ["src/demo/__init__.py"], ["Cargo.toml"]),
    ],
)
def test_the_manifest_of_maturin(text, files, expected):
    """The manifest is the one that maturin takes; where releases differ, both."""
    assert chosen(text, *files) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[tool.setuptools-rust.ext-modules]]\ntarget = 'a'\npath = 'rust/Cargo.toml'", ["rust/Cargo.toml"]),
        ("[[tool.setuptools-rust.ext-modules]]\ntarget = 'a'", ["Cargo.toml"]),
        (
            "[[tool.setuptools-rust.ext-modules]]\npath = '../b/C'\n[[tool.setuptools-rust.bins]]\npath = 'a/C'",
            ["../b/C", "a/C"],
        ),
        ("[[tool.setuptools-rust.bins]]\npath = 3", []),
        ("[tool.setuptools-rust]\next-modules = 'x'", ["x/Cargo.toml"]),
        ("", ["x/Cargo.toml"]),
    ],
)
def test_the_manifests_of_setuptools_rust(text, expected):
    """What pyproject lists is built; if it lists nothing, `setup.py` may build any crate that was found."""
    assert chosen(text, backend=SETUPTOOLS_RUST, found=["x/Cargo.toml"]) == expected


@pytest.mark.parametrize("backend", [SETUPTOOLS, SCIKIT_BUILD, MESON, HATCHLING, UNKNOWN])
def test_the_manifests_of_any_other_backend(backend):
    """Any crate in the project may be built by a backend that does not say so."""
    assert chosen("", backend=backend, found=["b/Cargo.toml", "./a/Cargo.toml"]) == ["a/Cargo.toml", "b/Cargo.toml"]


def test_a_whole_project_and_its_crates():
    """For most backends the project directory counts, and what crates in it bring from outside."""
    files = {
        "rust/Cargo.toml": CRATE + '[dependencies]\nb = { path = "../../b" }\n',
        "../b/Cargo.toml": CRATE,
        "../Cargo.toml": "[workspace]\nmembers = ['b']",
        "../Cargo.lock": "",
        "setup.py": "",
    }
    expected = [
        ("folder", ""),
        ("file", "../Cargo.lock"),
        ("file", "../Cargo.toml"),
        ("crate", "../b"),
    ]
    assert rooted(DEMO, files, backend=SETUPTOOLS, found=["rust/Cargo.toml"]) == expected


def test_a_maturin_project():
    """For maturin only crates, the Python package and what is named count: not tests, docs or other packages."""
    files = {
        "Cargo.toml": CRATE + '[dependencies]\nb = { path = "../b" }\n',
        "../b/Cargo.toml": CRATE,
        "python/demo/__init__.py": "",
        "python/other/__init__.py": "",
        "docs/x.md": "",
    }
    text = DEMO + '[tool.maturin]\npython-source = "python"\nmodule-name = "demo._native"\n'
    assert beside(text, files) == [("crate", ""), ("crate", "../b"), ("folder", "python/demo")]


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        (DEMO, ["demo/__init__.py", "other/__init__.py"], [("folder", "demo")]),
        (DEMO, ["demo/x.py"], [("folder", "demo")]),
        (DEMO, ["demo/x.py", "demo/Cargo.toml"], []),
        (DEMO, ["src/demo/x.py", "demo/x.py"], [("folder", "demo"), ("folder", "src/demo")]),
        (DEMO, ["rust/Cargo.toml", "src/demo/__init__.py", "demo/x.py"], [("crate", "rust"), ("folder", "src/demo")]),
        ("[project]\nname = 'my-demo'", ["my_demo/__init__.py"], [("folder", "my_demo")]),
        (DEMO + "[tool.maturin]\nmodule-name = 'a.b._c'", ["a/x.py", "demo/x.py"], [("folder", "a")]),
        (DEMO + "[tool.maturin]\npython-source = '../py'", ["../py/demo/x.py"], [("folder", "../py/demo")]),
        (DEMO, ["demo.pyi"], [("file", "demo.pyi")]),
        (DEMO + "[tool.maturin]\nmodule-name = 'a._c'", ["_c.pyi"], [("file", "_c.pyi")]),
        (DEMO, ["demo.py", "demo-stubs/__init__.pyi"], []),
        (DEMO + "[tool.maturin]\npython-packages = ['a[1]', 3]", [], [("glob", "a[[]1]")]),
        (DEMO + "[tool.maturin]\ndata = 'd'", ["d/data/x", "demo.data/data/x"], [("folder", "d")]),
        (DEMO, ["demo.data/data/x"], [("folder", "demo.data")]),
        (DEMO + "[tool.maturin]\nmodule-name = 'a.b'", ["a.b.data/data/x"], [("folder", "a.b.data")]),
        (DEMO + "[tool.maturin]\ninclude = ['a/**/*', './b']", [], [("glob", "a/**/*"), ("glob", "b")]),
        (DEMO + "[tool.maturin]\ninclude = [{path = 'a', format = 'sdist'}]", [], []),
        (DEMO + "[tool.maturin]\ninclude = [{path = 'a', format = ['sdist', 'wheel']}]", [], [("glob", "a")]),
        (DEMO + "[tool.maturin]\ninclude = [{path = 'a', from = 'out-dir', to = 'b'}]", [], []),
        (DEMO + "[tool.maturin]\ninclude = ['**.py', '/etc/x', '', 3, {}]", [], []),
        (
            DEMO + "[tool.maturin]\npython-source = 'p[y]'\ninclude = ['a']",
            [],
            [("glob", "a"), ("glob", "p[[]y]/a")],
        ),
        (DEMO + "[tool.maturin.sbom]\ninclude = ['a.json', 'gone.json']", ["a.json"], [("file", "a.json")]),
        (DEMO + "[tool.maturin]\nconfig = ['c.toml', 'a.b=1']", ["c.toml"], [("file", "c.toml")]),
    ],
)
def test_what_maturin_packs(text, files, expected):
    """Each thing that maturin packs, and that exists, is a root; an `include` may also lie below `python-source`."""
    assert beside(text, files) == expected


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        (DEMO, [".gitignore", ".ignore", "docs/.ignore"], []),
        (DEMO, [".gitignore", "demo/x.py"], [("file", ".gitignore"), ("folder", "demo")]),
        (DEMO, [".ignore", "demo/.ignore", "demo/x.py"], [("file", ".ignore"), ("folder", "demo")]),
        (
            DEMO + "[tool.maturin]\npython-source = 'a/b'",
            ["a/.gitignore", "a/b/.ignore", "a/c/.ignore", "a/b/demo/x.py"],
            [("file", "a/.gitignore"), ("file", "a/b/.ignore"), ("folder", "a/b/demo")],
        ),
        (DEMO + "[tool.maturin]\npython-source = '../py'", [".ignore", "../py/demo/x.py"], [("folder", "../py/demo")]),
        (
            DEMO + "[tool.maturin]\npython-packages = ['p/q', '/', '..', 3]",
            ["p/.ignore", "p/q/x.py"],
            [("file", "p/.ignore"), ("glob", "p/q")],
        ),
    ],
)
def test_what_maturin_leaves_out_of_a_package(text, files, expected):
    """Files that say what is ignored decide what is packed, from the project directory down to the package."""
    assert beside(text, files) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["../.gitignore", "../../.gitignore", "../../.git/HEAD"], [("file", "../.gitignore")]),
        (
            ["../../.gitignore", "../../.git/HEAD", "../../.hgignore"],
            [("file", "../../.gitignore"), ("file", "../../.hgignore")],
        ),
        (["../../.gitignore", "../.git", "../.hgignore"], [("file", "../.hgignore")]),
        ([".gitignore", ".hg/x", "../.gitignore", "../.hgignore"], [("file", ".gitignore")]),
    ],
)
def test_what_hatchling_leaves_out(files, expected):
    """The nearest file that says what is ignored decides what is packed, as far up as the repository goes."""
    assert beside(DEMO, files, backend=HATCHLING) == expected
    assert beside(DEMO, files, backend=FLIT) == []


def test_the_library_names_the_package():
    """Where pyproject gives no module name, the library's is used before the project's."""
    assert beside(DEMO, {"Cargo.toml": LIBRARY.replace('"demo"', '"_d"'), "_d/x.py": "", "demo/x.py": ""}) == [
        ("crate", ""),
        ("folder", "_d"),
    ]


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        ("readme = '../README.md'", ["../README.md"], [("file", "../README.md")]),
        ("readme = {file = 'R', content-type = 'x'}", ["R"], [("file", "R")]),
        ("readme = {text = 'R'}", ["R"], []),
        ("license = {file = 'L'}", ["L"], [("file", "L")]),
        ("license = 'MIT'", ["MIT"], []),
        ("license-files = ['a/*', '../L']", [], [("glob", "../L"), ("glob", "a/*")]),
        ("readme = ''\nlicense = 3\nlicense-files = 3", [], []),
        ("readme = '/README.md'\nlicense = {file = 'C:\\x'}", ["README.md"], []),
    ],
)
def test_files_of_the_project_table(text, files, expected):
    """What `[project]` names is a root for maturin; for other backends it is one where it leaves the project."""
    text = "[project]\nname = 'demo'\n" + text
    assert beside(text, files) == expected
    outside = [root for root in expected if root[1].startswith("../")]
    assert beside(text, files, backend=MESON) == outside


def test_licence_files_are_looked_for():
    """Unless `license-files` says which there are, and be it none, the usual names count."""
    assert ("glob", "LICEN[CS]E*") in rooted(DEMO)
    assert rooted("[project]\nname = 'demo'\nlicense-files = []") == []


def test_what_a_manifest_names_outside_of_its_crate():
    """Readme and licence count for the crate that is built; build script and sources for every crate."""
    files = {
        "rust/Cargo.toml": CRATE + 'readme = "../R"\nlicense-file = "../L"\n[dependencies]\nb = { path = "../b" }\n',
        "b/Cargo.toml": CRATE
        + 'readme = "../N"\nbuild = "../b.rs"\n[lib]\npath = "../c/l.rs"\n[[bin]]\npath = "src/m.rs"\n',
        **dict.fromkeys(("R", "L", "N", "b.rs", "c/l.rs"), ""),
    }
    text = DEMO + '[tool.maturin]\nmanifest-path = "rust/Cargo.toml"\n'
    crates = [("crate", "b"), ("file", "b.rs"), ("folder", "c"), ("crate", "rust")]
    assert beside(text, files) == [("file", "L"), ("file", "R"), *crates]
    readme = text.replace("[tool", 'readme = "own"\n[tool')
    assert beside(readme, files) == [("file", "L"), *crates]


def test_what_a_workspace_names():
    """An inherited readme or licence is relative to the workspace root, wherever it is."""
    own = 'readme.workspace = true\nlicense-file.workspace = true\nworkspace = "../w"\n'
    files = {
        "rust/Cargo.toml": CRATE + own,
        "w/Cargo.toml": '[workspace]\n[workspace.package]\nreadme = "R"\nlicense-file = "../L"\n',
        "w/R": "",
        "L": "",
    }
    text = DEMO + '[tool.maturin]\nmanifest-path = "rust/Cargo.toml"\n'
    assert beside(text, files) == [("file", "L"), ("crate", "rust"), ("file", "w/Cargo.toml"), ("file", "w/R")]
    above = {"Cargo.toml": CRATE + own.replace('workspace = "../w"\n', ""), "../Cargo.toml": files["w/Cargo.toml"]}
    outside = [("file", "../../L"), ("file", "../Cargo.toml"), ("file", "../R")]
    assert beside(DEMO, {**above, "../R": "", "../../L": ""}) == [("crate", ""), *outside]


@pytest.mark.parametrize(
    ("backend", "text", "files", "expected"),
    [
        (SETUPTOOLS, "[tool.setuptools.dynamic]\nversion = {file = '../V'}", ["../V"], [("glob", "../V")]),
        (SETUPTOOLS, "[tool.setuptools.dynamic]\nversion = {file = 'V'}", ["V"], []),
        (SETUPTOOLS, "[tool.setuptools.package-dir]\n'' = '../py'", ["../py/a.py"], [("glob", "../py")]),
        (SETUPTOOLS, "[tool.setuptools.packages.find]\nwhere = ['..']", ["../a.py"], [("folder", "..")]),
        (SETUPTOOLS, "[tool.setuptools_scm]\nroot = '..'", ["../a.py"], []),
        (SCIKIT_BUILD, "[tool.scikit-build]\ncmake.source-dir = '../cpp'", ["../cpp/x"], [("glob", "../cpp")]),
        (MESON, "[tool.meson-python.args]\nsetup = ['--native-file=../n.ini']", ["../n.ini"], [("glob", "../n.ini")]),
        (HATCHLING, "[tool.hatch.build.force-include]\n'../a[1]' = 'b'", ["../a[1]/x"], [("glob", "../a[[]1]")]),
        (HATCHLING, "[tool.hatch.version]\nraw-options = {root = '..'}", ["../x"], []),
        (HATCHLING, "[tool.hatch.build]\ninclude = ['../a/*.py', '../gone']", [], [("glob", "../a/*.py")]),
        (HATCHLING, "[tool.uv.sources]\na = {path = '../a'}", ["../a/x"], []),
        (UNKNOWN, "[tool.poetry]\npackages = [{include = 'a', from = '../b'}]", ["../b/x"], [("glob", "../b")]),
    ],
)
def test_what_a_backend_is_told_of_outside(backend, text, files, expected):
    """Whatever the tables of a backend name outside of the project is a root, but for where its repository begins."""
    assert beside(text, files, backend=backend) == expected


def test_one_place_for_two_reasons():
    """A place is one root, but for a folder that is a crate too: not all in it counts for that."""
    files = {"demo/Cargo.toml": CRATE, "demo/__init__.py": ""}
    text = DEMO + '[tool.maturin]\nmanifest-path = "demo/Cargo.toml"\n'
    assert beside(text, files) == [("crate", "demo"), ("folder", "demo")]


SCM = "[tool.setuptools_scm]\n"
HATCH = "[tool.hatch.build.hooks.vcs]\nversion-file = 'v.py'\n"
PDM = "[tool.pdm.version]\nsource = 'scm'\nwrite_to = 'a/v.py'\n"


@pytest.mark.parametrize(
    ("backend", "text", "expected"),
    [
        (SETUPTOOLS, SCM + "version_file = 'a/v.py'", ["a/v.py"]),
        (SETUPTOOLS_RUST, SCM + "write_to = './a/v.py'", ["a/v.py"]),
        (SCIKIT_BUILD, SCM + "write_to = 'a/v.py'\nversion_file = 'b.py'", ["a/v.py", "b.py"]),
        (SETUPTOOLS, SCM + "root = '..'\nwrite_to = 'py/v.py'\nversion_file = 'b.py'", ["../py/v.py", "b.py"]),
        (SETUPTOOLS, "[tool.vcs-versioning]\nversion_file = 'v.py'", ["v.py"]),
        (SETUPTOOLS, SCM + "write_to = '/v.py'\nversion_file = 3", []),
        (SETUPTOOLS, SCM + "version_file = ''\nroot = 3\nwrite_to = 'v.py'", []),
        (MATURIN, SCM + "version_file = 'v.py'", []),
        (UNKNOWN, SCM + "version_file = 'v.py'", ["v.py"]),
        (HATCHLING, HATCH, ["v.py"]),
        (HATCHLING, "[tool.hatch.build.targets.wheel.hooks.vcs]\nversion-file = 'w.py'", ["w.py"]),
        (HATCHLING, "[tool.hatch.build.hooks.version]\npath = 'v.py'", ["v.py"]),
        (HATCHLING, "[tool.hatch.build.hooks.version]\npath = 'v.py'\npattern = true", []),
        (SETUPTOOLS, HATCH, []),
        (HATCHLING, "[tool.versioningit.write]\nfile = 'v.txt'", ["v.txt"]),
        (SETUPTOOLS, "[tool.versioningit.write]\nfile = 'v.txt'\nmethod = 'basic'", ["v.txt"]),
        (SETUPTOOLS, "[tool.versioningit.write]\nfile = 'v.txt'\nmethod = {module = 'm', value = 'f'}", []),
        (SETUPTOOLS, "[tool.versioningit.onbuild]\nsource-file = 'v.py'", []),
        (SCIKIT_BUILD, "[[tool.scikit-build.generate]]\nlocation = 'source'\npath = 'v.py'", ["v.py"]),
        (SCIKIT_BUILD, "[[tool.scikit-build.generate]]\npath = 'v.py'", []),
        (UNKNOWN, PDM, ["a/v.py", "src/a/v.py"]),
        (UNKNOWN, PDM + "[tool.pdm.build]\npackage-dir = 'p'", ["p/a/v.py"]),
        (UNKNOWN, "[tool.poetry-dynamic-versioning.files.'v.py']\ninitial-content = 'x'", ["v.py"]),
        (UNKNOWN, "[tool.poetry-dynamic-versioning.files.'v.py']\npersistent-substitution = true", []),
        (SETUPTOOLS, "[tool.setuptools-git-versioning]\nversion_file = 'V'", []),
        (MESON, SCM + "version_file = 'v.py'" + "\n" + HATCH + PDM, []),
        (FLIT, PDM, []),
    ],
)
def test_declared_outputs(backend, text, expected):
    """What pyproject says that this backend writes is an output; what another one would write is none."""
    assert list(project.outputs(tomllib.loads(text), backend)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[tool.freshwheel]\nversion = {path = 'v.py'}",
        "[tool.hatch.version]\npath = './v.py'",
        "[tool.setuptools.dynamic]\nversion = {file = ['v.py']}",
        "[tool.pdm.version]\nsource = 'file'\npath = 'v.py'",
        "[[tool.dynamic-metadata]]\ninput = 'v.py'",
    ],
)
def test_a_source_of_the_version_is_no_output(text):
    """A file that the version is read from is an input, whoever writes it."""
    assert project.outputs(tomllib.loads(SCM + "version_file = 'v.py'\n" + text), UNKNOWN) == {}


WORDS = st.sampled_from(
    [
        *("project", "tool", "maturin", "setuptools-rust", "setuptools", "setuptools_scm", "hatch", "build", "hooks"),
        *("version", "vcs", "version-file", "path", "file", "readme", "license", "license-files", "include", "data"),
        *("module-name", "python-source", "python-packages", "manifest-path", "ext-modules", "bins", "sbom", "config"),
        *("pdm", "write_to", "root", "generate", "location", "package", "lib", "bin", "workspace", "name", "targets"),
        *("dynamic", "format", "from", "globs", "files", "dynamic-metadata", "scikit-build", "poetry", "packages"),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", ".", "..", "../x", "/", "C:\\x", "a/../..", "**", "../**/[", "source", "\0", "../\n", "../" * 400]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.floats(), st.booleans(), st.datetimes(), st.none()),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.one_of(WORDS, TEXTS), below, max_size=5)),
    max_leaves=20,
)
TABLES = st.dictionaries(WORDS, VALUES, max_size=5)
SHAPED = st.builds(
    lambda project, tool: {"project": project, "tool": tool},
    VALUES,
    st.one_of(VALUES, st.dictionaries(WORDS, TABLES, max_size=8)),
)


@given(
    pyproject=st.one_of(TABLES, SHAPED),
    manifest=st.one_of(st.none(), TABLES),
    backend=st.sampled_from(EVERY),
    there=st.booleans(),
)
def test_nothing_in_a_table_is_too_odd(pyproject, manifest, backend, there):
    """No value raises, and every path is relative, normalised and climbs at its start only."""
    chosen = project.manifests(pyproject, backend, lambda _: there, ["Cargo.toml"])
    read = dict.fromkeys([*chosen, "Cargo.toml", "../Cargo.toml"], manifest).get
    found = project.roots(pyproject, backend, cargo.closure(chosen, read), read, lambda _: there)
    paths = [*chosen, *(root.path for root in found), *project.outputs(pyproject, backend)]
    assert paths == [cargo.normal(path) for path in paths]
    assert not [path for path in paths if path.startswith("/") or "\0" in path or "/.." in path.replace("../", "")]


def test_a_deep_table():
    """A table deeper than Python's stack is no matter."""
    deep = {}
    for _ in range(100_000):
        deep = {"a": deep}
    pyproject = {"tool": {"setuptools": deep, "maturin": deep}}
    for backend in (SETUPTOOLS, MATURIN):
        assert project.roots(pyproject, backend, cargo.closure([], {}.get), {}.get, lambda _: False)


def test_what_was_asked_decides():
    """Whoever notes what `exists` was asked about knows where a new file would change the answer."""
    asked = set()
    closure = cargo.closure(["Cargo.toml"], {}.get)
    pyproject = tomllib.loads(DEMO)
    project.manifests(pyproject, MATURIN, lambda path: bool(asked.add(path)))
    project.roots(pyproject, MATURIN, closure, {}.get, lambda path: bool(asked.add(path)))
    assert {"rust/Cargo.toml", "demo", "src/demo", "demo.data", "demo.pyi"} <= asked


@pytest.fixture(scope="module")
def maturin(tmp_path_factory):
    """Builds the project in a folder by the real maturin, and gives the members of the wheel."""
    home = tmp_path_factory.mktemp("maturin")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    bin_ = home / "venv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([bin_ / "python", "-m", "pip", "install", "-q", "maturin>=1.16", "cffi"], check=True)

    def build(folder):
        command = [bin_ / "maturin", "build", "--offline", "--target-dir", home / "target", "-o", folder / "dist"]
        path = os.pathsep.join((str(bin_), os.environ["PATH"]))
        subprocess.run(command, check=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True)
        [wheel] = (folder / "dist").iterdir()
        with zipfile.ZipFile(wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    return build


BUILD = '[build-system]\nrequires = ["maturin>=1,<2"]\nbuild-backend = "maturin"\n'
CFFI = '[tool.maturin]\nbindings = "cffi"\n'
LAYOUTS = {
    "beside": (CFFI, ["Cargo.toml", "demo/__init__.py", "demo.data/data/f", "demo/sub/deep.txt"]),
    "no package": (CFFI, ["Cargo.toml", "demo.pyi", "demo.py", "demo-stubs/__init__.pyi"]),
    "rust and src": (CFFI, ["rust/Cargo.toml", "src/demo/__init__.py", "demo/__init__.py", "other/x.py"]),
    "src without rust": (CFFI, ["Cargo.toml", "src/demo/__init__.py", "demo/__init__.py"]),
    "crate of the name": (CFFI + 'manifest-path = "demo/Cargo.toml"\n', ["demo/Cargo.toml", "demo/x.py"]),
    "python-source": (
        CFFI + 'python-source = "py"\nmodule-name = "pkg.sub._native"\ninclude = ["inc/*.txt", "top.txt"]\n'
        'python-packages = ["more", "single.py", "pkg-stubs"]\n[tool.maturin.sbom]\ninclude = ["bom.json"]\n',
        [
            *("rust/Cargo.toml", "py/pkg/__init__.py", "py/pkg/sub/__init__.py", "py/inc/a.txt", "top.txt", "py/no.py"),
            *("py/more/x.py", "py/single.py", "py/pkg-stubs/__init__.pyi", "bom.json", "pkg.sub._native.data/data/g"),
        ],
    ),
    "licences": (
        CFFI,
        ["Cargo.toml", "LICENSE-MIT", "NOTICE.md", "COPYING", "AUTHORS.txt", "OTHER", "demo/__init__.py"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_maturin_packs_what_has_a_root(tmp_path, maturin, layout):
    """Of files with a content of their own, maturin packs exactly those that lie under a root, crates aside.

    But for a `src` without `rust` beside it, which older releases take for the folder of the packages.
    """
    table, paths = LAYOUTS[layout]
    files = {path: f"# {path} " for path in paths}
    crate = next(path for path in paths if path.endswith("Cargo.toml"))
    folder = crate.removesuffix("Cargo.toml")
    files |= {crate: LIBRARY, f"{folder}src/lib.rs": "", "pyproject.toml": BUILD + DEMO + table}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    held = b"\n".join(maturin(tmp_path).values())
    packed = {path for path in paths if files[path].startswith("# ") and files[path].encode() in held}
    assert chosen(files["pyproject.toml"], *files) == [crate]
    named = {path for path in paths if files[path].startswith("# ") and under(rooted_in(files), path)}
    assert named - packed == ({"src/demo/__init__.py"} if layout == "src without rust" else set())
    assert packed <= named
    assert packed or layout == "crate of the name"


def rooted_in(files):
    """The roots of a project but its crates."""
    return [(kind, path) for kind, path in rooted(files["pyproject.toml"], files) if kind != "crate"]


def under(found, path):
    """Whether a path lies under one of the roots."""
    patterns = project.globs.parse([one for kind, one in found if kind == "glob"])
    *folders, name = path.split("/")
    places = patterns.start()
    for folder in folders:
        places = patterns.step(places, folder)
    named = bool(patterns.matching(places, name)) or patterns.covers(places)
    return named or any(kind != "glob" and (path == one or path.startswith(f"{one}/")) for kind, one in found)

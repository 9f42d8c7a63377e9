"""What is pruned by evidence, what is litter, and that a name alone is neither."""

import pytest

TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# by cargo\n"
CMAKE = b"# This is the CMakeCache file.\n# For build in directory: /tmp\n"
RUSTC = b'{"rustc_fingerprint":123,"outputs":{}}'
VENV = b"home = /usr/bin\nversion = 3.12.1\n"

EVIDENCE = [
    ("tagged as a cache", "target", {"CACHEDIR.TAG": TAG, "debug/a.rs": b""}),
    ("a virtual environment", "env", {"pyvenv.cfg": VENV, "lib/a.py": b""}),
    ("a virtual environment", "env", {"pyvenv.cfg": b"version = 3.12\r\nhome=C:\\Python\r\n", "lib/a.py": b""}),
    ("a conda environment", "env", {"conda-meta/history": b"==> 2026-01-31 10:00:00 <==\n", "lib/a.py": b""}),
    ("a build folder of CMake", "out", {"CMakeCache.txt": CMAKE, "a.o": b""}),
    ("a target folder of cargo", "target", {".rustc_info.json": RUSTC, "debug/a.rs": b""}),
    ("a build folder of meson", "bd", {"meson-info/meson-info.json": b'{\n "meson_version": {}}', "a.o": b""}),
    ("installed by a JavaScript package manager", "node_modules", {".package-lock.json": b"{}", "x/index.js": b""}),
    ("installed by a JavaScript package manager", "node_modules", {".yarn-integrity": b"{}", "x/index.js": b""}),
    ("installed by a JavaScript package manager", "node_modules", {".yarn-state.yml": b"", "x/index.js": b""}),
    ("installed by a JavaScript package manager", "node_modules", {".modules.yaml": b"", "x/index.js": b""}),
    ("installed by a JavaScript package manager", "node_modules", {".pnpm/x/index.js": b""}),
    ("a build folder of setuptools", "build", {"lib/demo/a.py": b"", "bdist.linux-x86_64/x": b""}),
    ("a build folder of setuptools", "build", {"lib.linux-x86_64-cpython-311/a.so": b""}),
    ("a build folder of setuptools", "build", {"temp.linux-x86_64-cpython-311/a.o": b"", "scripts-3.11/run": b""}),
    ("a build folder of setuptools", "build", {"__editable__.demo-1.0/a.py": b"", ".gitignore": b"*"}),
    ("nothing but what a tool has left", "dist", {"demo-1.0.tar.gz": b"", ".gitignore": b"*"}),
    ("nothing but what a tool has left", "out", {"demo-1.0-py3-none-any.whl": b"", ".gitignore": b"*"}),
    ("built distributions", "sub/dist", {"demo-1.0-py3-none-any.whl": b""}),
    ("built distributions", "dist", {"demo-1.0.zip": b"", ".demo-1.0-py3-none-any.whl.123.0123456789ab.tmp": b""}),
    ("built distributions", "wheelhouse", {"a-1.0-py3-none-any.whl": b"", "b-1.0-py3-none-any.whl": b""}),
    ("metadata written by setuptools", "demo.egg-info", {"PKG-INFO": b"Metadata-Version: 2.1\n", "SOURCES.txt": b""}),
    *(
        ("nothing but what a tool has left", name, files)
        for name, files in (
            ("dist", {".gitignore": b"*"}),
            ("artifacts/wheels", {".gitignore": b"# Created by a tool\n\n*\r\n"}),
            ("pkg/out", {".gitignore": b"*\n", ".DS_Store": b"", "__pycache__/a.pyc": b""}),
        )
    ),
    ("left by a tool", "htmlcov", {"index.html": b"", "status.json": b""}),
    *(
        ("left by a tool", name, {"x": b""})
        for name in (
            ".mypy_cache",
            ".pytest_cache",
            ".ruff_cache",
            ".hypothesis",
            ".tox",
            ".nox",
            ".eggs",
            ".pdm-build",
            ".pixi",
            ".direnv",
            ".ipynb_checkpoints",
            ".idea",
            ".vscode",
            ".vs",
            ".fleet",
            ".zed",
        )
    ),
]

NO_EVIDENCE = [
    ("target", {"debug/a.rs": b""}),
    ("target", {"CACHEDIR.TAG": b"Signature: another\n", "a.rs": b""}),
    ("target", {"CACHEDIR.TAG": b"", "a.rs": b""}),
    ("target", {"CACHEDIR.TAG/x": TAG, "a.rs": b""}),
    ("target", {"sub.rs": b"", ".rustc_info.json": b"[]"}),
    (".venv", {"lib/a.py": b""}),
    ("env", {"pyvenv.cfg": b"a template, without the line that every one has\n"}),
    ("env", {"conda-meta/history": b"notes", "lib/a.py": b""}),
    ("env", {"conda-meta/python.json": b"{}", "lib/a.py": b""}),
    ("cmake", {"CMakeCache.txt": b"a test of a parser"}),
    ("bd", {"meson-info/meson-info.json": b"notes"}),
    ("bd", {"meson-info/other.json": b"{}"}),
    ("node_modules", {"x/index.js": b""}),
    ("modules", {".package-lock.json": b"{}", "x/index.js": b""}),
    ("build", {"lib/helper.rb": b""}),
    ("build", {"lib.linux-x86_64/a.so": b"", "tests/uv.rs": b""}),
    ("build", {"lib.linux-x86_64/a.so": b"", "script.sh": b""}),
    ("build", {"lib.linux-x86_64": b"a file"}),
    ("lib", {"lib.linux-x86_64/a.so": b""}),
    ("dist", {"index.js": b""}),
    ("dist", {"demo-1.0-py3-none-any.whl": b"", "README": b""}),
    ("dist", {"demo-1.0-py3-none-any.whl": b"", "sub/a.py": b""}),
    ("dist", {".gitignore": b"*\n!.gitignore\n"}),
    ("dist", {".gitignore": b"*.log\n"}),
    ("dist", {".gitignore": b""}),
    ("dist", {".gitignore/x": b"*"}),
    ("data", {".gitignore": b"*\n", ".keep": b""}),
    ("src/demo/_bundled", {"pip-24.0-py3-none-any.whl": b""}),
    ("vendor", {"pip-24.0-py3-none-any.whl": b"", "wheel-0.45-py3-none-any.whl": b""}),
    ("data", {"words-2.zip": b""}),
    ("data", {"words-2.tar.gz": b""}),
    ("demo.egg-info", {"SOURCES.txt": b""}),
    ("demo.egg-info", {"PKG-INFO": b"not what it seems"}),
    ("demo.dist-info", {"METADATA": b"Metadata-Version: 2.1\n"}),
    ("htmlcov", {"index.html": b""}),
    ("ignored", {".gitignore": b"*\n", "a.py": b""}),
    ("git", {"HEAD": b"ref: refs/heads/main"}),
    ("mypy_cache", {"a": b""}),
]


@pytest.mark.parametrize(("why", "name", "files"), EVIDENCE)
def test_folder_with_evidence_is_pruned(grove, why, name, files):
    """What a tool built or dropped is no input, its whole folder goes, and the reason is known."""
    grove.plant("a.py")
    for file, data in files.items():
        grove.write(f"{name}/{file}", data)
    assert grove.names() == ["a.py"]
    assert grove.pruned() == {name.encode(): why}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gitdir: /home/jo/demo/.git/worktrees/a\n", ["a.py"]),
        ("gitdir: ../.git/modules/a\n", ["a.py", "a/demo.c", "a/pyproject.toml"]),
        ("gitdir: ../.git/worktrees/b/modules/a\n", ["a.py", "a/demo.c", "a/pyproject.toml"]),
    ],
)
def test_another_working_tree_in_the_project_is_no_part_of_it(grove, text, names):
    """Whatever it holds; a submodule is one."""
    grove.plant("a.py", "a/demo.c", "a/pyproject.toml")
    grove.write("a/.git", text.encode())
    assert grove.names() == names


@pytest.mark.parametrize(("name", "files"), NO_EVIDENCE)
def test_folder_with_the_name_alone_stays(grove, name, files):
    """A name says little: such a folder may be somebody's source."""
    for file, data in files.items():
        grove.write(f"{name}/{file}", data)
    assert grove.names() == sorted(f"{name}/{file}" for file in files)


@pytest.mark.parametrize(
    "protector",
    ["pyproject.toml", "setup.py", "setup.cfg", "Cargo.toml", "CMakeLists.txt", "meson.build", "__init__.py"],
)
@pytest.mark.parametrize(("name", "files"), [case[1:] for case in EVIDENCE[::4]])
def test_folder_with_a_manifest_or_package_stays(grove, protector, name, files):
    """A build inside of a source folder does not empty the project; files that are litter by themselves still go."""
    for file, data in files.items():
        grove.write(f"{name}/{file}", data)
    grove.plant(f"{name}/{protector}", f"{name}/source.c")
    assert {f"{name}/{protector}", f"{name}/source.c"} <= set(grove.names())


@pytest.mark.parametrize("files", [files for _, _, files in EVIDENCE])
def test_root_is_never_pruned(grove, files):
    """`cmake .` or `python -m venv .` in the root leaves the project what it was."""
    grove.plant("a.py")
    for file, data in files.items():
        grove.write(file, data)
    assert "a.py" in grove.names()


@pytest.mark.parametrize("name", [".git", ".hg", ".svn", ".jj", ".bzr", "__pycache__"])
def test_version_control_and_bytecode_go_by_their_names(grove, name):
    """Nobody else uses these names, and not even a package inside makes them sources."""
    grove.plant("a.py", f"{name}/x", f"sub/{name}/__init__.py", f"sub/{name}/setup.py")
    assert grove.names() == ["a.py"]


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        "a.pyc",
        "a.pyo",
        "a.cpython-311-x86_64-linux-gnu.so",
        "a.cpython-313t-darwin.so",
        "a.cpython-311d-x86_64-linux-gnu.so",
        "a.abi3.so",
        "a.abi3t.so",
        "a.abi3.pyd",
        "a.cp311-win_amd64.pyd",
        "a.cp313t-win_arm64.pyd",
        "a.pypy310-pp73-x86_64-linux-gnu.so",
        "a.graalpy231-310-native-x86_64-linux.so",
        ".coverage",
        ".coverage.host.123.456",
        ".dmypy.json",
        "default_123_0.profraw",
        "coverage.xml",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "a.py.swp",
        "a.swo",
        ".a.py.swp",
        ".a.py.swn",
        ".a.py.swa",
        ".a.py.un~",
        ".a.py.kate-swp",
        ".~lock.a.csv#",
        ".goutputstream-AB12CD",
        ".nfs000000000012d68700000001",
        ".fuse_hidden0000001200000004",
        "a.py___jb_tmp___",
        "a.py___jb_old___",
        "a.py~",
        ".#a.py",
        "#a.py#",
        "4913",
        ".wraplock",
        ".freshwheel-x",
        ".a.whl.77.0123456789ab.tmp",
    ],
)
def test_file_that_is_dropped_is_no_input(grove, name):
    """Bytecode, extension modules in place and what editors and tools drop: in the root, in a package, anywhere."""
    grove.plant("a.py", name, f"sub/{name}", f"pkg/{name}", "pkg/__init__.py")
    assert grove.names() == ["a.py", "pkg/__init__.py"]


@pytest.mark.parametrize(
    "name",
    [
        "a.so",
        "a.pyd",
        "liba.so.1",
        "a.cpython.so",
        "a.cp311.pyd",
        "abi3.so",
        "a.abi3.dylib",
        ".coveragerc",
        "a.pyi",
        "pyc",
        "~a",
        "#a",
        "49130",
        ".gitignore",
        ".gitattributes",
        "a.tmp",
        "a.orig",
        "a.swf",
        "a.swn",
        ".a.swg.py",
        ".swift",
        ".nfs",
        ".goutputstream-",
        "a.profdata",
        "freshwheel.sources.manifest_toml",
        "Cargo.lock",
    ],
)
def test_file_with_a_similar_name_is_an_input(grove, name):
    """What is not surely dropped is an input: a redundant build is better than a stale one."""
    assert grove.plant(name).names() == [name]


@pytest.mark.parametrize(
    "name",
    [
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "pixi.lock",
        "pylock.toml",
        "pylock.dev.toml",
        ".pdm-python",
        ".python-version",
        ".python-versions",
        ".venv",
        "demo-1.0+s0123456789ab-py3-none-any.whl",
        "my_demo-1!1.0rc1+linux.s0123456789ab-1-cp311-cp311-linux_x86_64.whl",
    ],
)
def test_file_of_a_frontend_is_litter_in_the_root_only(grove, name):
    """A frontend writes such a file while it asks for a build; in a package the same name is somebody's data."""
    assert grove.plant(name, "sub/a.py", f"sub/{name}").names() == sorted(["sub/a.py", f"sub/{name}"])


@pytest.mark.parametrize(
    "name",
    [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0+gs0123456789ab-py3-none-any.whl",
        "demo-1.0+s0123456789ab.tar.gz",
        "demo-1.0+s0123456789ab-py3-none-any.whl.asc",
        "uv.lock.d",
        "python-version",
    ],
)
def test_other_file_in_the_root_is_an_input(grove, name):
    """A wheel without a label may be somebody else's, which is packed."""
    assert grove.plant(name).names() == [name]


@pytest.mark.parametrize(
    "files",
    [
        ("build/generate.py", "build/tables/a.json"),
        ("dist/make.py", "dist/demo-1.0-py3-none-any.whl"),
        ("wheelhouse/index.py",),
        ("env/__init__.py", "env/pyvenv.cfg"),
        ("venv/__init__.py", "venv/bin/activate"),
        ("env/variables.py",),
        ("venv/create.py", "venv/lib/site-packages/a.py"),
        ("target/x86.c", "target/arm/regs.c"),
        ("target/release/notes.py",),
        ("htmlcov/render.py",),
        ("node_modules/own/index.js",),
        ("conda/recipe.yaml",),
        ("cache/lru.py",),
        ("coverage/data.py",),
        ("vs/code.py",),
        ("a.egg-info/notes.py",),
    ],
)
def test_edit_of_a_source_with_an_innocent_name_moves_the_digest(grove, files):
    """A source in a folder that is named as those of tools are is seen, file by file."""
    grove.plant("pyproject.toml", *files)
    for file in files:
        before = grove.digest()
        assert grove.write(file, b"edited").digest() != before

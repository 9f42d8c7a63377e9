"""The list of cache keys that is written for real projects, each as a small tree of the same shape.

A blank-separated text names files relative to the project directory.
"""

import dataclasses
import glob
import json
import os
import posixpath
import sys

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = """
[build-system]
requires = ["freshwheel", {requires}]
build-backend = "freshwheel"

[project]
name = "{name}"
dynamic = ["version"]
{project}

[tool.freshwheel]
backend = "{backend}"
{settings}

{tables}
"""
TAG = "Signature: 8a477f597d28d172789f06886806bc55"
BUILT = "release/build/x-0123456789abcdef/out/bindings.rs"
"""What build scripts leave in a target folder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Project:
    """One project."""

    at: str = "."
    """Its directory in the repository."""
    backend: str = "maturin"
    requires: str = "maturin"
    project: str = ""
    """More of `[project]`."""
    settings: str = ""
    """More of `[tool.freshwheel]`."""
    tables: str = ""
    texts: dict[str, str]
    """Inputs of which it matters what they hold."""
    files: str
    """All other inputs."""
    beside: str = ""
    """What is no input."""
    around: dict[str, str] = dataclasses.field(default_factory=dict)
    """As `texts`, of files that are no inputs."""
    written: str = ""
    """What the last build was seen to write."""

    @property
    def inputs(self):
        """All inputs."""
        return {"pyproject.toml", *self.texts, *self.files.split()}

    def pyproject(self, name):
        """The text of `pyproject.toml`."""
        requires = ", ".join(f'"{one}"' for one in self.requires.split())
        fields = {one: getattr(self, one) for one in ("project", "backend", "settings", "tables")}
        return PYPROJECT.format(name=name, requires=requires, **fields)


def package(name, *paths, more=""):
    """The manifest of a crate that is built from the crates at `paths`."""
    needs = "".join(f'{posixpath.basename(path)} = {{ path = "{path}" }}\n' for path in paths)
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\n{more}\n[dependencies]\n{needs}'


def workspace(*members):
    """The manifest of a workspace."""
    return f"[workspace]\nmembers = {json.dumps(members)}\n"


PROJECTS = {
    "pydantic-core": Project(
        at="pydantic-core",
        project='license-files = ["LICENSE"]',
        tables='[tool.maturin]\npython-source = "python"\nmodule-name = "pydantic_core._pydantic_core"',
        texts={"Cargo.toml": package("pydantic-core")},
        files="Cargo.lock build.rs .cargo/config.toml src/lib.rs src/serializers/mod.rs LICENSE "
        "python/pydantic_core/__init__.py python/pydantic_core/core_schema.py",
        beside=f"target/{BUILT} tests/test_it.py benches/main.rs",
    ),
    "uv": Project(
        project='readme = "README.md"',
        tables='[tool.maturin]\nbindings = "bin"\nmanifest-path = "crates/uv/Cargo.toml"\nmodule-name = "uv"\n'
        'python-source = "python"',
        texts={
            "Cargo.toml": workspace("crates/*"),
            "crates/uv/Cargo.toml": package("uv", "../uv-cli", "../uv-python", "../uv-trampoline-builder"),
            "crates/uv-cli/Cargo.toml": package("uv-cli"),
            "crates/uv-python/Cargo.toml": package("uv-python"),
            "crates/uv-trampoline-builder/Cargo.toml": package("uv-trampoline-builder"),
        },
        files="Cargo.lock .cargo/config.toml rust-toolchain.toml README.md LICENSE-APACHE LICENSE-MIT "
        "python/uv/__init__.py crates/uv/src/main.rs crates/uv-cli/build.rs crates/uv-cli/src/lib.rs "
        "crates/uv-python/src/lib.rs crates/uv-python/download-metadata.json "
        "crates/uv-python/python/get_interpreter_info.py crates/uv-trampoline-builder/src/lib.rs "
        "crates/uv-trampoline-builder/trampolines/uv-trampoline-x86_64-gui.exe",
        around={"crates/uv-bench/Cargo.toml": package("uv-bench", "../uv")},
        beside=f"crates/uv/tests/it/main.rs crates/uv-bench/benches/uv.rs docs/index.md target/{BUILT}",
    ),
    # git ignores the lock, and the build goes by it all the same.
    "opendal": Project(
        at="bindings/python",
        tables='[tool.maturin]\nmodule-name = "opendal._opendal"\npython-source = "python"',
        texts={
            "Cargo.toml": package("opendal-python", "../../core", more="[workspace]"),
            "../../core/Cargo.toml": package("core", "services/s3", more='[workspace]\nmembers = ["services/*"]'),
            "../../core/services/s3/Cargo.toml": package("s3"),
        },
        files="Cargo.lock src/lib.rs python/opendal/__init__.py LICENSE NOTICE ../../rust-toolchain.toml "
        "../../core/src/lib.rs ../../core/src/docs/concepts.md ../../core/services/s3/src/lib.rs",
        around={"../../.gitignore": "/bindings/python/Cargo.lock\ntarget/\n"},
        beside="../../core/benches/read.rs ../../core/tests/behavior.rs ../../bindings/java/src/lib.rs "
        f"../../core/target/{BUILT}",
    ),
    # setuptools says of no crate that it goes into no wheel: the settings do.
    "monarch": Project(
        backend="setuptools.build_meta",
        requires="setuptools setuptools-rust wheel numpy torch",
        project='readme = "README.md"\nlicense-files = ["LICENSE"]',
        settings='exclude = ["monarch_bench/**", "docs/**"]',
        tables='[tool.setuptools.packages.find]\nwhere = ["python"]',
        texts={
            "Cargo.toml": workspace("hyperactor", "monarch_*", "monarch_rdma/extension", "nccl-sys"),
            "hyperactor/Cargo.toml": package("hyperactor"),
            "monarch_extension/Cargo.toml": package("monarch_extension", "../hyperactor", "../nccl-sys"),
            "monarch_rdma/Cargo.toml": package("monarch_rdma"),
            "monarch_rdma/extension/Cargo.toml": package("extension", "..", more='[lib]\npath = "lib.rs"'),
            "nccl-sys/Cargo.toml": package("nccl-sys"),
            "setup.py": "import os\nENGINE = os.environ.get('USE_TENSOR_ENGINE')\n"
            "VERSION = os.environ.get('MONARCH_VERSION', '0.0.1')\n",
        },
        files="Cargo.lock .cargo/config.toml rust-toolchain README.md LICENSE hyperactor/build.rs "
        "hyperactor/src/lib.rs hyperactor/src/mailbox.md monarch_extension/src/lib.rs monarch_rdma/src/lib.rs "
        "monarch_rdma/src/gpu.cu monarch_rdma/extension/lib.rs nccl-sys/build.rs nccl-sys/src/lib.rs "
        "nccl-sys/src/bridge.h python/monarch/__init__.py python/monarch/csrc/init.cpp",
        around={"monarch_bench/Cargo.toml": package("monarch_bench")},
        beside=f"monarch_bench/src/main.rs docs/index.md target/{BUILT}",
    ),
    # Its script runs cargo above the project; before a build, only the settings can say so.
    "monarch_mini": Project(
        at="monarch_mini/python",
        backend="setuptools.build_meta",
        requires="setuptools",
        settings='include = ["../src/**", "../Cargo.toml", "../minimonarch.h", "../../Cargo.*", '
        '"../../rust-toolchain", "../../.cargo/**"]',
        tables="[tool.setuptools]\npy-modules = []",
        texts={
            "../../Cargo.toml": workspace("monarch_mini"),
            "../Cargo.toml": package("monarch_mini"),
            "setup.py": "import os\nPROFILE = os.environ.get('MINIMONARCH_PROFILE', 'debug')\n",
        },
        files="minimonarch.c ../src/lib.rs ../minimonarch.h ../../Cargo.lock ../../rust-toolchain "
        "../../.cargo/config.toml",
        beside=f"../../target/{BUILT} ../tests/c.rs",
    ),
    # Each commit is a change here, since setuptools-scm makes it another version.
    "LibCST": Project(
        backend="setuptools.build_meta",
        requires="setuptools setuptools-scm setuptools-rust wheel",
        project='readme = "README.rst"\nlicense-files = ["LICENSE"]',
        settings='exclude = ["native/libcst/tests/**", "docs/**"]',
        tables='[tool.setuptools_scm]\nwrite_to = "libcst/_version.py"',
        texts={
            "native/Cargo.toml": workspace("libcst", "libcst_derive"),
            "native/libcst/Cargo.toml": package("libcst", "../libcst_derive"),
            "native/libcst_derive/Cargo.toml": package("libcst_derive"),
            "setup.py": "from os import environ\nSCHEME = 'no' if environ.get('LIBCST_NO_LOCAL_SCHEME') else 'date'\n",
        },
        files="native/Cargo.lock native/libcst/src/lib.rs native/libcst_derive/src/lib.rs .cargo/config.toml "
        "libcst/__init__.py README.rst LICENSE",
        beside=f"libcst/_version.py native/libcst/tests/roundtrip.rs native/target/{BUILT} docs/source/index.rst",
    ),
    "karva": Project(
        project='readme = "README.md"\nlicense = { file = "LICENSE" }',
        tables='[tool.maturin]\nmanifest-path = "crates/karva_python/Cargo.toml"\nmodule-name = "karva._karva"\n'
        'python-source = "python"',
        texts={
            "Cargo.toml": workspace("crates/*"),
            "crates/karva/Cargo.toml": package("karva"),
            "crates/karva_python/Cargo.toml": package("karva_python", "../karva"),
        },
        files="Cargo.lock .cargo/config.toml rust-toolchain.toml crates/karva/src/lib.rs "
        "crates/karva_python/src/lib.rs python/karva/__init__.py python/karva/_vendor/six.py README.md LICENSE",
        beside=f"crates/karva/tests/it/main.rs docs/index.md target/{BUILT}",
    ),
    "rgapi": Project(
        at="work/rgapi",
        project='readme = "README.md"',
        tables='[tool.maturin]\npython-source = "python"\nmodule-name = "rgapi._core"',
        texts={
            "Cargo.toml": '[package]\nname = "rgapi"\nversion = "0.1.0"\n'
            '[dependencies]\ndep = { git = "https://example.com/dep" }\n',
            ".gitignore": "/target/\nCargo.lock\n",
            "../.cargo/config.toml": '[patch."https://example.com/dep"]\ndep = { path = "dep" }\n',
            "../dep/Cargo.toml": package("dep"),
        },
        files="Cargo.lock src/lib.rs ../dep/src/lib.rs python/rgapi/__init__.py README.md LICENSE",
        beside=".git/HEAD .git/fastws-cargo-key",
    ),
    # There, .git is a file.
    "rgapi, in a worktree": Project(
        at="work/rgapi",
        tables='[tool.maturin]\npython-source = "python"\nmodule-name = "rgapi._core"',
        texts={"Cargo.toml": package("rgapi")},
        files="src/lib.rs python/rgapi/__init__.py",
        around={".git": "gitdir: /elsewhere/.git/worktrees/rgapi\n"},
    ),
    "PolyShell": Project(
        tables='[tool.maturin]\nmodule-name = "polyshell._polyshell"\npython-source = "python"',
        texts={"Cargo.toml": package("polyshell")},
        files="Cargo.lock src/lib.rs src/algorithms/mod.rs python/polyshell/__init__.py "
        "python/polyshell/_polyshell.pyi",
        beside=f"target/{BUILT}",
    ),
    "boost-histogram": Project(
        backend="scikit_build_core.build",
        requires="scikit-build-core pybind11",
        project='readme = "README.md"\nlicense-files = ["LICENSE", "extern/*/LICENSE"]',
        settings='exclude = ["docs/**", "tests/**"]',
        tables="[tool.scikit-build]\n"
        'metadata.version.provider = "scikit_build_core.metadata.setuptools_scm"\n'
        '[[tool.scikit-build.generate]]\npath = "boost_histogram/version.py"\ntemplate = "x"\n[tool.setuptools_scm]',
        texts={},
        files="CMakeLists.txt include/bh_python/axis.hpp src/register_axis.cpp src/boost_histogram/__init__.py "
        "extern/histogram/include/boost/histogram.hpp extern/histogram/LICENSE README.md LICENSE",
        beside="docs/index.md tests/test_axis.py",
    ),
    "mettagrid": Project(
        at="packages/mettagrid",
        backend="bazel_build",
        requires="setuptools wheel setuptools-scm",
        project='readme = "README.md"',
        settings='backend-path = ["."]\nexclude = ["tests/**"]',
        tables='[tool.setuptools_scm]\nroot = "../.."',
        texts={
            "bazel_build.py": "import os\nfrom setuptools.build_meta import *\n"
            "NIM = os.environ.get('METTAGRID_NIM_VERSION', '2.2.6')\n"
            "DEBUG = os.environ.get('DEBUG', '')\nIS_CI = os.environ.get('CI', '') == 'true'\n"
            "env = os.environ.copy()\nROOT = env.get('METTAGRID_OUTPUT_ROOT')\n"
        },
        files="README.md BUILD.bazel MODULE.bazel .bazelrc cpp/BUILD.bazel cpp/bindings/mettagrid_c.cpp "
        "cpp/include/grid.hpp nim/mettascope/bindings/bindings.nim nim/mettascope/bindings/bindings.nims "
        "nim/mettascope/mettascope.nimble nim/mettascope/nimby.lock nim/mettascope/src/mettascope.nim "
        "nim/mettascope/src/mettascope.nims python/src/mettagrid/__init__.py",
        beside="tests/test_grid.py",
    ),
    "cogames": Project(
        at="packages/cogames",
        backend="setuptools.build_meta",
        requires="setuptools wheel setuptools-scm",
        project='readme = "README.md"',
        settings='exclude = ["tests/**"]',
        tables='[tool.setuptools.packages.find]\nwhere = ["src"]\n[tool.setuptools_scm]\nroot = "../.."',
        texts={"setup.py": "import os\nNIM = os.environ.get('COGAMES_NIM_VERSION', '2.2.6')\n"},
        files="README.md src/cogames/__init__.py "
        + " ".join(
            f"src/cogames/agents/{name}"
            for name in ("nim_agents.nim", "common.nim", "random_agents.nim", "thinky_agents.nim", "ladybug_agent.nim")
        )
        + " src/cogames/agents/race_car_agents.nim src/cogames/agents/geometry.nim src/cogames/agents/nimby.lock",
        beside="tests/test_play.py",
    ),
    # The output has no name by which one could tell; a build shows it.
    "tribal_village": Project(
        at="packages/tribal_village",
        backend="setuptools.build_meta",
        requires="setuptools wheel",
        texts={"setup.py": "import os\nNIM = os.environ.get('TRIBAL_VILLAGE_NIM_VERSION', '2.2.6')\n"},
        files="tribal_village.nim tribal_village.nimble nimby.lock panicoverride.nim src/environment.nim src/ai.nim "
        "tribal_village_env/__init__.py tribal_village_env/environment.py",
        beside="libtribal_village.so tribal_village_env/libtribal_village.so",
        written="libtribal_village.so tribal_village_env/libtribal_village.so",
    ),
}
PROJECTS["uv, with its commit"] = dataclasses.replace(
    PROJECTS["uv"],
    settings='include = [".git/HEAD", ".git/refs/heads/main"]',
    files=f"{PROJECTS['uv'].files} .git/HEAD .git/refs/heads/main",
    beside=f"{PROJECTS['uv'].beside} .git/index .git/refs/heads/other",
)
PROJECTS["LibCST, with a version of its own"] = dataclasses.replace(
    PROJECTS["LibCST"],
    requires="setuptools setuptools-rust wheel",
    tables="",
    files=f"{PROJECTS['LibCST'].files} libcst/_version.py",
    beside=PROJECTS["LibCST"].beside.replace("libcst/_version.py ", ""),
)


@pytest.fixture(params=PROJECTS)
def name(request):
    """Each project in turn."""
    return request.param


@pytest.fixture
def at_work(desk, name):
    """A person who works at the project."""
    project = PROJECTS[name]
    desk.project = desk.root if project.at == "." else desk.root / project.at
    texts = {**dict.fromkeys((*project.files.split(), *project.beside.split())), **project.texts, **project.around}
    texts["pyproject.toml"] = project.pyproject(name.partition(",")[0])
    for path, text in texts.items():
        top, is_in_target, _ = path.rpartition("target/")
        if is_in_target:
            desk.files(placed(project, f"{top}target/CACHEDIR.TAG"), of=TAG)
        empty = "version = 4\n" if path.endswith("Cargo.lock") else ""
        desk.files(placed(project, path), of=empty if text is None else text)
    if project.written:
        desk.shown(written=dict.fromkeys(project.written.split(), "made by the build"))
    return desk


def placed(project, path):
    """A path relative to the repository."""
    return posixpath.normpath(f"{project.at}/{path}")


def test_the_list_that_is_written(at_work, name):
    """The check is content, and the list covers each input and no other file, by the globs of Python as well."""
    assert at_work("uv", "--yes")[0] == 0
    assert at_work("uv", "--check")[0] == 0
    written = tomllib.loads((at_work.project / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = [one["file"] for one in written["tool"]["uv"]["cache-keys"] if "file" in one]
    assert covered(at_work.project, patterns) == PROJECTS[name].inputs


def covered(folder, patterns):
    """The files that the patterns cover."""
    found = {one for pattern in patterns for one in glob.glob(pattern, root_dir=folder, recursive=True)}
    files = {one for one in found if os.path.isfile(os.path.join(folder, one))}
    return {posixpath.normpath(one.replace(os.sep, "/")) for one in files}

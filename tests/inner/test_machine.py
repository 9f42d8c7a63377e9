"""The facts of a machine: what changes the key, what does not, and what shows that nothing moved."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from freshwheel.base import backends
from freshwheel.base.isolation import folders
from freshwheel.inner import build_key, machine, platforms
from freshwheel.inner.machine import Subject
from freshwheel.inner.programs import Answer, run
from freshwheel.inner.watch import Lookout

SALT = b"salt of one store"
KNOWN = {one.name: one for one in backends.KNOWN} | {"any": backends.find("own_backend", ())}
OLD = time.time() - 3600
TOOLS = ("c++", "cargo", "cc", "cmake", "gcc", "git", "ld", "meson", "ninja", "patchelf", "rustc", "weird-cc")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are made for other systems")


def program(path, text="binary"):
    """A file that may be executed, an hour old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    os.utime(path, (OLD, OLD))
    return path


def record(folder, name, version, *, requires=(), files=("x.py,sha256=abc,1",), direct=None):
    """An installed distribution."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
    if files is not None:
        (info / "RECORD").write_text("\n".join([*files, f"{info.name}/RECORD,,"]))
    if direct is not None:
        (info / "direct_url.json").write_text(json.dumps(direct))
    return info


class World:
    """A tree, programs that answer with what `says` holds for their names, and what is installed."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / "tree"
        self.site = folder / "site"
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        for each in (self.tree, self.site):
            each.mkdir()
        for name in TOOLS:
            program(self.bin / name)
        self.environ = {"PATH": str(self.bin), "HOME": str(folder)}
        self.says = {name: f"{name} 1.0" for name in TOOLS}
        self.started = []
        self.subject = {"requires": ("freshwheel",), "lean": ("maturin>=1",), "private": ()}

    def now(self):
        """In an hour: nothing here is new then."""
        return time.time_ns() + 3600 * 10**9

    def run(self, command, *, cwd, environ):
        """Answers in the place of a program; scripts are really started."""
        self.started.append([Path(command[0]).name, *command[1:]])
        if Path(command[0]).read_bytes().startswith(b"#!"):
            return run(command, cwd=cwd, environ=environ)
        said = self.says[Path(command[0]).name]
        return said if isinstance(said, Answer) else Answer(status=0, output=said.encode())

    def facts(self, backend="maturin", *, digest="0" * 32, hook="build_wheel", module=None, environ=None, **subject):
        """What is gathered."""
        self.started.clear()
        about = Subject(
            tree=str(self.tree),
            digest=digest,
            hook=hook,
            backend=KNOWN[backend],
            module=module or KNOWN[backend].modules[:1] or "own_backend",
            **{**self.subject, **subject},
        )
        environ = {**self.environ, **(environ or {})}
        site, cache = [str(self.site)], str(self.cache)
        return machine.gather(about, environ, cache=cache, salt=SALT, run=self.run, path=site, now=self.now)

    def key(self, *arguments, **options):
        """The build key."""
        return build_key.key(self.facts(*arguments, **options).components)

    def parts(self, *arguments, **options):
        """What is shown of it."""
        return build_key.parts(self.facts(*arguments, **options).components, salt=SALT)


@pytest.fixture
def world(tmp_path):
    """A machine of its own."""
    return World(tmp_path)


C_NAMES = (
    *("AR", "ARCHFLAGS", "ARFLAGS", "CC", "CFLAGS", "CL", "CPATH", "CPLUS_INCLUDE_PATH", "CPP", "CPPFLAGS", "CXX"),
    *("CXXFLAGS", "C_INCLUDE_PATH", "INCLUDE", "IPHONEOS_DEPLOYMENT_TARGET", "LD", "LDCXXSHARED", "LDFLAGS"),
    *("LDSHARED", "LIB", "LIBPATH", "LIBRARY_PATH", "MACOSX_DEPLOYMENT_TARGET", "NM", "PKG_CONFIG"),
    *("PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR", "RANLIB", "SDKROOT", "SOURCE_DATE_EPOCH"),
    *("STRIP", "VSCMD_ARG_TGT_ARCH", "_CL_", "_LINK_", "_PYTHON_HOST_PLATFORM", "_PYTHON_SYSCONFIGDATA_NAME"),
)
RUST_NAMES = (
    *("CARGO", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL"),
    *("CARGO_PROFILE_RELEASE_LTO", "CARGO_PROFILE_DEV_OPT_LEVEL", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS"),
    *("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "CARGO_UNSTABLE_BUILD_STD", "RUSTC", "RUSTC_BOOTSTRAP"),
    *("RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER", "RUSTUP_TOOLCHAIN", "RUST_TARGET_PATH"),
    *("RUSTFLAGS", "PYO3_PYTHON", "PYO3_CROSS", "PYO3_CROSS_LIB_DIR"),
    *("PYO3_CONFIG_FILE", "PYO3_NO_PYTHON", "PYO3_USE_ABI3_FORWARD_COMPATIBILITY", "PYTHON_SYS_EXECUTABLE"),
    *("CC_x86_64_unknown_linux_gnu", "CFLAGS_x86_64_unknown_linux_gnu", "TARGET_CC", "HOST_CC", "CXXSTDLIB"),
)
MATURIN_NAMES = (
    *("MATURIN_PEP517_ARGS", "MATURIN_PEP517_USE_BASE_PYTHON", "MATURIN_STRIP", "MATURIN_USE_XWIN"),
    "ANDROID_API_LEVEL",
)
SETUPTOOLS_NAMES = (
    *("DISTUTILS_USE_SDK", "DIST_EXTRA_CONFIG", "SETUPTOOLS_USE_DISTUTILS", "SETUPTOOLS_SCM_PRETEND_VERSION"),
    *("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_DEMO", "VCS_VERSIONING_PRETEND_VERSION"),
)
CMAKE_NAMES = (
    *("CMAKE_ARGS", "CMAKE_GENERATOR", "CMAKE_PREFIX_PATH", "CMAKE_TOOLCHAIN_FILE", "CMAKE_BUILD_TYPE", "CUDAARCHS"),
    *("CMAKE_CXX_COMPILER_LAUNCHER", "CMAKE_C_COMPILER_LAUNCHER", "CMAKE_EXECUTABLE", "CMAKE_MAKE_PROGRAM"),
    *("CUDACXX", "FC", "FFLAGS", "NINJA", "Python_EXECUTABLE", "ZLIB_ROOT"),
)
SHAPING = {
    "maturin": (*C_NAMES, *RUST_NAMES, *MATURIN_NAMES),
    "setuptools-rust": (*C_NAMES, *RUST_NAMES, *SETUPTOOLS_NAMES, "SETUPTOOLS_RUST_CARGO_PROFILE"),
    "setuptools": (*C_NAMES, *SETUPTOOLS_NAMES),
    "scikit-build-core": (*C_NAMES, *SETUPTOOLS_NAMES, *CMAKE_NAMES, "SKBUILD_CMAKE_ARGS", "CI"),
    "meson-python": (*C_NAMES, "MESON", "NINJA", "CIBUILDWHEEL", "FC", "FFLAGS", "CMAKE_PREFIX_PATH", "NASM"),
    "hatchling": (*C_NAMES, "HATCH_BUILD_HOOKS_ENABLE", "HATCH_METADATA_CLASSIFIERS_NO_VERIFY", "PYAPP_VERSION"),
    "flit": ("FLIT_ALLOW_INVALID", "SOURCE_DATE_EPOCH"),
}
SHAPING["any"] = (*dict.fromkeys(name for names in SHAPING.values() for name in names), "PDM_BUILD_SCM_VERSION")


@pytest.mark.parametrize(("backend", "name"), [(one, name) for one, names in SHAPING.items() for name in names])
def test_each_variable_that_shapes_a_wheel_changes_the_key(world, backend, name):
    """T13: unset, empty and two values are four keys, and the watch notices each of these changes."""
    found = [world.facts(backend, environ=environ) for environ in ({}, {name: ""}, {name: "gcc"}, {name: "weird-cc"})]
    assert len({build_key.key(one.components) for one in found}) == 4
    assert len({(one.watch.families, one.watch.names.get(name)) for one in found}) == 4


HARMLESS = {
    **dict.fromkeys(("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CARGO_TERM_COLOR"), "x"),
    **dict.fromkeys(("USER", "LOGNAME", "HOSTNAME", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP"), "/elsewhere"),
    **dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "VIRTUAL_ENV", "PYTHONPATH", "PIP_CACHE_DIR"), "/elsewhere"),
    **dict.fromkeys(("CARGO_BUILD_JOBS", "MAKEFLAGS", "CARGO_MAKEFLAGS", "CMAKE_BUILD_PARALLEL_LEVEL", "SHLVL"), "7"),
    **dict.fromkeys(("CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CCACHE_DIR"), "/elsewhere"),
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "NO_PROXY", "ALL_PROXY"), "http://u:p@proxy"),
    **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CARGO_HTTP_CAINFO"), "/ca.pem"),
    **dict.fromkeys(("CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_OWN_TOKEN", "MATURIN_PYPI_TOKEN"), "hunter2"),
    **dict.fromkeys(("MATURIN_PASSWORD", "UV_PUBLISH_TOKEN", "TWINE_PASSWORD", "GITHUB_TOKEN"), "hunter2"),
    **dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "PIP_INDEX_URL", "UV_INDEX_URL", "SSH_AUTH_SOCK"), "hunter2"),
    **dict.fromkeys(
        ("PIP_VERBOSE", "UV_VERBOSE", "CARGO_TERM_VERBOSE", "CARGO_LOG", "RUSTC_LOG", "PYTHONHASHSEED"), "1"
    ),
    **dict.fromkeys(("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "NINJA_STATUS", "CARGO_NET_OFFLINE"), "1"),
    **dict.fromkeys(("LANG", "LC_ALL", "LC_MESSAGES", "LANGUAGE", "TZ", "EDITOR", "PAGER"), "de_DE.UTF-8"),
}


@pytest.mark.parametrize("backend", KNOWN)
def test_what_shapes_no_wheel_changes_no_key(world, backend):
    """T13: terminals, users, places, jobs, proxies, tokens and verbosity are in no key, one by one and all at once."""
    before = world.key(backend)
    assert len(HARMLESS) >= 40
    assert {name for name, value in HARMLESS.items() if world.key(backend, environ={name: value}) != before} == set()
    assert world.key(backend, environ=HARMLESS) == before


@pytest.mark.parametrize("backend", KNOWN)
def test_places_and_times_change_no_key(tmp_path, backend):
    """T13: two machines that are equal but for their folders, homes and times have one key."""
    keys = []
    for number, name in enumerate(("here", "there")):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name)
        record(world.site, "numpy", "2.1")
        for path in world.bin.iterdir():
            os.utime(path, (OLD - 1000 * number, OLD - 1000 * number))
        empty = tmp_path / name / "empty"
        empty.mkdir()
        world.environ["PATH"] = os.pathsep.join([str(empty), str(world.bin)][:: 1 if number else -1])
        keys.append(world.key(backend))
    assert keys[0] == keys[1]


@pytest.mark.parametrize("name", ["c++", "cargo", "cc", "ld", "rustc"])
def test_a_tool_counts_by_what_it_says(world, name):
    """Another answer, no answer and no tool are three keys; the program may lie anywhere."""
    keys = [world.key()]
    program(world.bin / name, "other binary")
    world.says[name] = f"{name} 2.0"
    keys.append(world.key())
    program(world.bin / name, "yet another binary")
    world.says[name] = Answer(status=1)
    keys.append(world.key())
    program(world.bin / name, "and one that fails as well")
    keys.append(world.key())
    (world.bin / name).unlink()
    keys.append(world.key())
    assert len(set(keys)) == 5


@pytest.mark.parametrize(
    ("backend", "name"), [("scikit-build-core", "cmake"), ("scikit-build-core", "ninja"), ("meson-python", "meson")]
)
def test_each_backend_has_its_own_tools(world, backend, name):
    """CMake and meson count where they are used."""
    before = world.key(backend), world.key("maturin")
    program(world.bin / name, "other binary")
    world.says[name] = f"{name} 2.0"
    assert world.key(backend) != before[0]
    assert world.key("maturin") == before[1]


def test_known_answers_start_nothing(world):
    """The second run asks no program; a program that was replaced is asked again."""
    before = world.key()
    assert world.started
    assert (world.key(), world.started) == (before, [])
    program(world.bin / "ld", "another one")
    assert world.key() == before
    assert [name for name, *_ in world.started] == ["ld"]


def test_a_program_of_this_moment_is_asked_again(world):
    """What was written just now may be written again within one tick of the clock."""
    world.now = time.time_ns
    world.facts()
    world.facts()
    assert {name for name, *_ in world.started} >= {"c++", "cargo", "cc", "ld", "rustc"}


@pytest.mark.parametrize("text", ["", "{", "FWTOOLS"])
def test_a_spoiled_cache_of_answers_is_no_cache(world, text):
    """Whatever stands there, the programs are asked."""
    before = world.key()
    (world.cache / "tools").write_text(text)
    assert world.key() == before
    assert world.started


def test_a_cache_that_others_may_write_is_not_believed(world):
    """Only what this user wrote says what a compiler is."""
    world.facts()
    path = world.cache / "tools"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o666)
    world.facts()
    assert world.started


def test_a_cache_that_can_not_be_written_is_no_error(world):
    """A file in the place of the cache directory costs time only."""
    world.cache.write_text("")
    assert world.key() == world.key()


def test_places_before_the_program_are_watched(world):
    """A14: a compiler that appears earlier on PATH, or a tool that was missing, is noticed by its absence now."""
    early = world.folder / "early"
    world.environ["PATH"] = os.pathsep.join([str(early), str(world.bin)])
    (world.bin / "ld").unlink()
    watch = world.facts().watch
    missing = {os.fsencode(early / name) for name in ("cc", "c++", "ld", "cargo", "rustc")}
    assert missing | {os.fsencode(world.bin / "ld")} <= watch.absent
    assert os.fsencode(world.bin / "cc") in watch.places


def test_another_path_is_noticed_but_for_the_private_folders(world):
    """Installers put a new folder at the front of PATH each time, which says nothing; any other one may hold tools."""

    def path(*names, private=()):
        environ = {"PATH": os.pathsep.join([*names, str(world.bin)])}
        return world.facts(environ=environ, private=private).watch.path

    assert path("/envs/env-1/bin", private=("/envs/env-1",)) == path("/envs/env-2/bin", private=("/envs/env-2",))
    assert path("/opt/bin") != path()


def test_programs_in_the_private_environment_do_not_count(world):
    """What the requirements brought is in the key by their texts: cmake is there after a miss, and absent before."""
    before = world.key("scikit-build-core")
    program(world.folder / "env" / "bin" / "cmake", "#!/bin/sh\necho cmake 9\n")
    environ = {"PATH": os.pathsep.join([str(world.folder / "env" / "bin"), str(world.bin)])}
    found = world.facts("scikit-build-core", environ=environ, private=(str(world.folder / "env"),))
    assert (build_key.key(found.components), found.watch.untrusted) == (before, ())
    assert folders("/a/env2/bin:/a/env/bin", ["/a/env"]) == ["/a/env2/bin"]


RUSTUP = """#!/bin/sh
echo "$0 $@" >> {log}
read -r chosen < {home}/settings.toml
chosen=${{RUSTUP_TOOLCHAIN:-$chosen}}
name=${{0##*/}}
bin={home}/toolchains/$chosen/bin
if [ "$name" = rustup ]; then echo $bin/$2; else exec $bin/$name "$@"; fi
"""


class Rustup:
    """A rustup whose proxies start the compiler of the chosen toolchain."""

    def __init__(self, world):
        self.world = world
        self.home = world.folder / ".rustup"
        self.log = world.folder / "log"
        program(world.bin / "rustup", RUSTUP.format(log=self.log, home=self.home))
        for name in ("rustc", "cargo"):
            (world.bin / name).unlink()
            (world.bin / name).symlink_to("rustup")
        for name in ("old", "new"):
            self.toolchain(name, f"1 {name}")
        self.choose("old")
        self.age()

    def toolchain(self, name, version):
        """Installs a toolchain, in place of one of that name."""
        for tool in ("rustc", "cargo"):
            program(self.home / "toolchains" / name / "bin" / tool, f"#!/bin/sh\necho {tool} {version}\n")

    def choose(self, name):
        """`rustup default`."""
        (self.home / "settings.toml").write_text(f"{name}\n")

    def age(self):
        """Everything is an hour old."""
        for path in (self.home, *self.home.rglob("*")):
            os.utime(path, (OLD, OLD))

    def asked(self):
        """Whether anything was started since the last time."""
        found = self.log.exists()
        self.log.unlink(missing_ok=True)
        return found


@pytest.fixture
def rustup(world):
    """`world` with a rustup."""
    return Rustup(world)


def test_the_compiler_behind_rustup_is_remembered(world, rustup):
    """A9: while nothing moves the proxy is not started, and its answer can be replayed."""
    found = world.facts()
    assert found.watch.untrusted == ()
    assert rustup.asked()
    assert build_key.key(world.facts().components) == build_key.key(found.components)
    assert not rustup.asked()
    assert os.fsencode(rustup.home / "toolchains" / "old" / "bin" / "rustc") in found.watch.places


def moves(rustup):
    """What changes the compiler behind an unmoved proxy, and what shows it."""
    return {
        "another default": lambda: rustup.choose("new"),
        "updated in place": lambda: rustup.toolchain("old", "1 older"),
        "another toolchain is linked": lambda: _relink(
            rustup.home / "toolchains" / "old", rustup.home / "toolchains" / "new"
        ),
    }


def _relink(path, target):
    path.rename(path.with_name("kept"))
    path.symlink_to(target)


@pytest.mark.parametrize("name", moves(None))
def test_another_compiler_behind_rustup_is_noticed(world, rustup, name):
    """A9: the proxy itself does not move; the key does, and so does something that is watched."""
    before = world.facts()
    moves(rustup)[name]()
    after = world.facts()
    assert build_key.key(after.components) != build_key.key(before.components)
    seen = {place: row for place, row in after.watch.places.items() if place in before.watch.places}
    assert seen != dict(before.watch.places)


@pytest.mark.usefixtures("rustup")
def test_the_toolchain_of_the_environment_counts(world):
    """RUSTUP_TOOLCHAIN is a key component itself, and the compiler that it selects is another one."""
    shown = [world.parts(environ=environ)["tool rustc"] for environ in ({}, {"RUSTUP_TOOLCHAIN": "new"})]
    assert shown == ["rustc 1 old", "rustc 1 new"]


def test_a_toolchain_file_leads_to_another_question(world, rustup):
    """A9: toolchain files up to the root are looked at, and so are those that are not there."""
    before = world.facts()
    rustup.asked()
    path = world.tree.parent / "rust-toolchain.toml"
    assert {os.fsencode(path), os.fsencode(world.tree / "rust-toolchain")} <= before.watch.absent
    path.write_text("[toolchain]\n")
    assert os.fsencode(path) in world.facts().watch.places
    assert rustup.asked()


def another_tree(world):
    """The next questions are about a tree elsewhere, in which nothing is."""
    world.tree = world.folder / "other" / "clone"
    world.tree.mkdir(parents=True)


def test_another_tree_has_the_compiler_that_rustup_has_for_all(world, rustup):
    """A new clone starts no proxy, where no toolchain file and no setting speaks of folders."""
    (rustup.home / "settings.toml").write_text("old\n\n[overrides]\n")
    rustup.age()
    before = world.parts()["tool rustc"]
    assert rustup.asked()
    another_tree(world)
    assert world.parts()["tool rustc"] == before
    assert not rustup.asked()


@pytest.mark.parametrize("place", ["other/clone/rust-toolchain", "other/rust-toolchain.toml"])
def test_another_tree_with_a_toolchain_file_is_asked_about(world, rustup, place):
    """In it or above it."""
    world.facts()
    another_tree(world)
    program(world.folder / place, "new")
    rustup.asked()
    world.facts()
    assert rustup.asked()


@pytest.mark.parametrize("text", ['old\n[overrides]\n"/a" = "new"\n', 'old\noverrides = {"/a" = "new"}\n'])
def test_another_tree_is_asked_about_where_folders_have_toolchains(world, rustup, text):
    """`rustup override` has said so of some folder, and it may be that one."""
    (rustup.home / "settings.toml").write_text(text)
    rustup.age()
    world.facts()
    another_tree(world)
    rustup.asked()
    world.facts()
    assert rustup.asked()


def test_another_tree_is_asked_about_where_its_path_leads_elsewhere(world, rustup):
    """The toolchain files in play are those above the real place, which its path does not name."""
    world.facts()
    another_tree(world)
    _relink(world.tree, world.folder / "site")
    rustup.asked()
    world.facts()
    assert rustup.asked()


def test_a_copy_of_rustup_is_known_too(world, rustup):
    """Where links are not possible the proxies are copies."""
    for name in ("rustc", "cargo"):
        (world.bin / name).unlink()
        program(world.bin / name, (world.bin / "rustup").read_text())
    assert world.facts().watch.untrusted == ()
    rustup.choose("new")
    assert world.parts()["tool rustc"] == "rustc 1 new"


@pytest.mark.usefixtures("rustup")
def test_a_rustup_that_does_not_answer_is_not_trusted(world):
    """What can't be known is asked each time, and nothing is replayed."""
    program(world.bin / "rustup", "#!/bin/sh\n[ ${0##*/} = rustup ] && exit 1\necho rustc 7\n")
    for _ in range(2):
        found = world.facts()
        assert len(found.watch.untrusted) == 2
        assert ["rustc", "-vV"] in world.started


@pytest.mark.parametrize("kind", ["script", "ccache", "mise"])
def test_a_program_that_stands_for_another_is_asked_each_time(world, kind):
    """A9: pyenv's shims, wrappers and compiler caches find whatever they find: no replay, no guess."""
    (world.bin / "cc").unlink()
    if kind == "script":
        program(world.bin / "cc", "#!/bin/sh\necho one 1\n")
    else:
        program(world.bin / kind)
        (world.bin / "cc").symlink_to(kind)
        world.says["cc"] = "one 1"
    before = world.facts()
    assert before.watch.untrusted
    world.says["cc"] = "two 2"
    if kind == "script":
        program(world.bin / "cc", "#!/bin/sh\necho two 2\n")
    after = world.facts()
    assert build_key.key(after.components) != build_key.key(before.components)


def test_a_launcher_before_the_compiler_is_not_the_compiler(world):
    """`ccache gcc -m32` is gcc."""
    assert world.parts(environ={"CC": "ccache gcc -m32"})["tool cc"] == "1.0"
    assert ["gcc", "--version"] in world.started


def test_a_compiler_says_the_same_by_any_name(world):
    """Some say first how they were called, which must not depend on who was asked first."""
    (world.bin / "gcc").unlink()
    (world.bin / "gcc").symlink_to("cc")
    world.says |= {"gcc": "gcc (Debian) 12", "cc": "cc (Debian) 12"}
    assert world.parts()["tool cc"] == world.parts(environ={"CC": "gcc"})["tool cc"] == "(Debian) 12"


def test_apples_compilers_are_known_by_the_selected_xcode(world, monkeypatch):
    """The stub in /usr/bin never moves: the compiler behind it and the selection are watched."""
    real = program(world.folder / "xcode" / "clang")
    world.says |= {"cc": "Apple clang 15", "clang": "Apple clang 15"}
    asked = machine.Tools(
        tree=str(world.tree),
        environ={},
        folders=["/usr/bin"],
        scripts=[],
        lookout=(lookout := Lookout()),
        answers=machine.Answers(None),
        run=lambda command, **_: Answer(
            status=0, output=str(real).encode() if "--find" in command else b"Apple clang 15"
        ),
        platform="darwin",
        started=time.time_ns(),
    )
    monkeypatch.setattr("freshwheel.inner.tools.which", lambda *_, **__: "/usr/bin/cc")
    assert asked.identities(["cc"], named={}, python=None)["cc"].startswith("Apple clang 15")
    assert os.fsencode(real) in lookout.places
    assert b"/var/db/xcode_select_link" in lookout.absent


def test_declared_variables_count_whether_set_or_not(world):
    """`env` of the settings: unset is not empty, and both are watched."""
    about = {"env": frozenset(("DEMO_FAST",))}
    found = [world.facts("flit", environ=environ, **about) for environ in ({}, {"DEMO_FAST": ""})]
    assert len({build_key.key(one.components) for one in found}) == 2
    assert [one.watch.names["DEMO_FAST"] is None for one in found] == [True, False]
    assert world.key("flit", environ={"DEMO_FAST": "1"}) == world.key("flit")


def test_where_things_lie_counts_only_where_it_is_declared(world):
    """TMPDIR and the like are another one each time, so that the settings must name them."""
    values = {"TMPDIR": "/one", "VIRTUAL_ENV": "/one"}
    assert world.key(environ=values) == world.key()
    assert world.key(env=frozenset(values), environ=values) != world.key(env=frozenset(values))


def test_the_families_that_are_set_are_observed(world):
    """A14: a newly set variable of a family is noticed by name."""
    environ = {"CARGO_PROFILE_RELEASE_LTO": "fat", "RUSTFLAGS": "-O", "TERM": "x"}
    assert world.facts(environ=environ).watch.families == ("CARGO_PROFILE_RELEASE_LTO", "RUSTFLAGS")


def test_lean_requirements_count_by_text_before_and_after_they_are_installed(world):
    """A6: the key at the question and the key at the build are one, whatever was installed in between."""
    record(world.site, "freshwheel", "1", requires=["packaging"])
    record(world.site, "packaging", "24")
    before = world.facts(lean=("setuptools>=61",))
    record(world.site, "setuptools", "80", requires=["packaging", 'wheel; extra == "core"'])
    after = world.facts(lean=("setuptools>=61",))
    assert build_key.key(before.components) == build_key.key(after.components)
    assert before.distributions == after.distributions == ("freshwheel-1.dist-info", "packaging-24.dist-info")


def test_without_lean_every_foreign_distribution_counts(world):
    """A6: also one that no requirement names, as uv's extra build dependencies are; ours do not."""
    record(world.site, "freshwheel", "1", requires=["packaging"])
    record(world.site, "packaging", "24")
    record(world.site, "setuptools", "80")
    keys = [world.key("setuptools", lean=())]
    record(world.site, "numpy", "2.1")
    found = world.facts("setuptools", lean=())
    keys.append(build_key.key(found.components))
    assert found.resolved == {"numpy": "2.1", "setuptools": "80"}
    record(world.site, "scikit-build-core", "0.11", requires=["packaging>=20", 'tomli; python_version < "3"'])
    found = world.facts("setuptools", lean=())
    keys.append(build_key.key(found.components))
    assert "packaging" in found.resolved  # ours, and now somebody else's too
    assert len(set(keys)) == 3


def test_without_isolation_only_the_closure_of_the_requirements_counts(world):
    """A6: what else is installed, the project itself and our own dependencies are no inputs."""
    for name in ("pytest", "demo", "freshwheel", "wheel"):
        record(world.site, name, "1")
    record(world.site, "setuptools", "80", requires=['wheel; extra == "more"', "demo"])
    about = {"lean": (), "private": None, "requires": ("freshwheel", "setuptools[more]")}
    found = world.facts("setuptools", **about, pyproject={"project": {"name": "Demo"}})
    assert found.resolved == {"setuptools": "80", "wheel": "1"}
    assert os.fsencode(world.site) in found.watch.places


def test_a_record_counts_but_for_what_differs_between_two_installations(world):
    """A6: other files are another key; programs with the interpreter's path and bytecode are not."""

    def found(*files):
        info = record(world.site, "cython", "3", files=files)
        try:
            return world.key("setuptools", lean=())
        finally:
            for path in info.iterdir():
                path.unlink()
            info.rmdir()

    same = ("a.py,sha256=x,1", "b.py,sha256=y,1")
    before = found(*same)
    noise = (
        "../../../bin/cython,sha256=z,9",
        "__pycache__/a.cpython-311.pyc,,",
        "cython-3.dist-info/INSTALLER,sha256=i,4",
    )
    assert found(*reversed(same), *noise) == before
    assert found("a.py,sha256=changed,1", "b.py,sha256=y,1") != before
    assert found(*same, "../../../include/c.h,sha256=h,1") != before


def test_a_distribution_whose_files_are_not_listed_is_unknown(world):
    """Nothing can be stored under a key that does not say what is in an editable build requirement."""
    record(world.site, "mine", "1", direct={"url": "file:///mine", "dir_info": {"editable": True}})
    record(world.site, "other", "1", files=None)
    (world.site / "broken-1.dist-info").mkdir()
    assert len(world.facts("setuptools", lean=()).unknown) == 2


def test_a_distribution_from_a_place_is_not_replayed(world):
    """Its version stays while its files change: the key knows, a list of names does not."""
    record(world.site, "mine", "1", direct={"url": "file:///mine", "dir_info": {}})
    found = world.facts("setuptools", lean=())
    assert (found.unknown, len(found.watch.untrusted)) == ((), 1)


@pytest.mark.parametrize("name", ["PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_CONSTRAINT"])
def test_constraint_files_count_by_what_they_hold(world, name):
    """A6: content, also of a file that a constraint file names; neither place nor order of variables."""
    path, below = world.folder / "c.txt", world.folder / "below.txt"
    path.write_text("numpy<3\n-c below.txt\n")
    below.write_text("")
    keys = [world.key(), world.key(environ={name: str(path)})]
    below.write_text("cython<4\n")
    found = world.facts(environ={name: str(path)})
    keys.append(build_key.key(found.components))
    path.write_text("numpy<2\n")
    keys.append(world.key(environ={name: str(path)}))
    assert len(set(keys)) == 4
    assert {os.fsencode(path), os.fsencode(below)} <= found.watch.places.keys()
    moved = world.folder / "moved.txt"
    moved.write_text("numpy<2\n")
    assert world.key(environ={name: str(moved)}) == keys[-1]


@pytest.mark.parametrize("value", ["gone.txt", "https://user:hunter2@host/c.txt", "a\udc80b"])
def test_constraints_that_can_not_be_read_are_unknown(world, value):
    """Nothing is stored then, and the reason names the variable only."""
    found = world.facts(environ={"PIP_CONSTRAINT": value})
    assert found.unknown == ("what PIP_CONSTRAINT names: it can't be read",)


def test_commands_count_by_output_and_ending(world):
    """What only the user knows: output, failure, absence and silence are four keys, and nothing of it is replayed."""
    ask = program(
        world.tree / "ask.sh",
        "#!/bin/sh\nread -r answer < answer\nread -r status < status\necho $answer\nexit $status\n",
    )
    keys = []
    for answer, status in (("3.0.1", 0), ("3.0.2", 0), ("", 0), ("", 3)):
        (world.tree / "answer").write_text(f"{answer}\n")
        (world.tree / "status").write_text(f"{status}\n")
        found = world.facts(commands=(("./ask.sh", "it is"),))
        assert found.watch.untrusted
        keys.append(build_key.key(found.components))
    shown = world.parts(commands=(("./ask.sh", "it is"),))
    assert shown["command ./ask.sh 'it is'"] == "failed: exit 3"
    ask.unlink()
    keys.append(world.key(commands=(("./ask.sh", "it is"),)))
    assert world.parts(commands=(("./ask.sh", "it is"),))["command ./ask.sh 'it is'"] == "absent"
    assert len(set(keys)) == 5


def test_a_program_that_never_ends_is_an_answer_too(world, monkeypatch):
    """After twenty seconds the answer is that there is none."""
    monkeypatch.setattr("freshwheel.inner.programs._PATIENCE", 0.2)
    found = run([sys.executable, "-c", "import time; time.sleep(30)"], cwd=str(world.tree), environ={})
    assert (found.status, found.ending) == (None, "failed: no answer in 0.2 seconds")
    assert run(["/nowhere/x"], cwd=str(world.tree), environ={}).status is None


def test_a_version_from_tags_brings_the_repository_into_the_key(world, monkeypatch):
    """HEAD, tags, branch and a changed file are in the key where the version comes from them, and only there."""

    def git(*words):
        identity = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *words], cwd=world.tree, check=True, capture_output=True)

    def found():
        about = {"requires": ("freshwheel", "setuptools-scm"), "lean": ()}
        monkeypatch.setattr(world, "run", run)
        world.environ["PATH"] = os.environ["PATH"]
        about = Subject(
            tree=str(world.tree), digest="0", hook="build_wheel", backend=KNOWN["flit"], module="flit", **about
        )
        return machine.gather(about, world.environ, cache=None, salt=SALT, path=[])

    git("init", "-q", "-b", "main")
    (world.tree / "a").write_text("")
    git("add", "a")
    git("commit", "-qm", "one")
    keys, plain = [build_key.key(found().components)], world.key("hatchling")
    for change in (
        lambda: git("tag", "v1"),
        lambda: git("commit", "-qm", "two", "--allow-empty"),
        lambda: git("checkout", "-qb", "other"),
        lambda: (world.tree / "a").write_text("changed"),
    ):
        change()
        facts = found()
        assert facts.unknown == ()
        assert facts.watch.untrusted
        keys.append(build_key.key(facts.components))
    assert len(set(keys)) == 5
    assert world.key("hatchling") == plain


def test_a_version_from_another_version_control_is_unknown(world):
    """Only git is asked; with Mercurial nothing is stored."""
    (world.tree / ".hg").mkdir()
    assert world.facts("setuptools", lean=("setuptools-scm",)).unknown == ("what hg says of the version",)


CANARIES = [f"canary{number:02}x7Jq" for number in range(21)]


def test_secrets_are_seen_nowhere(world):
    """T21: values of variables, URLs, settings and commands are in no component, answer, reason, cache or text."""
    take = iter(CANARIES)
    (world.tree / "c.txt").write_text(f"x @ https://u:{next(take)}@host/x\n")
    environ = {
        **{name: f"-D{next(take)}" for name in ("CFLAGS", "LDFLAGS", "RUSTFLAGS", "CARGO_PROFILE_X", "PYO3_X")},
        **{name: next(take) for name in ("DEMO_TOKEN", "MATURIN_PASSWORD", "CARGO_REGISTRY_TOKEN", "MATURIN_X")},
        "CC": f"cc -D{next(take)}",
        "PIP_CONSTRAINT": f"c.txt https://u:{next(take)}@host/c",
        "UV_CONSTRAINT": f"https://host/c?token={next(take)}",
        "HTTPS_PROXY": f"http://u:{next(take)}@host",
    }
    program(world.tree / "ask.sh", f"#!/bin/sh\necho {next(take)}; echo {next(take)} >&2\n")
    program(world.bin / "ld")
    world.says["ld"] = Answer(status=None, failure="no answer")
    found = world.facts(
        environ=environ,
        env=frozenset(("DEMO_TOKEN",)),
        commands=(("./ask.sh",),),
        settings={"a": next(take), "b": [f"--token={next(take)}"], "c": {"d": next(take)}},
        lean=(f"x @ https://u:{next(take)}@host/x", f"y @ https://host/y?token={next(take)}"),
    )
    assert next(take, None) is None
    shown = build_key.parts(found.components, salt=SALT)
    plain = [one.value for one in found.components if not one.secret]
    kept = (world.cache / "tools").read_bytes().decode("latin-1")
    seen = repr((found, shown, plain, build_key.difference({}, shown))) + kept
    assert [one for one in CANARIES if one in seen] == []


@pytest.mark.parametrize(
    "environ",
    [
        {"CC": "'"},
        {"CC": "  "},
        {"CC": "/"},
        {"CC": "a" * 300},
        {"RUSTUP_HOME": "x" * 5000},
        {"CFLAGS": "\udc80"},
        {"PATH": ""},
        {"PATH": "::.:relative"},
        {"HOME": ""},
    ],
)
def test_no_environment_is_an_error(world, environ):
    """Whatever stands in a variable, there is a key."""
    program(world.bin / "rustup", "#!/bin/sh\nexit 1\n")
    assert len(world.key(environ=environ)) == 64


def test_what_windows_builds_with_is_listed(tmp_path):
    """Toolsets and kits count by name, not by place."""
    for name in ("Microsoft Visual Studio/2022/BuildTools/VC/Tools/MSVC/14.40", "Windows Kits/10/Lib/10.0.22621.0"):
        (tmp_path / name).mkdir(parents=True)
    found = platforms.facts({"ProgramFiles(x86)": str(tmp_path)}, Lookout(), run=run, platform="win32")
    assert found["toolsets"] == (
        "/Microsoft Visual Studio/2022/BuildTools/VC/Tools/MSVC/14.40",
        "/Windows Kits/10/Lib/10.0.22621.0",
    )


def test_musl_is_known_by_its_loader(tmp_path, monkeypatch):
    """Where there is no glibc the loader says which C library it is."""
    monkeypatch.setattr(platforms, "_glibc", lambda: None)
    program(tmp_path / "ld-musl-x86_64.so.1", "#!/bin/sh\nprintf 'musl libc (x86_64)\\nVersion 1.2.4\\n' >&2\nexit 1\n")
    found = platforms.facts({}, Lookout(), run=run, platform="linux", libraries=str(tmp_path))
    assert found["libc"] == "musl musl libc (x86_64) Version 1.2.4"


def test_the_facts_of_this_machine(tmp_path):
    """Here everything is known; the second time no program is started."""
    about = Subject(
        tree=str(tmp_path),
        digest="0" * 32,
        hook="build_wheel",
        backend=KNOWN["setuptools"],
        module="setuptools.build_meta",
    )
    found, again = (machine.gather(about, dict(os.environ), cache=str(tmp_path / "cache"), salt=SALT) for _ in range(2))
    assert build_key.key(found.components) == build_key.key(again.components)
    assert found.unknown == ()
    shown = build_key.parts(found.components, salt=SALT)
    assert shown["interpreter version"] == sys.version
    assert shown["platform system"] == sys.platform
    assert os.fsencode(os.path.realpath(sys._base_executable)) in found.watch.places


PERSONAL = [
    ("maturin", ".cargo/config.toml", {}),
    ("maturin", ".cargo/config", {}),
    ("setuptools-rust", ".cargo/config.toml", {}),
    ("maturin", "elsewhere/config.toml", {"CARGO_HOME": "elsewhere"}),
    ("maturin", "pyo3.txt", {"PYO3_CONFIG_FILE": "pyo3.txt"}),
    ("setuptools", ".pydistutils.cfg", {}),
    ("any", ".pydistutils.cfg", {}),
    ("setuptools", "extra.cfg", {"DIST_EXTRA_CONFIG": "extra.cfg"}),
    ("scikit-build-core", "tools.cmake", {"CMAKE_TOOLCHAIN_FILE": "tools.cmake"}),
]


@pytest.mark.parametrize(("backend", "path", "named"), PERSONAL)
def test_file_of_a_person_is_in_the_key(world, backend, path, named):
    """What lies outside of the tree and tells a tool how to build: that it is born, changes, and goes."""
    environ = {name: str(world.folder / value) for name, value in named.items()}
    file = world.folder / path
    file.parent.mkdir(exist_ok=True)
    without = world.facts(backend, environ=environ)
    assert os.fsencode(file) in without.watch.absent
    file.write_text("one")
    one = world.facts(backend, environ=environ)
    assert os.fsencode(file) in one.watch.places
    file.write_text("two")
    keys = [build_key.key(found.components) for found in (without, one, world.facts(backend, environ=environ))]
    assert len(set(keys)) == 3
    file.unlink()
    assert world.key(backend, environ=environ) == keys[0]


def test_file_of_a_person_is_not_shown(world):
    """Registries have their tokens in the configuration of cargo."""
    (world.folder / ".cargo").mkdir()
    (world.folder / ".cargo" / "config.toml").write_text('token = "a-secret"')
    assert "a-secret" not in repr(world.facts().components) + repr(world.parts())


def test_configuration_of_cargo_that_includes_others_is_not_known(world):
    """What is in them would have to be asked; until then nothing is stored."""
    (world.folder / ".cargo").mkdir()
    (world.folder / ".cargo" / "config.toml").write_text('include = ["more.toml"]')
    assert [text for text in world.facts().unknown if "includes" in text]


def test_without_a_home_that_of_the_account_counts(world, monkeypatch):
    """As setuptools and cargo find it; cron and systemd set none."""
    account = world.folder / "account"
    account.mkdir()
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_dir=str(account)))
    del world.environ["HOME"]
    for backend, name in (("setuptools", ".pydistutils.cfg"), ("maturin", ".cargo/config.toml")):
        before = world.key(backend)
        (account / name).parent.mkdir(exist_ok=True)
        (account / name).write_text("x")
        assert world.key(backend) != before


def test_an_account_without_a_home_is_none(world, monkeypatch):
    """Containers have users that nobody knows."""
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["nobody"])
    del world.environ["HOME"]
    assert world.facts("setuptools").unknown == ()


def test_interpreter_is_told_where_its_variables_are_in_no_module(monkeypatch):
    """As on Windows: what a system has not is not asked for; where there is such a module, it is watched."""
    there = Lookout()
    known = machine.interpreter(there)
    modules = {name for name in sys.modules if name.startswith("_sysconfigdata")}
    assert {os.fsencode(sys.modules[name].__file__) for name in modules} <= there.places.keys()
    for name in modules:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(sys, "abiflags", raising=False)
    assert machine.interpreter(Lookout()) == known

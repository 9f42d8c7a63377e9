"""The facts of a machine: what changes the key, what does not, and what shows that nothing moved."""

import json
import os
import sys
import time

import pytest

from freshwheel.base import backends
from freshwheel.base.environment import folders
from freshwheel.base.model import Config, Input, Project, Snapshot
from freshwheel.inner import build_key, machine
from freshwheel.inner.machine import Subject
from freshwheel.inner.programs import Lookout, run

SALT = b"salt of one store"
KNOWN = {one.name: one for one in backends.KNOWN} | {"any": backends.find("own_backend", ())}
OLD = time.time() - 3600
TOOLS = ("c++", "cc", "cmake", "gcc", "ld", "meson", "ninja", "patchelf", "rustc", "weird-cc")

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


def subject_of(tree, backend, *, digest="0" * 32, hook="build_wheel", pyproject=None, inputs=(), **more):
    """What is to be built; `more` are settings, and fields of the subject."""
    settings = {name: more.pop(name) for name in ("env", "commands", "backend_path") if name in more}
    settings["inner_settings"] = more.pop("settings", None)
    module = more.pop("module", None) or (*backend.modules, "own_backend")[0]
    files = tuple(Input(path=path, kind=b"f", content=b"") for path in inputs)
    return Subject(
        project=Project(tree=str(tree), pyproject=pyproject or {}, sdist_version=None),
        config=Config(backend=module, **settings),
        snapshot=Snapshot(digest=digest, rules=b"", inputs=files, rows=()),
        hook=hook,
        backend=backend,
        **more,
    )


class World:
    """A tree, programs, and what is installed."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / "tree"
        self.site = folder / "site"
        self.bin = folder / "bin"
        for each in (self.tree, self.site):
            each.mkdir()
        for name in TOOLS:
            program(self.bin / name)
        self.environ = {"PATH": str(self.bin), "HOME": str(folder)}
        self.subject = {"requires": ("freshwheel",), "lean": ("maturin>=1",), "private": ()}

    def facts(
        self,
        backend="maturin",
        *,
        digest="0" * 32,
        hook="build_wheel",
        environ=None,
        options=None,
        **subject,
    ):
        """What is gathered."""
        options = options or {}
        about = subject_of(self.tree, KNOWN[backend], digest=digest, hook=hook, **{**self.subject, **subject})
        environ = {**self.environ, **(environ or {})}
        return machine.gather(about, environ, path=[str(self.site)], **options)

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


SHAPING = (
    *("AR", "ARCHFLAGS", "CC", "CFLAGS", "CL", "CPATH", "CPLUS_INCLUDE_PATH", "CPP", "CPPFLAGS", "CXX", "CXXFLAGS"),
    *("C_INCLUDE_PATH", "FC", "FFLAGS", "INCLUDE", "LD", "LDFLAGS", "LDSHARED", "LIB", "LIBPATH", "LIBRARY_PATH"),
    *("MACOSX_DEPLOYMENT_TARGET", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "RANLIB", "SDKROOT"),
    *("SOURCE_DATE_EPOCH", "VSCMD_ARG_TGT_ARCH", "_CL_", "_LINK_", "_PYTHON_HOST_PLATFORM"),
    *("CARGO", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL"),
    *("CARGO_PROFILE_RELEASE_LTO", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "RUSTC", "RUSTC_BOOTSTRAP"),
    *("RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "PYO3_PYTHON", "PYO3_CONFIG_FILE"),
    *("CC_x86_64_unknown_linux_gnu", "CFLAGS_x86_64_unknown_linux_gnu", "TARGET_CC", "HOST_CC", "CXXSTDLIB"),
    *("MATURIN_PEP517_ARGS", "MATURIN_STRIP", "ANDROID_API_LEVEL", "DIST_EXTRA_CONFIG"),
    *("CMAKE_ARGS", "CMAKE_GENERATOR", "CMAKE_PREFIX_PATH", "CMAKE_TOOLCHAIN_FILE", "CMAKE_C_COMPILER_LAUNCHER"),
    *("GCC_EXEC_PREFIX", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONUTF8", "TZ"),
)


@pytest.mark.parametrize("name", SHAPING)
def test_each_variable_that_shapes_a_wheel_changes_the_key(world, name):
    """T13: unset, empty and two values are four keys; a change of the value is noticed."""
    found = [world.facts(environ=environ) for environ in ({}, {name: ""}, {name: "gcc"}, {name: "weird-cc"})]
    assert len({build_key.key(one.components) for one in found}) == 4
    assert all(name in one.families and name in one.lookout.names for one in found[1:])


def test_folders_of_modules_change_the_key_unless_an_installer_made_them(world):
    """Those of the project are the same in each clone of it."""
    plain = world.key(private=("/made/pip-build-env-1",))
    assert world.key(environ={"PYTHONPATH": "/made/pip-build-env-1/site"}, private=("/made/pip-build-env-1",)) == plain
    assert world.key(environ={"PYTHONPATH": "/modules"}, private=("/made/pip-build-env-1",)) != plain
    own = world.facts(environ={"PYTHONPATH": str(world.tree / "tools")}).components
    assert build_key.key(own) == world.key(environ={"PYTHONPATH": "tools"})


HARMLESS = {
    **dict.fromkeys(("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CARGO_TERM_COLOR"), "x"),
    **dict.fromkeys(("USER", "LOGNAME", "HOSTNAME", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP"), "/elsewhere"),
    **dict.fromkeys(("XDG_CACHE_HOME", "VIRTUAL_ENV", "PIP_CACHE_DIR"), "/elsewhere"),
    **dict.fromkeys(("CARGO_BUILD_JOBS", "MAKEFLAGS", "CARGO_MAKEFLAGS", "CMAKE_BUILD_PARALLEL_LEVEL", "SHLVL"), "7"),
    **dict.fromkeys(("CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CCACHE_DIR"), "/elsewhere"),
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "NO_PROXY", "ALL_PROXY"), "http://u:p@proxy"),
    **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CARGO_HTTP_CAINFO"), "/ca.pem"),
    **dict.fromkeys(("CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_OWN_TOKEN", "MATURIN_PYPI_TOKEN"), "hunter2"),
    **dict.fromkeys(("MATURIN_PASSWORD", "UV_PUBLISH_TOKEN", "TWINE_PASSWORD", "GITHUB_TOKEN"), "hunter2"),
    **dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "PIP_INDEX_URL", "UV_INDEX_URL", "SSH_AUTH_SOCK"), "hunter2"),
    **dict.fromkeys(("PIP_VERBOSE", "UV_VERBOSE", "CARGO_TERM_VERBOSE", "CARGO_LOG", "PYTHONHASHSEED"), "1"),
    **dict.fromkeys(("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "NINJA_STATUS", "CARGO_NET_OFFLINE"), "1"),
    **dict.fromkeys(
        ("CI", "ZLIB_ROOT", "SKBUILD_CMAKE_ARGS", "HATCH_BUILD_HOOKS_ENABLE"), "read by Python, which tells"
    ),
    **dict.fromkeys(("LANGUAGE", "EDITOR", "PAGER", "GIT_DIR", "LC_TERMINAL"), "de_DE.UTF-8"),
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


@pytest.mark.parametrize("name", ["c++", "cc", "ld", "rustc"])
def test_a_tool_counts_by_what_is_in_it(world, name):
    """Another program and none are two more keys, whatever they would say; nothing is started for it."""
    keys = [world.key()]
    program(world.bin / name, "other binary")
    keys.append(world.key())
    (world.bin / name).unlink()
    keys.append(world.key())
    assert len(set(keys)) == 3


def test_compiler_of_rust_is_the_one_that_is_chosen_for_the_tree(world):
    """Rustup stands for it, and goes by its settings; without one, and where it fails, nothing is known."""
    home = world.folder / ".rustup"
    compiler = program(home / "toolchains" / "stable" / "bin" / "rustc")
    (home / "settings.toml").write_text("")
    environ = {**world.environ, "RUSTUP_HOME": str(home)}
    program(world.bin / "rustc", f"#!/bin/sh\n[ $1 = --print=sysroot ] && echo {home}/toolchains/stable\n")
    found = machine.toolchain(str(world.tree), environ)
    assert found == [str(compiler), str(home / "settings.toml")]
    program(world.bin / "rustc", "#!/bin/sh\nexit 1\n")
    assert machine.toolchain(str(world.tree), environ) == []
    (world.bin / "rustc").unlink()
    assert machine.toolchain(str(world.tree), environ) == []


def test_nothing_is_started_to_explain(world):
    """Commands may be anything; what is not asked is named."""
    program(world.bin / "cc", f"#!/bin/sh\necho x > {world.folder}/started\n")
    found = world.facts(options={"ask": False}, commands=(("cc", "--x"),))
    assert not (world.folder / "started").exists()
    assert found.unasked == {"command cc --x", "output cc --x"}


@pytest.mark.parametrize(
    ("backend", "name"), [("scikit-build-core", "cmake"), ("scikit-build-core", "ninja"), ("meson-python", "meson")]
)
def test_each_backend_has_its_own_tools(world, backend, name):
    """CMake and meson count where they are used."""
    before = world.key(backend), world.key("maturin")
    program(world.bin / name, "other binary")
    assert world.key(backend) != before[0]
    assert world.key("maturin") == before[1]


def test_places_before_the_program_are_watched(world):
    """A14: a compiler that appears earlier on PATH, or a tool that was missing, is noticed by its absence now."""
    early = world.folder / "early"
    world.environ["PATH"] = os.pathsep.join([str(early), str(world.bin)])
    (world.bin / "ld").unlink()
    found = world.facts().lookout
    missing = {os.fsencode(early / name) for name in ("cc", "c++", "ld", "rustc")}
    assert missing | {os.fsencode(world.bin / "ld")} <= found.absent
    assert os.fsencode(world.bin / "cc") in found.places


def test_programs_in_the_private_environment_do_not_count(world):
    """What the requirements brought is in the key by their texts: cmake is there after a miss, and absent before."""
    before = world.key("scikit-build-core")
    program(world.folder / "env" / "bin" / "cmake", "#!/bin/sh\necho cmake 9\n")
    environ = {"PATH": os.pathsep.join([str(world.folder / "env" / "bin"), str(world.bin)])}
    found = world.facts("scikit-build-core", environ=environ, private=(str(world.folder / "env"),))
    assert (build_key.key(found.components), found.lookout.untrusted) == (before, {})
    assert folders("/a/env2/bin:/a/env/bin", ["/a/env"]) == ["/a/env2/bin"]


@pytest.mark.parametrize("value", ["{path}", "env wrapper -x", "-DLAUNCHER={path};-x", "'{path}' a", "ccache wrapper"])
def test_what_a_variable_names_counts_by_what_is_in_it(world, value):
    """A program or a file, by its path or on PATH, wherever it stands in the value."""
    wrapper = program(world.bin / "wrapper", "#!/bin/sh\nexec gcc -O2\n")
    environ = {"CC": value.format(path=wrapper)}
    before = world.facts(environ=environ)
    program(wrapper, "#!/bin/sh\nexec gcc -O3\n")
    after = world.facts(environ=environ)
    assert build_key.key(after.components) != build_key.key(before.components)
    assert os.fsencode(wrapper) in after.lookout.places


def test_large_file_counts_by_its_beginning_and_its_size(world):
    """Linkers name what they make at its beginning, so that nothing of hundreds of megabytes need be read."""
    path = world.folder / "large"
    keys = []
    for data in (b"a" * (5 << 20), b"b" * (5 << 20), b"b" * (6 << 20)):
        path.write_bytes(data)
        keys.append(world.key(environ={"CC": str(path)}))
    assert len(set(keys)) == 3


def test_apples_compilers_are_known_by_the_selected_tools(world):
    """The stub in /usr/bin never moves: what is selected counts, and so does what DEVELOPER_DIR selects."""
    keys = []
    for name in ("one", "two"):
        clang = program(world.folder / name / "usr" / "bin" / "clang", name)
        environ = {"DEVELOPER_DIR": str(world.folder / name)}
        found = world.facts(options={"platform": "darwin"}, environ=environ)
        assert os.fsencode(clang) in found.lookout.places
        keys.append(build_key.key(found.components))
    assert len(set(keys)) == 2
    found = world.facts(options={"platform": "darwin"})
    assert b"/var/db/xcode_select_link/usr/bin/clang" in found.lookout.absent


def test_declared_variables_count_whether_set_or_not(world):
    """`env` of the settings: unset is not empty, and both are watched."""
    about = {"env": frozenset(("DEMO_FAST",))}
    found = [world.facts("flit", environ=environ, **about) for environ in ({}, {"DEMO_FAST": ""})]
    assert len({build_key.key(one.components) for one in found}) == 2
    assert all("DEMO_FAST" in one.lookout.names for one in found)
    assert world.key("flit", environ={"DEMO_FAST": "1"}) == world.key("flit")


def test_where_things_lie_counts_only_where_it_is_declared(world):
    """TMPDIR and the like are another one each time, so that the settings must name them."""
    values = {"TMPDIR": "/one", "VIRTUAL_ENV": "/one"}
    assert world.key(environ=values) == world.key()
    assert world.key(env=frozenset(values), environ=values) != world.key(env=frozenset(values))


def test_the_families_that_are_set_are_observed(world):
    """A14: a newly set variable of a family is noticed by name."""
    environ = {"CARGO_PROFILE_RELEASE_LTO": "fat", "RUSTFLAGS": "-O", "TERM": "x"}
    assert world.facts(environ=environ).families == {"CARGO_PROFILE_RELEASE_LTO", "RUSTFLAGS"}


def counted(found):
    """Name -> version of the distributions in a key."""
    names = [one for one in found.components if one.name.startswith("distribution ")]
    return {one.name.partition(" ")[2]: one.value.partition(" ")[0] for one in names}


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
    assert counted(found) == {"numpy": "2.1", "setuptools": "80"}
    record(world.site, "scikit-build-core", "0.11", requires=["packaging>=20", 'tomli; python_version < "3"'])
    found = world.facts("setuptools", lean=())
    keys.append(build_key.key(found.components))
    assert "packaging" in counted(found)  # ours, and now somebody else's too
    assert len(set(keys)) == 3


def test_without_isolation_only_the_closure_of_the_requirements_counts(world):
    """A6: what else is installed, the project itself and our own dependencies are no inputs."""
    for name in ("pytest", "demo", "freshwheel", "wheel"):
        record(world.site, name, "1")
    record(world.site, "setuptools", "80", requires=['wheel; extra == "more"', "demo"])
    about = {"lean": (), "private": None, "requires": ("freshwheel", "setuptools[more]")}
    found = world.facts("setuptools", **about, pyproject={"project": {"name": "Demo"}})
    assert counted(found) == {"setuptools": "80", "wheel": "1"}
    assert os.fsencode(world.site) in found.lookout.places


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


def test_a_distribution_without_a_record_counts_by_its_version(world):
    """What a build reads of it is on its account; one that is broken is none."""
    (world.site / "broken-1.dist-info").mkdir()
    record(world.site, "other", "1", files=None)
    assert counted(world.facts("setuptools", lean=())) == {"other": "1"}


def test_a_distribution_from_a_place_is_not_replayed(world):
    """Its version stays while its files change: the key knows, a list of names does not."""
    record(world.site, "mine", "1", direct={"url": "file:///mine", "dir_info": {}})
    assert len(world.facts("setuptools", lean=()).lookout.untrusted) == 1


@pytest.mark.parametrize("name", ["PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_CONSTRAINT"])
def test_constraint_files_count_by_what_they_hold(world, name):
    """A6: content, not the place."""
    path, moved = world.folder / "c.txt", world.folder / "moved.txt"
    keys = [world.key()]
    for text in ("numpy<3\n", "numpy<2\n"):
        path.write_text(text)
        found = world.facts(environ={name: str(path)})
        keys.append(build_key.key(found.components))
    assert len(set(keys)) == 3
    assert os.fsencode(path) in found.lookout.places
    moved.write_text("numpy<2\n")
    assert world.key(environ={name: str(moved)}) == keys[-1]


@pytest.mark.parametrize("value", ["gone.txt", "https://user:hunter2@host/c.txt", "a\udc80b"])
def test_constraints_that_can_not_be_read_count_by_their_place(world, value):
    """As all that lies on an index, what is there is asked for once requires-age is over."""
    assert world.key(environ={"PIP_CONSTRAINT": value}) != world.key()


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
        assert found.lookout.untrusted
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


CANARIES = [f"canary{number:02}x7Jq" for number in range(21)]


def test_secrets_are_seen_nowhere(world):
    """T21: values of variables, URLs, settings and commands are in no component, reason or text."""
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
    seen = repr((found, vars(found.lookout), shown, plain, build_key.difference({}, shown)))
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


def test_what_windows_builds_with_is_listed(world):
    """Toolsets and kits count by name, not by place."""
    kits = ("Microsoft Visual Studio/2022/BuildTools/VC/Tools/MSVC/14.40", "Windows Kits/10/Lib/10.0.22621.0")
    for name in kits:
        (world.folder / name).mkdir(parents=True)
    found = world.facts(options={"platform": "win32"}, environ={"ProgramFiles(x86)": str(world.folder)})
    assert [one.value for one in found.components if one.name == "platform toolsets"] == [kits]
    assert os.fsencode((world.folder / kits[0]).parent) in found.lookout.places


def test_musl_is_known_by_its_loader(world, monkeypatch):
    """Where there is no glibc the loader is another file for another C library."""
    loader = program(world.folder / "ld-musl-x86_64.so.1")
    monkeypatch.setattr(machine, "_glibc", lambda: None)
    monkeypatch.setattr(machine.glob, "glob", lambda pattern: [str(loader)] if "musl" in pattern else [])
    before = world.key()
    program(loader, "another one")
    assert world.key() != before


def test_the_facts_of_this_machine(tmp_path):
    """Here everything is known, and the same again."""
    about = subject_of(tmp_path, KNOWN["setuptools"])
    found, again = (machine.gather(about, dict(os.environ)) for _ in range(2))
    assert build_key.key(found.components) == build_key.key(again.components)
    shown = build_key.parts(found.components, salt=SALT)
    assert shown["interpreter version"] == sys.version
    assert shown["platform system"] == sys.platform
    assert os.fsencode(os.path.realpath(sys._base_executable)) in found.lookout.places


PERSONAL = [
    ("maturin", ".cargo/config.toml", {}),
    ("maturin", ".cargo/config", {}),
    ("setuptools-rust", ".cargo/config.toml", {}),
    ("maturin", "elsewhere/config.toml", {"CARGO_HOME": "elsewhere"}),
    ("maturin", "pyo3.txt", {"PYO3_CONFIG_FILE": "pyo3.txt"}),
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
    file.write_text("one")
    one = world.facts(backend, environ=environ)
    assert os.fsencode(file) in one.lookout.places
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

"""The Rust closure, asked of texts in memory and compared with cargo itself."""

import json
import os
import posixpath
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.sources import cargo

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib


def package(name, text=""):
    """A manifest."""
    return f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n{text}'


def depends(*paths, table="dependencies"):
    """A table of path dependencies, each named like its folder."""
    names = {path: path.strip("./").rpartition("/")[2] or "above" for path in paths}
    return f"[{table}]\n" + "".join(f'{name} = {{ path = "{path}" }}\n' for path, name in names.items())


def found(files, *manifests, **more):
    """The closure of `manifests`, or of the Cargo.toml in the project directory, where there are `files`."""
    tables = {path: tomllib.loads(text) for path, text in files.items()}
    return cargo.closure(manifests or ("Cargo.toml",), tables.get, **more)


def absent(files, *manifests, **more):
    """What is asked for and is not there."""
    tables = {path: tomllib.loads(text) for path, text in files.items()}
    asked = set()

    def read(path):
        asked.add(path)
        return tables.get(path)

    cargo.closure(manifests or ("Cargo.toml",), read, **more)
    return asked - tables.keys()


def folders(files, *manifests, **more):
    """The folders of the crates."""
    return [crate.folder for crate in found(files, *manifests, **more).crates]


def test_single_crate():
    """A crate alone is its own workspace, with a lock file beside it."""
    files = {"Cargo.toml": package("a")}
    closure = found(files)
    assert closure.crates == (cargo.Crate(folder="", name="a", reason="built by the project"),)
    assert (closure.files, closure.locks) == ({}, ("Cargo.lock",))
    assert {"Cargo.lock", "../Cargo.toml", ".cargo/config.toml", "../rust-toolchain"} <= absent(files)


def test_nothing_to_build():
    """Without a manifest there is no crate and no lock file."""
    closure = found({}, "rust/Cargo.toml")
    assert (closure.crates, closure.files, closure.locks) == ((), {}, ())
    assert "rust/Cargo.toml" in absent({}, "rust/Cargo.toml")


@pytest.mark.parametrize(
    "table",
    [
        "dependencies",
        "build-dependencies",
        "build_dependencies",
        "target.'cfg(windows)'.dependencies",
        "target.x86_64-pc-windows-gnu.build-dependencies",
    ],
)
def test_path_dependency(table):
    """A path dependency is built, on whatever platform and for whatever step."""
    closure = found({"Cargo.toml": package("a", depends("b", table=table)), "b/Cargo.toml": package("b")})
    assert [(crate.folder, crate.reason) for crate in closure.crates] == [
        ("", "built by the project"),
        ("b", "path dependency of a"),
    ]


@pytest.mark.parametrize("table", ["dev-dependencies", "dev_dependencies", "target.'cfg(unix)'.dev-dependencies"])
def test_dependency_of_tests(table):
    """What only tests depend on is not built, and not even asked for."""
    closure = found({"Cargo.toml": package("a", depends("b", table=table)), "b/Cargo.toml": package("b")})
    assert [crate.folder for crate in closure.crates] == [""]


def test_renamed_and_optional_dependencies():
    """A dependency counts under another name, and where no feature asks for it."""
    text = package("a", '[dependencies]\nx = { path = "b", package = "b" }\nc = { path = "c", optional = true }\n')
    closure = found({"Cargo.toml": text, "b/Cargo.toml": package("b"), "c/Cargo.toml": package("c")})
    assert [crate.name for crate in closure.crates] == ["a", "b", "c"]


def test_dependencies_in_a_circle():
    """Crates that depend on themselves or on each other are found once."""
    files = {
        "a/Cargo.toml": package("a", depends("../a", "../b")),
        "b/Cargo.toml": package("b", depends("../a", ".//../b/.")),
    }
    assert folders(files, "a/Cargo.toml") == ["a", "b"]


def test_dependency_that_is_missing():
    """A crate that is not there is absent, so that its appearance is noticed."""
    files = {"Cargo.toml": package("a", depends("../b"))}
    assert "../b/Cargo.toml" in absent(files)
    assert folders(files) == [""]


def test_manifest_that_is_no_toml():
    """A crate with an unreadable manifest is still a crate, named by its folder."""
    closure = found({"Cargo.toml": package("a", depends("b")), "b/Cargo.toml": ""})
    assert [crate.name for crate in closure.crates] == ["a", "b"]


def test_old_spelling_of_the_package():
    """A `[project]` table names a crate, as it did before `[package]`."""
    assert [crate.name for crate in found({"Cargo.toml": '[project]\nname = "old"'}).crates] == ["old"]


def test_backslashes():
    """A path with the separators of Windows leads to the same crate."""
    assert folders({"Cargo.toml": package("a", "[dependencies]\nb = { path = 'x\\b' }"), "x/b/Cargo.toml": ""}) == [
        "",
        "x/b",
    ]


@pytest.mark.parametrize("path", ["/b", "C:/b", "\\\\b", "b\0"])
def test_path_that_is_not_relative(path):
    """A path that is absolute, or none at all, is not followed."""
    text = package("a", f"[dependencies]\nb = {{ path = {json.dumps(path)} }}")
    assert found({"Cargo.toml": text}) == found({"Cargo.toml": package("a")})


WORKSPACE = {
    "../Cargo.toml": '[workspace]\nmembers = ["*"]\n[workspace.dependencies]\ncore = { path = "core" }\nserde = "1"',
    "../Cargo.lock": "",
    "../core/Cargo.toml": package("core"),
    "Cargo.toml": package("a", "[dependencies]\ncore.workspace = true\nserde = { workspace = true }"),
}


def test_workspace_above():
    """A member depends by way of the root, whose manifest and lock file are inputs."""
    closure = found(WORKSPACE)
    assert [crate.folder for crate in closure.crates] == ["", "../core"]
    assert closure.files == {"../Cargo.lock": "lock file", "../Cargo.toml": "workspace root"}
    assert closure.locks == ("../Cargo.lock",)
    assert "../../Cargo.toml" not in absent(WORKSPACE)


def test_workspace_root_that_is_a_crate():
    """The manifest of a root that is built as well lies in the folder of a crate, and is listed there alone."""
    files = {"Cargo.toml": package("a", '[workspace]\nmembers = ["b"]'), "b/Cargo.toml": package("b", depends(".."))}
    closure = found(files, "b/Cargo.toml")
    assert [crate.folder for crate in closure.crates] == ["", "b"]
    assert (closure.files, closure.locks) == ({}, ("Cargo.lock",))


def test_manifest_on_the_way_up():
    """A parent that is no workspace root is passed by."""
    files = {"x/b/Cargo.toml": package("b"), "x/Cargo.toml": package("x"), "Cargo.toml": "[workspace]"}
    closure = found(files, "x/b/Cargo.toml")
    assert (dict(closure.files), closure.locks) == ({"Cargo.toml": "workspace root"}, ("Cargo.lock",))


def test_nested_workspace():
    """The nearest root counts, and one that a crate is itself counts first."""
    files = {"Cargo.toml": "[workspace]", "x/Cargo.toml": "[workspace]", "x/b/Cargo.toml": package("b")}
    assert found(files, "x/b/Cargo.toml").locks == ("x/Cargo.lock",)
    files["x/b/Cargo.toml"] = package("b", "[workspace]")
    assert found(files, "x/b/Cargo.toml").locks == ("x/b/Cargo.lock",)


@pytest.mark.parametrize(
    ("lists", "lock"),
    [
        ('exclude = ["x"]', "x/b/Cargo.lock"),
        ('exclude = ["./x/b/"]', "x/b/Cargo.lock"),
        ('exclude = ["x/bb", "b", 1]', "Cargo.lock"),
        ('exclude = ["x"]\nmembers = ["x/b"]', "Cargo.lock"),
        ('exclude = ["x"]\nmembers = ["x/*"]', "x/b/Cargo.lock"),
        ('exclude = ["y/../x"]', "Cargo.lock"),
    ],
)
def test_excluded_crate(lists, lock):
    """A root that excludes the folder of a crate, and does not list it as member, is not its root."""
    files = {"Cargo.toml": f"[workspace]\n{lists}", "x/b/Cargo.toml": package("b")}
    assert found(files, "x/b/Cargo.toml").locks == (lock,)


def test_excluded_by_one_workspace_of_two():
    """Behind a root that excludes a crate, the next one above is looked for."""
    files = {"../Cargo.toml": "[workspace]", "Cargo.toml": '[workspace]\nexclude=["b"]', "b/Cargo.toml": package("b")}
    assert found(files, "b/Cargo.toml").locks == ("../Cargo.lock",)


def test_project_directory_that_is_excluded_by_its_name():
    """A root above knows the project directory by its name, which is told apart from the crates beside it."""
    files = {"../Cargo.toml": '[workspace]\nexclude = ["python"]', "Cargo.toml": package("a")}
    assert found(files, above=("python", "repo")).locks == ("Cargo.lock",)
    assert found(files, above=("py", "repo")).locks == ("../Cargo.lock",)


def test_project_directory_that_is_depended_on_by_its_name():
    """A path that leaves the project directory and comes back leads to the same crate."""
    root = '[workspace]\n[workspace.dependencies]\nb = { path = "repo/python/b" }'
    files = {
        "../../Cargo.toml": root,
        "Cargo.toml": package("a", "[dependencies]\nb.workspace = true\nc = { path = '../../repo/c' }"),
        "b/Cargo.toml": package("b", depends("../../python")),
        "../c/Cargo.toml": package("c"),
    }
    assert folders(files, above=("python", "repo", "home")) == ["", "../c", "b"]


def test_package_that_names_its_workspace():
    """`package.workspace` wins over a nearer root, and leads beside the crate as well."""
    files = {
        "ws/Cargo.toml": '[workspace]\nmembers = ["../x/b"]\n[workspace.dependencies]\nc = { path = "c" }',
        "x/Cargo.toml": "[workspace]",
        "x/b/Cargo.toml": package("b", 'workspace = "../../ws"\n[dependencies]\nc.workspace = true'),
        "ws/c/Cargo.toml": package("c"),
    }
    closure = found(files, "x/b/Cargo.toml")
    assert [crate.folder for crate in closure.crates] == ["ws/c", "x/b"]
    assert (dict(closure.files), closure.locks) == ({"ws/Cargo.toml": "workspace root"}, ("ws/Cargo.lock",))


def test_parent_that_names_its_workspace():
    """A parent that belongs to a workspace elsewhere leads its subfolders there."""
    files = {"x/Cargo.toml": package("x", 'workspace = "../ws"'), "x/b/Cargo.toml": package("b"), "ws/Cargo.toml": ""}
    assert found(files, "x/b/Cargo.toml").locks == ("ws/Cargo.lock",)


def test_crate_of_another_workspace():
    """It inherits from its own root; that one's lock file and patches are not looked at, as cargo doesn't."""
    other = '[workspace]\n[workspace.dependencies]\nd = { path = "d" }\n[patch.crates-io]\ne = { path = "e" }'
    files = {
        "Cargo.toml": package("a", "[workspace]\n" + depends("../other/c")),
        "../other/Cargo.toml": other,
        "../other/Cargo.lock": "",
        "../other/c/Cargo.toml": package("c", "[dependencies]\nd.workspace = true"),
        "../other/d/Cargo.toml": package("d"),
        "../other/e/Cargo.toml": package("e"),
    }
    closure = found(files)
    assert [crate.folder for crate in closure.crates] == ["", "../other/c", "../other/d"]
    assert (dict(closure.files), closure.locks) == ({"../other/Cargo.toml": "workspace root"}, ("Cargo.lock",))


def test_virtual_manifest():
    """A manifest without a package is no crate; it is an input with its lock file."""
    closure = found({"rust/Cargo.toml": "[workspace]", "rust/Cargo.lock": ""}, "rust/Cargo.toml")
    assert closure.crates == ()
    assert list(closure.files) == ["rust/Cargo.lock", "rust/Cargo.toml"]


def test_patched_crates():
    """What `[patch]` and `[replace]` of the root bring in is built, relative to the root."""
    root = (
        "[workspace]\n[patch.crates-io]\nx = { path = 'x' }\ny = { git = 'https://y.example' }\n"
        "[patch.'https://z.example/z']\nz = { path = '../z' }\n[replace]\n'w:1.0.0' = { path = 'w' }\n"
    )
    files = {"../Cargo.toml": root, "Cargo.toml": package("a"), "../x/Cargo.toml": package("x", depends("../v"))}
    files |= {f"{folder}/Cargo.toml": package(folder[-1]) for folder in ("../../z", "../w", "../v")}
    reasons = {crate.folder: crate.reason for crate in found(files).crates}
    assert reasons.pop("") == "built by the project"
    assert reasons.pop("../v") == "path dependency of x"
    assert reasons == dict.fromkeys(["../../z", "../w", "../x"], "patched in by ../Cargo.toml")


def test_patch_of_a_member():
    """Only the root may patch: what another manifest says is not followed."""
    files = {"../Cargo.toml": "[workspace]", "Cargo.toml": package("a", "[patch.crates-io]\nx = { path = 'x' }")}
    assert folders(files | {"x/Cargo.toml": package("x")}) == [""]


def test_configuration():
    """Each configuration from the project directory upwards is an input, in both of its spellings."""
    paths = ["../.cargo/config", "../.cargo/config.toml", "../../../.cargo/config.toml", ".cargo/config.toml"]
    files = dict.fromkeys(paths, "[build]") | {"rust/Cargo.toml": package("a"), "rust/.cargo/config.toml": ""}
    closure = found(files, "rust/Cargo.toml")
    assert closure.files == dict.fromkeys(paths, "cargo configuration")


def test_configuration_that_patches():
    """Patches and overrides of a configuration are relative to the folder that has the `.cargo` folder."""
    config = "paths = ['p']\n[patch.crates-io]\nx = { path = 'x' }\n"
    files = {"../.cargo/config.toml": config, "Cargo.toml": package("a")}
    files |= {"../p/Cargo.toml": package("p"), "../x/Cargo.toml": package("x")}
    assert [(crate.folder, crate.reason) for crate in found(files).crates[1:]] == [
        ("../p", "brought in by ../.cargo/config.toml"),
        ("../x", "brought in by ../.cargo/config.toml"),
    ]


@pytest.mark.parametrize(
    "include", ['"../x.toml"', '["../x.toml"]', '{ path = "../x.toml" }', '[{ path = "../x.toml", optional = true }]']
)
def test_included_configuration(include):
    """What a configuration includes is an input, and what that includes in turn; a circle ends."""
    files = {
        "rust/Cargo.toml": package("a"),
        ".cargo/config.toml": f"include = {include}",
        "x.toml": "include = ['sub/y.toml', '.cargo/config.toml']\n[patch.crates-io]\nx = { path = 'x' }",
        "sub/y.toml": "include = 'y.toml'",
        "../x/Cargo.toml": package("x"),
    }
    closure = found(files, "rust/Cargo.toml")
    assert closure.files["x.toml"] == "included by .cargo/config.toml"
    assert closure.files["sub/y.toml"] == "included by x.toml"
    assert [crate.folder for crate in closure.crates] == ["../x", "rust"]


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ('[env]\nA = { value = "cfg/a.cfg", relative = true }', "../cfg/a.cfg"),
        ('[env]\nA = { value = "a.cfg", relative = true, force = true }', "../a.cfg"),
        ('[build]\nrustc = "tools/rustc.sh"', "../tools/rustc.sh"),
        ('[build]\nrustc-wrapper = "./wrap"', "../wrap"),
        ("[build]\nrustc-workspace-wrapper = 'tools\\wrap'", "../tools/wrap"),
        ('[target.x86_64-unknown-linux-gnu]\nlinker = "tools/ld"', "../tools/ld"),
    ],
)
def test_files_that_a_configuration_names(table, path):
    """Programs and what variables lead to are inputs, seen from the folder above that of the configuration."""
    files = {"../.cargo/config.toml": table, path: ""}
    assert found(files).files == {
        "../.cargo/config.toml": "cargo configuration",
        path: "named in ../.cargo/config.toml",
    }
    del files[path]
    assert path in absent(files)


@pytest.mark.parametrize(
    "table",
    [
        '[env]\nA = { value = "a.cfg" }\nB = "a.cfg"\nC = { value = 7, relative = true }\nD = { relative = true }',
        '[env]\nA = { value = "", relative = true }\nB = { value = "..", relative = true }',
        '[env]\nA = { value = "/a.cfg", relative = true }',
        '[build]\nrustc-wrapper = "sccache"\nrustc = 7',
        '[target.a]\nlinker = "clang"\n[target.b]\nlinker = ["a/b"]\n[target]\nc = 7',
        "env = 7\nbuild = 7\ntarget = 7",
    ],
)
def test_a_configuration_that_names_no_files(table):
    """Programs to be searched for, folders that hold everything, absolute paths and nonsense are asked for nowhere."""
    config = {"../.cargo/config.toml": table}
    assert found(config) == found({"../.cargo/config.toml": ""})


def test_included_configuration_that_is_missing():
    """A file that is included and not there is absent."""
    assert "x.toml" in absent({".cargo/config.toml": "include = ['../x.toml']"})


def test_toolchain():
    """The nearest toolchain files are inputs, and nothing is asked above them."""
    files = {"rust/Cargo.toml": package("a"), "../rust-toolchain": "", "../rust-toolchain.toml": ""}
    files |= {"../../rust-toolchain": "", "rust/rust-toolchain": ""}
    closure = found(files, "rust/Cargo.toml")
    assert closure.files == dict.fromkeys(["../rust-toolchain", "../rust-toolchain.toml"], "rust toolchain")
    assert "rust-toolchain" in absent(files, "rust/Cargo.toml")
    assert "../../rust-toolchain.toml" not in absent(files, "rust/Cargo.toml")


def test_levels_above():
    """Nothing is asked far above the project directory, nor above the file system where its depth is known."""
    files = {"a/Cargo.toml": package("a")}
    assert max(path.count("../") for path in absent(files, "a/Cargo.toml")) == 10
    assert max(path.count("../") for path in absent(files, "a/Cargo.toml", above=("x", "y"))) == 2


def test_levels_above_of_a_crate_that_lies_above():
    """The limit is counted from the project directory, wherever a crate lies."""
    files = {"Cargo.toml": package("a", "[workspace]\n" + depends("../../b/c")), "../../b/c/Cargo.toml": package("c")}
    assert max(path.count("../") for path in absent(files)) == 10


def test_crate_above_the_project_directory():
    """What lies directly in the folder of a crate is listed with it, and deeper ones by themselves.

    There may be another crate in between, or tests.
    """
    files = {"../Cargo.toml": package("a"), ".cargo/config.toml": "", "../rust-toolchain": "", "../../Cargo.lock": ""}
    closure = found(files, "../Cargo.toml")
    assert [crate.folder for crate in closure.crates] == [".."]
    assert closure.files == {".cargo/config.toml": "cargo configuration"}


def test_workspace_inside_of_another_crate():
    """What decides about a workspace counts, also where it lies in the folder of a crate that is built with it."""
    files = {
        "../../Cargo.toml": package("core"),
        "../Cargo.toml": '[workspace]\nmembers = ["python"]\n',
        "../Cargo.lock": "",
        "../.cargo/config.toml": "",
        "../rust-toolchain.toml": "",
        "Cargo.toml": package("demo", '[dependencies]\ncore = { path = "../.." }\n'),
    }
    closure = found(files)
    assert [crate.folder for crate in closure.crates] == ["", "../.."]
    assert sorted(closure.files) == sorted(files.keys() - {"../../Cargo.toml", "Cargo.toml"})


@pytest.mark.parametrize(
    ("config", "folders"),
    [
        ("", ["target"]),
        ('target-dir = "out"', ["out"]),
        ('target-dir = "../out"\nbuild-dir = "work"', ["../out", "work"]),
        ('build-dir = "{workspace-root}/work"', ["target", "work"]),
        ('build-dir = "{cargo-cache-home}/{workspace-path-hash}"', ["target"]),
        ('target-dir = "/out"\nbuild-dir = "."', ["target"]),
    ],
)
def test_folders_that_cargo_builds_into(config, folders):
    """They are known by the workspace and the configuration, whatever lies in them."""
    files = {"Cargo.toml": package("a"), ".cargo/config.toml": f"[build]\n{config}\n"}
    assert list(found(files).built) == folders


def test_several_manifests():
    """Two manifests of one project have one closure, whatever their order."""
    files = {"a/Cargo.toml": package("a", depends("../c")), "b/Cargo.toml": package("b", depends("../c"))}
    files["c/Cargo.toml"] = package("c")
    closure = found(files, "b/Cargo.toml", "a/Cargo.toml")
    assert closure == found(files, "a/Cargo.toml", "b/Cargo.toml")
    assert [crate.reason for crate in closure.crates] == [*["built by the project"] * 2, "path dependency of a"]
    assert closure.locks == ("a/Cargo.lock", "b/Cargo.lock")


KEYS = [
    *("package", "project", "workspace", "dependencies", "build-dependencies", "target", "patch", "replace", "path"),
    *("paths", "include", "exclude", "members", "name", "x"),
]
TEXTS = st.sampled_from(["", ".", "..", "../..", "a", "a/b", "../a", "/", "C:a", "a\\b", "\0", "Cargo.toml", "a/.."])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
PATHS = st.sampled_from(
    ["Cargo.toml", "../Cargo.toml", "a/Cargo.toml", "a/b/Cargo.toml", "../a/Cargo.toml", ".cargo/config.toml"]
)


@given(files=st.dictionaries(PATHS, TABLES, max_size=6), above=st.sampled_from([(), ("a",), ("b", "a")]))
def test_tables_of_any_form(files, above):
    """For every set of tables, however malformed, the search ends without an error, and in normalised paths."""
    closure = cargo.closure(["Cargo.toml", "a/b/Cargo.toml"], files.get, above=above)
    paths = [*closure.files, *closure.locks, *(f"{crate.folder}/x" for crate in closure.crates)]
    assert [path for path in paths if path.removeprefix("/") != posixpath.normpath(path.removeprefix("/"))] == []


def write(folder, files):
    """Makes a file system of texts; each package has a library, and the registry is empty."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        if "[package]" in text:
            (place.parent / "src").mkdir(exist_ok=True)
            (place.parent / "src" / "lib.rs").touch()


def ask_cargo(project, manifest):
    """The folders, relative to the project, of what cargo builds for a manifest, and the folder of its lock file."""
    command = ["cargo", "metadata", "--offline", "--format-version", "1", "--all-features", "--manifest-path", manifest]
    run = subprocess.run(command, cwd=project, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    metadata = json.loads(run.stdout)
    places = {one["id"]: os.path.dirname(one["manifest_path"]) for one in metadata["packages"]}
    nodes = {one["id"]: one for one in metadata["resolve"]["nodes"]}
    top = os.path.dirname(os.path.join(os.path.realpath(project), manifest))
    waiting, seen = [name for name, place in places.items() if place == top], set()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            links = nodes[one]["deps"]
            waiting += [link["pkg"] for link in links if any(kind["kind"] != "dev" for kind in link["dep_kinds"])]
    relative = [os.path.relpath(places[one], os.path.realpath(project)) for one in seen]
    root = os.path.relpath(metadata["workspace_root"], os.path.realpath(project))
    return sorted("" if path == "." else path for path in relative), "" if root == "." else root


def ask_closure(project, manifest):
    """The same, as we see it."""

    def read(path):
        try:
            return tomllib.loads((project / path).read_text("utf-8"))
        except tomllib.TOMLDecodeError:
            return {}
        except OSError:
            return None

    above = tuple(reversed(os.path.realpath(project).strip("/").split("/")))
    closure = cargo.closure([manifest], read, above=above)
    [lock] = closure.locks
    return [crate.folder for crate in closure.crates], lock.rpartition("/")[0]


VENDORED = '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "vendor"\n'
MEMBERS = '[workspace]\nresolver = "2"\nmembers = ["pkg", "crates/*"]\nexclude = ["crates/out"]\n'
LAYOUTS = {
    "sibling": {"pkg/Cargo.toml": package("pkg", depends("../core")), "core/Cargo.toml": package("core")},
    "inherited": {
        "Cargo.toml": MEMBERS
        + "[workspace.dependencies]\ncore = { path = 'crates/core' }\nself = { path = 'pkg/inner', package = 'inner' }",
        "pkg/Cargo.toml": package("pkg", "[dependencies]\ncore.workspace = true\nself.workspace = true"),
        "pkg/inner/Cargo.toml": package("inner"),
        "crates/core/Cargo.toml": package("core", depends("../dev", table="dev-dependencies")),
        "crates/dev/Cargo.toml": package("dev"),
    },
    "tables": {
        "pkg/Cargo.toml": package(
            "pkg",
            "[features]\nf = ['dep:opt']\n[dependencies]\nren = { path = '../b', package = 'bb' }\n"
            "opt = { path = '../opt', optional = true }\n[build-dependencies]\nbuilder = { path = '../builder' }\n"
            "[target.'cfg(windows)'.dependencies]\nwin = { path = '../win' }\n"
            "[target.'cfg(unix)'.build-dependencies]\nunix = { path = '../unix' }\n"
            "[dev-dependencies]\ntester = { path = '../tester' }\n",
        ),
        "b/Cargo.toml": package("bb", depends("../deep")),
        **{f"{name}/Cargo.toml": package(name) for name in ("opt", "builder", "win", "unix", "tester", "deep")},
    },
    "excluded": {
        "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["pkg"]\nresolver = "2"\n',
        "crates/core/Cargo.toml": package("core"),
        "pkg/Cargo.toml": package("pkg", depends("../crates/core")),
    },
    "listed though excluded": {
        "Cargo.toml": '[workspace]\nmembers = ["pkg"]\nexclude = ["pkg"]\nresolver = "2"\n',
        "pkg/Cargo.toml": package("pkg"),
    },
    "pointer": {
        "ws/Cargo.toml": '[workspace]\nmembers = ["../pkg"]\nresolver = "2"\n'
        "[workspace.dependencies]\ncore = { path = 'core' }",
        "ws/core/Cargo.toml": package("core", 'workspace = ".."'),
        "pkg/Cargo.toml": package("pkg", 'workspace = "../ws"\n[dependencies]\ncore.workspace = true'),
    },
    "patched": {
        ".cargo/config.toml": VENDORED + "[patch.crates-io]\nq = { path = 'q' }\n",
        "pkg/.cargo/config.toml": "include = ['../../more/r.toml']\n",
        "more/r.toml": "[patch.crates-io]\nr = { path = 'r' }\n",
        "vendor/README": "",
        "Cargo.toml": '[workspace]\nmembers = ["pkg"]\nresolver = "2"\n[patch.crates-io]\np = { path = "p" }\n',
        "pkg/Cargo.toml": package("pkg", '[dependencies]\np = "1"\nq = "1"\nr = "1"'),
        "p/Cargo.toml": package("p"),
        "q/Cargo.toml": package("q"),
        "r/Cargo.toml": package("r"),
    },
    "other workspace": {
        "pkg/Cargo.toml": package("pkg", "[workspace]\n" + depends("../other/c")),
        "other/Cargo.toml": '[workspace]\nmembers = ["c"]\nresolver = "2"\n[workspace.dependencies]\n'
        "d = { path = 'd' }\n[patch.crates-io]\ne = { path = 'e' }",
        "other/c/Cargo.toml": package("c", "[dependencies]\nd.workspace = true"),
        "other/d/Cargo.toml": package("d"),
        "other/e/Cargo.toml": package("e"),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_cargo_agrees(tmp_path, layout):
    """Crates and workspace root of a layout are those that cargo finds."""
    write(tmp_path, LAYOUTS[layout])
    project = tmp_path / "pkg"
    assert ask_closure(project, "Cargo.toml") == ask_cargo(project, "Cargo.toml")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_cargo_agrees_on_generated_workspaces(tmp_path, seed):
    """For every workspace of crates that depend on later ones, in one way or another, cargo finds the same."""
    places = ["pkg", "crates/a", "crates/b", "crates/c/d", "e", "pkg/f"]
    ways = ["dependencies", "build-dependencies", "dev-dependencies", "target.'cfg(windows)'.dependencies"]
    files, shared, number = {}, "", seed * 7919
    for index, place in enumerate(places):
        shared += f"n{index} = {{ path = '{place}' }}\n"
        text = ""
        for later in range(index + 1, len(places)):
            number = (number * 1103515245 + 12345) % 2**31
            if (number >> 8) % 5 < 2:
                path = os.path.relpath(places[later], place)
                spec = "workspace = true" if (number >> 12) % 2 else f"path = '{path}'"
                text += f"[{ways[(number >> 16) % 4]}.n{later}]\n{spec}\n"
        files[f"{place}/Cargo.toml"] = package(f"n{index}", text)
    members = json.dumps(places)
    files["Cargo.toml"] = f'[workspace]\nresolver = "2"\nmembers = {members}\n[workspace.dependencies]\n{shared}'
    write(tmp_path, files)
    project = tmp_path / "pkg"
    assert ask_closure(project, "Cargo.toml") == ask_cargo(project, "Cargo.toml")

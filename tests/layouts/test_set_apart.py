"""Folders that tools are given inside of a project: caches, temporary files, what cargo builds into."""

import pytest

ROOM = "made"
"""Where a tool has what is its own."""


@pytest.fixture(params=["maturin", "setuptools.build_meta"])
def project(layout, request):
    """A crate in the root of its project."""
    found = layout()
    found.crate(".", "apart")
    found.files({"apart/__init__.py": "", "tools/make.py": "", "Cargo.lock": ""})
    spoken = " ".join(f'"{name}"' for name in (ROOM, ".deep", "out", "target", "tools", "work", ".cache", ".rustup"))
    found.files({"src/lib.rs": f"// {spoken}\npub fn number() -> u32 {{ 7 }}\n"})
    found.pyproject("apart", backend=request.param)
    found.commit()
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("TMPDIR", "UV_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME", "SCCACHE_DIR", "npm_config_cache", "GOMODCACHE"),
        *("CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"),
    ],
)
@pytest.mark.parametrize("folder", ["made", ".deep/made"])
def test_what_the_environment_gives_to_a_tool_is_no_input(project, name, folder):
    """Where it lies tells, not what it looks like."""
    before = project.digest()
    project.files({f"{folder}/some/a.rs": "", f"{folder}/b.py": ""})
    assert project.digest(**{name: str(project.root / folder)}) == before
    assert project.digest() != before


def test_relative_folder_of_cargo_is_no_input(project):
    """Cargo starts in the project directory."""
    before = project.digest()
    project.files({"made/release/a.rs": ""})
    assert project.digest(CARGO_TARGET_DIR="made") == before


def test_home_inside_of_the_project_is_no_input(project):
    """Some machines of CI have it there."""
    before = project.digest()
    project.files({".cache/pip/a.py": "", ".cargo/registry/a.rs": "", ".rustup/a.rs": ""})
    assert project.digest(HOME=str(project.root)) == before


@pytest.mark.parametrize(
    "environ",
    [{"TMPDIR": "{}"}, {"UV_CACHE_DIR": "{}/.."}, {"TMPDIR": "{}/src"}, {"SETUPTOOLS_CACHE": "src"}, {"SRC": "{}/src"}],
)
def test_folder_that_holds_the_sources_is_not_set_apart(project, environ):
    """The project itself, one above it, one with a manifest, what no tool takes for a cache."""
    project.files({"src/pyproject.toml": ""})
    environ = {name: value.format(project.root) for name, value in environ.items()}
    before = project.digest(**environ)
    project.replace("src/lib.rs", "7", "8")
    assert project.digest(**environ) != before


@pytest.mark.parametrize(
    ("config", "made"),
    [
        ("", ["target/wheels/a.py", "target/release/a.rs"]),
        ('build-dir = "work"', ["target/release/a.rs", "work/release/a.rs"]),
        ('build-dir = "{workspace-root}/work"\ntarget-dir = "out"', ["out/release/a.rs", "work/a.rs"]),
    ],
)
def test_what_cargo_builds_into_is_no_input(project, config, made):
    """It may have been there before cargo, which then leaves no tag in it; elsewhere the name says nothing."""
    project.files({".cargo/config.toml": f"[build]\n{config}\n", "tools/target/a.py": ""})
    before = project.digest()
    project.files(dict.fromkeys(made, ""))
    assert project.digest() == before
    project.files({"tools/target/a.py": "other"})
    assert project.digest() != before


def test_sources_in_a_folder_called_target_count_where_cargo_builds_elsewhere(project):
    """The name alone says nothing."""
    project.files({".cargo/config.toml": '[build]\ntarget-dir = "out"\n', "target/x86.rs": ""})
    assert project.moving("target/x86.rs") == ["target/x86.rs"]


def test_own_cache_directory_is_tagged(project):
    """So that backups pass it by, and so does a run that is told of another one."""
    before = project.digest()
    cache = project.root / ROOM / "cache"
    assert project.digest(FRESHWHEEL_CACHE_DIR=str(cache)) == before
    assert (cache / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    assert project.digest() == before


def test_nothing_is_written_beside_the_sources(project):
    """A cache directory that holds the project is not tagged."""
    project.digest(FRESHWHEEL_CACHE_DIR=str(project.root))
    assert not (project.root / "CACHEDIR.TAG").exists()


def test_cache_above_the_project_is_no_input(layout):
    """As in a repository with the project in a folder, and a crate at the top that it is made from."""
    found = layout("bindings/python")
    found.crate(".", "apart-core")
    found.crate("bindings/python", "apart-top", '[dependencies]\napart-core = { path = "../.." }\n')
    found.files({"bindings/python/Cargo.lock": "", "src/lib.rs": '// ".cache" "core.txt"\n'})
    found.pyproject("apart-top")
    found.commit()
    before = found.digest()
    found.files({".cache/pip/http-v2/a": "", "core.txt": ""})
    assert "core.txt" in found.inputs()
    (found.root / "core.txt").unlink()
    assert found.digest(PIP_CACHE_DIR=str(found.root / ".cache" / "pip")) == before


@pytest.mark.slow
def test_second_build_with_all_caches_in_the_project_is_a_hit(layout, workshop):
    """So must they lie in a job of GitLab, which caches nothing else."""
    found = layout()
    found.crate(".", "apart-hit", main='println!("one");')
    found.pyproject("apart-hit")
    found.lock()
    found.commit()
    (found.root / ".tmp").mkdir()
    places = {"FRESHWHEEL_CACHE_DIR": str(found.root / ".fw"), "TMPDIR": str(found.root / ".tmp")}
    first = workshop.wheel(found, **places)
    assert first.mark.settled
    found.files({".tmp/left": "by somebody"})
    second = workshop.wheel(found, dist="again", **places)
    assert (second.version, "from the store" in second.said) == (first.version, True), first.said + second.said

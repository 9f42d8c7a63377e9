"""Recipes of the pages for CI and for packagers, on small projects."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from uv import find_uv_bin

from .conftest import REPOSITORY, make_venv, run

pytestmark = pytest.mark.slow

FIXTURE = REPOSITORY / "fixtures" / "setuptools-c"
NOBODY = {f"GIT_{role}_{key}": "a@b" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
WITHOUT = ('build-backend = "freshwheel"', 'build-backend = "setuptools.build_meta"')
LEAN = """requires = ["setuptools>=77"]
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory, outside):
    """The wheel of freshwheel itself."""
    folder = tmp_path_factory.mktemp("own")
    run(find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY), environ=outside)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def packager(tmp_path_factory, outside, own):
    """An environment in which a packager has installed what a build needs."""
    path = tmp_path_factory.mktemp("packager") / "venv"
    return make_venv(path, outside, own, "build", "pip", "setuptools>=77")


@pytest.fixture
def offline(tmp_path, outside):
    """A machine without a network, an index, and a home that anything could be written into."""
    (tmp_path / "home").touch()
    nowhere = dict.fromkeys(("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    kept = {name: value for name, value in outside.items() if not name.startswith(("PIP_", "UV_", "XDG_"))}
    return {**kept, **nowhere, "HOME": str(tmp_path / "home"), "USERPROFILE": "", "LOCALAPPDATA": ""}


def clone(path, *, new=()):
    """A copy of the project with new times, and with replacements in `pyproject.toml`."""
    shutil.copytree(FIXTURE, path, copy_function=shutil.copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    text = (path / "pyproject.toml").read_text(encoding="utf-8")
    for old, other in new:
        assert old in text
        text = text.replace(old, other)
    (path / "pyproject.toml").write_text(text, encoding="utf-8", newline="\n")


def members(wheel):
    """The members of a wheel by name, without what follows from the others."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def git(*words, cwd, environ):
    """What git does in a folder."""
    run("git", "-c", "commit.gpgsign=false", *words, environ={**environ, **NOBODY}, cwd=cwd)


def decided(tree, environ):
    """Where the last wheel of a tree came from."""
    answer = run(sys.executable, "-m", "freshwheel", "why", "--json", str(tree), environ=environ)
    return json.loads(answer)["outcomes"][0]["decided"]


def test_a_store_that_a_cache_of_ci_brings_back_has_hits(tmp_path, outside, own, unpack):
    """Packed after one run and unpacked before the next, it answers for a new checkout: nothing is built."""
    tree, cache = tmp_path / "tree", tmp_path / "cache"
    environ = {
        **outside,
        "FRESHWHEEL_CACHE_DIR": str(cache),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_FIND_LINKS": str(own.parent),
    }

    def job():
        shutil.rmtree(tree, ignore_errors=True)
        clone(tree)
        run(find_uv_bin(), "build", "--wheel", "--python", sys.executable, str(tree), environ=environ)
        return decided(tree, environ)

    assert job() == "built"
    with tarfile.open(tmp_path / "cache.tar", "w") as archive:
        archive.add(cache, "cache")
    shutil.rmtree(cache)
    unpack(tmp_path / "cache.tar", tmp_path)
    assert job() in ("hit", "lease")


def recipe(page, language, number=0):
    """One of the recipes of a page."""
    text = (REPOSITORY / "docs" / "how-to" / page).read_text("utf-8")
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[number]


@pytest.mark.nightly
def test_the_recipe_for_gitlab_has_hits(tmp_path, outside, own, unpack):
    """Two jobs as its runner does them, each in a new clone into which the cache was unpacked: the second is a hit."""
    text = recipe("gitlab.md", "yaml")
    tree, archive = tmp_path / "builds" / "demo", tmp_path / "cache.tar"
    [cached] = re.search(r"cache:\n.*?paths:\n((?: +- \S+\n)+)", text, re.DOTALL)[1].replace("-", "").split()
    script = re.search(r"script:\n((?: +- .+\n)+)", text)[1].replace("    - ", "")
    [(name, value)] = re.findall(r"^    (\w+): (\$CI_PROJECT_DIR/\S+)$", text, re.MULTILINE)
    assert value == f"$CI_PROJECT_DIR/{cached}"
    links = {"PIP_FIND_LINKS": str(own.parent), "PIP_CACHE_DIR": str(tmp_path / "pip")}

    def job(number):
        clone(tree)
        if archive.exists():
            unpack(archive, tree)
        venv = make_venv(tmp_path / f"image-{number}", outside, "pip")
        path = os.pathsep.join((os.path.dirname(venv.python), outside["PATH"]))
        variables = {"CI": "true", "CI_PROJECT_DIR": str(tree), name: str(tree / cached)}
        environ = {**outside, **links, **variables, "PATH": path}
        run("bash", "-ec", f"umask 000\n{script}", environ=environ, cwd=tree)
        with tarfile.open(archive, "w") as packed:
            packed.add(tree / cached, cached)
        answer = decided(tree, environ)
        shutil.rmtree(tree)
        return answer

    assert job(1) == "built"
    assert job(2) in ("hit", "lease")


@pytest.mark.nightly
def test_the_recipe_for_docker_has_hits(tmp_path, outside, own):
    """Images that are built one after the other, of which the cache mounts stay: nothing is built twice."""
    first, last = recipe("docker.md", "dockerfile"), recipe("docker.md", "dockerfile", 2)
    mounts = re.findall(r"--mount=type=cache,target=/root/(\S+)", first)
    assert set(re.findall(r"--mount=type=cache,target=/root/(\S+)", last)) <= set(mounts)
    tree, root = tmp_path / "src", tmp_path / "root"
    kept = {name: value for name, value in outside.items() if not name.startswith(("PIP_CACHE", "UV_", "XDG_"))}

    def image(number, text):
        clone(tree)
        venv = make_venv(tmp_path / f"image-{number}", outside, "pip")
        path = os.pathsep.join((os.path.dirname(venv.python), outside["PATH"]))
        environ = {**kept, "PIP_FIND_LINKS": str(own.parent), "HOME": str(root), "PATH": path}
        [command] = re.findall(r"^RUN (?:--\S+ \\\n *)+(.+)$", text, re.MULTILINE)
        run("sh", "-c", command, environ=environ, cwd=tree)
        answer = decided(tree, environ)
        shutil.rmtree(tree)
        assert {f".cache/{name}" for name in os.listdir(root / ".cache")} <= set(mounts)
        return answer

    root.mkdir()
    assert image(1, first) == "built"
    assert image(2, last) in ("hit", "lease")


BUILDS = {
    "build": ("build", "--wheel", "--no-isolation", "--outdir"),
    "pip": ("pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir"),
}


@pytest.mark.parametrize("name", BUILDS)
def test_packagers_get_the_wheel_of_the_inner_backend(tmp_path, packager, offline, name):
    """Without a network, a home and a cache, a checkout gives a wheel with a plain version and one member more."""
    made = {}
    for whose, new in {"ours": [], "theirs": [WITHOUT]}.items():
        tree, dist = tmp_path / "tree", tmp_path / whose
        clone(tree, new=new)  # in one place: its path is in what the compiler writes for debuggers
        words = (*BUILDS[name], str(dist), str(tree))
        run(packager.python, "-m", *words, environ={**offline, "FRESHWHEEL_LABEL": "off"}, cwd=tmp_path)
        [made[whose]] = dist.glob("*.whl")
        shutil.rmtree(tree)
    assert made["ours"].name == made["theirs"].name
    ours, theirs = members(made["ours"]), members(made["theirs"])
    more = set(ours) - set(theirs)
    assert more == {"demo_setuptools_c-1.2.3.dist-info/freshwheel.json"}
    assert {member: data for member, data in ours.items() if member not in more} == theirs


def test_a_cache_directory_that_is_no_absolute_path_is_none(tmp_path, packager, offline):
    """Then nothing is written but what was asked for, though there is a home."""
    (tmp_path / "home").unlink()
    (tmp_path / "home").mkdir()
    clone(tmp_path / "tree")
    environ = {**offline, "FRESHWHEEL_CACHE_DIR": "none", "FRESHWHEEL_LABEL": "off"}
    words = (*BUILDS["build"], str(tmp_path / "dist"), str(tmp_path / "tree"))
    run(packager.python, "-m", *words, environ=environ, cwd=tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["dist", "home", "tree"]
    assert os.listdir(tmp_path / "home") == []
    assert sorted(os.listdir(tmp_path / "tree")) == sorted(os.listdir(FIXTURE))


def test_packagers_are_told_what_is_missing(tmp_path, outside, offline, own):
    """Requirements that stand in the table of freshwheel are named where isolation is off and they are not there."""
    venv = make_venv(tmp_path / "venv", outside, own, "build")
    clone(
        tmp_path / "tree",
        new=[(', "setuptools>=77"]', "]"), ("[tool.freshwheel]\n", f"[tool.freshwheel]\n{LEAN}")],
    )
    command = (venv.python, "-m", "build", "--wheel", "--no-isolation", str(tmp_path / "tree"))
    done = subprocess.run(command, check=False, env=offline, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode
    assert "setuptools>=77" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def test_hooks_of_pre_commit_run_from_the_repository(tmp_path, outside):
    """They install by themselves, fail where the keys of uv do not fit, and pass once they are written."""
    hooks, tree = tmp_path / "hooks", tmp_path / "tree"
    for name in ("src", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        source = REPOSITORY / name
        shutil.copytree(source, hooks / name) if source.is_dir() else shutil.copy(source, hooks / name)
    clone(tree)
    environ = {**outside, "PRE_COMMIT_HOME": str(tmp_path / "home"), "FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache")}
    for folder in (hooks, tree):
        git("init", "--quiet", cwd=folder, environ=environ)
        git("add", ".", cwd=folder, environ=environ)
        git("commit", "--quiet", "-m", "all", cwd=folder, environ=environ)
    config = f"repos:\n  - repo: {hooks.as_uri()}\n    rev: HEAD\n    hooks:\n"
    config += "      - id: freshwheel-uv-keys\n      - id: freshwheel-check\n"
    (tree / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    git("add", ".", cwd=tree, environ=environ)
    venv = make_venv(tmp_path / "venv", outside, "pre-commit")

    def hooked():
        command = (venv.python, "-m", "pre_commit", "run", "--all-files", "--verbose")
        done = subprocess.run(
            command, check=False, env=environ, cwd=tree, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return done.returncode, done.stdout + done.stderr

    code, said = hooked()
    assert code == 1, said
    assert re.search(r"cache keys of uv\.+Failed", said), said
    assert re.search(r"inputs of the wheel\.+Passed", said), said
    run(sys.executable, "-m", "freshwheel", "uv", "--yes", str(tree), environ=environ)
    git("add", ".", cwd=tree, environ=environ)
    code, said = hooked()
    assert code == 0, said

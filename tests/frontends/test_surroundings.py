"""What shapes a wheel and lies in no tree: constraints of a build, and the compiler behind the proxy of rustup."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from freshwheel.memory import outcome

from .conftest import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo"),
    pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here"),
]

PROXIES = ("cargo", "rustc")


@pytest.fixture
def decided(environ, frontends, project, tmp_path):
    """Has an installer write the wheel of one tree; says how that was decided: `decided(name, **variables)`."""
    cache = str(tmp_path / "cache")
    kept = {name: text for name, text in environ.items() if name != "CARGO_TARGET_DIR"}
    tree = project("maturin-nodeps")

    def decide(name, **variables):
        frontend, dist = frontends[name], tmp_path / "dist"
        environ = {**kept, "FRESHWHEEL_CACHE_DIR": cache, "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", **variables}
        shutil.rmtree(dist, ignore_errors=True)
        type(frontend)(*([frontend.home] if name == "pip" else [frontend.program]), environ).wheel(tree.path, dist)
        assert len(list(dist.glob("*.whl"))) == 1
        last = next(one for one in outcome.load(cache, str(tree.path)) if one.hook == "wheel")
        return "built" if last.decided == "built" else "handed out"

    return decide


@pytest.mark.parametrize(("name", "variable"), [("uv", "UV_BUILD_CONSTRAINT"), ("pip", "PIP_CONSTRAINT")])
def test_edited_constraint_of_the_build(decided, tmp_path, name, variable):
    """The file is named as before and its requirement is met as before, and who knows what else it chooses."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("maturin<99\n")
    named = {variable: str(constraints)}
    assert [decided(name, **named), decided(name, **named)] == ["built", "handed out"]
    constraints.write_text("maturin<98\n")
    assert [decided(name, **named), decided(name, **named)] == ["built", "handed out"]
    constraints.write_text("maturin<99\n")
    assert decided(name, **named) == "handed out"


def toolchains():
    """The folders of two compilers that rustup knows; None where it has no two."""
    if not all("rustup" in os.path.realpath(shutil.which(one) or "") for one in PROXIES):
        return None
    home = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup") / "toolchains"
    said = {}
    for folder in sorted(home.glob("*")):
        done = subprocess.run([folder / "bin" / "rustc", "-vV"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and (folder / "bin" / "cargo").exists():
            said.setdefault(done.stdout, folder)
    return list(said.values())[:2] if len(said) > 1 else None


def test_another_toolchain_under_the_same_name(decided, environ, tmp_path):
    """The proxy is the same file, the settings of rustup are the same bytes, and the compiler is another one."""
    found = toolchains()
    if found is None:
        pytest.skip("rustup has no two compilers here")
    rustup = {"RUSTUP_HOME": str(tmp_path / "rustup")}

    def link(folder):
        run("rustup", "toolchain", "link", "mine", str(folder), environ={**environ, **rustup})

    link(found[0])
    run("rustup", "default", "mine", environ={**environ, **rustup})
    assert [decided("uv", **rustup), decided("uv", **rustup)] == ["built", "handed out"]
    settings = (tmp_path / "rustup" / "settings.toml").read_bytes()
    link(found[1])
    assert (tmp_path / "rustup" / "settings.toml").read_bytes() == settings
    assert [decided("uv", **rustup), decided("uv", **rustup)] == ["built", "handed out"]
    link(found[0])
    assert decided("uv", **rustup) == "handed out"

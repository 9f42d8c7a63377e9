"""Where nobody observes a build, its wheel is not stored, whatever it reads; what its Pythons tell is held to."""

import os
from pathlib import Path

import pytest

from .conftest import c, main, requires_c, requires_cargo, requires_cmake, requires_git

pytestmark = pytest.mark.slow

BACKEND = """
import base64, hashlib, os, pathlib, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    word = pathlib.Path("../word.txt").read_text() if os.path.exists("../word.txt") else "none"
    info = "demo-1.0.0.dist-info"
    members = {
        "demo.txt": f"<<{word}>>",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = f"{info}/RECORD,,\\n"
    for name, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text)}\\n"
    with zipfile.ZipFile(os.path.join(directory, "demo-1.0.0-py3-none-any.whl"), "w") as file:
        for name, text in [*members.items(), (f"{info}/RECORD", record)]:
            file.writestr(name, text)
    return "demo-1.0.0-py3-none-any.whl"
"""


@pytest.fixture
def unobserved(bench):
    """A bench whose builds nobody observes."""
    if not bench.observed:
        pytest.skip("each test turns observation off by itself")
    bench.environ["FRESHWHEEL_OBSERVE"] = "off"
    return bench


@requires_c
def test_compiled_wheel_is_not_stored_and_says_why(unobserved):
    """A compiler leaves no record of where it has looked in vain."""
    unobserved.setuptools(c('"one"'))
    unobserved.settle()
    reason = unobserved.build().unstored
    assert "observation is off" in reason
    assert reason.count("leaves no record") == 1
    assert unobserved.build().decided == "built"


@requires_cmake
def test_nothing_is_kept_of_what_cmake_has_compiled(unobserved):
    """Nobody knows what it rests on."""
    unobserved.cmake(c('"one"'))
    assert unobserved.build().word == "one"
    assert not list(Path(unobserved.environ["FRESHWHEEL_CACHE_DIR"]).rglob("*.o"))


@requires_cargo
def test_rust_wheel_is_not_stored_and_says_why(unobserved):
    """What a macro or a build script reads is on no record."""
    unobserved.maturin(main('"one"'))
    unobserved.settle()
    assert "build scripts and macros" in unobserved.build().unstored
    assert unobserved.build().decided == "built"


@requires_c
def test_word_of_the_user_counts(unobserved):
    """`store = "on"` in the table says that nothing else is read."""
    unobserved.setuptools(c('"one"'), table='store = "on"')
    unobserved.settle()
    unobserved.build()
    assert unobserved.build().hit


@requires_c
@requires_git
@pytest.mark.parametrize(("place", "hit"), [("file", True), ("attr", False)])
def test_commit_counts_where_the_version_may_be_asked_of_git(unobserved, place, hit):
    """A module that setuptools imports for the version may ask git; a file that it reads does not."""
    where = {"file": '"VERSION"', "attr": '"demo.__version__"'}[place]
    unobserved.setuptools(
        c('"one"'), more=f"[tool.setuptools.dynamic]\nversion = {{{place} = {where}}}\n", table='store = "on"'
    )
    unobserved.replace("pyproject.toml", 'version = "1.0.0"', 'dynamic = ["version"]')
    unobserved.write("VERSION", "1.0.0")
    unobserved.write("demo/__init__.py", '__version__ = "1.0.0"')
    unobserved.write(".gitignore", "*.egg-info\nbuild\n")
    unobserved.commit()
    unobserved.settle()
    unobserved.build()
    unobserved.commit()
    assert unobserved.build().hit is hit
    assert unobserved.build().hit


FROM_A_FOLDER = """\
    import contextlib
    word = "none"
    with contextlib.suppress(FileNotFoundError):
        word = os.read(os.open("word.txt", os.O_RDONLY, dir_fd=os.open("..", os.O_RDONLY)), 9).decode()
"""


@pytest.mark.parametrize(
    "how", ["path", pytest.param("folder", marks=pytest.mark.skipif(os.name == "nt", reason="ways of POSIX"))]
)
def test_build_in_python_alone_tells_what_it_reads(unobserved, how):
    """A file outside that was not there, made, edited, and gone again; back as it was is a hit."""
    unobserved.pyproject("backend", (), table='backend-path = ["."]\nstore = "on"')
    line = next(line for line in BACKEND.splitlines(keepends=True) if "word =" in line)
    unobserved.write("backend.py", BACKEND if how == "path" else BACKEND.replace(line, FROM_A_FOLDER))
    unobserved.settle()
    assert [unobserved.build().word for _ in range(2)] == ["none", "none"]
    assert unobserved.build().hit
    unobserved.write("../word.txt", "one")
    assert unobserved.build().word == "one"
    unobserved.write("../word.txt", "two")
    assert unobserved.build().word == "two"
    os.unlink(unobserved.path("../word.txt"))
    last = unobserved.build()
    assert (last.word, last.decided) == ("none", "hit")


@requires_cargo
def test_file_that_a_build_script_names_counts_in_each_later_build(unobserved):
    """Also where the user vouches for the rest: what cargo has on record of an earlier build is still what it read."""
    outside = unobserved.path("../outside/word.txt")
    os.makedirs(os.path.dirname(outside))
    unobserved.write("../outside/word.txt", "one")
    script = (
        f'fn main() {{ println!("cargo:rerun-if-changed={outside}"); '
        f'println!("cargo:rustc-env=WORD={{}}", std::fs::read_to_string("{outside}").unwrap()); }}'
    )
    unobserved.maturin(main('env!("WORD")'), script=script, table='store = "on"')
    unobserved.settle()
    assert unobserved.build().word == "one"
    unobserved.write("src/main.rs", main('env!("WORD")') + "// more\n")
    unobserved.settle()
    assert unobserved.build().decided == "built"
    unobserved.write("../outside/word.txt", "two")
    unobserved.settle()
    assert unobserved.build().word == "two"

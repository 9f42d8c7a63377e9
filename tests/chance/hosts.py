"""Small projects, one for each backend, whose wheels hold what their builds have taken in some ways."""

import dataclasses
import re

from things import PYTHON, Archive

TABLE = """\
[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[project]
name = "demo"
dynamic = ["version"]

[tool.freshwheel]
backend = "@BACKEND@"
store = "on"
exclude = ["docs/**"]
"""
IN_TREE = """\
import base64
import hashlib
import os
import zipfile

from probe import values


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    members = {
        "demo/values.txt": "".join(f"{name}={value}\\n" for name, value in values(config_settings or {}).items()),
        "demo-1.2.3.dist-info/METADATA": "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.2.3\\n",
        "demo-1.2.3.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    for name, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(text.encode())}\\n")
    members["demo-1.2.3.dist-info/RECORD"] = "".join([*rows, "demo-1.2.3.dist-info/RECORD,,\\n"])
    name = "demo-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for member, text in members.items():
            archive.writestr(zipfile.ZipInfo(member), text)
    return name
"""
SETUP = """\
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from probe import values
from setuptools import Extension, setup
from setuptools.command.build_py import build_py


class Build(build_py):
    def run(self):
        super().run()
        with open(os.path.join(self.build_lib, "demo", "values.txt"), "w") as file:
            file.writelines(f"{name}={value}\\n" for name, value in values({}).items())


native = Extension("demo.native", ["native.c"], include_dirs=["@INCLUDE@"], extra_objects=[@LIBRARIES@])
setup(
    version="1.2.3", packages=["demo"], cmdclass={"build_py": Build}, ext_modules=[native] if "@NATIVE@" else []
)
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.18)
project(demo LANGUAGES @LANGUAGE@)
@CODE@
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/values.txt "@VALUES@")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/values.txt DESTINATION demo)
"""
CMAKE_NATIVE = """\
add_library(native MODULE native.c)
target_include_directories(native PRIVATE @INCLUDE@)
target_link_libraries(native PRIVATE @LIBRARIES@)
install(TARGETS native DESTINATION demo)
"""
CMAKE_SHELL = """\
execute_process(COMMAND sh -c [==[@COMMAND@]==] WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    OUTPUT_VARIABLE @NAME@ OUTPUT_STRIP_TRAILING_WHITESPACE)"""
MESON = """\
project('demo', @LANGUAGE@ version: '1.2.3')
fs = import('fs')
python = import('python').find_installation(pure: false)
folder = python.get_install_dir() / 'demo'
python.install_sources('demo/__init__.py', subdir: 'demo')
@CODE@
configure_file(output: 'values.txt', configuration: {@VALUES@}, install: true, install_dir: folder)
"""
MESON_NATIVE = """\
shared_module('native', 'native.c', c_args: ['-I@INCLUDE@'], link_args: [@LIBRARIES@], install: true,
    install_dir: folder)
"""
MESON_SHELL = """\
@NAME@ = run_command('sh', '-c', '''cd "$MESON_SOURCE_ROOT"; @COMMAND@ ''', check: false).stdout().strip()"""
BUILD_RS = """\
#![allow(unused)]
use std::{env, fs, path::Path, process::Command};

fn ran(words: &[&str]) -> String {
    match Command::new(words[0]).args(&words[1..]).output() {
        Ok(done) => String::from_utf8(done.stdout).unwrap().trim().to_string(),
        Err(_) => "absent".to_string(),
    }
}

fn listed(path: &str) -> String {
    let Ok(found) = fs::read_dir(path) else { return "absent".to_string() };
    let mut names: Vec<_> = found.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.join(" ")
}

fn main() {
    let mut values = String::new();
@VALUES@
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("values.txt"), values).unwrap();
@RERUN@
}
"""
MAIN_RS = """\
fn main() {
    print!("{}", include_str!(concat!(env!("OUT_DIR"), "/values.txt")));
@VALUES@
}
"""
CARGO = """\
[package]
name = "demo"
version = "1.2.3"
edition = "2021"

[profile.release]
opt-level = 0
"""
LOCK = 'version = 4\n\n[[package]]\nname = "demo"\nversion = "1.2.3"\n'


@dataclasses.dataclass(frozen=True)
class Host:
    """A backend, and the languages in which its projects can take things."""

    backend: str
    languages: tuple
    write: object
    """Writes the files of the project: `write(world, taken, chance)`, with the things and the languages chosen."""
    path: str = ""
    """Where the backend itself lies in the tree."""
    needs: tuple = ()
    """Programs."""
    fits: bool = True
    """Whether an earlier wheel may be made to fit."""
    code: str = TABLE
    more: str = ""
    """Of pyproject.toml."""


def filled(template, **words):
    """A template with its words put in."""
    return re.sub("@([A-Z]+)@", lambda found: str(words.get(found[1].lower(), found[0])), template)


def code(thing, language):
    """The code by which a thing is taken."""
    here = thing.spelled if thing.spelled.startswith("/") else f"${{CMAKE_CURRENT_SOURCE_DIR}}/{thing.spelled}"
    return filled(thing.way.code[language], path=thing.spelled, name=thing.name, var=thing.variable, here=here)


def native(world, taken):
    """Writes the C source; the words for the template of a project that builds it, or not."""
    things = [thing for thing, language in taken if language == "c"]
    if things:
        (world.tree / "native.c").write_text("".join(f"{code(thing, 'c')}\n" for thing in things))
    found = [str(thing.path) for thing in things if isinstance(thing, Archive)]
    return bool(things), {"include": world.outside / "include"}, found


def probe(folder, taken):
    """Writes the module with which Python takes its things."""
    lines = []
    for thing, language in taken:
        if language != "c":
            found = code(thing, language)
            value = f"ran('sh', '-c', {found!r})" if language == "shell" else found
            lines.append(f"        {thing.name!r}: {value},\n")
    text = f"{PYTHON}\n\ndef values(settings):\n    return {{\n{''.join(lines)}    }}\n"
    (folder / "probe.py").write_text(text)


def in_tree(world, taken, _chance):
    """A backend of the project's own."""
    folder = world.tree / "_backend"
    folder.mkdir()
    probe(folder, taken)
    (folder / "chance_backend.py").write_text(IN_TREE)


def setuptools(world, taken, _chance):
    """setup.py, and a module that it imports."""
    probe(world.tree, taken)
    has_native, words, libraries = native(world, taken)
    words |= {"libraries": repr(libraries)[1:-1], "native": "yes" if has_native else ""}
    (world.tree / "setup.py").write_text(filled(SETUP, **words))


def statements(taken, shell):
    """The things that no compiler takes, and the code for each of them; `shell` is the template for shell code."""
    rest, lines = [thing for thing, language in taken if language != "c"], []
    for thing, language in taken:
        if language != "c":
            found = code(thing, language)
            lines.append(filled(shell, name=thing.name, command=found) if language == "shell" else found)
    return rest, "\n".join(lines)


def scikit_build(world, taken, _chance):
    """CMakeLists.txt."""
    rest, lines = statements(taken, CMAKE_SHELL)
    values = "".join(f"{thing.name}=${{{thing.name}}}\\n" for thing in rest)
    has_native, words, libraries = native(world, taken)
    text = filled(CMAKE, language="C" if has_native else "NONE", code=lines, values=values)
    text += filled(CMAKE_NATIVE, libraries=" ".join(libraries), **words) if has_native else ""
    (world.tree / "CMakeLists.txt").write_text(text)
    (world.tree / "about.py").write_text('__version__ = "1.2.3"\n')


def meson(world, taken, _chance):
    """meson.build."""
    rest, lines = statements(taken, MESON_SHELL)
    values = ", ".join(f"'{thing.name}': {thing.name}" for thing in rest)
    has_native, words, libraries = native(world, taken)
    text = filled(MESON, language="'c'," if has_native else "", code=lines, values=values)
    text += filled(MESON_NATIVE, libraries=repr(libraries)[1:-1], **words) if has_native else ""
    (world.tree / "meson.build").write_text(text)


def maturin(world, taken, chance):
    """A program with a build script, which by chance names what it watches: itself."""
    values = {"rust": "", "macro": ""}
    for thing, language in taken:
        found = code(thing, language)
        if language == "macro":
            values["macro"] += f'    println!("{thing.name}={{}}", {found});\n'
            continue
        value = f'ran(&["sh", "-c", r#"{found}"#])' if language == "shell" else found
        values["rust"] += f'    values += &format!("{thing.name}={{}}\\n", {value});\n'
    (world.tree / "src").mkdir()
    (world.tree / "src" / "main.rs").write_text(filled(MAIN_RS, values=values["macro"]))
    rerun = '    println!("cargo:rerun-if-changed=build.rs");' if chance.random() < 0.5 else ""
    (world.tree / "build.rs").write_text(filled(BUILD_RS, values=values["rust"], rerun=rerun))
    (world.tree / "Cargo.toml").write_text(CARGO)
    (world.tree / "Cargo.lock").write_text(LOCK)


IN_TREE_HOST = Host("chance_backend", ("python", "shell", "settings"), in_tree, path="_backend", fits=False)
SETUPTOOLS = Host("setuptools.build_meta", ("python", "shell", "c"), setuptools, needs=("gcc",))
SCIKIT_BUILD = Host(
    "scikit_build_core.build",
    ("cmake", "shell", "c"),
    scikit_build,
    needs=("cmake", "ninja", "gcc"),
    more='\n[tool.scikit-build.metadata.version]\nprovider = "scikit_build_core.metadata.regex"\ninput = "about.py"\n',
)
MESON_PYTHON = Host("mesonpy", ("meson", "shell", "c"), meson, needs=("ninja", "gcc"))
MATURIN = Host(
    "maturin", ("rust", "macro", "shell"), maturin, needs=("cargo",), more='\n[tool.maturin]\nbindings = "bin"\n'
)
HOSTS = (
    *(IN_TREE_HOST, SETUPTOOLS, IN_TREE_HOST, SCIKIT_BUILD, IN_TREE_HOST, SETUPTOOLS),
    *(IN_TREE_HOST, MESON_PYTHON, IN_TREE_HOST, SETUPTOOLS, MATURIN, SETUPTOOLS),
)
"""In turns: the quick ones more often."""

"""What freshwheel itself must read: manifests, requirements, the settings of an account."""

import json
import re
import shutil
import subprocess
import sys
import time

import pytest

from .conftest import c, make_wheel, requires_c, requires_cargo

pytestmark = pytest.mark.slow

ONE_OR_TWO = '#ifdef TWO\n#define WORD "two"\n#else\n#define WORD "one"\n#endif'
ACCOUNT = """\
#include <pwd.h>
#include <stddef.h>

struct passwd *getpwuid(uid_t uid)
{
    static struct passwd one = {"who", "x", 0, 0, "", HOME, "/bin/sh"};
    one.pw_uid = uid;
    return &one;
}

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **found)
{
    *entry = *getpwuid(uid);
    *found = entry;
    return 0;
}
"""
"""A C library without accounts but one."""
SETUP = """\
import header
from setuptools import Extension, setup

setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], include_dirs=[header.FOLDER])])
"""
HEADER = "import os\n\nFOLDER = os.path.dirname(os.path.abspath(__file__))\n"


def cargo_release():
    """Major and minor of the cargo that is there."""
    if shutil.which("cargo") is None:
        return (0, 0)
    said = subprocess.run(["cargo", "--version"], check=False, capture_output=True, text=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2])) or (0, 0)


@requires_cargo
@pytest.mark.skipif(cargo_release() < (1, 94), reason="needs a cargo that takes TOML 1.1")
@pytest.mark.parametrize("path", ["../beside/word", "crates/word"])
def test_path_dependency_in_a_manifest_of_toml_1_1_counts(bench, path):
    """S30: an inline table over several lines, which `tomllib` refuses."""
    bench.write(f"{path}/Cargo.toml", '[package]\nname = "word"\nversion = "1.0.0"\nedition = "2021"\n')
    source = 'pub const WORD: &str = "<<one>>";\n'
    bench.write(f"{path}/src/lib.rs", source)
    more = f'[dependencies]\nword = {{\n  path = "{path}",\n}}\n'
    bench.maturin('fn main() { println!("{}", word::WORD); }\n', more=more)
    bench.check(lambda: bench.write(f"{path}/src/lib.rs", source.replace("one", "two")), again=True)


def lean(bench, age):
    """A lean project whose requirement is nothing but a header."""
    bench.setuptools(c(head='#include "word.h"'), setup=SETUP, lean=["setuptools", "header"], table=age)


def publish(bench, version, word):
    """A new version of the requirement on the index."""
    files = {"header/__init__.py": HEADER, "header/word.h": f'#define WORD "{word}"\n'}
    make_wheel(bench.wheelhouse, "header", version, files)


@requires_c
def test_newer_requirement_is_used_when_the_age_has_passed(uv_bench):
    """S32: the text of the requirement is unchanged, and a hit asks for none of it."""
    lean(uv_bench, 'requires-age = "1s"')
    publish(uv_bench, "1.0", "one")

    def change():
        publish(uv_bench, "1.1", "two")
        time.sleep(1.1)

    uv_bench.check(change, build=uv_bench.uv)


@requires_c
def test_newer_requirement_is_not_looked_for_before_the_age_has_passed(uv_bench):
    """S32: by default a day; "forever" for those who pin."""
    lean(uv_bench, 'requires-age = "forever"')
    publish(uv_bench, "1.0", "one")
    assert uv_bench.uv().word == "one"
    publish(uv_bench, "1.1", "two")
    again = uv_bench.uv()
    assert (again.word, again.hit) == ("one", True) or not uv_bench.observed


@requires_c
@pytest.mark.skipif(sys.platform != "linux", reason="replaces a function of the C library")
def test_settings_of_the_account_count_where_home_is_unset(bench):
    """S33: cron and systemd leave HOME out; setuptools finds the home of the account all the same."""
    bench.setuptools(c(head=ONE_OR_TWO))
    home = bench.folder / "home"
    home.mkdir()
    bench.write("../beside/account.c", ACCOUNT)
    library = bench.outside / "account.so"
    bench.run("gcc", "-shared", "-fPIC", f"-DHOME={json.dumps(str(home))}", "-o", library, bench.outside / "account.c")
    del bench.environ["HOME"]
    bench.environ["LD_PRELOAD"] = str(library)
    bench.check(lambda: bench.write("../home/.pydistutils.cfg", "[build_ext]\ndefine = TWO\n"))

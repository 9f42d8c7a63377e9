"""The four rules of docs/development/architecture.md, held over the source text of each module.

A checker takes the sources, a mapping of module path to text, and returns what is wrong with them, a line each. That
lets every checker be shown a planted violation: one that can't fail would hold nothing.
"""

import ast
import itertools
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "freshwheel"
PAGE = REPOSITORY / "docs" / "development" / "architecture.md"

SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}

LEVELS = (
    ("__init__.py", "__main__.py"),
    ("hooks.py", "guard.py", "pytest_plugin.py", "cli/"),
    ("adopt/", "explain/"),
    ("build/",),
    ("memory/",),
    ("sources/", "inner/", "wheel/", "store/", "observe/"),
    ("base/", "about.py"),
)
"""From the top to the bottom: a module imports from levels below its own, and from its own folder."""
DOORS = LEVELS[1]

LIGHT = (
    *(
        "__init__.py",
        "base/__init__.py",
        "memory/__init__.py",
        "store/__init__.py",
        "sources/__init__.py",
        "hooks.py",
        "guard.py",
        "memory/replay.py",
        "memory/journal.py",
        "memory/memory.py",
        "memory/answers.py",
    ),
    *(
        "store/shelf.py",
        "memory/lease.py",
        "base/environment.py",
        "base/files.py",
        "base/frame.py",
        "base/records.py",
        "base/rows.py",
        "about.py",
        "sources/digest.py",
    ),
    *("memory/editables.py", "memory/installs.py", "memory/bytecode.py"),
)
LIGHT_LIBRARIES = frozenset(
    ("sys", "os", "time", "errno", "stat", "struct", "_struct", "fcntl", "marshal", "msvcrt", "xxhash", "_imp")
)
OFF_THE_LIGHT_ROAD = {
    "memory/bytecode.py": ("importlib",),
    "guard.py": ("explain/installed.py", "warnings"),
    "hooks.py": ("build/recipes.py", "base/errors.py"),
}
"""What a light module may import inside a function: the step to the recipes, when there is no way around them."""

PURE = (
    "adopt/switch.py",
    "adopt/toml_statements.py",
    "base/backends.py",
    "base/config.py",
    "base/frame.py",
    "base/errors.py",
    "inner/build_key.py",
    "observe/account.py",
    "base/model.py",
    "base/toml_access.py",
    "base/globs.py",
    "base/requirements.py",
    "sources/cargo.py",
    "sources/digest.py",
    "wheel/mark.py",
)
PURE_LIBRARIES = frozenset(
    (
        *("__future__", "ast", "bisect", "collections", "copy", "dataclasses", "datetime", "difflib", "enum"),
        *("fnmatch", "functools"),
        *(
            "hashlib",
            "itertools",
            "json",
            "math",
            "operator",
            "packaging",
            "posixpath",
            "re",
            "stat",
            "string",
            "struct",
            "tomli",
        ),
        *("tomllib", "types", "typing", "unicodedata", "xxhash"),
    )
)
PURE_PARTS = {
    "base/environment.py": ("matcher",),
    "base/records.py": ("Value",),
    "base/rows.py": ("EDITION", "Row", "digest"),
}
"""What pure modules may use of a module that is not pure."""
IMPURE_CALLS = ("open", "input", "print", "exec", "eval", "__import__")

AMBIENT = {
    "os": ("environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "getcwd", "getcwdb", "chdir", "fchdir"),
    "sys": ("argv",),
    "Path": ("cwd", "home"),
}
FOR_OTHER_PROGRAMS = ("inner/_sitecustomize.py", "observe/supervisor.py")
"""Texts that run in another interpreter, where the environment is theirs to read."""

VAGUE = ("common", "helper", "helpers", "manager", "misc", "util", "utils")
DESPITE_ITS_NAME = {("os", "_exit"), ("sys", "_getframe")}
"""Documented, and for everybody; the second one is not in every Python, which who takes it must ask first."""
LONGEST_FUNCTION = 60
LONGEST_MODULE = 500


def place(path):
    """The level, counted from the top, and the folder or module there; None for a stranger."""
    for level, places in enumerate(LEVELS):
        for home in places:
            if path == home or (home.endswith("/") and path.startswith(home)):
                return level, home
    return None


def is_for_type_checkers(node):
    """Whether a block never runs."""
    test = node.test if isinstance(node, ast.If) else None
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def nodes(tree, *, inside=False):
    """Each node that runs, and whether it stands inside a function."""
    for child in ast.iter_child_nodes(tree):
        if is_for_type_checkers(child):
            for other in child.orelse:
                yield other, inside
                yield from nodes(other, inside=inside)
            continue
        yield child, inside
        is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from nodes(child, inside=inside or is_function)


def origin(node, path):
    """The dotted name of the module that a `from` import names, with its dots resolved."""
    if not node.level:
        return node.module
    package = ["freshwheel", *path.split("/")[:-1]]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def imports(path, sources):
    """Each import of a module as (line, module path or top-level library, imported name, inside a function)."""
    for node, inside in nodes(ast.parse(sources[path])):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, target(alias.name, "", sources), "", inside
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, target(origin(node, path), alias.name, sources), alias.name, inside


def target(module, name, sources):
    """The path of our own module that is meant by `from module import name`, or else the top-level library."""
    first, *rest = module.split(".")
    if first != "freshwheel":
        return first
    stem = "/".join(rest)
    below = f"{stem}/{name}" if stem else name
    choices = (f"{below}.py", f"{below}/__init__.py", f"{stem}.py", f"{stem}/__init__.py" if stem else "__init__.py")
    return next((choice for choice in choices if choice in sources), choices[0])


def own_imports(path, sources):
    """Of `imports`, those of our own modules."""
    return [(line, found, name, inside) for line, found, name, inside in imports(path, sources) if "." in found]


def strangers(sources):
    """Modules that have no place in the house."""
    return [f"{path} has no place in LEVELS" for path in sources if place(path) is None]


def layering(sources):
    """Imports that lead up, sideways, or from room to room."""
    wrong = []
    for path in sources:
        if place(path) is None:
            continue
        row, here = place(path)
        for line, found, _, _ in own_imports(path, sources):
            below = place(found) is not None and place(found)[0] > row
            at_home = here.endswith("/") and found.startswith(here)
            if not (below or at_home):
                wrong.append(f"{path}:{line} imports {found}, which is not below it")
    return wrong


def cycles(sources):
    """Modules that import each other in a circle, wherever the imports stand."""
    edges = {path: sorted({found for _, found, _, _ in own_imports(path, sources)}) for path in sources}
    wrong, done = [], set()

    def visit(path, road):
        if path in road:
            wrong.append(" -> ".join([*road[road.index(path) :], path]))
        elif path not in done:
            for found in edges.get(path, ()):
                visit(found, [*road, path])
            done.add(path)

    for path in sources:
        visit(path, [])
    return wrong


def light_column(sources):
    """Imports that make the light column heavy."""
    wrong = []
    for path in sources:
        if path not in LIGHT:
            continue
        for line, found, _, inside in imports(path, sources):
            steps_off = inside and found in OFF_THE_LIGHT_ROAD.get(path, ())
            if found not in LIGHT_LIBRARIES and found not in LIGHT and not steps_off:
                wrong.append(f"{path}:{line} is light and imports {found}")
    return wrong


def purity(sources):
    """Pure modules that could touch a file, a process, the clock or the environment."""
    wrong = []
    for path in sources:
        if path not in PURE:
            continue
        for line, found, name, _ in imports(path, sources):
            if found not in PURE_LIBRARIES and found not in PURE and name not in PURE_PARTS.get(found, ()):
                wrong.append(f"{path}:{line} is pure and imports {found}")
        for node, _ in nodes(ast.parse(sources[path])):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                wrong.append(f"{path}:{node.lineno} is pure and calls {node.func.id}")
    return wrong


def ambience(sources):
    """Reads of the working directory, the environment or the command line outside the doors."""
    wrong = []
    for path in sources:
        if path in FOR_OTHER_PROGRAMS or (place(path) is not None and place(path)[1] in DOORS):
            continue
        for node, _ in nodes(ast.parse(sources[path])):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = [(node.value.id, node.attr)]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module, alias.name) for alias in node.names]
            else:
                continue
            wrong += [f"{path}:{node.lineno} reads {a}.{b}" for a, b in names if b in AMBIENT.get(a, ())]
    return wrong


def style(sources):
    """Vague names, long modules and functions, and printing outside the command line."""
    wrong = []
    for path, text in sources.items():
        if any(part.removesuffix(".py").strip("_") in VAGUE for part in path.split("/")):
            wrong.append(f"{path} has a name that says nothing")
        if len(text.splitlines()) > LONGEST_MODULE:
            wrong.append(f"{path} has {len(text.splitlines())} lines, more than {LONGEST_MODULE}")
        for node, _ in nodes(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    wrong.append(f"{path}:{node.lineno} {node.name} has {lines} lines, more than {LONGEST_FUNCTION}")
            elif isinstance(node, ast.Name) and node.id == "print" and not path.startswith("cli/"):
                wrong.append(f"{path}:{node.lineno} prints")
    return wrong


def private_names(sources):
    """Private names of modules that are not ours: the next Python, or another system, has them not."""
    wrong = []
    for path, text in sources.items():
        tree = [node for node, _ in nodes(ast.parse(text))]
        modules = {alias.asname or alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
        for node in tree:
            names = []
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                names = [(node.value.id, node.attr)]
            elif isinstance(node, ast.ImportFrom) and not (node.module or "freshwheel").startswith("freshwheel"):
                names = [(node.module, alias.name) for alias in node.names]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
                own = [one.id if isinstance(one, ast.Name) else getattr(one, "value", "") for one in node.args]
                names = [tuple(own)] if len(own) == 2 and own[0] in modules else []
            private = [(a, b) for a, b in names if b.startswith("_") and not b.startswith("__")]
            wrong += [f"{path}:{node.lineno} takes {a}.{b}" for a, b in private if (a, b) not in DESPITE_ITS_NAME]
    return wrong


def page(text, sources):
    """Modules that a page does not name, and names on it that no module has."""
    named = set(re.findall(r"`((?:[a-z_]\w*/)*[a-z_]\w*\.py)`", text))
    outside = {name for name in named if (REPOSITORY / name).exists() or name.startswith("tests/")}
    missing = [f"{path} is not on the page" for path in sorted(sources.keys() - named)]
    return missing + [f"{name} is on the page and does not exist" for name in sorted(named - sources.keys() - outside)]


CHECKERS = (strangers, layering, cycles, light_column, purity, ambience, style, private_names)


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_source_keeps_the_rules(checker):
    """No module of freshwheel breaks a rule of the architecture."""
    assert checker(SOURCES) == []


def test_the_page_on_architecture_names_every_module():
    """A module that is born, renamed or removed is so on the page as well."""
    assert page(PAGE.read_text("utf-8"), SOURCES) == []


def test_the_page_says_how_much_code_there_is():
    """To a fiftieth, by the script of the repository."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / ".ci" / "lines.py")], check=True, capture_output=True, text=True
    )
    counted = int(done.stdout.split()[-3].replace(",", ""))
    said = int(re.search(r"([\d,]+) lines of code", PAGE.read_text("utf-8"))[1].replace(",", ""))
    assert abs(said - counted) <= counted / 50


def long_function(lines):
    """A function of so many lines."""
    return "def f():\n" + "    x = 1\n" * (lines - 1)


EMPTY_ROOMS = {"wheel/__init__.py": "", "wheel/archive.py": "", "inner/__init__.py": "", "inner/process.py": ""}
HALL = {"build/__init__.py": "", "build/make.py": ""}
FILES = {"base/__init__.py": "", "base/files.py": ""}

PLANTED = [
    (strangers, {"engine.py": ""}, "engine.py has no place"),
    (strangers, {"kitchen/oven.py": ""}, "kitchen/oven.py has no place"),
    (layering, {**HALL, "wheel/archive.py": "from freshwheel.build import make"}, "archive.py:1 imports build/make.py"),
    (layering, {**HALL, "wheel/archive.py": "import freshwheel.build.make"}, "archive.py:1 imports build/make.py"),
    (layering, {**HALL, "wheel/archive.py": "from ..build import make"}, "archive.py:1 imports build/make.py"),
    (layering, {**HALL, "wheel/archive.py": "from ..build.make import f"}, "archive.py:1 imports build/make.py"),
    (layering, {**EMPTY_ROOMS, "wheel/archive.py": "from freshwheel.inner import process"}, "imports inner/process.py"),
    (
        layering,
        {**EMPTY_ROOMS, "wheel/archive.py": "from freshwheel.inner.process import f"},
        "imports inner/process.py",
    ),
    (layering, {**EMPTY_ROOMS, "wheel/archive.py": "import freshwheel.inner"}, "imports inner/__init__.py"),
    (
        layering,
        {**EMPTY_ROOMS, "wheel/archive.py": "def f():\n from freshwheel import inner"},
        "archive.py:2 imports inner",
    ),
    (layering, {"__init__.py": "", "wheel/archive.py": "from freshwheel import __version__"}, "imports __init__.py"),
    (layering, {**HALL, "base/rows.py": "from freshwheel.build import make"}, "rows.py:1 imports build/make.py"),
    (cycles, {"wheel/a.py": "from freshwheel.wheel import b", "wheel/b.py": "from . import a"}, "a.py -> wheel/b.py"),
    (cycles, {"wheel/a.py": "from freshwheel.wheel import a"}, "wheel/a.py -> wheel/a.py"),
    (cycles, {"a.py": "import freshwheel.b", "b.py": "def f():\n import freshwheel.a"}, "a.py -> b.py -> a.py"),
    (light_column, {"base/frame.py": "import json"}, "base/frame.py:1 is light and imports json"),
    (light_column, {"base/frame.py": "from __future__ import annotations"}, "imports __future__"),
    (light_column, {"base/frame.py": "def f():\n import dataclasses"}, "frame.py:2 is light and imports dataclasses"),
    (
        light_column,
        {**HALL, "hooks.py": "from freshwheel.build import make"},
        "hooks.py:1 is light and imports build/make.py",
    ),
    (
        light_column,
        {**HALL, "memory/replay.py": "def f():\n from freshwheel.build import make"},
        "imports build/make.py",
    ),
    (light_column, {"base/frame.py": "if TYPE_CHECKING:\n pass\nelse:\n import typing"}, "base/frame.py:4"),
    (purity, {"wheel/mark.py": "import os"}, "wheel/mark.py:1 is pure and imports os"),
    (purity, {"base/config.py": "from pathlib import Path"}, "config.py:1 is pure and imports pathlib"),
    (purity, {**FILES, "wheel/mark.py": "from freshwheel.base.files import write"}, "imports base/files.py"),
    (purity, {**FILES, "wheel/mark.py": "from freshwheel.base import files"}, "imports base/files.py"),
    (purity, {"wheel/mark.py": "def f(): return open('x')"}, "wheel/mark.py:1 is pure and calls open"),
    (ambience, {"build/make.py": "import os\nos.environ['X']"}, "make.py:2 reads os.environ"),
    (ambience, {"wheel/mark.py": "from os import getcwd"}, "wheel/mark.py:1 reads os.getcwd"),
    (ambience, {"build/make.py": "import sys\ndef f():\n return sys.argv"}, "make.py:3 reads sys.argv"),
    (ambience, {"base/frame.py": "import os\nos.getenv('X')"}, "frame.py:2 reads os.getenv"),
    (style, {"wheel/utils.py": ""}, "wheel/utils.py has a name that says nothing"),
    (style, {"_common.py": ""}, "_common.py has a name that says nothing"),
    (style, {"manager/x.py": ""}, "manager/x.py has a name that says nothing"),
    (style, {"build/make.py": "\n" * (LONGEST_MODULE + 1)}, f"make.py has {LONGEST_MODULE + 1} lines"),
    (style, {"build/make.py": long_function(LONGEST_FUNCTION + 1)}, f"make.py:1 f has {LONGEST_FUNCTION + 1} lines"),
    (style, {"build/make.py": "print('x')"}, "make.py:1 prints"),
    (private_names, {"build/make.py": "import sysconfig\nsysconfig._name()"}, "make.py:2 takes sysconfig._name"),
    (private_names, {"build/make.py": "import sys\ngetattr(sys, '_base')"}, "make.py:2 takes sys._base"),
    (private_names, {"build/make.py": "from zipfile import _name"}, "make.py:1 takes zipfile._name"),
]


@pytest.mark.parametrize(("checker", "sources", "expected"), PLANTED)
def test_a_planted_violation_is_found(checker, sources, expected):
    """Each checker names the module and the line that break its rule."""
    [found] = checker(sources)
    assert expected in found


ALLOWED = {
    "__init__.py": "from freshwheel.hooks import f",
    "hooks.py": (
        "import os, sys\nif TYPE_CHECKING:\n import typing\n"
        "def f():\n from freshwheel.base import errors\n from freshwheel.build import recipes\n os.environ, os.getcwd()"
    ),
    "build/__init__.py": "",
    "build/recipes.py": "import subprocess\nfrom freshwheel.build import make\nfrom freshwheel.wheel import mark",
    "build/make.py": "from freshwheel.base import config",
    "wheel/__init__.py": "",
    "wheel/archive.py": "import os\nfrom . import mark\nfrom freshwheel.base.files import write\n"
    + long_function(LONGEST_FUNCTION),
    "wheel/mark.py": "import json\nfrom freshwheel.base.frame import framed",
    "base/__init__.py": "",
    "base/config.py": "from freshwheel.base import backends\nfrom freshwheel.base.errors import E",
    "base/backends.py": "from freshwheel.base import errors",
    "base/frame.py": "import struct",
    "base/files.py": "import os",
    "base/errors.py": "from collections.abc import Sequence",
    "cli/show.py": "import sys\nprint(sys.argv)",
    "inner/_sitecustomize.py": "import os\nos.environ",
}


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_a_house_in_order_passes(checker):
    """What the rules allow is not reported."""
    assert checker(ALLOWED) == []


def test_a_page_that_is_not_true_is_found():
    """A module that is missing on the page, and a name that has no module, are both named."""
    text = "`build.py` and `gone.py`, held by `tests/test_architecture.py`; `wheel/` is a room."
    assert page(text, {"build.py": "", "wheel/mark.py": ""}) == [
        "wheel/mark.py is not on the page",
        "gone.py is on the page and does not exist",
    ]


def test_the_drawing_has_each_folder_at_its_level():
    """From the top to the bottom as the rule has them."""
    drawing = (REPOSITORY / "docs" / "assets" / "house.svg").read_text("utf-8")
    found = re.findall(r'<text class="name" x="[\d.]+" y="([\d.]+)" [^>]*>(?:\d )?([^<]+)<', drawing)
    heights = {name: float(height) for height, name in found}
    levels = [[heights[home.removesuffix(".py")] for home in homes] for homes in LEVELS[1:]]
    assert all(max(upper) < min(lower) for upper, lower in itertools.pairwise(levels))


WATCH = """
import json, os, sys, threading
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
QUIET = ("import", "compile", "exec", "marshal.", "object.", "os.listdir", "os.scandir", "sys._getframe", "code.")
seen, live = [], True

def hook(event, arguments):
    reads = event == "open" and isinstance(arguments[2], int) and not arguments[2] & WRITES
    if live and not reads and not event.startswith(QUIET):
        seen.append([event, repr(arguments)])

sys.path.insert(0, sys.argv[1])
modules, environ, threads, cwd = set(sys.modules), dict(os.environ), threading.active_count(), os.getcwd()
sys.addaudithook(hook)
import {name}
live = False
same = (environ, threads, cwd) == (dict(os.environ), threading.active_count(), os.getcwd())
print(json.dumps({{"events": seen, "modules": sorted(set(sys.modules) - modules), "same": same}}))
"""


def importing(name, folder):
    """What the import of a module does to a fresh interpreter."""
    program = textwrap.dedent(WATCH).format(name=name)
    command = [sys.executable, "-I", "-B", "-c", program, str(folder)]
    done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_importing_freshwheel_loads_the_light_column_only():
    """A frontend that only probes for hooks loads nothing but a few small modules."""
    own = {"freshwheel", *(f"freshwheel.{path.removesuffix('.py')}" for path in LIGHT)}
    loaded = importing("freshwheel", PACKAGE.parent)["modules"]
    assert "freshwheel.hooks" in loaded
    assert [name for name in loaded if name not in own and name.partition(".")[0] not in LIGHT_LIBRARIES] == []


def test_importing_freshwheel_has_no_side_effect():
    """No file is written, no program or thread is started, no connection is made, and the environment stays."""
    found = importing("freshwheel", PACKAGE.parent)
    assert (found["events"], found["same"]) == ([], True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("open(__file__ + '.txt', 'w').close()", "open"),
        ("import os; os.mkdir(__file__ + '.d')", "os.mkdir"),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', ''])", "subprocess.Popen"),
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import os; os.chdir(os.sep)", "os.chdir"),
    ],
)
def test_a_module_with_a_side_effect_is_noticed(tmp_path, code, expected):
    """The watch over the import sees what a module does."""
    (tmp_path / "noisy.py").write_text(code, encoding="utf-8")
    assert expected in [event for event, _ in importing("noisy", tmp_path)["events"]]


def test_a_module_that_changes_the_environment_is_noticed(tmp_path):
    """The watch over the import sees a variable that is set, and what else was loaded."""
    (tmp_path / "noisy.py").write_text("import colorsys, os; os.environ['NOISY'] = '1'", encoding="utf-8")
    found = importing("noisy", tmp_path)
    assert not found["same"]
    assert found["modules"] == ["colorsys", "noisy"]

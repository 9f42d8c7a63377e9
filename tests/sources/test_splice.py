"""Where files that came or went are spliced into what is known, and where only a walk can tell."""

import os
import time
from pathlib import Path

import pytest

from freshwheel import memory, replay
from freshwheel.plan import Call, Plan
from freshwheel.sources import splice

pytestmark = pytest.mark.skipif(not splice.IS_KNOWN, reason="rows prove nothing here, or names have two forms")

HOUR = 3600 * 10**9
TABLES = """\
[build-system]
requires = ["freshwheel", "anything"]
build-backend = "freshwheel"

[tool.freshwheel]
backend = "anything"
"""


def later():
    """The clock an hour from now: what lies there was written long ago."""
    return time.time_ns() + HOUR


class Wood:
    """A project, and a cache beside it."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "ground" / "tree"
        self.cache = folder / "cache"
        self.plant("pyproject.toml", TABLES)
        for name in ("README", "src/demo/a.py", "src/demo/m.py", "src/demo/z.py", "src/demo/deep/b.py", "data/one.txt"):
            self.plant(name, name)

    def plant(self, name: str, text: str = "planted") -> None:
        """Writes a file, and the folders above it."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def tables(self, text: str) -> None:
        """Adds settings of the project."""
        self.plant("pyproject.toml", TABLES + text)

    def walked(self, cache: str = "cache") -> str:
        """The digest by a walk; what was seen is in the memory."""
        environ = {"FRESHWHEEL_CACHE_DIR": str(self.cache.parent / cache)}
        call = Call(tree=str(self.tree), environ=environ, hook="build_wheel", settings=None, say=print, now=later)
        return Plan.of(call).snapshot().digest

    def replayed(self) -> str | None:
        """The digest without a walk, if there is one."""
        return replay.source_digest(str(self.tree), {"FRESHWHEEL_CACHE_DIR": str(self.cache)}, None, now=later)


@pytest.fixture
def wood(tmp_path):
    """A project."""
    return Wood(tmp_path)


def crowd(wood):
    """A bit of everything at once."""
    wood.plant("src/demo/c.py")
    wood.plant("src/demo/deep/a.py")
    wood.plant("LAST")
    (wood.tree / "src/demo/m.py").unlink()
    wood.plant("src/demo/z.py", "edited")


SPLICED = {
    "a file came": lambda wood: wood.plant("src/demo/c.py"),
    "a file came in front": lambda wood: wood.plant("src/demo/!.py"),
    "a file came to the end": lambda wood: wood.plant("src/demo/~.py"),
    "a file came into the project's own folder": lambda wood: wood.plant("MORE"),
    "a file went": lambda wood: (wood.tree / "src/demo/m.py").unlink(),
    "the last file of a folder went": lambda wood: (wood.tree / "src/demo/deep/b.py").unlink(),
    "a file got another name": lambda wood: (wood.tree / "src/demo/m.py").rename(wood.tree / "src/demo/n.py"),
    "a file was put into another's place": lambda wood: (wood.tree / "src/demo/m.py").replace(
        wood.tree / "src/demo/a.py"
    ),
    "several things at once": crowd,
    "a file that may be executed came": lambda wood: (wood.plant("src/x"), (wood.tree / "src/x").chmod(0o755)),
    "bytecode came": lambda wood: wood.plant("src/demo/__pycache__/a.cpython-311.pyc"),
    "litter came": lambda wood: wood.plant("src/demo/a.py~"),
    "a frontend's lock came": lambda wood: wood.plant("uv.lock"),
    "a file of that name came elsewhere": lambda wood: wood.plant("src/uv.lock"),
}


@pytest.mark.parametrize("change", SPLICED.values(), ids=SPLICED)
def test_files_that_come_and_go_need_no_walk(wood, change):
    """The digest is that of a walk, and so is that of the next time."""
    wood.walked()
    change(wood)
    found = wood.replayed()
    assert found is not None
    assert found == wood.walked("other")
    assert wood.replayed() == found


def test_what_was_spliced_is_remembered(wood):
    """The memory is the one that a walk would have left."""
    wood.walked()
    crowd(wood)
    wood.replayed()
    wood.walked("other")
    tree = memory.real(str(wood.tree))
    one, other = (memory.load(str(wood.cache.parent / cache), tree) for cache in ("cache", "other"))
    assert one is not None
    assert other is not None
    for name in ("inputs", "column", "stamps", "digest", "places", "flags", "watched", "seal"):
        assert getattr(one, name) == getattr(other, name), name


def link(target, name):
    """A change that makes a link."""
    return lambda wood: (wood.tree / name).symlink_to(target)


def swapped(wood):
    """A folder is moved away, and a link to it left."""
    (wood.tree / "src/demo").rename(wood.tree.parent / "elsewhere")
    (wood.tree / "src/demo").symlink_to("../../elsewhere")


def replaced(name, make):
    """A change that puts something else in the place of a file."""

    def change(wood):
        (wood.tree / name).unlink()
        make(wood.tree / name)

    return change


REFUSED = {
    "a folder came": lambda wood: wood.plant("src/more/a.py"),
    "an empty folder came": lambda wood: (wood.tree / "src/empty").mkdir(),
    "a link came": link("a.py", "src/demo/link.py"),
    "a link to a folder came": link("deep", "src/demo/link"),
    "a fifo came": lambda wood: os.mkfifo(wood.tree / "src/demo/fifo"),
    "a file became a folder": replaced("src/demo/m.py", Path.mkdir),
    "a file became a link": replaced("src/demo/m.py", lambda path: path.symlink_to("a.py")),
    "a file became a fifo": replaced("src/demo/m.py", os.mkfifo),
    "a folder became a link": swapped,
    "pyproject.toml changed": lambda wood: (wood.tables("# more\n"), wood.plant("src/demo/c.py")),
}
DECIDING = (
    *("Cargo.toml", "Cargo.lock", "pyproject.toml", "setup.py", "setup.cfg", "CMakeLists.txt", "meson.build"),
    *("__init__.py", "PKG-INFO", ".gitignore", "CACHEDIR.TAG", "pyvenv.cfg", "CMakeCache.txt", ".rustc_info.json"),
    *(".cargo", ".cargo-checksum.json", "rust-toolchain", "rust-toolchain.toml", ".package-lock.json", "conda-meta"),
    *("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-1.0.zip"),
)


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_may_change_the_walk_is_walked(wood, change):
    """No answer without a walk."""
    wood.walked()
    change(wood)
    assert wood.replayed() is None


@pytest.mark.parametrize("name", DECIDING)
def test_names_that_decide_are_walked(wood, name):
    """Whether such a file comes or goes."""
    wood.walked()
    wood.plant(f"src/demo/{name}")
    assert wood.replayed() is None
    wood.walked()
    (wood.tree / "src/demo" / name).unlink()
    assert wood.replayed() is None


def test_a_file_of_git_is_litter_and_decides_nothing_there(wood):
    """It is no input, and nobody asked for one in that folder."""
    wood.walked()
    wood.plant("src/demo/.git")
    assert wood.replayed() in (None, wood.walked("other"))


@pytest.mark.parametrize("rule", ['include = ["src/**/*.txt"]', 'exclude = ["src/demo/gone*"]'])
def test_folders_that_a_pattern_speaks_of_are_walked(wood, rule):
    """What the pattern says of the file is the walk's to know."""
    wood.tables(rule + "\n")
    wood.plant("src/demo/some.txt")
    wood.walked()
    wood.plant("src/demo/gone.py")
    assert wood.replayed() is None


def test_folders_with_a_declared_output_are_walked(wood):
    """The version file that the build writes is no input."""
    wood.tables('\n[tool.setuptools_scm]\nversion_file = "src/demo/_version.py"\n')
    wood.walked()
    wood.plant("src/demo/_version.py")
    found = wood.replayed()
    assert found in (None, wood.walked("other"))


def test_folders_behind_links_are_walked(wood):
    """They may be known under another path."""
    (wood.tree.parent / "beside").mkdir()
    (wood.tree.parent / "beside/a.txt").write_text("a")
    (wood.tree / "src/beside").symlink_to("../../beside")
    wood.walked()
    (wood.tree.parent / "beside/b.txt").write_text("b")
    assert wood.replayed() is None


def test_folders_that_a_link_names_too_are_walked(wood):
    """The link's input says where the folder is walked."""
    (wood.tree / "src/alias").symlink_to("demo")
    wood.walked()
    wood.plant("src/demo/c.py")
    assert wood.replayed() is None


def test_names_that_become_evidence_are_walked(wood):
    """A folder of wheels only is built distributions, and pruned."""
    wood.plant("dist/notes.txt")
    wood.plant("dist/demo-1.0-py3-none-any.whl")
    wood.walked()
    (wood.tree / "dist/notes.txt").unlink()
    assert wood.replayed() is None


def test_evidence_that_must_be_read_is_walked(wood):
    """Whether a tag is genuine is not asked here."""
    wood.plant("data/CACHEDIR.TAG", "no signature")
    wood.walked()
    wood.plant("data/two.txt")
    assert wood.replayed() is None


def test_a_file_that_was_asked_for_is_walked(wood):
    """Its absence decided something."""
    wood.tables('\n[project]\nname = "demo"\ndynamic = ["version"]\nreadme = "docs/README.md"\n')
    wood.plant("docs/index.md")
    wood.walked()
    wood.plant("docs/README.md")
    assert wood.replayed() in (None, wood.walked("other"))


def test_another_device_is_walked(wood):
    """What is mounted over a folder has rows of its own."""
    wood.walked()
    known = memory.load(str(wood.cache), memory.real(str(wood.tree)))
    assert known is not None
    packs = [b"\1" * 40] * (len(known.stamps) // 8)
    others = [bytes([number]) * 40 for number in range(len(known.flags))]
    number = memory.split(known.places).index(b"src/demo")
    splice.spliced(known, packs, others, [number])
    foreign = memory.Memory(**{name: getattr(known, name) for name in memory.Memory.__slots__} | {"device": 0})
    with pytest.raises(splice.RefusedError):
        splice.spliced(foreign, packs, others, [number])


def test_a_folder_with_two_paths_is_walked(wood):
    """Two places with one inode are one folder."""
    wood.walked()
    known = memory.load(str(wood.cache), memory.real(str(wood.tree)))
    assert known is not None
    packs, others = [b"\1" * 40] * (len(known.stamps) // 8), [b"\1" * 40] * len(known.flags)
    with pytest.raises(splice.RefusedError):
        splice.spliced(known, packs, others, [memory.split(known.places).index(b"src/demo")])


def test_a_file_that_went_from_no_moved_folder_is_refused(wood):
    """Something is wrong then: a folder moves with every name in it."""
    wood.walked()
    known = memory.load(str(wood.cache), memory.real(str(wood.tree)))
    assert known is not None
    packs = [bytes(40)] * (len(known.stamps) // 8)
    with pytest.raises(splice.RefusedError):
        splice.spliced(known, packs, [bytes(40)] * len(known.flags), [])

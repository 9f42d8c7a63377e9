"""What editable builds put into a tree, on record: what lies there now, what is kept, what is put back."""

import os

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import rows
from freshwheel.build import module_copies
from freshwheel.memory import editables, installs, journal, memory
from freshwheel.memory.editables import Module, Record, Wheel
from freshwheel.sources import digest

ABI = ".cpython-311-x86_64-linux-gnu.so"
PATH = f"demo/_native{ABI}".encode()
SHARED = b"demo/_native.abi3.so"
HELD = {b"demo/__init__.py": b"f" + bytes(16), b"demo/table.py": b"f" + bytes(16), b"src/lib.rs": b"f" + bytes(16)}
"""The inputs of the tree."""


def content(data):
    """The content digest of bytes."""
    return xxhash.xxh3_128_digest(data)


def record(data=b"one", *, path=PATH, abi=ABI, key="key", **fields):
    """A record of one module."""
    values = {"native": "1" * 32, "digest": "2" * 32, "kin": "kin", "whole": False, "rests": (), "took": 0}
    values |= {"ways": [b"demo"], "free": [b"demo", b"."]}
    return Record(
        abi=abi,
        key=key,
        modules=[Module(path=path, content=content(data), mode=0o755, stamp=rows.UNTRUSTED)],
        wheel=Wheel(name="demo-1-py3-none-any.whl", content=content(b"wheel")),
        **{**values, **fields},
    )


class Place:
    """A tree and a cache directory."""

    def __init__(self, folder):
        self.cache = str(folder / "cache")
        self.path = folder / "tree"
        (self.path / "demo").mkdir(parents=True)
        self.tree = memory.real(str(self.path))
        self.files = folder / "files"
        self.files.mkdir()

    def put(self, data, path=PATH):
        """A module in the tree."""
        where = self.path / os.fsdecode(path)
        where.unlink(missing_ok=True)
        where.write_bytes(data)
        return where

    def keep(self, one, *datas):
        """Keeps a record with copies of these."""
        files = {}
        for data in (*datas, b"wheel"):
            path = self.files / content(data).hex()
            path.write_bytes(data)
            files[content(data)] = str(path)
        return module_copies.keep(self.cache, self.tree, one, files)

    def state(self, one):
        """What lies where the module of a record should."""
        [module] = one.modules
        return editables.state(self.tree, module, one, editables.load(self.cache, self.tree))

    def check(self, native="1" * 32, digest="any", *, abi=ABI, held=HELD):
        """What lies in the tree, with these digests and inputs."""
        return editables.check(
            self.cache,
            self.tree,
            native,
            digest,
            abi=abi,
            others=lambda one: installs.others(one, held, self.tree),
        )


@pytest.fixture
def place(tmp_path):
    """An empty one."""
    return Place(tmp_path)


def fields(one):
    """All of a record."""
    modules = [(it.path, it.content, it.mode, it.stamp) for it in one.modules]
    texts = (one.abi, one.native, one.digest, one.key, one.kin, one.wheel.name)
    return (*texts, one.whole, one.rests, one.ways, one.free, modules)


@given(
    st.binary(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.lists(st.tuples(st.binary(), st.sampled_from("fdpaveg"), st.binary(), st.binary())),
)
def test_any_record_is_read_as_it_was_written(tmp_path_factory, data, key, whole, rests):
    """All of it comes back."""
    one = record(data, key=key, whole=whole, rests=rests)
    folder = str(tmp_path_factory.mktemp("kept"))
    assert editables.save(folder, b"/tree", [one])
    [again] = editables.load(folder, b"/tree")
    assert fields(again) == fields(one)
    assert editables.load(folder, b"/other") == []


@pytest.mark.parametrize("damage", [b"", b"FWPLACE\1", b"\0" * 100, None])
def test_record_that_is_damaged_is_none(place, damage):
    """Nothing is believed that can't be read whole."""
    place.keep(record(), b"one")
    path = os.path.join(editables.place(place.cache, place.tree), editables.FILE)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[:-1] if damage is None else damage)
    assert editables.load(place.cache, place.tree) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no such owners")
def test_record_that_others_may_write_is_none(place):
    """It could say anything."""
    place.keep(record(), b"one")
    path = os.path.join(editables.place(place.cache, place.tree), editables.FILE)
    os.chmod(path, 0o666)  # noqa: S103 - that is the point
    assert editables.load(place.cache, place.tree) == []


def test_states(place):
    """The module, another recorded one, nothing, anything else."""
    one, two = record(b"one"), record(b"two", key="other", native="3" * 32)
    place.keep(one, b"one")
    place.keep(two, b"two")
    assert place.state(one) == "missing"
    place.put(b"one")
    assert (place.state(one), place.state(two)) == ("intact", "known")
    place.put(b"else")
    assert place.state(one) == "foreign"
    place.put(b"one").unlink()
    (place.path / os.fsdecode(PATH)).mkdir()
    assert place.state(one) == "foreign"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "intact"),
        ({"kin": "other"}, "known"),
        ({"native": "3" * 32}, "known"),
        ({"rests": [(b"x", "f", b"y", b"")]}, "known"),
    ],
)
def test_module_for_all_pythons_is_intact_as_another_one_left_it(place, fields, expected):
    """For the same sources and settings, that is."""
    ours = record(b"one", path=SHARED)
    theirs = record(b"two", path=SHARED, abi=".cpython-312.so", key="other", **fields)
    place.keep(ours, b"one")
    place.keep(theirs, b"two")
    place.put(b"two", SHARED)
    assert place.state(ours) == expected


def test_module_of_one_python_is_not_that_of_another(place):
    """Only a tag that is for all makes it so."""
    place.keep(record(b"one"), b"one")
    place.keep(record(b"two", abi=".cpython-312.so", key="other"), b"two")
    place.put(b"two")
    assert place.state(record(b"one")) == "known"


def test_put_back_is_a_new_file_with_the_old_permissions(place):
    """Whoever has the old one mapped goes on with it."""
    one = record()
    place.keep(one, b"one")
    path = place.put(b"else")
    inode = path.stat().st_ino
    with path.open("rb") as mapped:
        assert module_copies.put_back(place.cache, place.tree, one.modules[0])
        assert mapped.read() == b"else"
    assert (path.read_bytes(), path.stat().st_ino != inode) == (b"one", True)
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o755
    assert os.listdir(path.parent) == [path.name]


def test_damaged_copy_is_not_put_back_and_is_made_anew(place):
    """It is compared with its digest while it is copied, and when the same bytes are kept again."""
    one = record()
    place.keep(one, b"one")
    copy = os.path.join(editables.place(place.cache, place.tree), content(b"one").hex())
    with open(copy, "wb") as file:
        file.write(b"bad")
    assert not module_copies.put_back(place.cache, place.tree, one.modules[0])
    assert not (place.path / os.fsdecode(PATH)).exists()
    assert place.keep(one, b"one")
    assert module_copies.put_back(place.cache, place.tree, one.modules[0])


def test_so_many_records_are_kept_for_each_kind_of_module(place):
    """The last used ones; what belonged to others is gone."""
    place.keep(record(b"other", abi=".cpython-312.so"), b"other")
    for number in range(module_copies.MOST + 3):
        place.keep(record(b"%d" % number, key=str(number)), b"%d" % number)
    found = editables.load(place.cache, place.tree)
    assert [one.key for one in found if one.abi == ABI] == [str(number) for number in range(10, 2, -1)]
    assert sum(one.abi != ABI for one in found) == 1
    wanted = {it.content.hex() for one in found for it in one.modules} | {content(b"wheel").hex(), editables.FILE}
    assert set(os.listdir(editables.place(place.cache, place.tree))) == wanted


def test_copies_have_a_bound_and_the_newest_is_always_kept(place, monkeypatch):
    """A large module is kept alone."""
    monkeypatch.setattr(module_copies, "_SIZE", 100)
    for number in range(4):
        place.keep(record(b"%d" % number * 40, key=str(number)), b"%d" % number * 40)
    assert [one.key for one in editables.load(place.cache, place.tree)] == ["3", "2"]
    place.keep(record(b"x" * 1000, key="large"), b"x" * 1000)
    assert [one.key for one in editables.load(place.cache, place.tree)] == ["large"]


def test_what_is_kept_of_a_tree_that_is_gone_goes(tmp_path):
    """The next record of any tree clears it away."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = Place(tmp_path / "a"), Place(tmp_path / "b")
    two.cache = one.cache
    one.keep(record(), b"one")
    (one.path / "demo").rmdir()
    one.path.rmdir()
    two.keep(record(), b"one")
    assert os.listdir(os.path.join(two.cache, "inplace")) == [os.path.basename(editables.place(two.cache, two.tree))]


@pytest.mark.skipif(os.name == "nt", reason="no row is trusted there")
def test_row_that_stands_for_a_module_spares_the_look_into_it(place, monkeypatch):
    """Only one that is old enough to prove something, and only while it does not move."""
    one = record()
    place.keep(one, b"one")
    path = place.put(b"one")
    now = path.stat().st_ctime_ns
    module_copies.used(place.cache, place.tree, one, now + 10**9)
    assert editables.load(place.cache, place.tree)[0].modules[0].stamp == rows.UNTRUSTED
    module_copies.used(place.cache, place.tree, one, now + 10**10)
    [found] = editables.load(place.cache, place.tree)
    with monkeypatch.context() as patch:
        patch.setattr(rows, "read", None)
        assert place.state(found) == "intact"
    path.write_bytes(b"two")
    assert place.state(found) == "foreign"


def test_cache_directory_that_can_not_be_written_keeps_nothing(place):
    """That is no error."""
    (place.path.parent / "cache").write_text("a file")
    assert not place.keep(record(), b"one")
    module_copies.used(place.cache, place.tree, record(), 0)
    assert editables.load(place.cache, place.tree) == []


def test_answer_of_check(place):
    """Path and state of each module; nothing where no build of these sources is on record."""
    place.keep(record(), b"one")
    place.put(b"one")
    assert place.check() == [(PATH, "intact")]
    assert place.check(abi=".cpython-312.so") is None
    assert place.check("0" * 32) is None
    place.keep(record(whole=True, digest="4" * 32), b"one")
    assert place.check(digest="4" * 32) == [(PATH, "intact")]


def test_check_where_any_python_may_have_been_read(place):
    """Only the very same sources will do, and that some are on record is said."""
    place.keep(record(whole=True, digest="4" * 32), b"one")
    place.put(b"one")
    assert place.check(digest="4" * 32) == [(PATH, "intact")]
    assert place.check(digest="5" * 32) == [(b"", "whole")]


def test_check_where_python_that_was_read_is_other_now(place):
    """It is named; variables and what lies outside are no inputs."""
    table, outside = b"demo/table.py", os.fsencode(os.path.abspath("/x.h"))
    rests = [(outside, "f", HELD[table], b"row"), (b"$CC", "v", b"hash", b"")]
    place.keep(record(rests=[(table, "f", HELD[table], b"row"), *rests]), b"one")
    place.put(b"one")
    assert place.check() == [(PATH, "intact")]
    edited = {**HELD, table: b"f" + b"1" * 16}
    assert place.check(held=edited) == [(table, "read")]
    assert place.check(held={b"demo/__init__.py": HELD[b"demo/__init__.py"]}) == [(table, "read")]
    place.keep(record(rests=[(table, "f", edited[table], b"row")], key="edited"), b"one")
    assert place.check() == place.check(held=edited) == [(PATH, "intact")]


@pytest.mark.parametrize(
    ("more", "free", "fits"),
    [
        (b"demo/more.py", [], True),
        (b"demo/sub/__init__.py", [b"demo"], True),
        (b"demo/sub/__init__.py", [], False),
        (b"other/__init__.py", [b"demo", b"."], False),
        (b"top.py", [b"demo", b"."], True),
        (b"top.py", [b"demo"], False),
    ],
)
def test_check_where_there_are_other_packages(place, more, free, fits):
    """What leads to the tree may not lead to a new one, unless it lies in a package that is led to."""
    place.keep(record(free=free), b"one")
    place.put(b"one")
    held = {path: cell for path, cell in HELD.items() if path.startswith(b"demo")}
    assert place.check(held={**held, more: b"f" + bytes(16)}) == ([(PATH, "intact")] if fits else [(b"", "ways")])


def test_check_where_packages_lie_in_one_another(place):
    """All below one that is free is; what was listed must be there."""
    place.keep(record(free=[b"demo", b"."]), b"one")
    place.put(b"one")
    cell = b"f" + bytes(16)
    deep = {**HELD, b"demo/a/__init__.py": cell, b"demo/a/b/__init__.py": cell}
    assert place.check(held=deep) == [(PATH, "intact")]
    del deep[b"demo/a/__init__.py"]
    assert place.check(held=deep) == [(b"", "ways")]
    assert place.check(held={b"src/lib.rs": cell}) == [(b"", "ways")]


def test_file_that_an_import_finds_before_the_module(place):
    """A module for one Python wins over that for all of them."""
    place.keep(record(path=SHARED), b"one")
    place.put(b"one", SHARED)
    assert place.check() == [(SHARED, "intact")]
    place.put(b"else", PATH)
    assert place.check() == [(SHARED, "intact"), (PATH, "first")]


@pytest.mark.parametrize(
    ("path", "data", "fields", "found"),
    [
        (f"demo/_b{ABI}".encode(), b"two", {}, True),
        (b"demo/_b.abi3.so", b"two", {"abi": ".cpython-312.so"}, True),
        (f"demo/_b{ABI}".encode(), b"own", {}, False),
        (f"demo/_b{ABI}".encode(), b"two", {"native": "1" * 32}, False),
        (b"demo/_b.cpython-312.so", b"two", {"abi": ".cpython-312.so"}, False),
    ],
)
def test_module_of_other_sources_that_is_not_built_any_more(place, path, data, fields, found):
    """It can be imported all the same; that of a user, of the same sources or of another Python is none."""
    place.keep(record(b"two", path=path, key="other", **{"native": "3" * 32, **fields}), b"two")
    place.keep(record(), b"one")
    place.put(b"one")
    place.put(data, path)
    assert place.check() == [(PATH, "intact"), *([(path, "left")] if found else [])]


def test_line_that_is_damaged_is_no_answer(place):
    """Also one with more digits than can be read."""
    path, _ = journal.places(place.cache)
    os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(f"{'9' * 5000} again wheel t a b c 1 2\n12 again wheel t a b c 1 2\n12 again wheel t a b c 1 x\n")
    [found] = journal.load(place.cache)
    assert found == (12, "again", "wheel", "t", "a", "b", "c", 1, 2)


CELL = b"f" + bytes(16)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"python/demo/__init__.py", True),
        (b"python/demo/more.py", True),
        (b"python/demo/more.pyi", True),
        (b"python/demo/py.typed", True),
        (b"../other/demo/more.py", True),
        (b"python/demo/setup.py", False),
        (b"python/demo/more.pyx", False),
        (b"python/demo/more.py.in", False),
        (b"python/demo/data/more.py", True),
        (b"python/more.py", True),
        (b"tests/test_more.py", True),
        (b"more.py", True),
        (b"../more.py", True),
        (b"setup.py", False),
        (b"../setup.py", False),
        (b"py.typed", False),
        (b"python/py.typed", False),
    ],
)
def test_what_is_pure_python(path, expected):
    """Modules and stubs wherever they lie, and the marker of a package."""
    paths = sorted({b"../__init__.py", b"../other/demo/__init__.py", b"__init__.py", b"python/demo/__init__.py", path})
    found = digest.pure(paths, CELL * len(paths))
    assert (paths.index(path) in found) == expected


def test_executable_module_is_pure_in_a_package_alone():
    """Elsewhere any tool of a build may be told to run it."""
    paths = [b"demo/__init__.py", b"demo/more.py", b"tools/link.py"]
    assert digest.pure(paths, (b"x" + bytes(16)) * len(paths)) == [0, 1]


@pytest.mark.parametrize("kind", [b"l", b"t", b"?"])
def test_link_is_not_pure(kind):
    """It may lead to anything."""
    paths = [b"demo/__init__.py", b"demo/more.py"]
    assert digest.pure(paths, CELL + kind + bytes(16)) == [0]


@given(
    st.lists(
        st.sampled_from([b"a/__init__.py", b"a/b.py", b"a/c.rs", b"b.py", b"a/py.typed", b"src/lib.rs"]), unique=True
    )
)
def test_native_digest_is_that_of_the_other_inputs(paths):
    """It is the source digest of a tree without pure Python."""
    paths = sorted(paths)
    column = b"".join(b"f" + content(path) for path in paths)
    rules = bytes(16)
    left = [path for number, path in enumerate(paths) if number not in digest.pure(paths, column)]
    cells = b"".join(b"f" + content(path) for path in left)
    assert digest.native(rules, b"\0".join(paths), column) == rows.digest(rules, b"\0".join(left), cells)

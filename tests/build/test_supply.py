"""Where the wheel of a call comes from, over an inner backend that records how it is called."""

import dataclasses
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from freshwheel.base.errors import FreshwheelError, InnerError
from freshwheel.build import inner_build, recipes, store_policy
from freshwheel.store import upkeep
from freshwheel.store.store import Store
from freshwheel.wheel import archive

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recording-backend"
BUILDS = ("build_wheel", "build_editable")


class Tree:
    """A copy of the fixture with the store on, and its hooks."""

    def __init__(self, path, environ):
        self.path = path
        self.environ = environ
        self.said = []
        self.dist = path.with_name(f"{path.name}-dist")
        self.log = Path(environ["RECORDING_LOG"])

    @property
    def cache(self):
        """The cache directory."""
        return Path(self.environ["FRESHWHEEL_CACHE_DIR"])

    @property
    def store(self):
        """The store."""
        return Store.open(str(self.cache))

    def call(self, hook="build_wheel", settings=None, **environ):
        """One call of a hook, as the door would make it."""
        return recipes.Call(
            tree=str(self.path), environ={**self.environ, **environ}, hook=hook, settings=settings, say=self.said.append
        )

    def wheel(self, hook="build_wheel", settings=None, **environ):
        """The wheel of the tree: its name, and its bytes."""
        shutil.rmtree(self.dist, ignore_errors=True)
        name = recipes.wheel(self.call(hook, settings, **environ), str(self.dist))
        return name, (self.dist / name).read_bytes()

    def builds(self):
        """How often the inner backend has built."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(json.loads(line)["hook"] in BUILDS for line in lines)

    def calls(self):
        """How often the inner backend was asked anything."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def edit(self, text="ANSWER = 2\n"):
        """Another source."""
        (self.path / "src" / "recorded.py").write_text(text)

    def configure(self, old, new):
        """Another `pyproject.toml`."""
        file = self.path / "pyproject.toml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def set(self, *lines):
        """More settings in the table of freshwheel."""
        self.configure('backend = "recording"', "\n".join(['backend = "recording"', *lines]))

    def member(self, name):
        """A member of the one wheel in the folder."""
        [path] = self.dist.glob("*.whl")
        with zipfile.ZipFile(path) as file:
            return file.read(name)

    def mark(self):
        """The mark of the one wheel in the folder."""
        [path] = self.dist.glob("*.whl")
        return archive.mark_of(str(path))

    def copied(self, path):
        """A copy of the tree elsewhere, for the same store."""
        shutil.copytree(self.path, path, ignore=shutil.ignore_patterns("__pycache__"))
        return Tree(path, self.environ)


@pytest.fixture
def tree(tmp_path):
    """A tree, and a cache directory of its own."""
    foreign = ("FRESHWHEEL_", "CIBUILD", "RECORDING_", "TOX_", "PYTHONPATH")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environ |= {"RECORDING_LOG": str(tmp_path / "calls.jsonl"), "FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache")}
    shutil.copytree(FIXTURE, tmp_path / "tree", ignore=shutil.ignore_patterns("__pycache__"))
    made = Tree(tmp_path / "tree", environ)
    made.set('store = "on"')
    return made


def stored(tree, folder):
    """The files in a folder of the store."""
    return [path for path in (tree.cache / "v1" / folder).rglob("*") if path.is_file()]


def test_unchanged_tree_is_answered_from_the_store(tree):
    """The second wheel is the first one, byte for byte, and nobody asked the inner backend."""
    first = tree.wheel()
    asked = tree.calls()
    assert tree.wheel() == first
    assert (tree.builds(), tree.calls()) == (1, asked)
    assert any("from the store" in line for line in tree.said)


def test_edit_is_built_and_taking_it_back_is_not(tree):
    """What the sources are decides, not when they were written."""
    first = tree.wheel()
    tree.edit()
    second = tree.wheel()
    assert second[0] != first[0]
    assert tree.member("recorded.py") == b"ANSWER = 2\n"
    shutil.copy(FIXTURE / "src" / "recorded.py", tree.path / "src" / "recorded.py")
    assert tree.wheel() == first
    tree.edit()
    assert tree.wheel() == second
    assert tree.builds() == 2


def test_prepared_metadata_of_a_stored_wheel_is_its_own(tree, tmp_path):
    """The inner backend is not asked for metadata of a wheel that is there."""
    tree.wheel()
    asked = tree.calls()
    name = recipes.metadata(tree.call(), str(tmp_path / "prepared"))
    assert (tmp_path / "prepared" / name / "METADATA").read_bytes() == tree.member(f"{name}/METADATA")
    assert tree.calls() == asked


@pytest.mark.parametrize("plain", ['label = "off"', 'version = "1.2.3"'])
def test_plain_builds_are_answered_from_the_store(tree, plain):
    """A label is not needed for a hit."""
    if plain.startswith("label"):
        tree.set(plain)
    else:
        tree.configure('dynamic = ["version"]', plain)
    first = tree.wheel()
    assert first[0] == "recorded-1.2.3-py3-none-any.whl"
    assert tree.wheel() == first
    assert tree.builds() == 1


def test_plain_wheel_is_made_from_the_inner_wheel_of_a_labelled_one(tree):
    """The inner wheel knows nothing of labels, so another name needs no build; and the other way round."""
    labelled = tree.wheel()
    tree.set('label = "off"')
    plain = tree.wheel()
    assert (plain[0], tree.mark().label, tree.mark().settled) == ("recorded-1.2.3-py3-none-any.whl", None, True)
    tree.configure('label = "off"', 'label = "on"')
    assert tree.wheel() == labelled
    assert tree.builds() == 1


@pytest.mark.parametrize(
    ("environ", "settings"),
    [({"FRESHWHEEL_LABEL": "off"}, None), ({"CIBUILDWHEEL": "1"}, None), ({}, {"freshwheel.label": "off"})],
)
def test_release_neither_reads_nor_writes_the_store(tree, environ, settings):
    """What others will install is really built, and leaves nothing for others to take."""
    tree.wheel(settings=settings, **environ)
    tree.wheel()
    tree.wheel(settings=settings, **environ)
    assert tree.builds() == 3


def test_unpacked_source_distribution_neither_reads_nor_writes_the_store(tree):
    """It is the way to a release."""
    (tree.path / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: recorded\nVersion: 7.0\n")
    tree.wheel()
    assert tree.wheel()[0] == "recorded-7.0-py3-none-any.whl"
    assert tree.builds() == 2
    assert not (tree.cache / "v1").exists()


@pytest.mark.parametrize("mode", ["off", "read"])
def test_switch_of_the_store(tree, mode):
    """`off` neither reads nor writes; `read` takes what is there, and leaves nothing."""
    tree.wheel(FRESHWHEEL_STORE=mode)
    tree.wheel(FRESHWHEEL_STORE=mode)
    assert tree.builds() == 2
    tree.wheel()
    assert tree.builds() == 3
    tree.wheel(FRESHWHEEL_STORE=mode)
    assert tree.builds() == (4 if mode == "off" else 3)


def test_store_of_a_backend_that_nobody_knows_is_off_until_it_is_set(tree):
    """An in-tree backend may read anything, so that its author must say that it does not."""
    tree.configure('store = "on"\n', "")
    tree.wheel()
    tree.wheel()
    assert tree.builds() == 2
    tree.wheel(FRESHWHEEL_STORE="on")
    tree.wheel(FRESHWHEEL_STORE="on")
    assert tree.builds() == 3


def test_tree_that_moved_during_the_build_is_delivered_and_not_stored(tree):
    """An edit that was taken back leaves equal bytes, and maybe a wheel of the other ones."""
    during = "p='src/recorded.py'; b=open(p).read(); open(p,'w').write('ANSWER = 3'); open(p,'w').write(b)"
    first = tree.wheel(RECORDING_DURING=during)
    assert not tree.mark().settled
    second = tree.wheel(RECORDING_DURING=during)
    assert tree.builds() == 2
    assert first[0] == second[0]  # its label is bound to the inner wheel, which is the same one


def test_edit_during_the_build_is_delivered_and_not_stored(tree):
    """The wheel is not that of the tree before, and maybe not that of the tree after."""
    during = "open('src/recorded.py', 'w').write('ANSWER = 3')"
    text = (tree.path / "src" / "recorded.py").read_text()
    tree.wheel(RECORDING_DURING=during)
    tree.edit(text)
    tree.wheel(RECORDING_DURING=during)
    assert tree.builds() == 2


def test_build_that_found_an_undeclared_file_is_not_stored_and_the_next_one_is(tree, tmp_path):
    """It may have changed while it was read, for nobody watched it; from the next build on it is an input."""
    hidden = tree.path / "cache" / "words.py"
    hidden.parent.mkdir()
    (hidden.parent / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    hidden.write_text("WORDS = 'one, two and three'\n")
    during = {"RECORDING_DURING": "members['cache/words.py'] = open('cache/words.py', 'rb').read()"}
    first = tree.wheel(**during)
    assert any("cache/words.py" in line for line in tree.said)
    clone = tree.copied(tmp_path / "clone")  # of which no build has shown anything
    (clone.path / "cache" / "words.py").write_text("WORDS = 'seven, eight and nine'\n")
    clone.wheel(**during)
    assert b"seven" in clone.member("cache/words.py")
    second = tree.wheel(**during)
    assert first[0] != second[0]
    assert tree.builds() == 3
    assert tree.wheel(**during) == second
    assert tree.builds() == 3
    hidden.write_text("WORDS = 'four, five and six'\n")
    tree.wheel(**during)
    assert tree.member("cache/words.py") == hidden.read_bytes()
    assert tree.builds() == 4


def test_editables_are_never_stored(tree):
    """They belong to one tree."""
    tree.wheel("build_editable")
    tree.wheel("build_editable")
    tree.wheel()
    assert tree.builds() == 3


def test_editable_after_a_wheel_is_built(tree):
    """A stored wheel is no answer to another question."""
    tree.wheel()
    assert tree.wheel("build_editable")[0].split("-")[2] == "0.editable"
    assert tree.builds() == 2


def damaged(path):
    """A file with one byte turned."""
    data = bytearray(path.read_bytes() or b"?")
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("hook", "environ"),
    [
        ("build_wheel", {}),
        ("build_wheel", {"FRESHWHEEL_STORE": "off"}),
        ("build_wheel", {"CIBUILDWHEEL": "1"}),
        ("build_editable", {}),
    ],
)
def test_real_builds_in_one_tree_wait_for_each_other(tree, monkeypatch, hook, environ):
    """Also where the store has no say: the lock of the installers is of setuptools, which they do not see here."""
    held, original = [], Store.lock

    def watched(self, kind, about, *rest):
        held.append((kind, about))
        return original(self, kind, about, *rest)

    monkeypatch.setattr(Store, "lock", watched)
    tree.wheel(hook, **environ)
    assert ("tree", os.path.realpath(tree.path)) in held


@pytest.mark.parametrize("harm", [Path.unlink, damaged])
@pytest.mark.parametrize("what", ["blobs", "index"])
def test_harm_in_the_store_is_an_ordinary_build(tree, harm, what):
    """What was evicted or damaged is built again, into the same bytes, and stored again."""
    first = tree.wheel()
    files = stored(tree, what)
    assert files
    for path in files:
        harm(path)
    assert tree.wheel() == first
    assert tree.builds() == 2
    assert tree.wheel() == first
    assert tree.builds() == 2
    assert upkeep.flaws(tree.store.shelf) == []


def test_evicted_finished_wheel_is_made_from_the_inner_one(tree):
    """It is derived, so that its loss costs no build."""
    first = tree.wheel()
    [listed] = upkeep.entries(tree.store.shelf)
    [finished] = listed.entry.finished.values()
    os.unlink(tree.store.shelf.blob_place(finished.blob.sha256))
    assert tree.wheel() == first
    assert tree.builds() == 1


def test_large_wheel_is_kept_once(tree, monkeypatch):
    """Of one that takes much room the inner one is kept alone, and the finished one is the same each time."""
    monkeypatch.setattr("freshwheel.build.finish.LARGE", 1)
    first = tree.wheel()
    for _ in range(2):
        assert tree.wheel() == first
        [listed] = upkeep.entries(tree.store.shelf)
        assert not listed.entry.finished
    assert tree.builds() == 1


@pytest.mark.parametrize("when", ["candidates", "hand_out"])
def test_store_that_goes_while_it_is_read_is_an_ordinary_build(tree, monkeypatch, when):
    """Somebody clears the caches between two steps."""
    first = tree.wheel()
    original = getattr(Store, when)

    def gone(self, *arguments, **options):
        if when == "hand_out":
            shutil.rmtree(tree.cache, ignore_errors=True)
        found = original(self, *arguments, **options)
        found = iter(list(found)) if when == "candidates" else found
        shutil.rmtree(tree.cache, ignore_errors=True)
        return found

    monkeypatch.setattr(Store, when, gone)
    assert tree.wheel() == first
    assert tree.builds() == 2


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no permissions of this kind here")
def test_store_that_others_may_write_in_is_not_believed(tree):
    """Another user could have put a wheel there."""
    tree.wheel()
    (tree.cache / "v1").chmod(0o777)
    tree.wheel()
    assert tree.builds() == 2


def test_no_cache_directory_is_an_ordinary_build(tree):
    """A relative path is no place to write to."""
    tree.wheel(FRESHWHEEL_CACHE_DIR="relative")
    tree.wheel(FRESHWHEEL_CACHE_DIR="relative")
    assert tree.builds() == 2
    assert not (tree.path / "relative").exists()


def test_no_settings_and_empty_settings_are_one_thing(tree):
    """One installer passes nothing where others pass an empty table."""
    first = tree.wheel(settings=None)
    assert tree.wheel(settings={}) == first
    assert tree.builds() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"settings": {"build-args": "--locked"}},
        {"settings": {"build-args": ["--locked"]}},
        {"CFLAGS": "-O1"},
        {"RUSTFLAGS": "-Cdebuginfo=1"},
        {"RECORDING_VERSION": "1.2.4"},
        {"SOURCE_DATE_EPOCH": "1"},
    ],
)
def test_other_settings_or_variables_are_another_wheel(tree, other):
    """What the inner backend is told decides as its sources do; and each answer is kept by itself."""
    first = tree.wheel()
    tree.wheel(**other)
    assert tree.builds() == 2
    tree.wheel(**other)
    assert tree.wheel() == first
    assert tree.builds() == 2


@pytest.mark.parametrize(
    "other", [{"LANGUAGE": "tlh"}, {"RECORDED_BY_NOBODY": "1"}, {"CARGO_BUILD_JOBS": "1"}, {"FRESHWHEEL_STORE": "on"}]
)
def test_variables_that_nobody_reads_are_no_difference(tree, other):
    """Else a hit would be an accident."""
    tree.wheel()
    tree.wheel(**other)
    assert tree.builds() == 1


def test_declared_variable_is_another_wheel(tree):
    """What only the author knows is read through a library."""
    tree.set('env = ["DEMO_FAST"]')
    tree.wheel()
    tree.wheel(DEMO_FAST="1")
    assert tree.builds() == 2
    tree.wheel()
    tree.wheel(DEMO_FAST="1")
    assert tree.builds() == 2
    tree.wheel(DEMO_FAST="")
    assert tree.builds() == 3


def test_declared_command_is_asked_each_time(tree, tmp_path):
    """Its answer is in the key; the tree does not show it."""
    answer = tmp_path / "answer"
    answer.write_text("one")
    words = [sys.executable, "-c", f"print(open({str(answer)!r}).read())"]
    tree.set(f"commands = {json.dumps([words])}")
    tree.wheel()
    tree.wheel()
    assert tree.builds() == 1
    answer.write_text("two")
    tree.wheel()
    assert tree.builds() == 2
    answer.write_text("one")
    tree.wheel()
    assert tree.builds() == 2


def test_copy_of_the_tree_elsewhere_is_answered_from_the_store(tree, tmp_path):
    """A wheel that says nothing of places belongs to every tree with these sources."""
    first = tree.wheel()
    elsewhere = tree.copied(tmp_path / "elsewhere" / "deeper")
    assert elsewhere.wheel() == first
    assert tree.builds() == 1


@pytest.mark.parametrize("spelled", [False, True])
def test_wheel_that_names_its_tree_is_handed_out_there_only(tree, tmp_path, spelled):
    """A binary may hold the path of its sources, and would lead back to them: the path resolved, or as it was given."""
    during = {"RECORDING_DURING": "members['where.txt'] = os.environ['WHERE'].encode()"}
    if spelled:
        (tmp_path / "link").symlink_to(tree.path, target_is_directory=True)
        tree = Tree(tmp_path / "link", tree.environ)
    during["WHERE"] = str(tree.path)
    first = tree.wheel(**during)
    elsewhere = tree.copied(tmp_path / "elsewhere")
    elsewhere.wheel(**{**during, "WHERE": str(elsewhere.path)})
    assert elsewhere.member("where.txt") == os.fsencode(elsewhere.path)
    assert tree.builds() == 2
    assert tree.wheel(**during) == first
    elsewhere.wheel(**{**during, "WHERE": str(elsewhere.path)})
    assert elsewhere.member("where.txt") == os.fsencode(elsewhere.path)
    assert tree.builds() == 2


def test_bill_of_materials_that_names_a_tree_is_handed_out_elsewhere(tree, tmp_path):
    """It calls a crate by the folder that it was built in, and nothing leads there; wheels of maturin have one."""
    member = "recorded-1.2.3.dist-info/sboms/recorded.cyclonedx.json"
    during = {"RECORDING_DURING": f"members[{member!r}] = os.getcwd().encode()"}
    first = tree.wheel(**during)
    assert tree.copied(tmp_path / "elsewhere").wheel(**during) == first
    assert tree.builds() == 1


def test_folder_that_cannot_be_written_to_is_named(tree, tmp_path):
    """From the store as from a build."""
    tree.wheel()
    (tmp_path / "file").write_text("")
    with pytest.raises(FreshwheelError, match="can't write to"):
        recipes.wheel(tree.call(), str(tmp_path / "file"))


def test_command_that_answers_otherwise_after_the_build_leaves_nothing(tree, tmp_path):
    """What the wheel was made with may be the one or the other."""
    answer = tmp_path / "answer"
    answer.write_text("one")
    words = [sys.executable, "-c", f"print(open({str(answer)!r}).read())"]
    tree.set(f"commands = {json.dumps([words])}")
    during = {"RECORDING_DURING": f"open({str(answer)!r}, 'w').write('two')"}
    tree.wheel(**during)
    answer.write_text("one")
    tree.wheel(**during)
    assert tree.builds() == 2


def test_file_outside_that_a_build_had_read_is_held_against_the_entry(tree, tmp_path, monkeypatch):
    """A system header that changed means a build, and the entry of that one takes the place of the earlier."""
    header = tmp_path / "system.h"
    original = store_policy.discovered
    monkeypatch.setattr(store_policy, "discovered", lambda *found: original(*found, more=[str(header)]))
    header.write_text("one")
    tree.wheel()
    tree.wheel()
    assert tree.builds() == 1
    header.write_text("two")
    tree.wheel()
    assert tree.builds() == 2
    tree.wheel()
    assert tree.builds() == 2


def test_entry_that_is_of_no_use_hides_none_that_is(tree, tmp_path, monkeypatch):
    """One key may have a wheel for all trees, and one that names its tree; each has seen its own files."""
    header = tmp_path / "system.h"
    original = store_policy.discovered
    monkeypatch.setattr(store_policy, "discovered", lambda *found: original(*found, more=[str(header)]))
    monkeypatch.setattr(store_policy.archive, "names", lambda *_: header.read_text() == "two")
    header.write_text("one")
    tree.wheel()
    header.write_text("two")
    tree.wheel()
    tree.wheel()
    assert tree.builds() == 2


def test_variable_that_a_build_has_asked_for_is_held_against_the_entry(tree, monkeypatch):
    """Nobody could know of it before: Rust's `option_env!`, and build scripts of foreign crates, as OPENSSL_DIR."""
    original = inner_build.build

    def asking(context, private, **options):
        return dataclasses.replace(original(context, private, **options), names=("OPENSSL_DIR", "PATH", "VIRTUAL_ENV"))

    monkeypatch.setattr(inner_build, "build", asking)
    tree.wheel(OPENSSL_DIR="/one")
    tree.wheel(OPENSSL_DIR="/one", VIRTUAL_ENV="/new")
    assert tree.builds() == 1
    tree.wheel(OPENSSL_DIR="/two")
    assert tree.builds() == 2
    assert any("the variable OPENSSL_DIR changed" in line for line in tree.said)
    tree.wheel(OPENSSL_DIR="/two")
    assert tree.builds() == 2
    tree.wheel()
    assert tree.builds() == 3
    tree.wheel(OPENSSL_DIR="")
    assert tree.builds() == 4
    assert not any(b"/one" in path.read_bytes() for path in tree.cache.rglob("*") if path.is_file())


def test_requirement_that_is_nowhere_is_named(tree):
    """An inner backend without its companion may make a wheel all the same, and leave half of it out."""
    tree.set('requires = ["no-such-companion>=1"]')
    with pytest.raises(InnerError, match="no-such-companion>=1"):
        tree.wheel()
    assert tree.builds() == 0


ONE_RUN = {"PYTHONPATH": "/elsewhere/pip-build-env-one/site"}
ANOTHER_RUN = {"PYTHONPATH": "/elsewhere/pip-build-env-two/site"}
PROC = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")


def test_manifest_that_is_no_toml_keeps_the_wheel_out_of_the_store(tree):
    """Nobody knows which crates it leads to, so that they might change unseen; mended, it is as any other."""
    (tree.path / "Cargo.toml").write_text("[package\n")
    tree.wheel()
    tree.wheel()
    assert tree.builds() == 2
    assert "Cargo.toml can't be read as TOML" in tree.said[-1]
    (tree.path / "Cargo.toml").write_text('[package]\nname = "x"\n')
    tree.wheel()
    tree.wheel()
    assert tree.builds() == 3


@PROC
def test_run_that_was_told_of_a_hit_gets_that_wheel_whatever_becomes_of_the_store(tree):
    """What was not installed can't be asked for any more."""
    first = tree.wheel(**ONE_RUN)
    assert recipes.requires(tree.call(**ONE_RUN)) == []
    shutil.rmtree(tree.cache / "v1")
    assert tree.wheel(**ONE_RUN) == first
    assert tree.builds() == 1
    assert list((tree.cache / "leases").iterdir()) == []


@PROC
def test_edit_after_the_promise_is_delivered_under_the_label_that_was_promised(tree, tmp_path):
    """The wheel is of the tree before, and says so; a word is on the standard error, and the next run builds."""
    first = tree.wheel(**ONE_RUN)
    assert recipes.requires(tree.call(**ONE_RUN)) == []
    tree.edit()
    prepared = recipes.metadata(tree.call(**ONE_RUN), str(tmp_path / "prepared"))
    assert prepared.removesuffix(".dist-info") == "-".join(first[0].split("-")[:2])
    tree.said.clear()
    assert tree.wheel(**ONE_RUN) == first
    assert any("the sources changed" in line for line in tree.said)
    assert recipes.requires(tree.call(**ANOTHER_RUN)) == ["recorded-requirement"]
    assert tree.wheel(**ANOTHER_RUN)[0] != first[0]


@PROC
def test_edit_after_the_promise_is_built_where_nothing_is_missing(tree):
    """With all requirements there the newest sources are better than a promise."""
    backend = tree.path / "_backend" / "recording.py"
    backend.write_text(backend.read_text().replace('["recorded-requirement"]', "[]"))
    first = tree.wheel(**ONE_RUN)
    assert recipes.requires(tree.call(**ONE_RUN)) == []
    tree.edit()
    assert tree.wheel(**ONE_RUN)[0] != first[0]
    assert tree.member("recorded.py") == b"ANSWER = 2\n"
    assert tree.builds() == 2


@PROC
@pytest.mark.parametrize(
    "other", [ANOTHER_RUN, {}, {"PYTHONPATH": ""}, {**ONE_RUN, "FRESHWHEEL_LABEL": "off"}], ids=repr
)
def test_promise_is_kept_for_its_own_run_alone(tree, other):
    """Two environments of one parent, a run without isolation, and another question know nothing of it."""
    tree.wheel(**ONE_RUN)
    assert recipes.requires(tree.call(**ONE_RUN)) == []
    shutil.rmtree(tree.cache / "v1")
    tree.wheel(**other)
    assert tree.builds() == 2


@pytest.mark.parametrize("environ", [{}, {**ONE_RUN, "TOX_ENV_NAME": ".pkg"}, {**ONE_RUN, "TOX_PACKAGE": "x.whl"}])
def test_requirements_are_asked_for_where_the_environment_stays(tree, environ):
    """Without isolation nothing is withheld; and tox makes its environment anew when fewer are asked for."""
    tree.wheel(**environ)
    assert recipes.requires(tree.call(**environ)) == ["recorded-requirement"]
    assert not (tree.cache / "leases").exists()


@PROC
@pytest.mark.parametrize("store", ["off", "read"])
def test_wheel_that_was_built_for_its_metadata_is_not_built_again_in_this_run(tree, tmp_path, store):
    """Where the store has no say as well; the lease goes with the delivery."""
    without_prepare(tree)
    prepared = recipes.metadata(tree.call(**ONE_RUN, FRESHWHEEL_STORE=store), str(tmp_path / "prepared"))
    name, _ = tree.wheel(**ONE_RUN, FRESHWHEEL_STORE=store)
    assert name.startswith(prepared.removesuffix(".dist-info"))
    assert tree.builds() == 1
    tree.wheel(**ONE_RUN, FRESHWHEEL_STORE=store)
    assert tree.builds() == 2


@PROC
def test_edit_after_the_metadata_is_built(tree, tmp_path):
    """All that it takes is installed, so the newest sources are better than the wheel that is kept."""
    without_prepare(tree)
    recipes.metadata(tree.call(**ONE_RUN, FRESHWHEEL_STORE="off"), str(tmp_path / "prepared"))
    tree.edit()
    tree.wheel(**ONE_RUN, FRESHWHEEL_STORE="off")
    assert tree.member("recorded.py") == b"ANSWER = 2\n"


@PROC
@pytest.mark.parametrize("other", [ANOTHER_RUN, {}])
def test_wheel_that_was_built_for_its_metadata_is_kept_for_its_own_run_alone(tree, tmp_path, other):
    """The environment of another run may hold other tools."""
    without_prepare(tree)
    recipes.metadata(tree.call(**ONE_RUN, FRESHWHEEL_STORE="off"), str(tmp_path / "prepared"))
    tree.wheel(**other, FRESHWHEEL_STORE="off")
    assert tree.builds() == 2


def without_prepare(tree):
    """An inner backend like Meson's, that has no hook for metadata."""
    backend = tree.path / "_backend" / "recording.py"
    backend.write_text(f"{backend.read_text()}\ndel prepare_metadata_for_build_wheel\n")


@PROC
def test_promise_that_cannot_be_written_is_none(tree):
    """Then the requirements are installed, and the store is asked again."""
    tree.wheel(**ONE_RUN)
    (tree.cache / "leases").write_text("")
    assert recipes.requires(tree.call(**ONE_RUN)) == ["recorded-requirement"]
    tree.wheel(**ONE_RUN)
    assert tree.builds() == 1


@pytest.fixture
def locked(tree, monkeypatch):
    """A tree with a crate, whose lock git ignores; cargo has nothing to say of a backend that does not call it."""
    monkeypatch.setattr(inner_build.opinion, "records", lambda *_, **__: inner_build.opinion.Records())
    (tree.path / ".gitignore").write_text("Cargo.lock\n")
    (tree.path / "Cargo.toml").write_text('[package]\nname = "locked"\nversion = "1.0.0"\n')
    (tree.path / "lib.rs").write_text("")
    return tree


def test_lock_that_git_ignores_is_in_the_key(locked):
    """`cargo update` moves no label, and is another build all the same; taken back it is the earlier one."""
    lock = locked.path / "Cargo.lock"
    lock.write_text("one")
    first = locked.wheel()
    lock.write_text("two")
    assert locked.wheel()[0] == first[0]
    assert locked.builds() == 2
    lock.write_text("one")
    assert locked.wheel() == first
    assert locked.builds() == 2


def test_lock_that_is_born_in_the_build_belongs_to_it(locked):
    """The next build finds it there, and is a hit."""
    during = "open('Cargo.lock', 'w').write('one')"
    first = locked.wheel(RECORDING_DURING=during)
    assert locked.wheel(RECORDING_DURING=during) == first
    assert locked.builds() == 1


def test_lock_that_changes_during_the_build_is_no_lock(locked):
    """Nobody knows which of the two was built."""
    during = "open('Cargo.lock', 'w').write('two')"
    (locked.path / "Cargo.lock").write_text("one")
    locked.wheel(RECORDING_DURING=during)
    assert stored(locked, "index") == []
    locked.wheel(RECORDING_DURING=during)
    locked.wheel(RECORDING_DURING=during)
    assert locked.builds() == 2

"""The recipes, over an inner backend that records how it is called."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from freshwheel.base.errors import ConfigError, HookMissingError, InputError
from freshwheel.build import context, recipes
from freshwheel.wheel import archive

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recording-backend"


class Tree:
    """A copy of the fixture, and its hooks."""

    def __init__(self, folder):
        self.path = folder / "tree"
        shutil.copytree(FIXTURE, self.path, ignore=shutil.ignore_patterns("__pycache__"))
        self.log = folder / "calls.jsonl"
        self.dist = folder / "dist"
        self.said = []
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FRESHWHEEL_", "CIBUILD"))},
            "RECORDING_LOG": str(self.log),
        }

    def call(self, hook="build_wheel", settings=None, **environ):
        """One call of a hook, as the door would make it."""
        return recipes.Call(
            tree=str(self.path), environ={**self.environ, **environ}, hook=hook, settings=settings, say=self.said.append
        )

    def wheel(self, hook="build_wheel", settings=None, **environ):
        """The wheel of the tree, built into `dist`."""
        name = recipes.wheel(self.call(hook, settings, **environ), str(self.dist))
        return archive.read(str(self.dist / name))

    def mark(self, **environ):
        """The mark of a wheel built now."""
        return archive.mark_of(self.wheel(**environ).path)

    def digest(self):
        """The source digest of the tree."""
        return recipes.source_digest(self.call())

    def label(self):
        """The label of the tree."""
        return f"s{self.digest()[:12]}"

    def edit(self, text="ANSWER = 2\n"):
        """Write another source."""
        (self.path / "src" / "recorded.py").write_text(text)

    def configure(self, old, new):
        """Replace a text in `pyproject.toml`."""
        file = self.path / "pyproject.toml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def calls(self):
        """What the inner backend was asked so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def tree(tmp_path):
    """A copy of the fixture, for one test."""
    return Tree(tmp_path)


def test_wheel_of_a_tree_is_labelled_with_its_digest(tree):
    """The version is the inner one and the label of the sources, and the mark says the same."""
    wheel = tree.wheel()
    assert wheel.version == f"1.2.3+{tree.label()}"
    mark = archive.mark_of(wheel.path)
    assert (mark.digest, mark.settled, mark.base, mark.backend) == (tree.digest(), True, "1.2.3", "recording")
    assert (mark.label, mark.inner_wheel) == (tree.label(), "recorded-1.2.3-py3-none-any.whl")


def test_prepared_metadata_is_that_of_the_wheel(tree, tmp_path):
    """Where nothing moved in between, METADATA of both hooks is one text."""
    name = recipes.metadata(tree.call(), str(tmp_path / "metadata"))
    wheel = tree.wheel()
    assert name == f"recorded-{wheel.version}.dist-info"
    with zipfile.ZipFile(wheel.path) as file:
        assert (tmp_path / "metadata" / name / "METADATA").read_bytes() == file.read(f"{name}/METADATA")


def test_editable_and_wheel_of_one_tree_have_one_label(tree):
    """A version names sources, whatever is made from them."""
    assert tree.wheel("build_editable").version == tree.wheel().version


def test_edit_moves_the_label_and_taking_it_back_moves_it_back(tree):
    """The version is a function of the sources."""
    first = tree.wheel().version
    tree.edit()
    second = tree.wheel().version
    shutil.copy(FIXTURE / "src" / "recorded.py", tree.path / "src" / "recorded.py")
    assert first != second
    assert tree.wheel().version == first


def test_edit_between_prepare_and_build_is_in_the_label(tree, tmp_path):
    """A label names what was built, not what was announced."""
    prepared = recipes.metadata(tree.call(), str(tmp_path / "metadata"))
    tree.edit()
    wheel = tree.wheel()
    assert wheel.version not in prepared
    assert wheel.version == f"1.2.3+{tree.label()}"


def test_edit_during_the_build_gives_a_label_that_no_tree_has(tree):
    """The wheel holds the old text, so neither the label before nor the label after may be on it."""
    before = tree.label()
    wheel = tree.wheel(RECORDING_DURING="open('src/recorded.py', 'w').write('ANSWER = 3')")
    assert wheel.version not in (f"1.2.3+{before}", f"1.2.3+{tree.label()}")
    assert not archive.mark_of(wheel.path).settled
    assert any("src/recorded.py changed during the build" in line for line in tree.said)


def test_edit_taken_back_during_the_build_gives_a_label_that_no_tree_has(tree):
    """Equal bytes before and after prove nothing about the time between."""
    during = "p='src/recorded.py'; b=open(p,'rb').read(); open(p,'w').write('ANSWER = 3'); open(p,'wb').write(b)"
    before = tree.label()
    wheel = tree.wheel(RECORDING_DURING=during)
    assert tree.label() == before
    assert wheel.version != f"1.2.3+{before}"


def test_three_wheels_of_moving_trees_have_three_labels(tree):
    """The label of a moved tree is bound to the inner wheel too, so A to B to A twice is not one version."""
    during = "os.utime('src/recorded.py')"
    versions = set()
    for number in range(3):
        (tree.path / "src" / "extra.py").write_text(f"N = {number}")
        versions.add(tree.wheel(RECORDING_DURING=during).version)
    assert len(versions) == 3


def test_file_born_in_prepare_is_in_both_labels(tree, tmp_path):
    """A lock file that the inner backend writes in its first hook makes no difference between prepare and build."""
    backend = tree.path / "_backend" / "recording.py"
    backend.write_text(
        backend.read_text().replace('_record("prepare_', 'open("Born.lock", "a").close(); _record("prepare_')
    )
    prepared = recipes.metadata(tree.call(), str(tmp_path / "metadata"))
    assert prepared == f"recorded-{tree.wheel().version}.dist-info"


def test_inner_backend_without_prepare_is_asked_for_a_wheel(tree, tmp_path):
    """Metadata is then that of a finished wheel, and nothing else is left where a frontend would look for it."""
    without = {"RECORDING_WITHOUT": "prepare_metadata_for_build_wheel"}
    name = recipes.metadata(tree.call(**without), str(tmp_path / "metadata"))
    assert name == f"recorded-1.2.3+{tree.label()}.dist-info"
    assert os.listdir(tmp_path / "metadata") == [name]
    assert sorted(os.listdir(tmp_path / "metadata" / name)) == ["METADATA", "WHEEL"]


def test_inner_hooks_are_asked_for_at_each_call(tree, tmp_path):
    """The same tree may have the hook in one call and lack it in the next; neither is remembered."""
    for number, without in enumerate(["prepare_metadata_for_build_wheel", "", "prepare_metadata_for_build_wheel"]):
        recipes.metadata(tree.call(RECORDING_WITHOUT=without), str(tmp_path / str(number)))
    hooks = [call["hook"] for call in tree.calls()]
    assert hooks == ["build_wheel", "prepare_metadata_for_build_wheel", "build_wheel"]


def test_inner_backend_without_editables_is_named(tree):
    """A frontend that asks for an editable hears that it is the inner backend that can't."""
    with pytest.raises(HookMissingError, match="build_editable"):
        tree.wheel("build_editable", RECORDING_WITHOUT="build_editable")


def test_inner_backend_never_sees_labelled_metadata(tree):
    """A relabelled folder handed down would come back as a wheel that contradicts itself."""
    tree.wheel()
    assert tree.calls()[-1]["arguments"] == [None, None]


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (None, None),
        ({}, {}),
        ({"build-args": ["--a", "--b"], "x": ""}, {"build-args": ["--a", "--b"], "x": ""}),
        ({"freshwheel.label": "on", "x": "1"}, {"x": "1"}),
    ],
)
def test_inner_settings_are_passed_as_they_came(tree, given, seen):
    """Ours are taken out, the rest is the inner backend's, and none stays none."""
    tree.wheel(settings=given)
    assert tree.calls()[-1]["arguments"][0] == seen


def test_frontend_variables_do_not_reach_the_inner_backend(tree):
    """What tells a frontend's child to load freshwheel must not tell ours."""
    tree.wheel(_PYPROJECT_HOOKS_BUILD_BACKEND="freshwheel", _PYPROJECT_HOOKS_OTHER="x")
    seen = tree.calls()[-1]["environ"]
    assert seen["_PYPROJECT_HOOKS_BUILD_BACKEND"] == "recording"
    assert "_PYPROJECT_HOOKS_OTHER" not in seen


def test_requirements_of_the_table_and_of_the_inner_backend_are_returned(tree):
    """The frontend installs both."""
    assert recipes.requires(tree.call()) == ["recorded-requirement"]
    tree.configure('backend = "recording"', 'backend = "recording"\nrequires = ["one>=1"]')
    assert recipes.requires(tree.call()) == ["one>=1", "recorded-requirement"]


def test_static_version_is_plain(tree):
    """A version that the project states is never altered; the mark is there all the same."""
    tree.configure('dynamic = ["version"]', 'version = "1.2.3"')
    wheel = tree.wheel()
    assert wheel.version == "1.2.3"
    assert archive.mark_of(wheel.path).label is None
    assert archive.mark_of(wheel.path).digest == tree.digest()


@pytest.mark.parametrize(
    ("environ", "settings", "labelled"),
    [
        ({"FRESHWHEEL_LABEL": "off"}, None, False),
        ({"FRESHWHEEL_LABEL": ""}, None, True),
        ({}, {"freshwheel.label": "off"}, False),
        ({"CIBUILDWHEEL": "1"}, None, False),
        ({"CIBUILDWHEEL": "1", "FRESHWHEEL_LABEL": "on"}, None, True),
        ({"CIBUILDWHEEL": "1"}, {"freshwheel.label": "on"}, True),
        ({"FRESHWHEEL_LABEL": "on"}, {"freshwheel.label": "off"}, True),
    ],
)
def test_release_switches(tree, environ, settings, labelled):
    """A release is unlabelled; who asks for a label by name gets one."""
    version = tree.wheel(settings=settings, **environ).version
    assert version == (f"1.2.3+{tree.label()}" if labelled else "1.2.3")


def test_label_off_in_the_table_is_plain(tree):
    """A project may switch labels off for good, and a person may switch them on for one build."""
    tree.configure('backend = "recording"', 'backend = "recording"\nlabel = "off"')
    assert tree.wheel().version == "1.2.3"
    assert tree.wheel(FRESHWHEEL_LABEL="on").version == f"1.2.3+{tree.label()}"


def test_vcs_tail_gives_way_to_the_label(tree):
    """A date in a version would change it every day; the label says what it tried to say."""
    wheel = tree.wheel(RECORDING_VERSION="1.2.4.dev3+g1a2b3c4.d20240101")
    assert wheel.version == f"1.2.4.dev3+{tree.label()}"


def test_local_part_of_the_project_is_kept(tree):
    """A local part that means something stays in front of the label."""
    assert tree.wheel(RECORDING_VERSION="1.2.3+cu128").version == f"1.2.3+cu128.{tree.label()}"


def test_unpacked_source_distribution_has_its_own_version(tree):
    """A wheel built from it has exactly the version in PKG-INFO, or installers refuse the pair."""
    (tree.path / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: recorded\nVersion: 7.0\n")
    assert tree.wheel().version == "7.0"


def test_source_distribution_is_never_labelled(tree):
    """What is uploaded has the plain version."""
    name = recipes.sdist(tree.call("build_sdist"), str(tree.dist))
    assert name == "recorded-1.2.3.tar.gz"


def test_wheel_from_a_source_distribution_agrees_with_it(tree, tmp_path, unpack):
    """Tree to source distribution to wheel is the usual way to publish, and has one version."""
    name = recipes.sdist(tree.call("build_sdist"), str(tree.dist))
    unpack(tree.dist / name, tmp_path)
    tree.path = tmp_path / "recorded-1.2.3"
    assert tree.wheel().version == "1.2.3"


def test_own_version_is_for_backends_whose_version_it_can_replace(tree):
    """Elsewhere it is an error that names the key."""
    tree.configure('backend = "recording"', 'backend = "recording"\nversion = "5.0"')
    with pytest.raises(ConfigError, match=r"tool\.freshwheel\.version"):
        tree.wheel()


def test_six_edits_leave_one_wheel(tree):
    """Labels have no order, so an installer that is shown six would pick any."""
    for number in range(6):
        tree.edit(f"ANSWER = {number}\n")
        last = tree.wheel()
    assert os.listdir(tree.dist) == [os.path.basename(last.path)]


def test_release_replaces_labelled_wheels_and_not_the_other_way_round(tree):
    """A development build must not delete what is about to be published."""
    tree.wheel()
    tree.wheel(FRESHWHEEL_LABEL="off")
    assert os.listdir(tree.dist) == ["recorded-1.2.3-py3-none-any.whl"]
    labelled = tree.wheel()
    assert sorted(os.listdir(tree.dist)) == sorted(["recorded-1.2.3-py3-none-any.whl", os.path.basename(labelled.path)])


def test_wheels_that_the_inner_backend_would_not_have_overwritten_stay(tree):
    """Another local part, another version, another project and an unmarked wheel are not ours to remove."""
    (tree.dist).mkdir()
    (tree.dist / "other-1.0-py3-none-any.whl").write_bytes(b"not even a wheel")
    kept = [os.path.basename(tree.wheel(RECORDING_VERSION=one).path) for one in ("1.2.3+cpu", "1.2.3+cu128", "1.2.4")]
    tree.wheel()
    assert {*kept, "other-1.0-py3-none-any.whl"} < set(os.listdir(tree.dist))


def test_same_tree_gives_the_same_bytes(tree):
    """A wheel depends on its inputs only."""
    first = hashlib.sha256(Path(tree.wheel().path).read_bytes()).hexdigest()
    shutil.rmtree(tree.dist)
    assert hashlib.sha256(Path(tree.wheel().path).read_bytes()).hexdigest() == first


def test_tree_without_a_digest_is_built_all_the_same(tree, monkeypatch):
    """The label then names that one wheel, and the reason is said."""

    def fail(*_arguments, **_options):
        raise InputError("src/secret.py can't be read: Permission denied")

    monkeypatch.setattr(context.selection, "snapshot", fail)
    mark = tree.mark()
    assert not mark.settled
    assert mark.label
    assert any("src/secret.py" in line for line in tree.said)


def test_wheel_of_an_unfamiliar_form_is_handed_on(tree):
    """A form that freshwheel doesn't know is not in the way of anybody, and a message says what is missing."""
    backend = tree.path / "_backend" / "recording.py"
    backend.write_text(backend.read_text().replace("Wheel-Version: 1.0", "Wheel-Version: 2.0"))
    name = recipes.wheel(tree.call(), str(tree.dist))
    assert name == "recorded-1.2.3-py3-none-any.whl"
    assert any("handed on" in line for line in tree.said)


def test_inputs_are_listed_without_the_inner_backend(tree):
    """Any frontend may ask what a wheel is made from."""
    inputs = recipes.build_inputs(tree.call())
    assert inputs["digest"] == tree.digest()
    assert inputs["files"] == ["README.md", "_backend/recording.py", "pyproject.toml", "src/recorded.py"]
    assert not tree.log.exists()


def hook(tree, code, **environ):
    """One hook in a process of its own, with the tree as its working directory, as a frontend calls it."""
    return subprocess.run(
        [sys.executable, "-c", f"import freshwheel; print(freshwheel.{code})"],
        cwd=tree.path,
        env={**tree.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "code",
    [
        "build_wheel({0!r}, None, None)",
        "build_wheel(wheel_directory={0!r}, config_settings=None, metadata_directory=None)",
        "build_editable({0!r}, {{}}, None)",
        "build_sdist(sdist_directory={0!r}, config_settings={{}})",
        "prepare_metadata_for_build_wheel({0!r}, {{}})",
        "prepare_metadata_for_build_editable(metadata_directory={0!r}, config_settings=None)",
    ],
)
def test_hooks_take_positions_and_names_and_return_a_base_name(tree, code):
    """PEP 517 allows both, and the answer is a str without a folder."""
    done = hook(tree, code.format(str(tree.dist)))
    assert done.returncode == 0, done.stderr
    assert (tree.dist / done.stdout.strip()).exists()


def test_mistake_of_a_user_ends_without_a_traceback(tree):
    """The message says where and what, and the status is that of a configuration error."""
    tree.configure("backend-path", "backend-paths")
    done = hook(tree, "get_source_digest()")
    assert done.returncode == 2
    assert "did you mean" in done.stderr
    assert "Traceback" not in done.stderr


def test_unsupported_operation_is_ours_to_the_frontend(tree):
    """A frontend looks for the exception on the backend that it loaded."""
    backend = tree.path / "_backend" / "recording.py"
    backend.write_text(
        backend.read_text()
        + "\nclass UnsupportedOperation(Exception): pass\ndef build_sdist(*_): raise UnsupportedOperation('no')\n"
    )
    done = hook(tree, f"build_sdist({str(tree.dist)!r})")
    assert "freshwheel.hooks.UnsupportedOperation" in done.stderr


def test_source_tree_is_left_as_it_was(tree):
    """No hook of ours writes into the tree."""
    before = sorted(path for path in tree.path.rglob("*") if "__pycache__" not in path.parts)
    tree.wheel()
    recipes.requires(tree.call())
    assert sorted(path for path in tree.path.rglob("*") if "__pycache__" not in path.parts) == before

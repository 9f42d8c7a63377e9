"""The inner backend in its own process, over fake backends with one misbehaviour each."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyproject_hooks import BuildBackendWarning

from freshwheel.base.errors import ConfigError, HookMissingError, InnerError, UnsupportedError
from freshwheel.inner.process import Inner

BACKENDS = Path(__file__).parents[2] / "fixtures" / "backends"
SOURCE = Path(__file__).parents[2] / "src"
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals")


class Bench:
    """An empty tree, a private folder, and any of the fake backends in it."""

    def __init__(self, folder):
        self.tree = folder / "tree"
        self.private = folder / "private"
        self.tree.mkdir()
        self.private.mkdir()

    def inner(self, backend, backend_path=(), **environ):
        """The backend, from the fixtures or from the tree."""
        base = {"PYTHONPATH": "" if backend_path else str(BACKENDS), "PYTHONDONTWRITEBYTECODE": "1"}
        return Inner(
            backend=backend,
            backend_path=backend_path,
            tree=str(self.tree),
            python=sys.executable,
            environ={**os.environ, **base, **environ},
        )

    def build(self, backend, hook="build_wheel", settings=None, **environ):
        """What `Inner.build` returns."""
        return self.inner(backend, **environ).build(hook, str(self.private), settings)

    def report(self, backend="reports", hook="build_wheel", settings=None, **environ):
        """What the reporting backend saw of its call."""
        return json.loads(Path(self.build(backend, hook, settings, **environ)).read_text())

    def failure(self, backend, hook="build_wheel", **environ):
        """The error of a build."""
        with pytest.raises(InnerError) as caught:
            self.build(backend, hook, **environ)
        return caught.value

    def plant(self, *names, folder="_backend"):
        """Copies of the fake backends in a folder of the tree."""
        (self.tree / folder).mkdir(exist_ok=True)
        for name in names:
            shutil.copy(BACKENDS / f"{name}.py", self.tree / folder)


@pytest.fixture
def bench(tmp_path):
    """A tree and a private folder of one test."""
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        ("build_wheel", "demo-1-py3-none-any.whl"),
        ("build_editable", "demo-1-0.editable-py3-none-any.whl"),
        ("build_sdist", "demo-1.tar.gz"),
    ],
)
def test_built_file_is_named_by_its_absolute_path(bench, hook, name):
    """The answer is the absolute path of the file in the private folder."""
    assert bench.build("reports", hook) == str(bench.private / name)


def test_build_runs_in_the_tree_with_the_given_interpreter(bench):
    """The working directory is the tree, and the interpreter the one that was named."""
    report = bench.report()
    assert (report["cwd"], report["python"]) == (os.path.realpath(bench.tree), sys.executable)


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_earlier_metadata_is_never_handed_down(bench, hook):
    """The inner backend gets no metadata directory, which could be a relabelled one."""
    assert bench.report(hook=hook)["arguments"] == [str(bench.private), None, None]


SETTINGS = [None, {}, {"a": "1", "b": ["x", "ÿ", "\udcff"], "--build-option": ""}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_pass_as_they_are(bench, settings):
    """Nothing is added, dropped or converted; None is not an empty table."""
    assert bench.report(settings=settings)["arguments"][1] == settings
    assert json.loads(bench.inner("reports").requires("build_wheel", settings)[2]) == settings
    metadata = bench.inner("reports").metadata("build_wheel", str(bench.private), settings)
    assert json.loads(Path(metadata, "METADATA").read_text())["arguments"][1] == settings


def test_environment_is_the_given_one(bench, monkeypatch):
    """What is given arrives, what only this process has does not."""
    monkeypatch.setenv("ONLY_HERE", "1")
    inner = Inner(
        backend="reports",
        tree=str(bench.tree),
        python=sys.executable,
        environ={
            **{k: v for k, v in os.environ.items() if k != "ONLY_HERE"},
            "PYTHONPATH": str(BACKENDS),
            "GIVEN": "ÿ",
        },
    )
    environ = json.loads(Path(inner.build("build_wheel", str(bench.private), None)).read_text())["environ"]
    assert "ONLY_HERE" not in environ
    assert environ["GIVEN"] == "ÿ"


OUTER = [
    "_PYPROJECT_HOOKS_BUILD_BACKEND",
    "_PYPROJECT_HOOKS_BACKEND_PATH",
    "_PYPROJECT_HOOKS_BACKEND_PATH_JSON",
    "_PYPROJECT_HOOKS_OF_TOMORROW",
    "PEP517_BUILD_BACKEND",
    "PEP517_BACKEND_PATH",
]


def test_what_a_frontend_tells_of_freshwheel_does_not_reach_the_inner_backend(bench):
    """An outer backend path, under any name it ever had, can't hide an inner backend that is installed."""
    outer = dict.fromkeys(OUTER, json.dumps([str(bench.tree / "nowhere")]))
    environ = bench.report(**outer)["environ"]
    assert {name: environ[name] for name in OUTER if name in environ} == {"_PYPROJECT_HOOKS_BUILD_BACKEND": "reports"}


def test_object_in_a_module_can_be_the_backend(bench):
    """A backend is spelled "module:object.attribute", as in [build-system]."""
    assert bench.build("holder:kept.backend").endswith(".whl")


@pytest.mark.parametrize(
    ("hook", "wanted"),
    [
        ("build_wheel", ["first", "second >= 2", "null"]),
        ("build_editable", ["for-editables"]),
        ("build_sdist", ["for-sdists"]),
    ],
)
def test_requirements_are_those_of_the_hook(bench, hook, wanted):
    """Each kind of build has requirements of its own."""
    assert bench.inner("reports").requires(hook, None) == wanted


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable", "build_sdist"])
def test_backend_without_a_hook_for_requirements_asks_for_nothing(bench, hook):
    """The hook is optional, and its absence means no requirements."""
    assert bench.inner("minimal").requires(hook, None) == []


@pytest.mark.parametrize("answer", [None, "setuptools", {"a": 1}, ["ok", 1], [["ok"]]])
def test_requirements_that_are_no_list_of_texts_are_refused(bench, answer):
    """A text is no list either: its letters would be asked for."""
    with pytest.raises(InnerError, match=r"answers did not keep to PEP 517 in get_requires_for_build_wheel: .*list"):
        bench.inner("answers", ANSWER=json.dumps(answer)).requires("build_wheel", None)


@pytest.mark.parametrize(("hook", "name"), [("build_wheel", "demo-1"), ("build_editable", "demo-2")])
def test_metadata_is_the_absolute_path_of_its_folder(bench, hook, name):
    """Wheels and editables have metadata hooks of their own."""
    path = bench.inner("reports").metadata(hook, str(bench.private), None)
    assert path == str(bench.private / f"{name}.dist-info")


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_backend_without_a_hook_for_metadata_is_told_apart(bench, hook):
    """It is said that there is no hook, and no wheel is built in its place."""
    with pytest.raises(HookMissingError, match=f"minimal has no prepare_metadata_for_{hook}"):
        bench.inner("minimal").metadata(hook, str(bench.private), None)
    assert not list(bench.private.iterdir())


def test_other_things_beside_the_metadata_do_not_matter(bench):
    """Only the folder that was returned counts."""
    path = bench.inner("untidy_metadata").metadata("build_wheel", str(bench.private), None)
    assert path == str(bench.private / "demo-1.dist-info")


def test_metadata_without_the_metadata_file_is_refused(bench):
    """An empty folder is no metadata."""
    with pytest.raises(InnerError, match=r"no METADATA in demo-1\.dist-info"):
        bench.inner("empty_metadata").metadata("build_wheel", str(bench.private), None)


def test_backend_without_editables_is_told_apart(bench):
    """The message says what editable installs need."""
    with pytest.raises(HookMissingError, match=r"minimal has no build_editable: editable installs need .* PEP 660"):
        bench.build("minimal", "build_editable")


def test_backend_that_can_make_no_source_distribution_is_told_apart(bench):
    """The inner backend's own reason is in the message."""
    with pytest.raises(UnsupportedError, match="refuses can't do build_sdist here: not without a git checkout"):
        bench.build("refuses", "build_sdist")


@pytest.mark.parametrize("ask", ["requires", "metadata", "build_wheel", "build_editable", "build_sdist"])
@pytest.mark.parametrize(
    ("backend", "lacking"),
    [
        ("json", "build_wheel"),
        ("os.path", "build_wheel"),
        ("json:loads", "build_wheel"),
        ("json:nothing", "nothing"),
        ("json:decoder.nothing", "nothing"),
        ("holder:text", "build_wheel"),
    ],
)
def test_module_or_object_that_is_no_backend(bench, ask, backend, lacking, capfd):
    """One clear line, whatever is asked, and no traceback."""
    (bench.tree / "holder.py").write_text("class text:\n    build_wheel = 'no hook'\n")
    inner, private = bench.inner(backend, PYTHONPATH=str(bench.tree)), str(bench.private)
    asked = {
        "requires": lambda: inner.requires("build_wheel", None),
        "metadata": lambda: inner.metadata("build_wheel", private, None),
    }
    with pytest.raises(InnerError) as caught:
        asked.get(ask, lambda: inner.build(ask, private, None))()
    lacking = ask if (ask, lacking) == ("build_sdist", "build_wheel") else lacking
    assert caught.value.message == f"{backend} is no build backend: it has no {lacking}"
    assert "[tool.freshwheel] backend" in caught.value.hint
    assert capfd.readouterr().err == ""


def test_backend_without_source_distributions_is_refused_for_those_alone(bench, capfd):
    """A mandatory hook that is missing is named, and is no traceback; what there is can be used."""
    bench.plant("minimal")
    text = (bench.tree / "_backend" / "minimal.py").read_text()
    (bench.tree / "_backend" / "minimal.py").write_text(text.replace("build_sdist", "build_paper"))
    inner = bench.inner("minimal", ("_backend",))
    assert inner.build("build_wheel", str(bench.private), None)
    with pytest.raises(InnerError, match="minimal is no build backend: it has no build_sdist"):
        inner.build("build_sdist", str(bench.private), None)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("backend", "status", "said"),
    [
        ("exits_with_number", 7, ""),
        ("exits_with_text", 1, "the compiler is out for lunch"),
        ("raises", 1, "RuntimeError: no rust for you"),
        ("answers_path", 1, "is not JSON serializable"),
    ],
)
def test_backend_that_fails_says_why_itself(bench, backend, status, said, capfd):
    """Its own output goes to stderr untouched, and ours is one line with hook, backend and exit status."""
    assert bench.failure(backend).message == f"{backend} failed in build_wheel: exit status {status}"
    err = capfd.readouterr().err
    assert err.rstrip().endswith(said)
    assert ("Traceback" in err) == (backend in {"raises", "answers_path"})


def test_exception_while_asking_for_requirements_is_no_answer(bench, capfd):
    """A hook that fails is not one that is missing."""
    with pytest.raises(InnerError, match="raises failed in get_requires_for_build_wheel: exit status 1"):
        bench.inner("raises").requires("build_wheel", None)
    assert "no rust for you" in capfd.readouterr().err


@pytest.mark.parametrize("ask", ["requires", "metadata", "build_wheel", "build_editable"])
def test_attribute_error_of_an_import_is_not_a_missing_hook(bench, ask, capfd):
    """Optional hooks are looked for only once the backend is imported."""
    inner, private = bench.inner("attribute_error"), str(bench.private)
    asked = {
        "requires": lambda: inner.requires("build_wheel", None),
        "metadata": lambda: inner.metadata("build_wheel", private, None),
    }
    with pytest.raises(InnerError, match="exit status 1") as caught:
        asked.get(ask, lambda: inner.build(ask, private, None))()
    assert type(caught.value) is InnerError
    assert "a_name_that_os_does_not_have" in capfd.readouterr().err


@POSIX
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_crash_names_the_signal(bench, name):
    """A backend that was killed is not one that gave up."""
    error = bench.failure("dies", SIGNAL=name)
    assert error.message == f"dies failed in build_wheel: killed by {name}"
    assert ("memory" in error.hint) == (name == "SIGKILL")


@pytest.mark.parametrize("backend", ["exits_content", "vanishes"])
def test_process_that_ends_well_without_an_answer_is_refused(bench, backend):
    """Exit status 0 alone is no success."""
    assert bench.failure(backend).message.endswith("it ended with exit status 0, but without an answer")


def test_answer_that_ends_in_the_middle_is_refused(bench):
    """Half an answer is no answer."""
    assert bench.failure("half_an_answer").message.endswith("it ended in the middle of its answer")


@pytest.mark.parametrize(
    ("backend", "hint"),
    [
        ("a_module_that_nobody_has", "add the distribution that brings a_module_that_nobody_has to"),
        ("reports.below", "add the distribution that brings reports.below to"),
        ("hatchling.build", 'add "hatchling" to [build-system] requires'),
    ],
)
def test_backend_that_is_not_installed(bench, backend, hint):
    """The hint names what to require."""
    error = bench.failure(backend)
    assert error.message.startswith(f"the inner backend {backend} is not installed: no module named ")
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("import_error", "ImportError: cannot import name 'a_name_that_os_does_not_have' from 'os'"),
        ("lacks_dependency", "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
    ],
)
def test_backend_whose_own_import_fails_is_not_called_missing(bench, backend, reason):
    """What it could not import is named, with the traceback that nobody has printed yet."""
    message = bench.failure(backend).message
    assert message.startswith(f"the inner backend {backend} can't be imported: {reason}")
    assert f"fixtures{os.sep}backends{os.sep}{backend}.py" in message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, r"a name without folders that ends in \.whl, not None"),
        (["demo-1-py3-none-any.whl"], r"\.whl, not \['demo"),
        (7, "not 7"),
        ("sub/demo-1-py3-none-any.whl", "a name without folders"),
        ("../demo-1-py3-none-any.whl", "a name without folders"),
        ("/demo-1-py3-none-any.whl", "a name without folders"),
        ("sub\\demo-1-py3-none-any.whl", "a name without folders"),
        ("demo-1.zip", r"ends in \.whl"),
        ("", r"ends in \.whl"),
        ("demo-1-py3-none-any.whl", "but wrote no such file"),
        ("long" * 99, r"ends in \.whl, not 'long.{70,80}\.\.\.$"),
    ],
)
def test_answer_that_is_no_file_name_is_refused(bench, answer, reason):
    """A wheel is a name in the private folder, and the file is there."""
    with pytest.raises(InnerError, match=f"answers did not keep to PEP 517 in build_wheel: .*{reason}"):
        bench.build("answers", ANSWER=json.dumps(answer))


def test_source_distribution_of_another_kind_is_refused(bench):
    """PEP 517 has gzipped tar files only."""
    with pytest.raises(InnerError, match=r"ends in \.tar\.gz, not 'demo-1\.zip'"):
        bench.build("answers", "build_sdist", ANSWER='"demo-1.zip"')


def test_answer_that_is_no_metadata_folder_is_refused(bench):
    """The same holds for metadata."""
    with pytest.raises(InnerError, match=r"ends in \.dist-info"):
        bench.inner("answers", ANSWER='"demo"').metadata("build_wheel", str(bench.private), None)


def test_folder_in_place_of_a_wheel_is_refused(bench):
    """A wheel is a file."""
    assert bench.failure("leaves_folder").message.endswith("demo-1-py3-none-any.whl, but wrote no such file")


def test_second_file_beside_the_wheel_does_not_matter(bench):
    """Which one was meant is said by its name, as without us."""
    assert bench.build("leaves_two") == str(bench.private / "demo-1-py3-none-any.whl")


def test_megabytes_of_output_pass_through(bench, capfd):
    """Both streams arrive whole, and nothing waits for a reader."""
    bench.build("talks")
    out, err = (text.replace("\r", "") for text in capfd.readouterr())
    assert (len(out), len(err)) == (2048 * 1025, 2048 * 1025)


def test_backend_that_reads_stdin_gets_the_end_of_it(bench):
    """What stands on our own stdin, such as a frontend's commands, is not the inner backend's to eat."""
    command = _script(bench, "listens", "print(inner.requires('build_wheel', None), sys.stdin.read())")
    run = subprocess.run(command, input="commands", capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "['heard-0'] commands\n"


def test_warning_of_the_inner_backend_is_passed_on(bench):
    """A deprecation in the inner backend is still seen by the frontend."""
    with pytest.warns(BuildBackendWarning, match="this key is deprecated"):
        assert bench.inner("warns").requires("build_wheel", None) == []


@POSIX
def test_interrupt_is_passed_on_and_leaves_no_process(bench):
    """Ctrl-C is a KeyboardInterrupt, not a failure of the inner backend, which ends too."""
    build = f"inner.build('build_wheel', {str(bench.private)!r}, None)"
    command = _script(bench, "sleeps", f"try: {build}\nexcept KeyboardInterrupt: print('interrupted')")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        _wait_for(bench.tree / "asleep")
        parent.send_signal(signal.SIGINT)
        # The backend holds the other end as well: there is an end of the output only when it has ended, too.
        assert parent.communicate(timeout=60)[0] == b"interrupted\n"


@POSIX
def test_promise_about_interrupts_can_be_tried_where_they_are_ignored():
    """As below nohup, or in the background of a script: the suite must not wait there, and fail."""
    name = test_interrupt_is_passed_on_and_leaves_no_process.__name__
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{name}"]
    subprocess.run(["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", *words], check=True, stdout=subprocess.DEVNULL)


def _script(bench, backend, code):
    """A command that runs `code` with the fake backend at hand as `inner`, in a process whose streams are its own."""
    inner = bench.inner(backend)
    start = f"""import sys; sys.path.insert(0, {str(SOURCE)!r}); from freshwheel.inner.process import Inner
inner = Inner(backend={backend!r}, tree={inner.tree!r}, python=sys.executable, environ={dict(inner.environ)!r})
"""
    return [sys.executable, "-c", start + code]


def _wait_for(path):
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(("python", "tree"), [("no/such/python", "."), (sys.executable, "no/such/tree")])
def test_process_that_can_not_be_started(bench, python, tree):
    """An interpreter or a tree that is gone is named."""
    environ = dict(bench.inner("minimal").environ)
    inner = Inner(backend="minimal", tree=str(bench.tree / tree), python=python, environ=environ)
    with pytest.raises(InnerError, match=r"can't run .* in .*: "):
        inner.requires("build_wheel", None)


def test_backend_in_the_tree_comes_from_the_tree(bench):
    """With a backend path the module is taken from there, even if an installed one has its name."""
    bench.plant("reports")
    inner = bench.inner("reports", ("_backend",), PYTHONPATH=str(BACKENDS))
    report = json.loads(Path(inner.build("build_wheel", str(bench.private), None)).read_text())
    assert report["file"] == os.path.realpath(bench.tree / "_backend" / "reports.py")


@pytest.mark.parametrize("backend", ["reports", "minimal.below"])
def test_backend_that_is_not_in_its_path(bench, backend):
    """The hint is about the path, not about installing anything."""
    bench.plant("minimal")
    with pytest.raises(InnerError, match=f"there is no module {backend} in _backend") as caught:
        bench.inner(backend, ("_backend",), PYTHONPATH=str(BACKENDS)).requires("build_wheel", None)
    assert "tool.freshwheel.backend-path" in caught.value.hint


def test_backend_in_the_tree_whose_own_import_fails(bench):
    """A broken in-tree backend is not called missing."""
    bench.plant("lacks_dependency")
    with pytest.raises(InnerError, match=r"lacks_dependency can't be imported: .*a_module_that_nobody_has"):
        bench.inner("lacks_dependency", ("_backend",)).requires("build_wheel", None)


@pytest.mark.parametrize("entry", [".", "_backend", "_backend/.", "_backend/../_backend", "alias"])
def test_backend_path_within_the_tree_is_taken(bench, entry):
    """However it is spelled, and through a link that stays inside."""
    for folder in ("_backend", "."):
        bench.plant("minimal", folder=folder)
    (bench.tree / "alias").symlink_to("_backend", target_is_directory=True)
    assert bench.inner("minimal", (entry,)).build("build_wheel", str(bench.private), None)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("..", "leads out of the project"),
        ("../private", "leads out of the project"),
        ("../tree-beside", "leads out of the project"),
        ("outward", "leads out of the project"),
        ("outward/deeper", "leads out of the project"),
        (str(BACKENDS), "leads out of the project"),
        ("nowhere", "is not a folder of the project"),
    ],
)
def test_backend_path_outside_the_tree_is_an_error(bench, entry, reason):
    """A tree can't run code from beside it, by name or through a link; every bad entry is named at once."""
    (bench.private / "deeper").mkdir()
    (bench.tree / "outward").symlink_to(bench.private, target_is_directory=True)
    bench.tree.with_name("tree-beside").mkdir()
    with pytest.raises(ConfigError) as caught:
        bench.inner("minimal", (".", entry, entry)).requires("build_wheel", None)
    said = [(problem.where, problem.what) for problem in caught.value.problems]
    assert said == [(f"tool.freshwheel.backend-path[{place}]", f'"{entry}" {reason}') for place in (1, 2)]

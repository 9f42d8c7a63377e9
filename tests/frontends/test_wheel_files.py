"""Wheels as files: which ones installers take for another, and which ones replace each other in a folder."""

import shutil

import pytest

pytestmark = pytest.mark.slow

SOURCE = "src/demo/__init__.py"


def wheels(folder):
    """The file names of the wheels in a folder."""
    return sorted(path.name for path in folder.glob("*.whl"))


@pytest.mark.parametrize("name", ["pip", "pip-23.2.1"])
def test_wheel_file_is_installed_over_another_label_and_not_over_its_own(frontends, project, venv, tmp_path, name):
    """Versions decide for pip: where the label moved it replaces, where it did not it leaves what is there alone."""
    tree = project("hatchling-pure")

    def install():
        frontends[name].install(venv, tree.hooks.wheel(tmp_path / "dist"))
        [metadata] = venv.path.glob("**/demo_hatchling_pure-*.dist-info/METADATA")
        return metadata.stat().st_ctime_ns, venv.version(tree.name)

    first = install()
    assert install() == first
    tree.edit(SOURCE, "interpreted one", "interpreted two")
    assert install() != first
    assert venv.version(tree.name) == f"1.2.3+{tree.label()}"
    assert venv.run("import demo; print(demo.interpreted())") == "interpreted two"


def test_many_edits_leave_one_wheel(build, pip, project, venv, tmp_path):
    """The folder holds what the last build made, as it would without freshwheel, and `dist/*.whl` can be installed."""
    tree = project("hatchling-pure")
    dist = tmp_path / "dist"
    for _ in range(6):
        tree.edit(SOURCE, "interpreted one", "interpreted one more")
        build.wheel(tree.path, dist)
    assert wheels(dist) == [f"demo_hatchling_pure-1.2.3+{tree.label()}-py3-none-any.whl"]
    pip.install(venv, "--find-links", dist, tree.name)
    assert venv.run("import demo; print(demo.interpreted())") == "interpreted one" + 6 * " more"


def test_release_replaces_labelled_wheels_and_is_never_replaced_by_one(project, tmp_path):
    """A labelled wheel sorts above the release of the same version, so it may not stay beside it unseen."""
    tree = project("hatchling-pure")
    release = tree.with_environ(FRESHWHEEL_LABEL="off")
    dist = tmp_path / "dist"
    tree.hooks.wheel(dist)
    assert release.hooks.wheel(dist).name == "demo_hatchling_pure-1.2.3-py3-none-any.whl"
    assert wheels(dist) == ["demo_hatchling_pure-1.2.3-py3-none-any.whl"]
    tree.hooks.wheel(dist)
    assert wheels(dist) == [
        f"demo_hatchling_pure-1.2.3+{tree.label()}-py3-none-any.whl",
        "demo_hatchling_pure-1.2.3-py3-none-any.whl",
    ]


def test_other_variants_and_foreign_wheels_stay(project, tmp_path):
    """Only what the inner backend would have overwritten goes: not another local build, not what is not ours."""
    tree = project("hatchling-pure")
    dist = tmp_path / "dist"
    tree.edit("src/demo/about.py", "1.2.3", "1.2.3+cpu")
    processor = tree.hooks.wheel(dist)
    plain = project("flit-pure")
    plain.unwrap()
    foreign = plain.hooks.wheel(dist)
    alike = dist / "demo_hatchling_pure-1.2.3+local-py3-none-any.whl"
    shutil.copy(foreign, alike)
    tree.edit("src/demo/about.py", "1.2.3+cpu", "1.2.3+cu128")
    graphics = tree.hooks.wheel(dist)
    tree.edit(SOURCE, "interpreted one", "interpreted two")
    after = tree.hooks.wheel(dist)
    assert graphics != after
    assert wheels(dist) == sorted(path.name for path in (processor, foreign, alike, after))

"""Paths in build files that lead out of the project."""

import pytest

from freshwheel.sources import boundary


@pytest.fixture
def found(tmp_path):
    """What is found in one line of a file of the project."""
    for name in ("repository/project/sub", "repository/core/src", "repository/project/core", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "repository" / "data.txt").write_text("")
    (tmp_path / "repository" / "core" / "x.c").write_text("")
    root = tmp_path / "repository"
    return lambda line, name="CMakeLists.txt": boundary.outside(str(root / "project"), str(root), {name: f"\n{line}\n"})


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("add_subdirectory(../core core)", "../core"),
        ("target_include_directories(x PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../core/src)", "../core/src"),
        ('set(ROOT "${CMAKE_CURRENT_LIST_DIR}/..")', ".."),
        ("get_filename_component(ROOT .. ABSOLUTE)", ".."),
        ("file(GLOB sources ../core/*.c)", "../core"),
        ("$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/../core>", "../core"),
        ("inc = include_directories('../core')", "../core"),
        ("x = meson.project_source_root() / '..' / 'core' / 'x.c'", "../core/x.c"),
        ('include_dirs=["../core", "src"]', "../core"),
        ('depends=[os.path.join(HERE, "..", "core", "x.c"), "y"]', "../core/x.c"),
        ("open(HERE + '/../data.txt')", "../data.txt"),
        ('println!("cargo:rerun-if-changed=../data.txt");', "../data.txt"),
        ("extra_compile_args=['-I../core']", "../core"),
        ('data = "../data.txt"  # ../core', "../data.txt"),
    ],
)
def test_what_lies_outside_is_found(found, line, path):
    """However the language of the file spells it: with the line, and the pattern that declares it."""
    [one] = found(line)
    assert (one.where, one.path) == ("CMakeLists.txt:2", path)
    assert one.pattern == (path if "." in path.rpartition("/")[2].strip(".") else f"{path}/**")


@pytest.mark.parametrize(
    "line",
    [
        "add_subdirectory(../nothing)",
        "add_subdirectory(../../elsewhere)",
        "add_subdirectory(core)",
        "# add_subdirectory(../core)",
        "  // see ../core",
        "set(CMAKE_INSTALL_RPATH $ORIGIN/../core)",
        "print('wait...', a..b, [1, ...])",
        "include('sub/../core')",
        "x = '../project/core'",
    ],
)
def test_what_does_not_lead_out_is_none(found, line):
    """Nothing is there, or it is out of the repository, or in the project after all, or only spoken of."""
    assert found(line) == []


def test_a_file_further_down_climbs_from_where_it_is(found):
    """A variable may also stand for the project."""
    assert [one.path for one in found("add_subdirectory(../../core)", "sub/CMakeLists.txt")] == ["../core"]
    assert [one.path for one in found("x(${CMAKE_SOURCE_DIR}/../core/src)", "sub/CMakeLists.txt")] == ["../core/src"]
    assert found("x(../core)", "sub/CMakeLists.txt") == []

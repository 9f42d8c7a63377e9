"""What CMake or Meson have compiled for a tree stays, as long as ninja finds by itself all that is not right."""

import os
import re
import shutil
from pathlib import Path

import pytest
import xxhash

from .conftest import LONG_AGO, c, requires_cmake, requires_git

pytestmark = [pytest.mark.slow, requires_cmake]

SOURCE, BINARY = "${CMAKE_SOURCE_DIR}", "${CMAKE_BINARY_DIR}"
OTHER = "int other(void) { return 1; }\n"
INCLUDE = "target_include_directories(_native PRIVATE near far ${CMAKE_CURRENT_BINARY_DIR})"
WORD_H = "target_sources(_native PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/word.h)\n" + INCLUDE
COMMAND = f"add_custom_command(OUTPUT word.h COMMAND %s VERBATIM)\n{WORD_H}"
SAYS = '#define WORD "{}"\n'
HEADER = c(head='#include "word.h"')
DEFINED = '\ntarget_compile_definitions(_native PRIVATE "WORD=\\"${WORD}\\"")'

CHECK = f"""\
{INCLUDE}
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_INCLUDES "{SOURCE}/far")
check_c_source_compiles("#include <asked.h>\nint main(void) {{ return one; }}" GOOD)
set(WORD "two")
if(GOOD)
  set(WORD "one")
endif(){DEFINED}
"""
LIBRARY = f"""\
add_library(word STATIC notes/word.c)
set_target_properties(word PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_dependencies(_native word)
target_link_libraries(_native PRIVATE "-L{BINARY}" -lword)
"""
GENERATOR = f"""\
add_executable(says notes/says.c)
add_custom_command(OUTPUT word.h COMMAND "{BINARY}/says" > word.h VERBATIM)
add_custom_target(header DEPENDS word.h)
add_dependencies(header says)
add_dependencies(_native header)
{WORD_H}
"""
BESIDE = f"""\
add_executable(says notes/says.c)
add_custom_command(OUTPUT stamp COMMAND says > other.h COMMAND touch stamp DEPENDS says VERBATIM)
add_custom_command(OUTPUT word.h COMMAND "${{CMAKE_COMMAND}}" -E copy other.h word.h VERBATIM)
add_custom_target(first DEPENDS stamp)
add_custom_target(then DEPENDS word.h)
add_dependencies(then first)
add_dependencies(_native then)
{WORD_H}
"""
GLOBBED = f"""\
add_custom_command(OUTPUT stamp COMMAND cp "{SOURCE}/notes/word.h" late.h COMMAND cp late.h stamp VERBATIM)
add_custom_target(late ALL DEPENDS stamp)
set(WORD one)
if(EXISTS "{BINARY}/late.h")
  set(WORD two)
endif()
target_compile_definitions(_native PRIVATE "WORD=\\"${{WORD}}\\"")
"""
NESTED = f"""\
include(ExternalProject)
file(WRITE "{BINARY}/inner/CMakeLists.txt" "cmake_minimum_required(VERSION 3.18)
project(inner LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_library(word STATIC {SOURCE}/notes/word.c)
")
set(AT "{BINARY}/within/libword.a")
ExternalProject_Add(inner SOURCE_DIR "{BINARY}/inner" BINARY_DIR "{BINARY}/within" INSTALL_COMMAND ""
  BUILD_BYPRODUCTS ${{AT}})
add_dependencies(_native inner)
target_link_libraries(_native PRIVATE ${{AT}})
"""

OTHER_MESON = """\
python.install_sources('demo/__init__.py', 'demo/more.py', subdir: 'demo')
other = static_library('other', 'demo/other.c', pic: true)
"""

MESON_SITUATIONS = {
    "a command that does not say so": "configure_file(output: 'word.h', command: ['cp', "
    "meson.current_source_dir() / 'notes/word.h', '@OUTPUT@'])",
    "a target that does not say so": "word = custom_target(output: 'word.h', command: ['cp', "
    "meson.current_source_dir() / 'notes/word.h', '@OUTPUT@'])\nword_dep = declare_dependency(sources: word)",
    "a compiler that says so to nobody": "word = custom_target(output: 'word.h', command: ['gcc', '-E', '-P', '-dD', "
    "'-MD', '-MF', 'word.h.d', '-x', 'c', meson.current_source_dir() / 'notes/word.h', '-o', '@OUTPUT@'])\n"
    "word_dep = declare_dependency(sources: word)",
}
SITUATIONS = {
    "a variable that is cached": (c(), 'set(WORD "one" CACHE STRING "")' + DEFINED, "CMakeLists.txt"),
    "a file that is looked for": (
        c(),
        f'find_file(AT word.txt PATHS "{SOURCE}/near" "{SOURCE}/far")\nfile(READ ${{AT}} WORD){DEFINED}',
        "near/word.txt",
    ),
    "a command that does not say so": (
        HEADER,
        COMMAND % 'cp "${CMAKE_SOURCE_DIR}/notes/word.h" word.h',
        "notes/word.h",
    ),
    "a compiler that does not say so": (
        HEADER,
        COMMAND % '${CMAKE_C_COMPILER} -E -P -dD -x c "${CMAKE_SOURCE_DIR}/notes/word.h" -o word.h',
        "notes/word.h",
    ),
    "a compiler whose notes nobody reads": (
        HEADER,
        COMMAND % '${CMAKE_C_COMPILER} -E -P -dD -MD -MF word.d -x c "${CMAKE_SOURCE_DIR}/notes/word.h" -o word.h',
        "notes/word.h",
    ),
    "a header of another folder": (HEADER, INCLUDE, "near/word.h"),
    "what an assembler includes": (
        '__asm__(".incbin \\"notes/word.txt\\"");\nvoid *PyInit__native(void) { return 0; }\n',
        'target_compile_options(_native PRIVATE "-Wa,-I${CMAKE_SOURCE_DIR}")',
        "notes/word.txt",
    ),
    "a project that is built once": (
        "extern const char word[];\nconst char *PyInit__native(void) { return word; }\n",
        NESTED,
        "notes/word.c",
    ),
    "a library that is linked by its name": (
        "extern const char word[];\nconst char *PyInit__native(void) { return word; }\n",
        LIBRARY,
        "notes/word.c",
    ),
    "a program that writes a header": (HEADER, GENERATOR, "notes/says.c"),
    "a program that writes what is copied": (HEADER, BESIDE, "notes/says.c"),
    "a check that is made once": (c(head='#include "asked.h"'), CHECK, "far/asked.h"),
    "a header with an old time": (HEADER, INCLUDE, "far/word.h"),
}
TEXTS = {
    "CMakeLists.txt": None,
    "far/asked.h": "static const int {} = 0;\n",
    "near/word.txt": "{}",
    "notes/says.c": '#include <stdio.h>\nint main(void) {{ puts("#define WORD \\"{}\\""); }}\n',
    "notes/word.c": 'const char word[] = "<<{}>>";\n',
    "notes/word.txt": "<<{}>>",
}


def folders(bench):
    """The folders of our own, one for each tree."""
    return sorted(Path(bench.environ["FRESHWHEEL_CACHE_DIR"], "kept").glob("*"))


def objects(bench):
    """Name of a source -> time of what was compiled of it for the one tree."""
    [folder] = folders(bench)
    found = folder.rglob("*.c.o")
    return {path.name.removeprefix("demo_").removesuffix(".o"): path.stat().st_mtime_ns for path in found}


def two_sources(bench, backend):
    """Two sources, of which one includes a header, and two modules."""
    source = c(head='#include "word.h"')
    if backend == "cmake":
        bench.cmake(source, more="target_sources(_native PRIVATE demo/other.c)")
    else:
        bench.meson(source, more=OTHER_MESON, extension="link_whole: other")
    bench.write("demo/word.h", SAYS.format("one"))
    bench.write("demo/other.c", OTHER)
    bench.write("demo/more.py", "")
    bench.write("demo/__init__.py", "")
    bench.settle()


@pytest.fixture(autouse=True)
def _observed(bench):
    """Nothing is kept of what nobody observed."""
    if not bench.observed:
        pytest.skip("nothing is kept of what nobody observed")


@pytest.fixture(params=["cmake", "meson"])
def pair(bench, request):
    """A project with two sources, and built once."""
    two_sources(bench, request.param)
    assert bench.build().word == "one"
    return bench


def compiled(bench, *, word="one", **how):
    """Which objects a build has made anew, and that its wheel is that of a clean build."""
    before = objects(bench)
    wheel = bench.build(**how)
    assert (wheel.hit, wheel.word) == (False, word), wheel.said
    assert wheel.unstored == ""
    after = objects(bench)
    again = bench.build(**how, FRESHWHEEL_STORE="verify")
    assert "a clean build gives the same" in again.said
    return {name for name in after if after[name] != before.get(name)}


def test_one_edited_source_is_one_compilation(pair):
    """What ninja notices is compiled again, and nothing else."""
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    assert compiled(pair) == {"other.c"}
    pair.write("demo/word.h", SAYS.format("two"))
    assert compiled(pair, word="two") == {"_native.c"}


def test_a_module_that_is_packed_only_may_change_too(pair):
    """It is copied anew by each build."""
    pair.write("demo/more.py", "x = 1")
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    assert compiled(pair) == {"other.c"}


def test_a_folder_that_somebody_has_touched_is_not_believed(pair):
    """Whatever was put there is not packed."""
    [native] = folders(pair)[0].rglob("*native*.o")
    native.write_bytes(native.read_bytes().replace(b"<<one>>", b"<<bad>>"))
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    assert len(compiled(pair)) == 2


def test_a_build_that_failed_is_gone_on_with(pair):
    """A mistake costs no compilation of the others."""
    before = objects(pair)
    pair.write("demo/other.c", "int other(void) { return }\n")
    with pytest.raises(AssertionError, match="other"):
        pair.build()
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    assert pair.build().word == "one"
    assert [name for name in before if objects(pair)[name] == before[name]]


def test_another_variable_compiles_all(pair):
    """CMake takes the flags of the compiler once."""
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    assert len(compiled(pair, CFLAGS="-DANY")) == 2


def test_a_wheel_that_names_the_folder_is_built_elsewhere(bench):
    """It is as without freshwheel, and the folder is used no more."""
    bench.cmake(c(), more='target_compile_definitions(_native PRIVATE "WORD=\\"${CMAKE_CURRENT_BINARY_DIR}\\"")')
    for number in range(2):
        bench.write("demo/other.c", f"// {number}")
        wheel = bench.build()
        [folder] = folders(bench)
        assert [path.name for path in folder.rglob("*")] == ["not used"]
        assert folder.name.encode() not in b"".join(map(wheel.read, wheel.members))


def test_a_wheel_may_name_the_folder_of_meson(bench):
    """It is called as meson-python would call it, and lies where that would."""
    option = "c_args: '-DWORD=\"' + meson.project_build_root() + '\"'"
    bench.meson(c(), extension=option)
    for number in range(2):
        bench.write("demo/_native.c", f"{c()}// {number}\n")
        wheel = bench.build()
        texts = b"".join(map(wheel.read, wheel.members))
        assert re.search(rb"/tree/\.mesonpy-[a-z0-9_]{8}>>", texts)
    [folder] = folders(bench)
    assert list(folder.rglob("*.c.o"))


def test_a_job_of_continuous_integration_has_none(bench):
    """A cache that it has restored brings no program."""
    bench.cmake(c('"one"'))
    assert bench.build(CI="true").word == "one"
    assert folders(bench) == []


def test_incremental_turns_it_off(pair):
    """Then each build starts from nothing."""
    shutil.rmtree(folders(pair)[0])
    pair.replace("pyproject.toml", "[tool.freshwheel]", "[tool.freshwheel]\nincremental = false")
    pair.build()
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    pair.build()
    assert folders(pair) == []


@pytest.mark.parametrize("pair", ["meson"], indirect=True)
def test_meson_works_in_the_tree_and_leaves_nothing_there(pair):
    """What is in a wheel says how sources were called: as without freshwheel."""
    pair.write("demo/other.c", "const char *other(void) { return __FILE__; }\n")
    assert compiled(pair) == {"other.c"}
    assert not list(pair.tree.glob(".mesonpy-*"))
    wheel = pair.build()
    assert any(b"\0../demo/other.c\0" in wheel.read(member) for member in wheel.members)


@pytest.mark.parametrize("pair", ["meson"], indirect=True)
def test_what_a_killed_build_of_meson_has_left_in_the_tree_is_no_source_and_goes(pair):
    """Nobody knows what it is."""
    [place] = folders(pair)[0].iterdir()
    left = pair.path(f".mesonpy-{xxhash.xxh32_hexdigest(os.fsencode(place))}")
    place.rename(left)
    for path in left.rglob("*.o"):
        path.write_bytes(b"")
    assert pair.build().hit
    pair.write("demo/other.c", OTHER.replace("1", "2"))
    assert pair.build().word == "one"
    assert not left.exists()
    assert len(objects(pair)) == 2


@pytest.mark.parametrize("situation", MESON_SITUATIONS)
def test_what_meson_does_not_tell_ninja_is_not_trusted(bench, situation):
    """Then nothing stays of what was compiled."""
    more = MESON_SITUATIONS[situation]
    depends = "dependencies: word_dep" if "word_dep" in more else "include_directories: '.'"
    bench.meson(c(head='#include "word.h"'), more=more, extension=depends)
    bench.write("notes/word.h", SAYS.format("one"))
    bench.check(lambda: bench.write("notes/word.h", SAYS.format("two")))


@pytest.mark.parametrize("situation", ["a library that is linked by its name", "a program that writes a header"])
def test_in_a_folder_of_the_project_what_is_not_made_again_is_noticed(bench, situation):
    """Then the wheel is built elsewhere, and not stored until the folder is gone."""
    source, more, changed = SITUATIONS[situation]
    bench.cmake(source, more=more, tables='build-dir = "kept"\n')
    bench.write(changed, TEXTS[changed].format("one"))
    bench.settle()
    assert bench.build().word == "one"
    bench.write(changed, TEXTS[changed].format("two"))
    assert [bench.build(WORD=number).word for number in "12"] == ["two"] * 2
    wheel = bench.build()
    assert "remove that folder" in wheel.unstored
    shutil.rmtree(bench.path("kept"))
    assert bench.build().word == "two"
    assert bench.build().hit


@requires_git
def test_a_project_that_fetches_another_one_by_git_is_built_again(bench):
    """What git has left is there as a whole, or not at all."""
    bench.write("../far/CMakeLists.txt", "add_library(far INTERFACE)\ntarget_include_directories(far INTERFACE .)\n")
    bench.write("../far/word.h", SAYS.format("one"))
    far = bench.path("../far")
    bench.git("init", "--quiet", "--initial-branch", "main", cwd=far)
    bench.git("add", "--all", cwd=far)
    bench.git("-c", "user.name=n", "-c", "user.email=n@localhost", "commit", "--quiet", "--message", "first", cwd=far)
    fetched = f"include(FetchContent)\nFetchContent_Declare(far GIT_REPOSITORY {far} GIT_TAG main)\n"
    bench.cmake(HEADER, more=f"{fetched}FetchContent_MakeAvailable(far)\ntarget_link_libraries(_native PRIVATE far)\n")
    for number in range(3):
        bench.write("demo/_native.c", f"{HEADER}// {number}\n")
        assert bench.build().word == "one"


def test_where_ninja_does_not_say_what_it_makes_nothing_stays(bench):
    """Nobody knows then what has to be made again."""
    two_sources(bench, "cmake")
    bench.replace(
        "CMakeLists.txt", "install(", 'install(CODE "file(REMOVE \\"${CMAKE_BINARY_DIR}/build.ninja\\")")\ninstall('
    )
    assert bench.build().word == "one"
    assert folders(bench) == []


def test_what_a_command_has_left_is_gone_when_cmake_looks(bench):
    """As it is in an empty folder."""
    bench.cmake(c(), more=GLOBBED)
    bench.write("notes/word.h", "")
    bench.write("demo/other.h", "")
    bench.write("demo/_native.c", c(head='#include "other.h"'))
    bench.settle()
    for number in range(3):
        bench.write("demo/other.h", f"// {number}")
        assert bench.build().word == "one"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_ninja_does_not_notice_is_not_trusted(bench, situation):
    """Then nothing stays of what was compiled."""
    source, more, changed = SITUATIONS[situation]
    bench.cmake(source, more=more)
    for path in ("near", "far"):
        bench.write(f"{path}/README", "")
    text = TEXTS.get(changed, SAYS)
    if changed.startswith("near/"):
        bench.write(changed.replace("near", "far"), text.format("one"))
    if text is not None and not changed.startswith("near/"):
        bench.write(changed, text.format("one"))

    def change():
        if text is None:
            bench.replace(changed, '"one"', '"two"')
        else:
            bench.write(changed, text.format("two"))
        if situation.endswith("old time"):
            os.utime(bench.path(changed), (LONG_AGO, LONG_AGO))

    bench.check(change)


AGAIN = {
    "a variable that the cache hides": 'set(WORD one)\nset(WORD two CACHE STRING "")\n',
    "a file that is appended to": f"""\
file(APPEND "{BINARY}/times" x)
file(STRINGS "{BINARY}/times" WORD)
""",
    "a file that was made": f"""\
set(WORD two)
if(NOT EXISTS "{BINARY}/seen")
  set(WORD one)
endif()
file(WRITE "{BINARY}/seen" "")
""",
}
FIRST = {"a variable that the cache hides": "two", "a file that is appended to": "x", "a file that was made": "one"}


@pytest.mark.parametrize("situation", AGAIN)
def test_cmake_finds_nothing_of_what_it_has_found_out_before(bench, situation):
    """A second configuration is as the first one."""
    bench.cmake(c(), more=AGAIN[situation] + DEFINED)
    for number in range(3):
        bench.write("demo/_native.c", f"{c()}// {number}\n")
        assert bench.build().word == FIRST[situation]


STUB = """\
file(STRINGS ${F} W REGEX "<<[a-z]+>>")
string(REGEX MATCH "[a-z]+>" W "${W}")
string(REPLACE ">" "" W "${W}")
file(WRITE stubs/${W}.pyi "")
"""


def test_a_file_named_after_what_was_compiled_is_gone_with_that(bench):
    """A command of the build has written it; nobody has told ninja."""
    command = f'"${{CMAKE_COMMAND}}" "-DF=$<TARGET_FILE:_native>" -P "{SOURCE}/notes/stub.cmake"'
    bench.cmake(
        c('"one"'),
        more=f"add_custom_command(TARGET _native POST_BUILD COMMAND {command} VERBATIM)\n"
        f'install(DIRECTORY "{BINARY}/stubs/" DESTINATION demo)',
    )
    bench.write("notes/stub.cmake", STUB)
    for word in ("one", "two"):
        bench.write("demo/_native.c", c(f'"{word}"'))
        bench.settle()
        assert [name for name in bench.build().members if name.endswith(".pyi")] == [f"demo/{word}.pyi"]


OBJCOPY = f"""\
add_library(word OBJECT notes/word.c)
add_custom_command(OUTPUT word.bin VERBATIM COMMAND_EXPAND_LISTS DEPENDS word $<TARGET_OBJECTS:word>
    COMMAND "${{CMAKE_OBJCOPY}}" -O binary --only-section=.rodata $<TARGET_OBJECTS:word> word.bin)
add_custom_target(bin DEPENDS word.bin)
add_dependencies(_native bin)
target_compile_options(_native PRIVATE "-Wa,-I{BINARY}")
"""
RESPONSE = f"""\
add_executable(says notes/says.c)
add_custom_command(OUTPUT flags.rsp COMMAND says > flags.rsp DEPENDS says VERBATIM)
add_custom_target(flags DEPENDS flags.rsp)
add_dependencies(_native flags)
target_compile_options(_native PRIVATE "@{BINARY}/flags.rsp")
"""
ELSEWHERE = f"""\
add_executable(says notes/says.c)
add_custom_command(OUTPUT "{SOURCE}/demo/word.h" COMMAND "{BINARY}/says" > "{SOURCE}/demo/word.h" VERBATIM)
add_custom_target(header DEPENDS "{SOURCE}/demo/word.h")
add_dependencies(header says)
add_dependencies(_native header)
"""
INCBIN = (
    'const void *PyInit__native(void) { extern const char w[]; return w; }\n__asm__("w: .incbin \\"word.bin\\"");\n'
)
WORD_C = 'const char word[] = "<<{}>>";\n'
FLAG_C = '#include <stdio.h>\nint main(void) {{ puts("-DWORD=\\\\\\"{}\\\\\\""); }}\n'
SAYS_C = '#include <stdio.h>\nint main(void) {{ puts("#define WORD \\"{}\\""); }}\n'
UNTOLD = {
    "what an assembler includes": (INCBIN, OBJCOPY, "notes/word.c", WORD_C),
    "a file of options": (c(), RESPONSE, "notes/says.c", FLAG_C),
    "a header that lies in the project": (HEADER, ELSEWHERE, "notes/says.c", SAYS_C),
}


@pytest.mark.parametrize("situation", UNTOLD)
def test_what_is_made_of_what_was_compiled_is_not_trusted(bench, situation):
    """An object that rests on it, and ninja is not told: nothing stays then."""
    source, more, changed, text = UNTOLD[situation]
    bench.write(".gitignore", "/demo/word.h\n")
    bench.cmake(source, more=more)
    for word in ("one", "two"):
        bench.write(changed, text.format(word))
        bench.settle()
        assert bench.build().word == word


def test_a_source_to_which_a_link_in_the_folder_leads_stays(bench):
    """Nothing is removed through a link."""
    made = f"{BINARY}/demo/gen/word.h"
    bench.cmake(
        c(head='#include "gen/word.h"'),
        more=f'file(CREATE_LINK "{SOURCE}/demo" "{BINARY}/demo" SYMBOLIC)\n'
        f'add_custom_command(OUTPUT "{made}" COMMAND cp "{SOURCE}/notes/word.h" "{made}")\n'
        f'add_custom_target(gen DEPENDS "{made}")\nadd_dependencies(_native gen)',
    )
    for path in ("notes/word.h", "demo/gen/word.h"):
        bench.write(path, SAYS.format("one"))
    bench.settle()
    assert bench.build().word == "one"
    assert bench.path("demo/gen/word.h").exists()


def test_a_header_that_is_gone_is_no_fault(pair):
    """It was compiled, and is needed no more."""
    pair.write("demo/other.h", "")
    pair.write("demo/other.c", f'#include "other.h"\n{OTHER}')
    pair.settle()
    pair.build()
    pair.path("demo/other.h").unlink()
    pair.write("demo/other.c", OTHER)
    assert pair.build().word == "one"


@pytest.mark.nightly
@pytest.mark.parametrize("backend", ["cmake", "meson"])
def test_a_cache_directory_that_is_under_version_control_keeps_none_for_cmake(bench, backend):
    """Whoever asks git in the folder would be told of that; Meson works in the tree."""
    (Path(bench.environ["FRESHWHEEL_CACHE_DIR"]).parent / ".git").mkdir()
    two_sources(bench, backend)
    assert bench.build().word == "one"
    assert bool(folders(bench)) == (backend == "meson")

"""The ways by which builds take what they take: one row each.

A way has code for each language that can go it. `@PATH@`, `@NAME@` and `@VAR@` stand for the path, name and variable of
its thing. Python and Rust code are expressions, shell code prints; CMake, Meson and C set or define the name.
"""

import dataclasses

from things import (
    Archive,
    Compiler,
    File,
    Folder,
    Front,
    Gate,
    Link,
    Mode,
    Program,
    Read,
    Repository,
    Setting,
    Variable,
)

ANYWHERE = ("outside", "beside", "excluded", "pruned", "input", "home")
EDITS = ("edit", "edit_slyly", "replace")
TO_AND_FRO = ("create", "delete")
ANY = (*EDITS, *TO_AND_FRO, "make_folder")
FOLDER = ("add", "remove", "rename", "edit", "vanish", "return_", "make_file")
HEADER = '#define @NAME@ "@NAME@=@WORD@;"\n'
PRINTS = "#!/bin/sh\necho @WORD@\n"
COMPILES = '#!/bin/sh\nexec gcc -D@NAME@=\'"@NAME@=@WORD@;"\' "$@"\n'


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to take something."""

    name: str
    thing: type
    """What is taken."""
    changes: tuple
    """What may happen to it: methods of the thing."""
    code: dict
    """How it is taken, by language."""
    places: tuple = ANYWHERE
    """Where it may lie."""
    file: str = "@NAME@.txt"
    text: str = "@WORD@\n"
    mode: int = 0o644
    setting: str = ""
    absolute: bool = False
    """Whether it can't be spelled from the tree."""


def c(value):
    """C code that keeps a string."""
    return f"const char *@NAME@_is = {value};"


WAYS = (
    Way(
        "text",
        File,
        ANY,
        {
            "python": "text('@PATH@')",
            "shell": "cat @PATH@ || echo absent",
            "cmake": "if(EXISTS @HERE@ AND NOT IS_DIRECTORY @HERE@)\nfile(READ @HERE@ @NAME@)\n"
            'string(STRIP "${@NAME@}" @NAME@)\nendif()',
            "meson": "@NAME@ = fs.is_file('@PATH@') ? fs.read('@PATH@').strip() : 'absent'",
            "rust": 'fs::read_to_string("@PATH@").unwrap_or("absent".into()).trim().to_string()',
        },
    ),
    Way("mapped text", File, ANY, {"python": "mapped('@PATH@')", "shell": "taker map @PATH@"}),
    Way("text read by a script", Read, ANY, {"shell": "@NAME@-reader", "python": "ran('@NAME@-reader')"}),
    Way("text read by a program", File, ANY, {"shell": "taker read @PATH@"}),
    Way("text read far below", File, ANY, {"shell": "sh -c 'sh -c \"cat @PATH@\"; echo .'"}),
    Way("text that must be there", File, EDITS, {"macro": 'include_str!("@PATH@")'}, absolute=True),
    Way("a script", File, ANY, {"shell": "sh @PATH@ || echo absent"}, file="@NAME@.sh", text="echo @WORD@\n"),
    Way(
        "a script of CMake",
        File,
        (*EDITS, *TO_AND_FRO),
        {"cmake": "set(@NAME@ absent)\ninclude(@HERE@ OPTIONAL)"},
        file="@NAME@.cmake",
        text="set(@NAME@ @WORD@)\n",
    ),
    Way(
        "a module",
        File,
        ("edit", *TO_AND_FRO),
        {"python": "imported('@PATH@')"},
        file="@NAME@.py",
        text='WORD = "@WORD@"\n',
    ),
    Way(
        "existence",
        File,
        (*TO_AND_FRO, "make_folder", "edit"),
        {
            "python": "str(os.path.exists('@PATH@'))",
            "shell": "test -e @PATH@ && echo there || echo absent",
            "cmake": "if(EXISTS @HERE@)\nset(@NAME@ there)\nelse()\nset(@NAME@ absent)\nendif()",
            "meson": "@NAME@ = fs.exists('@PATH@') ? 'there' : 'absent'",
            "rust": 'Path::new("@PATH@").exists().to_string()',
        },
    ),
    Way("existence asked by a program", File, TO_AND_FRO, {"shell": "taker exists @PATH@"}),
    Way(
        "kind",
        File,
        (*TO_AND_FRO, "make_folder"),
        {"python": "str(os.path.isdir('@PATH@'))", "shell": "test -f @PATH@ && echo file || echo none"},
    ),
    Way(
        "names",
        Folder,
        FOLDER,
        {
            "python": "listed('@PATH@')",
            "shell": "ls @PATH@ | tr '\\n' ' '",
            "cmake": "file(GLOB @NAME@ RELATIVE @HERE@ @HERE@/*)",
            "rust": 'listed("@PATH@")',
        },
        file="@NAME@",
    ),
    Way("names by a pattern", Folder, FOLDER, {"python": "' '.join(sorted(glob.glob('@PATH@/n*')))"}, file="@NAME@"),
    Way("names listed by a program", Folder, FOLDER, {"shell": "taker list @PATH@"}, file="@NAME@"),
    Way(
        "a link",
        Link,
        ("retarget", "edit", "dangle"),
        {
            "python": "text('@PATH@')",
            "shell": "cat @PATH@ || echo absent",
            "rust": 'fs::read_to_string("@PATH@").unwrap_or("absent".into()).trim().to_string()',
        },
    ),
    Way(
        "where a link leads",
        Link,
        ("retarget", "dangle"),
        {"python": "os.readlink('@PATH@')", "shell": "readlink @PATH@"},
    ),
    Way(
        "mode",
        Mode,
        ("permit",),
        {"python": "str(os.access('@PATH@', os.X_OK))", "shell": "test -x @PATH@ && echo yes || echo no"},
    ),
    Way("mode asked by a program", Mode, ("permit",), {"shell": "taker executable @PATH@"}),
    Way(
        "a variable",
        Variable,
        ("set", "unset"),
        {
            "python": "os.environ.get('@VAR@', 'unset')",
            "shell": 'echo "${@VAR@-unset}"',
            "cmake": 'set(@NAME@ "$ENV{@VAR@}")',
            "rust": 'env::var("@VAR@").unwrap_or("unset".into())',
            "macro": 'match option_env!("@VAR@") { Some(word) => word, None => "unset" }',
        },
    ),
    Way("a variable of os.getenv", Variable, ("set", "unset"), {"python": "str(os.getenv('@VAR@'))"}),
    Way("a variable of a copy", Variable, ("set", "unset"), {"python": "str(dict(os.environ).get('@VAR@'))"}),
    Way("a variable of a program", Variable, ("set", "unset"), {"shell": "taker variable @VAR@"}),
    Way("a variable that must be set", Variable, ("set",), {"macro": 'env!("@VAR@")', "python": "os.environ['@VAR@']"}),
    Way(
        "a gate",
        Gate,
        (*ANY, "open_or_close"),
        {
            "python": "text('@PATH@') if os.environ.get('@VAR@') else 'closed'",
            "shell": 'if [ -n "$@VAR@" ]; then cat @PATH@ || echo absent; fi',
        },
    ),
    Way(
        "a program",
        Program,
        (*EDITS, *TO_AND_FRO, "overtake", "forbid"),
        {
            "python": "ran('@NAME@')",
            "shell": "@NAME@ || echo absent",
            "cmake": "execute_process(COMMAND @NAME@ OUTPUT_VARIABLE @NAME@ OUTPUT_STRIP_TRAILING_WHITESPACE)",
            "meson": "found = find_program('@NAME@', required: false)\n"
            "@NAME@ = found.found() ? run_command(found, check: false).stdout().strip() : 'absent'",
            "rust": 'ran(&["@NAME@"])',
        },
        places=("bin",),
        file="@NAME@",
        text=PRINTS,
        mode=0o755,
    ),
    Way(
        "where a program is",
        Program,
        (*TO_AND_FRO, "overtake", "forbid"),
        {"python": "str(shutil.which('@NAME@'))", "shell": "command -v @NAME@ || echo absent"},
        places=("bin",),
        file="@NAME@",
        text=PRINTS,
        mode=0o755,
    ),
    Way("git describe", Repository, ("commit", "tag", "pack"), {"shell": "git describe --tags --always"}),
    Way("git rev-parse", Repository, ("commit", "pack"), {"shell": "git rev-parse HEAD"}),
    Way("git branch", Repository, ("branch", "commit"), {"shell": "git rev-parse --abbrev-ref HEAD"}),
    Way("git config", Repository, ("configure",), {"shell": "git config chance.@NAME@ || echo none"}),
    Way(
        "a header",
        File,
        EDITS,
        {"c": f"#include <@NAME@.h>\n{c('@NAME@')}"},
        places=("outside/include",),
        file="@NAME@.h",
        text=HEADER,
    ),
    Way(
        "a header by its path",
        File,
        EDITS,
        {"c": f'#include "@PATH@"\n{c("@NAME@")}'},
        file="@NAME@.h",
        text=HEADER,
        absolute=True,
    ),
    Way(
        "a header that may be there",
        File,
        (*EDITS, *TO_AND_FRO),
        {
            "c": "#if __has_include(<@NAME@.h>)\n#include <@NAME@.h>\n#else\n"
            f'#define @NAME@ "@NAME@=absent;"\n#endif\n{c("@NAME@")}'
        },
        places=("outside/include",),
        file="@NAME@.h",
        text=HEADER,
    ),
    Way(
        "a static library",
        Archive,
        ("edit", "replace"),
        {"c": "const char *@NAME@_word(void);\nconst char *@NAME@_is(void) { return @NAME@_word(); }"},
        file="lib@NAME@.a",
        absolute=True,
    ),
    Way(
        "a compiler",
        Compiler,
        (*EDITS, "name_it"),
        {"c": f'#ifndef @NAME@\n#define @NAME@ "@NAME@=undefined;"\n#endif\n{c("@NAME@")}'},
        places=("bin",),
        file="@NAME@-cc",
        text=COMPILES,
        mode=0o755,
    ),
    Way(
        "a compiler first on PATH",
        Front,
        (*EDITS, *TO_AND_FRO),
        {"c": f'#ifndef @NAME@\n#define @NAME@ "@NAME@=undefined;"\n#endif\n{c("@NAME@")}'},
        places=("early",),
        file="gcc",
        text=COMPILES.replace("exec", "PATH=${PATH#*:} exec"),
        mode=0o755,
    ),
    Way(
        "a config setting",
        Setting,
        (*ANY, "give"),
        {"settings": "text(settings.get('@VAR@', 'none'))"},
        setting="@NAME@",
    ),
    Way(
        "a definition of CMake",
        Setting,
        (*ANY, "give"),
        {
            "cmake": 'if(EXISTS "${@VAR@}" AND NOT IS_DIRECTORY "${@VAR@}")\nfile(READ "${@VAR@}" @NAME@)\n'
            'string(STRIP "${@NAME@}" @NAME@)\nendif()'
        },
        setting="cmake.define.@NAME@",
    ),
)

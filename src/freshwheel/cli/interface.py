"""What may be typed: verbs, actions and options; and how an answer looks, for people and as JSON for programs."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from freshwheel.about import __version__
from freshwheel.base.config import close
from freshwheel.base.errors import FreshwheelError
from freshwheel.base.model import Finding
from freshwheel.cli.console import visible
from freshwheel.store.upkeep import AGE, SIZE

Words: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Names with blanks between them -> how argparse is to take them."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SPANS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_STYLES = {"head": "bold", "good": "green", "bad": "bold red", "note": "yellow", "do": "cyan", "text": ""}


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    options: dict[str, Any] = {"allow_abbrev": False}
    if sys.version_info >= (3, 14):
        options |= {"color": False}
    about = "What the wheel of a project is made from, and what is wrong with how that is declared."
    root = argparse.ArgumentParser(prog="freshwheel", description=about, **options)
    root.add_argument("--version", action="version", version=f"freshwheel {__version__}")
    _add(root.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True), _VERBS, options)
    return root


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """What the words say. Raises UsageError for a misspelt verb or action, and SystemExit as argparse does."""
    tables = {"": _VERBS, "store": _ACTIONS}
    for before, word in zip(("", *words[:1]), words[:2], strict=False):
        known = tables.get(before, {})
        if known and word not in known and (meant := close(word, known)):
            name = f"{before} {meant}".strip()
            raise UsageError(f"there is no {before or 'verb'} {word}", hint=f"did you mean `freshwheel {name}`?")
    return parser().parse_args(words)


def size(text: str) -> int:
    """Bytes: a number, maybe with K, M, G or T. Raises ArgumentTypeError."""
    return int(_amount(text.upper().removesuffix("IB").removesuffix("B"), _UNITS))


def seconds(text: str) -> float:
    """Seconds: a number, maybe with s, m, h, d or w. Raises ArgumentTypeError."""
    return _amount(text.lower(), _SPANS)


def _amount(text: str, units: Mapping[str, int]) -> float:
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]?)", text.strip(), re.ASCII)
    if match is None or match[2] not in units:
        raise argparse.ArgumentTypeError(f"invalid amount {text!r} (examples: 500M, 2G, 12h, 30d)")
    return float(match[1]) * units[match[2]]


def _add(verbs: Any, table: Mapping[str, tuple[str, Words]], options: Mapping[str, Any]) -> None:
    """Adds verbs, or actions of one, with their words."""
    for name, (about, words) in table.items():
        verb = verbs.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", **options)
        for word, kind in words.items():
            verb.add_argument(*word.split(), **kind)
        if name == "store":
            _add(verb.add_subparsers(dest="action", metavar="ACTION", required=True), _ACTIONS, options)
        else:
            verb.add_argument("--json", action="store_true", help="print JSON")


def _flag(about: str) -> dict[str, Any]:
    return {"action": "store_true", "help": about}


_QUIET = {"-q --quiet": _flag("print no answer: the exit code says whether something is wrong")}
SHELLS = ("bash", "fish", "zsh")
_TREE = "the directory of pyproject.toml"
_PATH = {"path": {"nargs": "?", "default": ".", "metavar": "PATH", "help": f"{_TREE} (default: this one)"}}
_PATHS = f"{_TREE} (default: this one); or folders of distributions, or some of them"
_PYTHON = (
    "another environment: its folder, an interpreter, or the name of one "
    "(default: the active one, else the .venv of the project or workspace, else that of freshwheel)"
)
_VERBS: Mapping[str, tuple[str, Words]] = {
    "digest": ("print the source digest", _PATH),
    "inputs": (
        "list the inputs, each under its reason, and what is left out",
        {
            **_PATH,
            "-v --verbose": _flag("list the folders that are not looked into"),
            "--account": _flag("what the last build took beside its inputs"),
        },
    ),
    "check": (
        "compare the declared inputs with what builds have shown, or look at distributions before an upload",
        {"path": {"nargs": "*", "metavar": "PATH", "help": _PATHS}, **_QUIET},
    ),
    "why": ("say what the next installation will do and why, and what became of the last ones", _PATH),
    "status": (
        "hold what is installed from folders of this machine against those folders",
        {
            "names": {"nargs": "*", "metavar": "DIST", "help": "the distributions (default: all of them)"},
            "--python": {"metavar": "PYTHON", "help": _PYTHON},
            **_QUIET,
        },
    ),
    "verify": (
        "hold a wheel against its RECORD, its mark, and a tree",
        {
            "wheel": {"metavar": "WHEEL", "help": "the wheel file"},
            "path": {"nargs": "?", "metavar": "PATH", "help": f"{_TREE} that it is held against (default: none)"},
            **_QUIET,
        },
    ),
    "uv": (
        "show, check or write the keys by which uv decides whether to build again",
        {
            **_PATH,
            "--check": _flag("fail if the keys are not complete and exact"),
            "--yes": _flag("write them into pyproject.toml"),
            **_QUIET,
        },
    ),
    "init": (
        "switch a project to freshwheel: show the change of pyproject.toml, or write it",
        {
            **_PATH,
            "--yes": _flag("write pyproject.toml, and do not ask"),
            "--undo": _flag("take freshwheel out again"),
            "--no-label": {"dest": "label", "action": "store_false", "help": "leave the version as it is"},
            "--check-build": _flag(
                "build the project both ways in scratch copies, and go on only if the wheels are the same"
            ),
        },
    ),
    "doctor": ("look for what keeps builds here from being observed, stored or found", {**_PATH, **_QUIET}),
    "completion": (
        "print what has a shell complete verbs and options",
        {"shell": {"choices": SHELLS, "metavar": "SHELL", "help": "bash, fish or zsh"}},
    ),
    "store": ("look after the store of built wheels", {}),
    "stats": ("count hits, builds and what was saved: by project, this week and as far as is on record", {}),
}
_ACTIONS: Mapping[str, tuple[str, Words]] = {
    "info": ("say where the store is, what is in it, and its limits", {}),
    "list": ("list the entries", {}),
    "verify": ("read everything, and name what is wrong", _QUIET),
    "prune": (
        "remove what was not used for long, and what is too much",
        {
            "--size": {"type": size, "default": SIZE, "help": "the most it may have, as 500M or 2G"},
            "--age": {"type": seconds, "default": AGE, "help": "the longest unused, as 12h, 30d or 4w"},
        },
    ),
    "clear": ("remove everything", {"--yes": _flag("do not ask")}),
    "changed": (
        "succeed if something was stored since this was last asked",
        {"--key": _flag("print nothing but a name for what is stored now")},
    ),
}


_BASH = """\
_freshwheel() {
    local words=
    case "$COMP_CWORD ${COMP_WORDS[1]}" in
        "1 "*) words="@VERBS@" ;;
        "2 store") words="@ACTIONS@" ;;
@CASES@    esac
    # Where a path may stand, files are completed; options only behind a dash.
    if [[ $words == --* && ${COMP_WORDS[COMP_CWORD]} != -* ]]; then words=; fi
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _freshwheel freshwheel
"""
_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def completion(shell: str) -> str:
    """The script that has a shell complete verbs, actions and options; files where there are none of these."""
    words = {verb: [word for word in " ".join(table).split() if word[0] == "-"] for verb, (_, table) in _VERBS.items()}
    words["store"] = [word for _, table in _ACTIONS.values() for word in " ".join(table).split() if word[0] == "-"]
    words = {verb: ["--help", "--json", *options] for verb, options in words.items()} | {"completion": [*SHELLS]}
    if shell == "fish":
        return _fish(words)
    cases = "".join(f'        *" {verb}") words="{" ".join(options)}" ;;\n' for verb, options in words.items())
    script = _BASH.replace("@VERBS@", " ".join([*words, "--help", "--version"])).replace("@CASES@", cases)
    return ("" if shell == "bash" else _ZSH) + script.replace("@ACTIONS@", " ".join(_ACTIONS))


def _fish(words: Mapping[str, Sequence[str]]) -> str:
    """A line for each word."""
    lines = [f"-n __fish_use_subcommand -f -a {verb} -d '{about}'" for verb, (about, _) in _VERBS.items()]
    below = "'__fish_seen_subcommand_from {}'"
    lines += [f"-n {below.format('store')} -f -a {name} -d '{about}'" for name, (about, _) in _ACTIONS.items()]
    for verb, options in words.items():
        kinds = [f"-s {word[1:]}" if word[1] != "-" else f"-l {word[2:]}" for word in options if word[0] == "-"]
        kinds += [f"-f -a {word}" for word in options if word[0] != "-"]
        lines += [f"-n {below.format(verb)} {kind}" for kind in kinds]
    return "".join(f"complete -c freshwheel {line}\n" for line in lines)


class UsageError(FreshwheelError):
    """The words of a command are wrong."""

    exit_code = 2


class Line(NamedTuple):
    """One line, and what it is: `head`, `good`, `bad`, `note`, `do` or `text`."""

    text: str
    role: str = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What there is to say: for people, for programs, and whether something is wrong."""

    lines: list[Line]
    value: Mapping[str, Any]
    wrong: bool = False


def text(answer: Answer, *, as_json: bool) -> str:
    """An answer as it is written. In JSON, a byte of a name that is no UTF-8 is escaped, as U+DC00 and its value."""
    return json.dumps(answer.value, indent=2) + "\n" if as_json else painted(answer.lines)


def painted(lines: Sequence[Line]) -> str:
    """The lines, in colours where a terminal shows them and rich is installed."""
    plain = "".join([f"{visible(line.text)}\n" for line in lines])
    if sys.stdout is None or not sys.stdout.isatty():
        return plain
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        return plain
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    if console.legacy_windows:
        return plain
    with console.capture() as capture:
        for line in lines:
            console.print(Text(visible(line.text), style=_STYLES[line.role]), soft_wrap=True)
    return capture.get()


def listed(title: str, texts: Sequence[str], role: str = "head") -> list[Line]:
    """A title, and a line below it for each text; nothing where there is none."""
    return [Line(title, role), *(Line(f"  {text}") for text in texts)] if texts else []


def told(findings: Sequence[Finding], notes: Sequence[str]) -> list[Line]:
    """The findings, each with what to do, and the notes."""
    lines: list[Line] = []
    for finding in findings:
        lines += [Line(finding.where, "bad"), Line(f"  {finding.what}"), Line(f"  {finding.todo}", "do")]
    return [*lines, *(Line(f"note: {note}", "note") for note in notes)]


def verdict(findings: Sequence[Finding]) -> Line:
    """How many there are."""
    return Line(count(len(findings), "finding"), "bad") if findings else Line("no findings", "good")


def moment(when: int) -> str:
    """A time, in seconds since the epoch, for people; the number itself where no calendar has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    except (OverflowError, OSError, ValueError):
        return str(when)


def count(number: int, noun: str, many: str = "") -> str:
    """A number and its noun."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"

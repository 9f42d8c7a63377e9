"""The words of the command line: verbs, actions and options, and what the amounts among them mean."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

from freshwheel.about import __version__
from freshwheel.store.upkeep import AGE, SIZE

Words: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Names with blanks between them -> how argparse is to take them."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SPANS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    options: dict[str, Any] = {"allow_abbrev": False}
    if sys.version_info >= (3, 14):
        options |= {"color": False, "suggest_on_error": True}
    about = "What the wheel of a project is made from, and what is wrong with how that is declared."
    root = argparse.ArgumentParser(prog="freshwheel", description=about, **options)
    root.add_argument("--version", action="version", version=f"freshwheel {__version__}")
    _add(root.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True), _VERBS, options)
    return root


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
        {"path": {"nargs": "*", "metavar": "PATH", "help": _PATHS}},
    ),
    "why": ("say what the next installation will do and why, and what became of the last ones", _PATH),
    "status": (
        "hold what is installed from folders of this machine against those folders",
        {
            "names": {"nargs": "*", "metavar": "DIST", "help": "the distributions (default: all of them)"},
            "--python": {"metavar": "PYTHON", "help": _PYTHON},
        },
    ),
    "verify": (
        "hold a wheel against its RECORD, its mark, and a tree",
        {
            "wheel": {"metavar": "WHEEL", "help": "the wheel file"},
            "path": {"nargs": "?", "metavar": "PATH", "help": f"{_TREE} that it is held against (default: none)"},
        },
    ),
    "uv": (
        "show, check or write the keys by which uv decides whether to build again",
        {
            **_PATH,
            "--check": _flag("fail if the keys are not complete and exact"),
            "--yes": _flag("write them into pyproject.toml"),
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
    "store": ("look after the store of built wheels", {}),
    "stats": ("count hits, builds and what was saved: by project, this week and as far as is on record", {}),
}
_ACTIONS: Mapping[str, tuple[str, Words]] = {
    "info": ("say where the store is, what is in it, and its limits", {}),
    "list": ("list the entries", {}),
    "verify": ("read everything, and name what is wrong", {}),
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

"""The words of the command line: verbs, actions and options, and what the amounts among them mean."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from freshwheel.base import config_values

_ABOUT = {
    "digest": "print the source digest",
    "inputs": "list the inputs, each under its reason, and what is left out",
    "check": "compare the declared inputs with what builds have shown, or look at distributions before an upload",
    "why": "say what the next installation will do and why, and what became of the last ones",
    "status": "hold what is installed from folders of this machine against those folders",
    "verify": "hold a wheel against its RECORD, its mark, and a tree",
    "uv": "show, check or write the keys by which uv decides whether to build again",
    "init": "switch a project to freshwheel: show the change of pyproject.toml, or write it",
    "store": "look after the store of built wheels",
    "stats": "count hits, builds and what was saved: by project, this week and since the beginning",
}
_ACTIONS = {
    "info": "say where the store is, what is in it, and its limits",
    "list": "list the entries",
    "verify": "read everything, and name what is wrong",
    "prune": "remove what was not used for long, and what is too much",
    "clear": "remove everything",
    "changed": "succeed if something was stored since this was last asked",
}

_PYTHON = (
    "another environment: its folder, an interpreter, the name of one, or a version "
    "(default: the active one, else the .venv of the project or workspace, else that of freshwheel)"
)
_BUILT = "build the project both ways in scratch copies, and go on only if the wheels are the same"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SPANS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    options: dict[str, Any] = {"allow_abbrev": False}
    if sys.version_info >= (3, 14):
        options["color"] = False
    root = argparse.ArgumentParser(
        prog="freshwheel",
        description="What the wheel of a project is made from, and what is wrong with how that is declared.",
        **options,
    )
    root.add_argument("--version", action="store_true", help="print the version of freshwheel and exit")
    verbs = root.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb, about in _ABOUT.items():
        one = verbs.add_parser(verb, help=about, description=f"{about[0].upper()}{about[1:]}.", **options)
        if verb == "store":
            _add_actions(one, options)
            continue
        if verb == "status":
            one.add_argument("names", nargs="*", metavar="DIST", help="the distributions (default: all of them)")
            one.add_argument("--python", metavar="PYTHON", help=_PYTHON)
        elif verb == "stats":
            one.add_argument("--zero", action="store_true", help="begin to count anew")
        else:
            _add_places(one, verb)
        forms = one.add_mutually_exclusive_group()
        forms.add_argument("--json", action="store_true", help="print JSON")
        if verb == "inputs":
            forms.add_argument("-0", "--null", action="store_true", help="print the paths alone, a NUL behind each")
            one.add_argument("-v", "--verbose", action="store_true", help="list the folders that are not looked into")
            one.add_argument("--account", action="store_true", help="what the last build took beside its inputs")
        if verb == "uv":
            ways = one.add_mutually_exclusive_group()
            ways.add_argument("--check", action="store_true", help="fail if the keys are not complete and exact")
            ways.add_argument("--yes", action="store_true", help="write them into pyproject.toml")
            one.add_argument("--names", action="store_true", help="no globs outside of PATH, for uv before 0.7.21")
        if verb == "init":
            one.add_argument("--yes", action="store_true", help="write pyproject.toml, and do not ask")
            one.add_argument("--undo", action="store_true", help="take freshwheel out again")
            one.add_argument("--no-label", dest="label", action="store_false", help="leave the version as it is")
            one.add_argument("--check-build", action="store_true", help=_BUILT)
            one.add_argument("--raise-python", action="store_true", help="make requires-python begin at 3.10")
            one.add_argument("--force", action="store_true", help="go on where something speaks against it")
    return root


def misspelled(words: Sequence[str]) -> str:
    """What is wrong with the verb or the action, and which one is meant; nothing: it is one, or there is none."""
    for kind, known, word in zip(("verb", "action of store"), (_ABOUT, _ACTIONS), words, strict=False):
        if word.startswith("-"):
            return ""
        if word not in known:
            meant = config_values.close(word, known)
            return f"there is no {kind} {word}: " + (
                f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"
            )
        if word != "store":
            return ""
    return ""


def _add_places(one: argparse.ArgumentParser, verb: str) -> None:
    """The words that say what a verb is asked about."""
    project = "the directory of pyproject.toml"
    if verb == "verify":
        one.add_argument("wheel", metavar="WHEEL", help="the wheel file")
        one.add_argument("path", nargs="?", metavar="PATH", help=f"{project} that it is held against (default: none)")
    elif verb == "check":
        about = f"{project} (default: this one); or folders of distributions, or some of them"
        one.add_argument("path", nargs="*", metavar="PATH", help=about)
    else:
        one.add_argument("path", nargs="?", default=".", metavar="PATH", help=f"{project} (default: this one)")


def size(text: str) -> int:
    """Bytes: a number, maybe with K, M, G or T. Raises ArgumentTypeError."""
    return int(_amount(text.upper().removesuffix("IB").removesuffix("B"), _UNITS))


def seconds(text: str) -> float:
    """Seconds: a number, maybe with s, m, h, d or w. Raises ArgumentTypeError."""
    return _amount(text.lower(), _SPANS)


def _add_actions(store: argparse.ArgumentParser, options: Mapping[str, Any]) -> None:
    """The actions of `store`, each with its options."""
    actions = store.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    for action, about in _ACTIONS.items():
        one = actions.add_parser(action, help=about, description=f"{about[0].upper()}{about[1:]}.", **options)
        one.add_argument("--json", action="store_true", help="print JSON")
        if action == "prune":
            one.add_argument("--size", type=size, help="the most it may have, as 500M or 2G")
            one.add_argument("--age", type=seconds, help="the longest unused, as 12h, 30d or 4w")
        if action == "changed":
            one.add_argument("--key", action="store_true", help="print nothing but a name for what is stored now")
        if action == "clear":
            one.add_argument("--yes", action="store_true", help="do not ask")


def _amount(text: str, units: Mapping[str, int]) -> float:
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]?)", text.strip(), re.ASCII)
    if found is None or found[2] not in units:
        raise argparse.ArgumentTypeError(f"invalid amount {text!r} (examples: 500M, 2G, 12h, 30d)")
    return float(found[1]) * units[found[2]]

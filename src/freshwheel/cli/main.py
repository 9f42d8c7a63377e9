"""The command line: the working directory and the environment are read here, and failures become exit codes.

A door, not a room. The verbs load what they need: `digest` of a tree that has not moved needs neither the recipes nor
argparse.
"""

import os
import sys

from freshwheel.about import __version__
from freshwheel.cli import console, verbs
from freshwheel.memory import replay

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_INTERRUPTED = 130


def main(argv: "Sequence[str] | None" = None) -> int:
    """The exit code of one call; `argv` are the words behind the name of the program."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        known = _known(words)
        return _run(words) if known is None else console.write(known)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _known(words: "Sequence[str]") -> str | None:
    """The answer that needs nothing but the memory of a tree; None where more is asked, or is needed."""
    if words == ["--version"]:
        return f"freshwheel {__version__}\n"
    more = [word for word in words[1:] if word != "--json"]
    if words[:1] != ["digest"] or len(more) > 1 or any(word.startswith("-") for word in more):
        return None
    digest = replay.source_digest(verbs.tree_of("".join(more)), os.environ, None)
    return None if digest is None else verbs.digest_text(digest, as_json="--json" in words)


def _run(words: "Sequence[str]") -> int:
    """The exit code of one call, the long way."""
    from freshwheel.base import errors  # noqa: PLC0415 - see the module's docstring

    options = _parsed(words)
    if isinstance(options, int):
        return options
    try:
        return verbs.run(options)
    except errors.FreshwheelError as error:
        console.say(f"error: {error.render()}")
        return error.exit_code


def _parsed(words: "Sequence[str]") -> "argparse.Namespace | int":
    """What the words say; the exit code where they name no verb, all being said."""
    from freshwheel.cli import arguments as language  # noqa: PLC0415 - see the module's docstring

    if wrong := language.misspelled(words):
        console.say(f"error: {wrong}")
        return verbs.USAGE
    root = language.parser()
    try:
        options = root.parse_args(words)
    except SystemExit as stop:  # after the help, or what is wrong with the words
        return console.write("", stop.code if isinstance(stop.code, int) else verbs.USAGE)
    except BrokenPipeError:  # the help, before Python 3.11
        return console.write("")
    if options.version:
        return console.write(f"freshwheel {__version__}\n")
    if options.verb is None:
        console.complain(root.format_help())
        return verbs.USAGE
    return options

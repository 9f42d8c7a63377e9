"""The command line: the working directory and the environment are read here, and failures become exit codes.

A door, not a room. The verbs load what they need: `digest` of a tree that has not moved needs neither the recipes nor
argparse.
"""

# ruff: noqa: PLC0415 - see above

import os
import sys

from freshwheel.about import __version__
from freshwheel.cli import console
from freshwheel.memory import replay

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from freshwheel.cli.interface import Answer

USAGE = 2
"""The exit code where the words are wrong."""
INTERRUPTED = 130


def main(argv: "Sequence[str] | None" = None) -> int:
    """The exit code of one call; `argv` are the words behind the name of the program."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        known = _known(words)
        return _run(words) if known is None else console.write(known)
    except KeyboardInterrupt:
        return INTERRUPTED


def _known(words: "Sequence[str]") -> str | None:
    """The answer that needs nothing but the memory of a tree; None where more is asked, or is needed."""
    if words == ["--version"]:
        return f"freshwheel {__version__}\n"
    more = [word for word in words[1:] if word != "--json"]
    if words[:1] != ["digest"] or len(more) > 1 or any(word.startswith("-") for word in more):
        return None
    digest = replay.source_digest(replay.Call(console.tree_of("".join(more)), os.environ, None))
    if digest is None or "--json" not in words:
        return None if digest is None else f"{digest}\n"
    return f'{{\n  "digest": "{digest}"\n}}\n'


def _run(words: "Sequence[str]") -> int:
    """The exit code of one call, the long way."""
    from freshwheel.base.errors import FreshwheelError
    from freshwheel.cli import interface

    try:
        options = interface.parsed(words or ["--help"])
        answer = _answer(options)
    except SystemExit as stop:  # after the help, or what is wrong with the words
        return console.write("", stop.code if isinstance(stop.code, int) else USAGE)
    except BrokenPipeError:  # which `argparse` of Python 3.10 does not expect where it writes the help
        return console.write("")
    except FreshwheelError as error:
        console.say(f"error: {error.render()}")
        return error.exit_code
    said = "" if getattr(options, "quiet", False) else interface.text(answer, as_json=options.json)
    return console.write(said, console.FAILED if answer.wrong else 0)


def _answer(options: "argparse.Namespace") -> "Answer":
    """What a verb has to say. Raises FreshwheelError."""
    from freshwheel.cli import machine

    verb = machine.VERBS.get(options.verb)
    if verb is None:
        from freshwheel.cli import verbs

        verb = verbs.VERBS[options.verb]
    return verb(options)

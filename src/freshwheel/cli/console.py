"""What people see of the command line, and what they type: answers, remarks, questions.

What most calls do without is loaded where it is needed.
"""

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from freshwheel.cli.render import Line

FAILED = 1
"""The exit code where something is wrong that a verb looks for."""
_PATIENCE = 1.0
"""Seconds before a person is told what takes so long."""


def painted(lines: "Sequence[Line]") -> str:
    """The lines, in colours where a terminal shows them."""
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return render.coloured(lines) if is_terminal else render.plain(lines)


def write(answer: str | bytes, code: int = 0) -> int:
    """`code`, when the answer is written; a reader that has gone had enough of it."""
    if sys.stdout is None:
        return code if not answer else FAILED
    encoding = sys.stdout.encoding or "utf-8"
    data = answer.encode(encoding, "backslashreplace") if isinstance(answer, str) else answer
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written at the end
        if error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL):
            return code
        complain(f"freshwheel: error: the answer can't be written: {error.strerror or error}\n")
        return FAILED
    return code


def say(message: str) -> None:
    """Tells a person something, whatever names are in it."""
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring

    first, *more = message.split("\n")
    complain("\n".join([f"freshwheel: {render.visible(first)}", *map(render.visible, more), ""]))


def complain(text: str) -> None:
    """Writes to the standard error, as far as there is one."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            return


def is_watched() -> bool:
    """Whether a person reads and types."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def asked(question: str) -> bool:
    """Whether a person says yes."""
    complain(f"freshwheel: {question} [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def timer() -> "threading.Timer | None":
    """What tells a person, who watches, that there is something to wait for."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    import threading  # noqa: PLC0415 - see the module's docstring

    timer = threading.Timer(_PATIENCE, complain, ["freshwheel: looking at the tree...\n"])
    timer.daemon = True
    timer.start()
    return timer

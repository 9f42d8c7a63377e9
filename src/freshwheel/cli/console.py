"""What people see of the command line, and what they type. It loads nothing that a known digest does without."""

import errno
import os
import sys

FAILED = 1
"""The exit code where something is wrong that a verb looks for."""


def write(answer: str, code: int = 0) -> int:
    """`code`, when the answer is written; a reader that has gone had enough of it."""
    if sys.stdout is None:
        return code if not answer else FAILED
    data = answer.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
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
    lines = [visible(line) for line in message.split("\n")]
    complain("\n".join(["freshwheel: " + lines[0], *lines[1:], ""]))


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


def visible(text: str) -> str:
    """A line in which nothing is hidden and nothing moves the cursor: such characters are escaped."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode() for char in text])


def tree_of(path: str) -> str:
    """The directory that is asked about; nothing where there is no working directory any more."""
    try:
        return os.path.realpath(path if os.path.isabs(path) else os.path.join(os.getcwd(), path))
    except OSError:
        return ""

"""The observation of one command on Linux, as the hook has it: it starts a supervisor, and reads what that has seen.

The supervisor is a program of its own, for it must outlive the hook: see `supervisor`.
What its receivers have written down is put together here.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import marshal
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freshwheel.base.rows import Row
from freshwheel.observe.account import Account, Program, Use

__all__ = ["Observed", "run", "unavailable"]

_MACHINES = ("x86_64", "aarch64")
_RECEIVERS = 4
"""The most that answer the kernel at the same time."""
_LIMIT = 5
"""Seconds for the trial of a kernel."""
_GRACE = 0.25
"""Seconds that a command has after an interrupt, as with `subprocess`."""
_TERM = 2
"""Seconds that what is left of a command has to end by itself when nobody observes it any more."""
_EDITION = 1
"""Of what is tried; it goes up with every change of that."""
_STUB = (
    "import sys, types; package = types.ModuleType('freshwheel'); package.__path__ = [sys.argv[1]]; "
    "sys.modules['freshwheel'] = package; from freshwheel.observe import "
)
"""The package without its door, which would import all of it."""
_FRAME = struct.Struct("<ii")
_STARTED, _UNOBSERVED, _NO_FOLDER, _NO_PROGRAM, _ENDED, _GONE, _LEFT = range(7)
"""What `supervisor` tells."""
_WORDS = {
    errno.EBUSY: "another program observes what runs here",
    errno.ENOSYS: "the kernel, or what stands in its place, can't do it",
    errno.EINVAL: "the kernel can't do it",
}
_NEVER = 1 << 64
_REMOVED = b" (deleted)"
"""What the kernel puts behind the name of a program that was removed."""

_Key = tuple[int, bytes, tuple[bytes, ...]]
"""Process, program and words; the process is 0 for one that was forked, and has executed nothing since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """How a command ended, and what it has taken."""

    status: int | None
    """Its exit status, negative for a signal; None: the observer died, and the command must be run once more."""
    account: Account | None
    """None: it was not observed."""
    reason: str = ""
    """Why it was not observed, in words."""


def unavailable(cache: str | None) -> str:
    """Why no build can be observed here; nothing: it can. `cache` is a folder that may keep what was tried."""
    if sys.platform != "linux":
        return f"builds are observed on Linux only, and this is {sys.platform}"
    if platform.machine() not in _MACHINES or sys.maxsize < 1 << 32:
        return f"builds are not observed on {platform.machine()}"
    kept = os.path.join(cache, "observable") if cache else ""
    key = f"{_EDITION} {' '.join(_kernel())}\n".encode()
    reason = _kept(kept, key)
    if reason is None:
        about, _, reason = _tried().partition(":")
        if about == "now":
            return f"builds can't be observed here: {_refusal(reason)}"
        reason = f"this kernel can't observe builds: {reason}" if about == "kernel" else ""
        _keep(kept, key, reason)
    return reason


def _kernel() -> tuple[str, str, str]:
    """What the answer is kept for."""
    system = os.uname()
    return system.machine, system.release, system.version


def _kept(path: str, key: bytes) -> str | None:
    """What was found out earlier about the same kernel."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    return data[len(key) :].decode("utf-8", "replace") if data.startswith(key) else None


def _keep(path: str, key: bytes, reason: str) -> None:
    """Keeps it, if that can be done."""
    if path:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            part = f"{path}.{os.getpid()}"
            with open(part, "wb") as file:
                file.write(key + reason.encode())
            os.replace(part, path)


def _tried() -> str:
    """What the trial says: `fine`, or what `kernel.probe` has for an answer."""
    try:
        said = subprocess.run(  # noqa: S603 - this very interpreter
            _command("kernel.probe()"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "kernel:it does not go on with a call that was notified"
    except OSError as error:
        return f"now:{error.errno}"
    if said.returncode or not said.stdout:
        return "now:this Python can't talk with the kernel"
    return said.stdout.decode()


def _refusal(reason: str) -> str:
    if not reason.isdecimal():
        return reason
    number = int(reason)
    return _WORDS.get(number) or f"it was refused ({os.strerror(number)})"


def _command(call: str, *arguments: str) -> list[str]:
    """A call in an interpreter of its own, which sees no variables, no folder and no packages of others."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    options = ["-B"] if sys.dont_write_bytecode else []
    if sys.pycache_prefix:
        options += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [sys.executable, "-I", "-S", *options, "-c", f"{_STUB}{call.partition('.')[0]}; {call}", package, *arguments]


def run(
    command: Sequence[str],
    *,
    cwd: str | None,
    environ: Mapping[str, str],
    folder: str,
    stdin: int = subprocess.DEVNULL,
) -> Observed:
    """Runs a command, whose output goes where ours goes. Raises OSError if it can't start.

    `folder` is private and exists; the supervisor leaves files there. Processes that the command leaves behind live
    on, and the supervisor with them.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            call = f"supervisor.main({theirs.fileno()})"
            try:
                process = subprocess.Popen(  # noqa: S603 - this very interpreter
                    _command(call), stdin=stdin, pass_fds=[theirs.fileno()]
                )
            except OSError as error:
                return _plain(command, cwd, environ, stdin, f"no supervisor could be started: {error.strerror}")
        with contextlib.suppress(OSError):
            ours.sendall(_job(command, cwd, environ, folder))
        talk = _Talk(ours, process)
        try:
            observed = talk.all()
        except BaseException:
            talk.stop()
            raise
        finally:
            talk.close()
    if talk.failed:
        kind, number = talk.failed
        raise OSError(number, os.strerror(number), cwd if kind == _NO_FOLDER else command[0])
    if observed is None:
        return _plain(command, cwd, environ, stdin, "the observer died before the build began")
    return observed if observed.status is None or observed.reason else _told(observed.status, folder, talk.pid)


def _told(status: int, folder: str, pid: int) -> Observed:
    """What the receivers have written down."""
    return Observed(status=status, account=_account(folder, _receivers(), pid))


def _receivers() -> int:
    return max(1, min(os.cpu_count() or 1, _RECEIVERS))


def _plain(command: Sequence[str], cwd: str | None, environ: Mapping[str, str], stdin: int, reason: str) -> Observed:
    """The command without anybody who looks."""
    status = subprocess.run(command, cwd=cwd, env=environ, stdin=stdin, check=False).returncode  # noqa: S603
    return Observed(status=status, account=None, reason=reason)


def _job(command: Sequence[str], cwd: str | None, environ: Mapping[str, str], folder: str) -> bytes:
    """What the supervisor is to do, with its length."""
    words = [os.fsencode(word) for word in command]
    places = [b""] if os.path.dirname(words[0]) else [os.fsencode(place) for place in os.get_exec_path(environ)]
    job: dict[str, Any] = {
        "command": words,
        "programs": [os.path.join(place, words[0]) for place in places],
        "environ": {os.fsencode(name): os.fsencode(value) for name, value in environ.items()},
        "cwd": None if cwd is None else os.fsencode(cwd),
        "folder": os.fsencode(os.path.abspath(folder)),
        "receivers": _receivers(),
    }
    data = marshal.dumps(job)
    return len(data).to_bytes(8, "little") + data


class _Talk:
    """The talk with the keeper of one command."""

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.control = control
        self.process = process
        self.pid = 0
        self.handle = -1
        """A pidfd of the command."""
        self.failed: tuple[int, int] | None = None
        self.status: int | None = None
        self.reason = ""

    def all(self) -> Observed | None:
        """How the command ended, without its account; None if it was never started."""
        while (said := self.frame()) is not None:
            kind, number = said
            if kind == _UNOBSERVED:
                self.reason = f"it can't be observed here: {_refusal(str(number))}"
            elif kind in (_NO_FOLDER, _NO_PROGRAM):
                self.failed = said
            elif kind == _STARTED:
                self.pid = number
            elif kind == _ENDED:
                self.status = number
            else:
                self.leave(is_gone=kind == _GONE)
                return Observed(status=self.status, account=None, reason=self.reason)
        self.leave(is_gone=True)
        if self.status is not None:
            return Observed(status=self.status, account=None, reason=self.reason or "the observer died")
        if not self.pid:
            return None
        self.end(self.left())
        return Observed(status=None, account=None, reason="the observer died")

    def frame(self) -> tuple[int, int] | None:
        """The next that the keeper says; None: nothing more."""
        data = b""
        while len(data) < _FRAME.size:
            try:
                piece, handles, _, _ = socket.recv_fds(self.control, _FRAME.size - len(data), 1)
            except OSError:
                return None
            if handles:
                self.handle = handles[0]
                os.set_inheritable(self.handle, False)  # noqa: FBT003
            if not piece:
                return None
            data += piece
        kind, number = _FRAME.unpack(data)
        return kind, number

    def leave(self, *, is_gone: bool) -> None:
        """Waits for the supervisor if it ends now; else it may take days, and is not our business."""
        if is_gone:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_LIMIT)
        if self.process.returncode is None:
            self.process.returncode = 0

    def stop(self) -> None:
        """Ends the command, as `subprocess.run` does when it is interrupted."""
        if self.pid and self.status is None:
            if not self.is_over(_GRACE):
                _kill(self.handle, self.pid, signal.SIGKILL)
            self.is_over(_LIMIT)
        self.leave(is_gone=False)

    def is_over(self, seconds: float) -> bool:
        """Whether the command ends within so many seconds."""
        return _is_over(self.handle, self.pid, seconds)

    def left(self) -> list[tuple[int, int]]:
        """The command and what it has started, as far as that is still below it: pidfds and process ids."""
        parents = dict(_parents())
        pids = [self.pid]
        for pid in pids:
            pids += [child for child, parent in parents.items() if parent == pid]
        others = [(handle, pid) for pid in pids[1:] if (handle := _handle(pid)) >= 0]
        return [(self.handle, self.pid), *others]

    def end(self, processes: Sequence[tuple[int, int]]) -> None:
        """Ends all of these: without an observer, they can open no file."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for handle, pid in processes:
                _kill(handle, pid, number)
            until = time.monotonic() + _TERM
            for handle, pid in processes:
                _is_over(handle, pid, max(0, until - time.monotonic()))
        for handle, _ in processes[1:]:
            os.close(handle)

    def close(self) -> None:
        """Lets go of the command."""
        if self.handle >= 0:
            os.close(self.handle)


def _kill(handle: int, pid: int, number: int) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(OSError):
        if handle >= 0 and hasattr(signal, "pidfd_send_signal"):
            signal.pidfd_send_signal(handle, number)
        elif not _is_over(handle, pid, 0):
            os.kill(pid, number)


def _is_over(handle: int, pid: int, seconds: float) -> bool:
    """Whether a process ends within so many seconds."""
    if handle >= 0:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    until = time.monotonic() + seconds
    while os.path.exists(f"/proc/{pid}"):
        if time.monotonic() >= until:
            return False
        time.sleep(0.01)
    return True


def _handle(pid: int) -> int:
    """A pidfd; -1 where none can be had."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _parents() -> Iterator[tuple[int, int]]:
    """All processes, each with its parent."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                yield int(name), int(file.read().rpartition(b")")[2].split()[1])


def _account(folder: str, receivers: int, command: int) -> Account:
    """The account of what was written into a folder; a log that is lost is a doubt.

    `command` is the process of the command: what it did before it became that is taken for its own.
    """
    read = [_read(os.path.join(folder, f"{place}.log")) for place in range(receivers)]
    whole = [log for log in read if log is not None]
    doubts = [] if len(whole) == len(read) else ["a part of what was observed is lost"]
    doubts += [doubt for *_, theirs in whole for doubt in theirs]
    cast = _Cast(command, [executed for _, _, ones, _ in whole for executed in ones])
    for images, *_ in whole:
        cast.add(images)
    cast.close()
    return Account(
        uses=_uses(cast, [paths for _, paths, _, _ in whole]),
        programs=tuple(cast.programs),
        doubts=tuple(dict.fromkeys(doubts)),
    )


def _read(path: str) -> tuple[Any, ...] | None:
    """What one receiver has written; None where that is lost."""
    try:
        with open(path, "rb") as file:
            log = marshal.loads(file.read())  # noqa: S302 - from our own supervisor, in a private folder
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return log if isinstance(log, tuple) else None


class _Cast:
    """The programs that ran, whoever has seen them."""

    def __init__(self, command: int, executed: Iterable[tuple[Any, ...]]) -> None:
        self.command = command
        self.executed: dict[int, list[tuple[Any, ...]]] = {}
        """By process: number, path and words."""
        for number, group, *rest in sorted(executed):
            self.executed.setdefault(group, []).append((number, *rest))
        self.first: dict[_Key, int] = {}
        self.used: dict[_Key, list[tuple[Any, ...]]] = {}
        self.programs: list[Program] = []
        self.by: tuple[dict[bytes, set[int]], ...] = ({}, {}, {}, {}, {})
        """For each way of use: path, and numbers of programs."""

    def add(self, images: Iterable[tuple[Any, ...]]) -> None:
        """Adds what one receiver has seen."""
        for first, group, path, words, forked, used in images:
            key = (0 if forked else group, path.removesuffix(_REMOVED), words)
            self.first[key] = min(first, self.first.get(key, _NEVER))
            self.used.setdefault(key, []).append((group, *used))

    def close(self) -> None:
        """Numbers the programs, in the order in which they were seen, and says who has used what."""
        same: dict[tuple[bytes, tuple[bytes, ...]], int] = {}
        seen: set[tuple[int, int]] = set()
        order = sorted(self.first, key=lambda key: (not key[0], self.first[key]))  # forked ones last
        for key in order:
            group, path, words = key
            number = same.get((path, words)) if not group else None
            if not group and self.used[key][0][0] == self.command and self.programs:
                number = 0
            if number is None:
                number = same[path, words] = len(self.programs)
                pid = group or self.used[key][0][0]
                self.programs.append(Program(path=path, words=words, pid=pid, forked=not group))
            if group:
                self.match(key, seen)
            read, *_, again = self.by
            for _, *used in self.used[key]:
                for place in used[0]:
                    if number in read.get(place, ()):
                        again.setdefault(place, set()).add(number)
                for paths, by in zip(used, self.by, strict=True):
                    for place in paths:
                        by.setdefault(place, set()).add(number)
        self.silent(seen)

    def match(self, key: _Key, seen: set[tuple[int, int]]) -> None:
        """Notes which execution this program comes from."""
        mine = self.executed.get(key[0], [])
        place = bisect.bisect_left(mine, self.first[key], key=lambda entry: entry[0]) - 1 if mine else -1
        if place >= 0:
            seen.add((key[0], place))

    def silent(self, seen: set[tuple[int, int]]) -> None:
        """Adds those that were executed, and have asked for nothing that anybody has seen."""
        for group, executed in self.executed.items():
            for place, (_, path, words) in enumerate(executed):
                if (group, place) not in seen:
                    self.programs.append(Program(path=path, words=words, pid=group))


def _uses(cast: _Cast, seen: Sequence[Mapping[bytes, Sequence[Any]]]) -> dict[bytes, Use]:
    """The use of each path; who has met it first has seen what was there."""
    met: dict[bytes, tuple[Row | None, int, int, int]] = {}
    later: dict[bytes, set[Row]] = {}
    for paths in seen:
        for path, (row, *order, made) in paths.items():
            if made is not None:
                later.setdefault(path, set()).add(made)
            known = met.get(path, (row, _NEVER, _NEVER, _NEVER))
            first = row if min(order) < min(known[1:]) else known[0]
            taken, written, read_first = map(min, order, known[1:])
            met[path] = first, taken, written, read_first
    nobody: frozenset[int] = frozenset()
    uses = {}
    for path, (row, taken, written, read_first) in met.items():
        read, asked, run, wrote, again = (frozenset(by[path]) if path in by else nobody for by in cast.by)
        uses[path] = Use(
            first=row,
            read=read,
            asked=asked,
            run=run,
            written=wrote,
            before=taken != _NEVER and taken <= written,
            read_before=read_first != _NEVER and read_first <= written,
            made=frozenset(later.get(path, ())),
            often=bool(again) or len(read) > 1,
        )
    return uses

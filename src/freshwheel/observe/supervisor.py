"""The program below which a command is observed. `observer` starts it in an interpreter of its own.

It is a chain of processes, each the parent of the next, and the command is the child of the last, the keeper: where
only ancestors may look into a process, these may. All but the keeper receive what the kernel asks, write it down, and
answer. The keeper talks with the hook, takes in orphans, and notices when nobody is left below the filter. That may be
days after the hook has ended, for a build may leave a server behind, which could open no file without an answer.

If one of the chain dies, all do: an event that it had received would never be answered.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import marshal
import mmap
import os
import select
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from freshwheel.observe import kernel
from freshwheel.observe.recorder import END, LINKS, QUIET, RECORD, TELL, Recorder

__all__ = ["main"]

FRAME = struct.Struct("<ii")
"""What the hook is told: a kind, and a number."""
STARTED, UNOBSERVED, NO_FOLDER, NO_PROGRAM, ENDED, GONE, LEFT = range(7)
"""The command has this process id; is not observed, for this error; has no folder, or no program, for this error; has
ended with this status; nobody, or somebody, is left below the filter."""

_SPARED = frozenset(
    (
        *(signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGIO, signal.SIGCONT),
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
    )
)
"""Signals that a supervisor does not ignore."""
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Those that Python ignores and `subprocess` does not."""
_ORDINARY = 32
"""Signals from there on are left alone."""
_AGAIN = 0.005
"""Seconds after which a receiver is woken up once more: it may have been about to fall asleep."""
_TURN = 1000
"""Events that a receiver answers before it looks around."""
_PATIENCE = 6000
"""How often."""
_GRACE = 20
"""Milliseconds that those who end with the command have for it."""

_Handlers = Mapping[int, Any]


def main(descriptor: int) -> NoReturn:
    """Runs the command that the hook names over a socket."""
    status = 1
    try:
        parted = _Parted.here()
        control = socket.socket(fileno=descriptor)
        control.set_inheritable(False)
        job = _job(control)
        status = 0 if job is None else _Chain(job, control, parted).run()
    finally:
        os._exit(status)


def _job(control: socket.socket) -> Mapping[str, Any] | None:
    """What is to be done; None if the hook is gone."""
    with control.makefile("rb") as file:
        size = file.read(8)
        data = file.read(int.from_bytes(size, "little"))
    return marshal.loads(data) if len(size) == 8 and data else None  # noqa: S302, PLR2004 - from our own hook


class _Parted:
    """How signals are handled by who started this process: so they are by the command, and here most are ignored."""

    def __init__(self, handlers: _Handlers, mask: set[int]) -> None:
        self.handlers = handlers
        self.mask = mask

    @classmethod
    def here(cls) -> _Parted:
        """Takes the handlers away from this process."""
        handlers = {}
        for number in signal.valid_signals():
            if number < _ORDINARY and number not in (signal.SIGKILL, signal.SIGSTOP):
                is_ignored = signal.getsignal(number) is signal.SIG_IGN and number not in _RESTORED
                handlers[int(number)] = signal.SIG_IGN if is_ignored else signal.SIG_DFL
                signal.signal(number, signal.SIG_DFL if number in _SPARED else signal.SIG_IGN)
        return cls(handlers, {int(number) for number in signal.pthread_sigmask(signal.SIG_SETMASK, [])})

    def restore(self) -> None:
        """Gives them back."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


class _Chain:
    """The processes, from the first to the command."""

    def __init__(self, job: Mapping[str, Any], control: socket.socket, parted: _Parted) -> None:
        self.job = job
        self.control = control
        self.parted = parted
        self.orders = memoryview(mmap.mmap(-1, 4 * (LINKS + 1))).cast("I")
        self.alarms = [os.pipe() for _ in range(job["receivers"])]
        """One for each receiver; it is killed when the keeper, who alone has the other end, is no more."""
        self.sender, self.giver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        """What the keeper gives the listener through, a message for each receiver."""
        self.done, self.doing = os.pipe()
        """Where receivers say that they have followed an order."""
        self.help, self.cry = os.pipe()
        """Where all receivers but the first wait to be needed: events that two take in turn cost twice as much."""
        os.set_blocking(self.cry, False)

    def run(self) -> int:
        """Makes the chain and does the part of one process; its exit status."""
        above: list[int] = []
        while len(above) < self.job["receivers"]:
            above.append(os.getpid())
            child = os.fork()
            if child:
                return self.receive(len(above) - 1, child)
            kernel.die_with_parent(above[-1])
        return self.keep(above)

    def receive(self, place: int, child: int) -> int:
        """Does the part of a receiver, until the keeper lets it go."""
        alarm = self.alarms[place][0]
        _withdraw()
        self.control.close()
        self.sender.close()
        os.close(self.done)
        for mine, theirs in self.alarms:
            os.close(theirs)
            if mine != alarm:
                os.close(mine)
        signal.signal(signal.SIGUSR1, _woken)
        fcntl.fcntl(alarm, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(alarm, fcntl.F_SETFL, fcntl.fcntl(alarm, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([alarm], [], [], 0)[0]:  # it died before
            return 1
        listeners = socket.recv_fds(self.giver, 1, 1)[1]
        self.giver.close()
        if listeners:
            self.answer(place, listeners[0])
            os.close(listeners[0])
        os.close(alarm)
        os.write(self.doing, b"e")
        os.waitpid(child, 0)
        return 0

    def answer(self, place: int, listener: int) -> None:
        """Answers the kernel, until the end."""
        recorder = Recorder(listener, self.orders)
        followed = RECORD
        while (order := self.orders[0]) != END:
            if order != followed:
                self.follow(place, order, recorder)
                followed = order
            if place:
                os.read(self.help, 1)
            if recorder.serve(order, _TURN) and not place:
                self.call()

    def follow(self, place: int, order: int, recorder: Recorder) -> None:
        """Ends the writing down."""
        log = os.path.join(self.job["folder"], b"%d.log" % place)
        with contextlib.suppress(Exception):  # a log that is lost is a doubt, no more
            told = recorder.told()
            if order == TELL:
                with open(log, "wb") as file:
                    file.write(told)
        if order == TELL:
            os.write(self.doing, b"t")

    def call(self) -> None:
        """Calls one more receiver for help, if there is one, and none is called already."""
        if not select.select([self.help], [], [], 0)[0]:
            os.write(self.cry, b"h")

    def keep(self, above: Sequence[int]) -> int:
        """Does the part of the keeper, until nobody is left."""
        for mine, _ in self.alarms:
            os.close(mine)
        self.giver.close()
        kernel.reap_orphans()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        woken = _wakes()
        child = os.fork()
        if not child:
            ours.close()
            self.become(theirs)
        theirs.close()
        _withdraw()
        keeper = _Keeper(child, above, self)
        listener = keeper.began(ours)
        self.sender.close()
        keeper.watch(ours, listener, woken)
        keeper.let_go(END)
        return 0

    def become(self, link: socket.socket) -> NoReturn:
        """Becomes the command, below the filter if that can be had."""
        kind, error = NO_FOLDER, 0
        try:
            try:
                listener = kernel.install()
            except OSError as refused:
                link.send(FRAME.pack(UNOBSERVED, refused.errno or errno.EPERM))
            else:
                socket.send_fds(link, [FRAME.pack(STARTED, 0)], [listener])
            if link.recv(1):
                self.parted.restore()
                if self.job["cwd"] is not None:
                    os.chdir(self.job["cwd"])
                kind = NO_PROGRAM
                _execute(self.job)
        except OSError as failed:
            error = failed.errno or errno.EIO
        finally:
            if error:
                link.send(FRAME.pack(kind, error))
            os._exit(255)


class _Keeper:
    """The last of the chain: what it knows of the command, and of the hook."""

    def __init__(self, child: int, above: Sequence[int], chain: _Chain) -> None:
        self.child = child
        self.above = above
        self.chain = chain
        self.control: socket.socket | None = chain.control
        self.is_running = True

    def began(self, link: socket.socket) -> int | None:
        """Lets the command start, when all is ready to answer it. The listener; None: it is not observed."""
        data, listeners, _, _ = socket.recv_fds(link, FRAME.size, 1)
        kind, number = FRAME.unpack(data) if data else (UNOBSERVED, errno.ECHILD)
        listener = listeners[0] if kind == STARTED and listeners else None
        if listener is None:
            self.tell(kind, number)
        else:
            kernel.wake_up_at_once(listener)
            for _ in self.above:
                socket.send_fds(self.chain.sender, [b"l"], [listener])
        handles = []
        with contextlib.suppress(OSError):  # some containers refuse it
            handles.append(kernel.pidfd(self.child))
        self.tell(STARTED, self.child, handles)
        for handle in handles:
            os.close(handle)
        with contextlib.suppress(OSError):
            link.send(b"g")
        return listener

    def watch(self, link: socket.socket, listener: int | None, woken: int) -> None:
        """Sees to it that all is done that must be until nobody is left below the filter."""
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(link, select.POLLIN)
        poll.register(self.chain.control, select.POLLIN)
        if listener is not None:
            poll.register(listener, 0)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if woken in ready:
                os.read(woken, 4096)
            if link.fileno() in ready:
                poll.unregister(link)
                self.failed(link)
            if self.control is not None and self.control.fileno() in ready:
                poll.unregister(self.control)
                self.hang_up()
            ended = self.reap(wait=listener in ready)
            if ended is not None:
                if self.control is not None:
                    poll.unregister(self.control)
                self.ended(ended, listener)
            if listener in ready or (listener is None and not self.is_running):
                return

    def failed(self, link: socket.socket) -> None:
        """Tells the hook if the command could not start."""
        data = link.recv(FRAME.size)
        if data:
            self.tell(*FRAME.unpack(data))
        link.close()

    def reap(self, *, wait: bool) -> int | None:
        """Takes in who has ended; the status of the command, if that was among them."""
        ended = None
        while True:
            try:
                waits = wait and self.is_running
                pid, status = os.waitpid(self.child if waits else -1, 0 if waits else os.WNOHANG)
            except ChildProcessError:
                return ended
            if not pid:
                return ended
            if pid == self.child and self.is_running:
                self.is_running = False
                ended = os.waitstatus_to_exitcode(status)

    def ended(self, status: int, listener: int | None) -> None:
        """Lets the receivers tell what they have written down, and the hook go on."""
        if self.control is None:
            return
        if listener is not None:
            self.let_go(TELL)
        self.tell(ENDED, status)
        is_left = listener is not None and not _is_over(listener)
        self.tell(LEFT if is_left else GONE, 0)
        if is_left:
            self.hang_up()

    def hang_up(self) -> None:
        """The hook is gone, or has all that it wants: from here on nothing is written down."""
        if self.chain.orders[0] == RECORD:
            self.chain.orders[0] = QUIET
        if self.control is not None:
            self.control.close()
            self.control = None

    def tell(self, kind: int, number: int, descriptors: Sequence[int] = ()) -> None:
        """Tells the hook something, if it is still there."""
        if self.control is not None:
            with contextlib.suppress(OSError):
                socket.send_fds(self.control, [FRAME.pack(kind, number)], descriptors)

    def let_go(self, order: int) -> None:
        """Gives all receivers an order, and waits until they have followed it."""
        self.chain.orders[0] = order
        left = len(self.above)
        for _ in range(_PATIENCE):
            for pid in self.above:
                os.kill(pid, signal.SIGUSR1)
            with contextlib.suppress(BlockingIOError):
                os.write(self.chain.cry, b"o" * left)
            while left and select.select([self.chain.done], [], [], _AGAIN)[0]:
                left -= len(os.read(self.chain.done, left))
            if not left:
                return


def _execute(job: Mapping[str, Any]) -> None:
    """Becomes the first of the programs that is there, as `subprocess` does. Raises OSError."""
    failed = [_refused(path, job) for path in job["programs"]]
    known = [error for error in failed if error.errno not in (errno.ENOENT, errno.ENOTDIR)]
    raise [*known[-1:], *failed[-1:], OSError(errno.ENOENT, "")][0]


def _refused(path: bytes, job: Mapping[str, Any]) -> OSError:
    """Becomes a program, or says why not."""
    try:
        os.execve(path, job["command"], job["environ"])  # noqa: S606
    except OSError as error:
        return error


def _withdraw() -> None:
    """Leaves the session of the command, and holds nothing that anybody waits for."""
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    if nothing > 2:  # noqa: PLR2004
        os.close(nothing)


def _woken(*_: object) -> None:
    """Does nothing: that a signal came in is enough."""


def _wakes() -> int:
    """A descriptor that can be read when a child has ended."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _woken)
    return woken


def _is_over(listener: int) -> bool:
    """Whether nobody is left below the filter."""
    poll = select.poll()
    poll.register(listener, 0)
    return bool(poll.poll(_GRACE))

"""What the kernel offers to observe a command: a filter, its listener, and the memory of those who are asked about.

Part of the supervisor, which runs in an interpreter of its own: only the standard library. Linux, x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import select
import socket
import struct
import sys
from typing import NamedTuple

__all__ = [
    "ACTIONS",
    "ANSWER",
    "EMPTY_PATH",
    "HERE",
    "NOTICE",
    "RECEIVE",
    "SEND",
    "Form",
    "Memory",
    "die_with_parent",
    "forms",
    "install",
    "libc",
    "machine",
    "pidfd",
    "probe",
    "reap_orphans",
    "swift",
    "wake_up_at_once",
]

RECEIVE, SEND, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082104
NOTICE = struct.Struct("<QIIiIQ6Q")
"""`struct seccomp_notif`: number, thread, flags; call, architecture, instruction, six arguments."""
ANSWER = struct.Struct("<QqiI")
"""`struct seccomp_notif_resp`: number, value, error, flags."""
HERE = -100 & 0xFFFFFFFF
"""AT_FDCWD, as the lower half of an argument."""

_NOTIFY, _ALLOW, _REFUSE = 0x7FC00000, 0x7FFF0000, 0x00050000
_LISTENER, _KILLABLE, _SPECULATIVE = 1 << 3, 1 << 5, 1 << 2
"""The last: what is filtered may speculate as ever, which kernels before 5.16 forbid, and which is slow without."""
_SYNC_WAKE_UP = 1
EMPTY_PATH = 0x1000
_X32 = 0x40000000
_REALPATH = 1023
"""The length of the answer that glibc's `realpath` asks for from 2.33 on, and hardly anybody else. gcc looks by that at
each folder above each header, 4,200 times for one file, which would be five of six events."""
_PAGE = 4096
_MOST = 256
"""Bytes of a path that are read at once: few are longer."""
_NO_NEW_PRIVILEGES, _PARENT_DEATH, _SUBREAPER = 38, 1, 36
_KILL = 9
_PIDFD_OPEN = 434

libc = ctypes.CDLL(None, use_errno=True)
swift = ctypes.PyDLL(None, use_errno=True)
"""The same for a process of one thread: no lock is let go and taken again around each call."""


class Form(NamedTuple):
    """What a call does with which of its arguments."""

    action: int
    """One of `ACTIONS`."""
    path: int = 0
    """Where its path stands."""
    start: int = -1
    """Where the folder stands that a relative path begins at; -1: the working directory."""
    flags: int = -1
    """Where its flags stand; -1: it has none that matter."""
    other: int = -1
    """Where its second path stands; the folder of that stands before it, if the first has one."""


class ACTIONS:
    """What calls do."""

    ASK, OPEN, OPEN2, CREATE, RUN, ENTER, MAKE, SYMLINK, REMOVE, CUT, RENAME, LINK, MOUNT, HANDLE = range(14)


_A = ACTIONS
_CALLS = (
    (257, 56, Form(_A.OPEN, 1, 0, 2)),  # openat
    (262, 79, Form(_A.ASK, 1, 0)),  # newfstatat
    (332, 291, Form(_A.ASK, 1, 0)),  # statx
    (2, 0, Form(_A.OPEN, 0, -1, 1)),  # open
    (4, 0, Form(_A.ASK)),  # stat
    (6, 0, Form(_A.ASK)),  # lstat
    (21, 0, Form(_A.ASK)),  # access
    (269, 48, Form(_A.ASK, 1, 0)),  # faccessat
    (439, 439, Form(_A.ASK, 1, 0)),  # faccessat2
    (89, 0, Form(_A.ASK)),  # readlink
    (267, 78, Form(_A.ASK, 1, 0)),  # readlinkat
    (59, 221, Form(_A.RUN)),  # execve
    (322, 281, Form(_A.RUN, 1, 0, 4)),  # execveat
    (437, 437, Form(_A.OPEN2, 1, 0, 2)),  # openat2
    (80, 49, Form(_A.ENTER)),  # chdir
    (85, 0, Form(_A.CREATE)),  # creat
    (82, 0, Form(_A.RENAME, 0, -1, -1, 1)),  # rename
    (264, 38, Form(_A.RENAME, 1, 0, -1, 3)),  # renameat
    (316, 276, Form(_A.RENAME, 1, 0, -1, 3)),  # renameat2
    (86, 0, Form(_A.LINK, 0, -1, -1, 1)),  # link
    (265, 37, Form(_A.LINK, 1, 0, -1, 3)),  # linkat
    (88, 0, Form(_A.SYMLINK, 1)),  # symlink
    (266, 36, Form(_A.SYMLINK, 2, 1)),  # symlinkat
    (83, 0, Form(_A.MAKE)),  # mkdir
    (258, 34, Form(_A.MAKE, 1, 0)),  # mkdirat
    (133, 0, Form(_A.MAKE)),  # mknod
    (259, 33, Form(_A.MAKE, 1, 0)),  # mknodat
    (87, 0, Form(_A.REMOVE)),  # unlink
    (263, 35, Form(_A.REMOVE, 1, 0)),  # unlinkat
    (84, 0, Form(_A.REMOVE)),  # rmdir
    (76, 45, Form(_A.CUT)),  # truncate
    (191, 8, Form(_A.ASK)),  # getxattr
    (192, 9, Form(_A.ASK)),  # lgetxattr
    (194, 11, Form(_A.ASK)),  # listxattr
    (195, 12, Form(_A.ASK)),  # llistxattr
    (188, 5, Form(_A.ASK)),  # setxattr
    (189, 6, Form(_A.ASK)),  # lsetxattr
    (197, 14, Form(_A.ASK)),  # removexattr
    (198, 15, Form(_A.ASK)),  # lremovexattr
    (90, 0, Form(_A.ASK)),  # chmod
    (268, 53, Form(_A.ASK, 1, 0)),  # fchmodat
    (452, 452, Form(_A.ASK, 1, 0)),  # fchmodat2
    (92, 0, Form(_A.ASK)),  # chown
    (94, 0, Form(_A.ASK)),  # lchown
    (260, 54, Form(_A.ASK, 1, 0)),  # fchownat
    (132, 0, Form(_A.ASK)),  # utime
    (235, 0, Form(_A.ASK)),  # utimes
    (261, 0, Form(_A.ASK, 1, 0)),  # futimesat
    (280, 88, Form(_A.ASK, 1, 0)),  # utimensat
    (137, 43, Form(_A.ASK)),  # statfs
    (254, 27, Form(_A.ASK, 1)),  # inotify_add_watch
    (303, 264, Form(_A.ASK, 1, 0)),  # name_to_handle_at
    (428, 428, Form(_A.ASK, 1, 0)),  # open_tree
    (165, 40, Form(_A.MOUNT)),  # mount
    (155, 41, Form(_A.MOUNT)),  # pivot_root
    (161, 51, Form(_A.MOUNT)),  # chroot
    (308, 268, Form(_A.MOUNT)),  # setns
    (429, 429, Form(_A.MOUNT)),  # move_mount
    (304, 265, Form(_A.HANDLE)),  # open_by_handle_at
)
"""The calls that are notified, with their numbers on x86_64 and on aarch64, which has not all; the commonest first."""
_RING = 425
"""io_uring_setup: behind a ring no file is seen. As on older kernels there is none, and programs do without."""


class _Machine(NamedTuple):
    audit: int
    seccomp: int
    """The number of the call."""
    column: int
    """Of `_CALLS`."""
    descriptors: dict[int, int]
    """Calls that are not notified when they ask about a descriptor, and the argument that has the flags."""
    links: dict[int, int]
    """Calls that are not notified when `realpath` makes them, and the argument that has the length of the answer."""
    foreign: tuple[int, ...]
    """Numbers of the 32-bit calls by which a program is noticed: brk, open, execve, openat."""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 0, {262: 3, 332: 2, 439: 3}, {89: 2, 267: 3}, (45, 5, 11, 295)),
    "aarch64": _Machine(0xC00000B7, 277, 1, {79: 3, 291: 2, 439: 3}, {78: 3}, (45, 5, 11, 322)),
}


def machine() -> int:
    """The number that the kernel has for this architecture. Raises KeyError for one that is not known."""
    return _MACHINES[platform.machine()].audit


def forms() -> dict[int, Form]:
    """The calls that are notified, by number."""
    column = _MACHINES[platform.machine()].column
    return {(x86_64, aarch64)[column]: form for x86_64, aarch64, form in _CALLS if not column or aarch64}


def _program(machine: _Machine) -> bytes:
    """The filter, as `struct sock_filter[]`. For calls that it always lets pass, the kernel need not run it."""
    load, equal, at_least, has, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    notify = (answer, 0, 0, _NOTIFY)
    allow = (answer, 0, 0, _ALLOW)
    foreign = [step for number in machine.foreign for step in ((equal, 0, 1, number), notify)]
    steps = [(load, 0, 0, 4), (equal, len(foreign) + 2, 0, machine.audit), (load, 0, 0, 0), *foreign, allow]
    steps.append((load, 0, 0, 0))
    if not machine.column:
        brk, opens, execve, openat = (_X32 + number for number in (12, 2, 520, 257))
        strange = [step for number in (brk, opens, execve, openat) for step in ((equal, 0, 1, number), notify)]
        steps += [(at_least, 0, len(strange) + 1, _X32), *strange, allow]
    for number in forms():
        if number in machine.descriptors:
            flags = 16 + 8 * machine.descriptors[number]
            steps += [(equal, 0, 4, number), (load, 0, 0, flags), (has, 0, 1, EMPTY_PATH), allow, notify]
        elif number in machine.links:
            length = 16 + 8 * machine.links[number]
            steps += [(equal, 0, 4, number), (load, 0, 0, length), (equal, 0, 1, _REALPATH), allow, notify]
        else:
            steps += [(equal, 0, 1, number), notify]
    steps += [(equal, 0, 1, _RING), (answer, 0, 0, _REFUSE | errno.ENOSYS)]
    return b"".join([struct.pack("<HBBI", *step) for step in [*steps, allow]])


def install() -> int:
    """The descriptor of the listener, when this process and all below it are filtered. Raises OSError.

    Without privileges, no process below can gain any: `sudo` does not work there.
    """
    machine = _MACHINES[platform.machine()]
    text = ctypes.create_string_buffer(_program(machine))
    program = ctypes.create_string_buffer(struct.pack("@HP", (len(text) - 1) // 8, ctypes.addressof(text)))
    flags = _LISTENER | _KILLABLE | _SPECULATIVE
    renounced = False
    while True:
        listener: int = libc.syscall(
            *map(ctypes.c_long, (machine.seccomp, 1, flags)), ctypes.c_void_p(ctypes.addressof(program))
        )
        if listener >= 0:
            return listener
        error = ctypes.get_errno()
        if error == errno.EINVAL and flags & _KILLABLE:
            flags &= ~_KILLABLE
        elif error == errno.EACCES and not renounced:
            renounced = _control(_NO_NEW_PRIVILEGES, 1) == 0
            if not renounced:
                raise OSError(error, os.strerror(error))
        else:
            raise OSError(error, os.strerror(error))


def _control(option: int, value: int) -> int:
    result: int = libc.prctl(*map(ctypes.c_ulong, (option, value, 0, 0, 0)))
    return result


def die_with_parent(parent: int) -> None:
    """Lets the kernel kill this process when its parent, who has the number, is no more; now, if that is so."""
    _control(_PARENT_DEATH, _KILL)
    if os.getppid() != parent:
        os._exit(1)


def reap_orphans() -> None:
    """Makes this process the parent of what is left behind below it."""
    _control(_SUBREAPER, 1)


def wake_up_at_once(listener: int) -> None:
    """Lets whoever asks and whoever answers take turns on one processor; old kernels have no such thing."""
    libc.ioctl(listener, ctypes.c_ulong(_SET_FLAGS), ctypes.c_ulong(_SYNC_WAKE_UP))


def pidfd(pid: int) -> int:
    """A descriptor of a process, which no later one of the same number gets. Raises OSError."""
    descriptor: int = libc.syscall(*map(ctypes.c_long, (_PIDFD_OPEN, pid, 0)))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


class Memory:
    """What reads the memory of another process, again and again with the same few objects."""

    def __init__(self) -> None:
        self.buffer = bytearray(_PAGE)
        self.here = ctypes.addressof(ctypes.c_char.from_buffer(self.buffer))
        self.vectors = bytearray(32)
        at = ctypes.addressof(ctypes.c_char.from_buffer(self.vectors))
        self.local, self.remote = ctypes.c_void_p(at), ctypes.c_void_p(at + 16)
        self.pack = struct.Struct("@PNPN").pack_into
        self.single, self.none = ctypes.c_ulong(1), ctypes.c_ulong(0)
        self.readv = swift.process_vm_readv

    def text(self, pid: int, address: int) -> bytes:
        """The text up to the first NUL. Raises OSError: EFAULT if nothing is there, others if nobody may look."""
        size = min(_MOST, _PAGE - (address & _PAGE - 1))
        self.pack(self.vectors, 0, self.here, size, address, size)
        if self.readv(pid, self.local, self.single, self.remote, self.single, self.none) == size:
            end = self.buffer.find(0, 0, size)
            if end >= 0:
                return bytes(self.buffer[:end])
        return self.long(pid, address)

    def long(self, pid: int, address: int, most: int = _PAGE) -> bytes:
        """The same of a text that is long, or lies across two pages."""
        text = b""
        while len(text) < most:
            at = address + len(text)
            head, end, _ = self.read(pid, at, min(most, _PAGE - (at & _PAGE - 1))).partition(b"\0")
            text += head
            if end:
                break
        return text

    def read(self, pid: int, address: int, size: int) -> bytes:
        """So many bytes, at most those of a page. Raises OSError."""
        self.pack(self.vectors, 0, self.here, size, address, size)
        count = self.readv(pid, self.local, self.single, self.remote, self.single, self.none)
        if count == size:
            return bytes(self.buffer[:size])
        error = ctypes.get_errno() if count < 0 else errno.EFAULT
        if error in (errno.EPERM, errno.ENOSYS):
            return _pread(pid, address, size)
        raise OSError(error, os.strerror(error))

    def words(self, pid: int, address: int, most: int = 40) -> tuple[bytes, ...]:
        """The first words of a command line, as far as they can be read: `address` is that of a list of addresses."""
        words: list[bytes] = []
        room = _PAGE
        try:
            while len(words) < most and room > 0:
                (pointer,) = struct.unpack("@P", self.read(pid, address + 8 * len(words), 8))
                if not pointer:
                    break
                words.append(self.long(pid, pointer, room))
                room -= len(words[-1])
        except OSError:
            pass
        return tuple(words)


def _pread(pid: int, address: int, size: int) -> bytes:
    """The other way to the memory of a process, which some containers allow. Raises OSError."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        return os.pread(descriptor, size, address)
    finally:
        os.close(descriptor)


_MOMENT = 2000
"""Milliseconds in which a kernel that can do something has done it."""
_PATH = b"/proc/self/stat"


def probe() -> None:
    """Prints why nothing can be observed: `kernel:` and what holds for this kernel, or `now:` and an error.

    It is tried once, with one file.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    child = os.fork()
    if not child:
        _open_one_file(theirs, parent)
    theirs.close()
    sys.stdout.write(_probed(child, ours) or "fine")


def _open_one_file(link: socket.socket, parent: int) -> None:
    """Opens a file below the filter, and ends."""
    status = 1
    try:
        die_with_parent(parent)
        listener = install()
        socket.send_fds(link, [b"l"], [listener])
        os.close(listener)
        os.close(os.open(_PATH, os.O_RDONLY))
        status = 0
    except OSError as error:
        link.send(str(error.errno or errno.EPERM).encode())
    finally:
        os._exit(status)


def _probed(  # noqa: PLR0911 - one for each step that can fail
    child: int, link: socket.socket
) -> str:
    data, listeners, _, _ = socket.recv_fds(link, 100, 1)
    if not listeners:
        error = int(data or errno.EPERM)
        return f"now:{error}"
    listener = listeners[0]
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    if not poll.poll(_MOMENT):
        return "kernel:it notifies nobody"
    notice = bytearray(NOTICE.size)
    if libc.ioctl(listener, ctypes.c_ulong(RECEIVE), _pointer(notice)):
        return "kernel:it notifies of nothing"
    number, pid, _, call, *_, path, _, _, _, _ = NOTICE.unpack(notice)
    try:
        seen = Memory().text(pid, path)
    except OSError as error:
        return f"now:{error.errno}"
    answer = bytearray(ANSWER.pack(number, 0, 0, 1))
    if libc.ioctl(listener, ctypes.c_ulong(SEND), _pointer(answer)):
        return "kernel:it does not go on with a call that was notified"
    if os.waitpid(child, 0)[1]:
        return "kernel:a call that was notified fails"
    poll.modify(listener, 0)
    if not poll.poll(_MOMENT):
        return "kernel:it does not say when nobody is left to observe"
    return "" if seen == _PATH and call in forms() else "kernel:it notifies of something else"


def _pointer(buffer: bytearray) -> ctypes.c_void_p:
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(buffer)))

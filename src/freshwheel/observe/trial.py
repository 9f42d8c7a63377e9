"""Whether this kernel lets a command be observed: tried once, with one file. Part of the supervisor's interpreter."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import sys

from freshwheel.observe import kernel

__all__ = ["main"]

_MOMENT = 2000
"""Milliseconds in which a kernel that can do something has done it."""
_PATH = b"/proc/self/stat"


def main() -> None:
    """Prints why nothing can be observed: `kernel:` and what holds for this kernel, or `now:` and an error."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    child = os.fork()
    if not child:
        _open(theirs, parent)
    theirs.close()
    sys.stdout.write(_tried(child, ours) or "fine")


def _open(link: socket.socket, parent: int) -> None:
    """Opens a file below the filter, and ends."""
    status = 1
    try:
        kernel.die_with_parent(parent)
        listener = kernel.install()
        socket.send_fds(link, [b"l"], [listener])
        os.close(listener)
        os.close(os.open(_PATH, os.O_RDONLY))
        status = 0
    except OSError as error:
        link.send(str(error.errno or errno.EPERM).encode())
    finally:
        os._exit(status)


def _tried(  # noqa: PLR0911 - one for each step that can fail
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
    notice = bytearray(kernel.NOTICE.size)
    if kernel.libc.ioctl(listener, ctypes.c_ulong(kernel.RECEIVE), _pointer(notice)):
        return "kernel:it notifies of nothing"
    number, pid, _, call, *_, path, _, _, _, _ = kernel.NOTICE.unpack(notice)
    try:
        seen = kernel.Memory().text(pid, path)
    except OSError as error:
        return f"now:{error.errno}"
    answer = bytearray(kernel.ANSWER.pack(number, 0, 0, 1))
    if kernel.libc.ioctl(listener, ctypes.c_ulong(kernel.SEND), _pointer(answer)):
        return "kernel:it does not go on with a call that was notified"
    if os.waitpid(child, 0)[1]:
        return "kernel:a call that was notified fails"
    poll.modify(listener, 0)
    if not poll.poll(_MOMENT):
        return "kernel:it does not say when nobody is left to observe"
    return "" if seen == _PATH and call in kernel.forms() else "kernel:it notifies of something else"


def _pointer(buffer: bytearray) -> ctypes.c_void_p:
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(buffer)))

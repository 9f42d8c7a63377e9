"""What answers the kernel, and writes down who asked for which path. Part of the supervisor: the standard library only.

Every event holds up a program of the build, and there are thousands in a second: what was seen once is looked up in
one set. Of each path its state is taken before the kernel goes on with the call.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import re
import stat
import time
from collections.abc import Sequence

from freshwheel.observe import kernel
from freshwheel.observe.kernel import ACTIONS, Form

__all__ = ["END", "LINKS", "NEVER", "QUIET", "RECORD", "TELL", "Recorder"]

RECORD, TELL, QUIET, END = range(4)
"""Orders: write down; tell what was written down, then be quiet; answer and write nothing down; end."""
NEVER = 1 << 64
"""Later than any notification."""
MASK = 0xFFFF
"""Of the numbers of processes that have executed something."""
LINKS = MASK + 1
"""Where among the orders stands in which notification the build has last made a symbolic link; 0: it has made none."""
READ, ASKED, RUN, WRITTEN, AGAIN = range(5)
"""How a path was used: places in `_Image.used`; the last one: read more than once."""

_CONTINUE = 1
_WORDS, _LENGTH = 40, 4096
"""What is kept of a command line."""
_FIRST_LINE, _SCRIPTS = 256, 5
"""Bytes by which the kernel knows a script, and how many scripts it takes, each executed by the next."""
_BUSY = 0.9
"""Of the time; who is that busy needs help."""
_MOST = 1_000_000
"""Paths, and as many uses: no build has so many."""
_CROWD = 100_000
"""Processes that are known at once."""
_WITHOUT_NAME = 0o20000000
"""O_TMPFILE without the bit of O_DIRECTORY."""
_ADDED = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_IGNORED = re.compile(rb"/(?:proc|sys|dev(?!/shm/))/").match
_OPENED = re.compile(
    rb"/(?:proc/(?:self|thread-self|(?P<pid>\d+))(?:/task/\d+)?/(?P<what>cwd|root|fd/\d+)"
    rb"|dev/(?:(?P<number>fd/\d+)|stdin|stdout|stderr))(?=/|$)"
).match
"""What a process has open already, by a path."""

Row = tuple[int, int, int, int, int]


class _Image:
    """One program that was executed, and what it has done."""

    __slots__ = ("first", "forked", "group", "path", "seen", "used", "words")

    def __init__(self, first: int, group: int, path: bytes, words: tuple[bytes, ...], *, forked: bool) -> None:
        self.first = first
        self.group = group
        self.path = path
        self.words = words
        self.forked = forked
        """Whether it was not executed by this process, but by one that this one was forked from."""
        self.seen: set[tuple[bytes, int]] = set()
        """Paths and the flags that they were opened with: nothing new can be learned of them."""
        self.used: tuple[set[bytes], ...] = (set(), set(), set(), set(), set())

    def told(self) -> tuple[object, ...]:
        """It, for the log."""
        return self.first, self.group, self.path, self.words, self.forked, tuple(map(tuple, self.used))


class Recorder:
    """One of those who receive from the listener; each notification goes to one of them."""

    def __init__(self, listener: int, orders: memoryview) -> None:
        """`orders` are shared: the order of the moment, how often a process has executed something, and `LINKS`."""
        self.listener = listener
        self.orders = orders
        self.machine = kernel.machine()
        self.forms = kernel.forms()
        self.memory = kernel.Memory()
        self.threads: dict[int, tuple[int, _Image]] = {}
        """By thread: how often it had executed something, and what it runs."""
        self.images: dict[tuple[int, bytes, tuple[bytes, ...]], _Image] = {}
        self.paths: dict[bytes, list[object]] = {}
        """By path: what it led to; the notifications in which it was first taken, first written, first read; and of one
        that was not there at first, what it led to when it was read."""
        self.executed: list[tuple[int, int, bytes, tuple[bytes, ...]]] = []
        self.doubts: dict[str, None] = {}
        self.links = 0
        """What stood there when `followed` began."""
        self.followed: set[tuple[bytes, int]] = set()
        self.passed: set[bytes] = set()
        """Folders whose links are taken down."""
        self.began = time.time_ns()
        self.count = 0
        self.blind = False

    def serve(self, order: int, most: int) -> bool:
        """Answers so many events, as long as the order is this one; whether they came as fast as they were answered."""
        orders, listener, ioctl = self.orders, self.listener, kernel.swift.ioctl
        notice, answer = bytearray(kernel.NOTICE.size), bytearray(kernel.ANSWER.pack(0, 0, 0, _CONTINUE))
        notice_at, answer_at = (ctypes.c_void_p(_address(part)) for part in (notice, answer))
        receive, send = ctypes.c_ulong(kernel.RECEIVE), ctypes.c_ulong(kernel.SEND)
        blank, unpack, number = bytes(kernel.NOTICE.size), kernel.NOTICE.unpack, slice(8)
        note = self.note if order == RECORD else None
        began, worked = time.monotonic(), time.process_time()
        for _ in range(most):
            if orders[0] != order:
                return False
            notice[:] = blank
            if ioctl(listener, receive, notice_at):
                if ctypes.get_errno() == errno.ENOENT:  # who asked was killed, or nobody is left
                    time.sleep(0.0005)
                continue
            if note is not None:
                try:
                    note(*unpack(notice))
                except Exception as error:  # noqa: BLE001 - whatever it is, who asked must go on
                    self.doubts[f"the observer has missed something: {error!r}"] = None
            answer[number] = notice[number]
            ioctl(listener, send, answer_at)
        return time.process_time() - worked > _BUSY * (time.monotonic() - began)

    def note(self, number: int, pid: int, _: int, call: int, machine: int, __: int, *arguments: int) -> None:
        """Writes down one event."""
        form = self.forms.get(call)
        if form is None or machine != self.machine:
            self.doubts["a program for another architecture ran, whose files can't be told"] = None
            return
        action, place, _, place_of_flags, other = form
        thread = self.threads.get(pid)
        image = (
            thread[1] if thread is not None and thread[0] == self.orders[pid & MASK or 1] else self.image(number, pid)
        )
        flags = arguments[place_of_flags] if place_of_flags >= 0 else 0
        try:
            path = self.memory.text(pid, arguments[place]) if action < ACTIONS.MOUNT else b""
            if path[:1] != b"/" or path.startswith((b"/proc/", b"/dev/")):
                path = self.absolute(pid, path, form, arguments)
            if not path:
                return
            if self.links != self.orders[LINKS]:
                self.forget()
            known = action == ACTIONS.ASK and not self.links and self.asked(number, image, path)
            if known or self.blind or self.again(image, path, action, flags):
                return
            if action == ACTIONS.OPEN2:
                flags = int.from_bytes(self.memory.read(pid, flags, 8), "little")
            second = self.second(pid, form, arguments) if other >= 0 else b""
        except OSError as error:
            self.unreadable(error, image)
            return
        self.look(number, image, path, action, flags, second)
        if action == ACTIONS.RUN:
            self.run(number, pid, image, _straight(path), arguments[place + 1])

    def again(self, image: _Image, path: bytes, action: int, flags: int) -> bool:
        """Takes down that a path was opened so once more; whether it was."""
        if (path, flags) not in image.seen:
            return False
        if action in (ACTIONS.OPEN, ACTIONS.OPEN2):
            image.used[AGAIN].add(path)
        return True

    def second(self, pid: int, form: Form, arguments: Sequence[int]) -> bytes:
        """The other path of a call that has two."""
        path = self.memory.text(pid, arguments[form.other])
        start = arguments[form.other - 1] if form.start >= 0 else kernel.HERE
        return path if path[:1] == b"/" else self.begun(pid, path, start)

    def absolute(self, pid: int, path: bytes, form: Form, arguments: Sequence[int]) -> bytes:
        """The path that a relative one means, or one of what is open; nothing where it means none."""
        action, _, start, flags, _ = form
        if path[:1] == b"/":
            return self.opened_before(pid, path)
        if action >= ACTIONS.MOUNT:
            self.strange(action)
            return b""
        if not path:
            is_program = action == ACTIONS.RUN and start >= 0 and arguments[flags] & kernel.EMPTY_PATH
            return self.opened_program(pid, arguments[start]) if is_program else b""
        return self.begun(pid, path, arguments[start] if start >= 0 else kernel.HERE)

    def begun(self, pid: int, path: bytes, start: int) -> bytes:
        """A relative path with what it begins at; nothing for what is in no folder."""
        if not path:
            return b""
        start &= 0xFFFFFFFF
        try:
            folder = os.readlink(b"/proc/%d/cwd" % pid if start == kernel.HERE else b"/proc/%d/fd/%d" % (pid, start))
        except FileNotFoundError:
            return b""
        return folder + b"/" + path if folder[:1] == b"/" else b""

    def opened_before(self, pid: int, path: bytes) -> bytes:
        """The path of what a process has open, where it is asked for through `/proc` or `/dev`; else the same path."""
        if path.startswith(b"/proc/") and path.endswith(b"/environ"):
            self.doubts["a program has read the variables of a process as a file"] = None
        match = _OPENED(path)
        if match is None:
            return path
        standard = {b"stdin": b"fd/0", b"stdout": b"fd/1", b"stderr": b"fd/2"}.get(os.path.basename(match[0]))
        what = match["what"] or match["number"] or standard
        try:
            target = os.readlink(b"/proc/%s/%s" % (match["pid"] or b"%d" % pid, what or b""))
        except OSError:
            return path
        return _straight(target + path[match.end() :]) if target[:1] == b"/" else path

    def forget(self) -> None:
        """The build has made a symbolic link: what a path led to before says nothing any more."""
        self.links = self.orders[LINKS]
        self.followed.clear()
        self.passed.clear()
        for image in self.images.values():
            image.seen.clear()

    def opened_program(self, pid: int, descriptor: int) -> bytes:
        """The path of a program that is executed by its descriptor."""
        path = os.readlink(b"/proc/%d/fd/%d" % (pid, descriptor & 0xFFFFFFFF))
        if path.startswith(b"/memfd:"):
            self.doubts["a program ran out of memory, not out of a file"] = None
            return b""
        return path

    def strange(self, action: int) -> None:
        """A call after which paths can't be told."""
        if action == ACTIONS.MOUNT:
            # What is mounted may be answered by a program that waits for us: nothing is looked at any more.
            self.blind = True
            self.doubts["a program has changed what paths mean: it mounted something, or entered another root"] = None
        else:
            self.doubts["a program opened files by handles, without paths"] = None

    def unreadable(self, error: OSError, image: _Image) -> None:
        """What a program has asked for could not be read; it may be gone, or have given a wrong address."""
        if error.errno not in (errno.EFAULT, errno.ESRCH, errno.ENOENT):
            name = os.path.basename(os.fsdecode(image.path)) or "a program"
            self.doubts[f"it can't be seen what {name} opens: {error.strerror}"] = None

    def image(self, number: int, pid: int) -> _Image:
        """What a thread runs that is not known, or has executed something since."""
        group = _leader(pid)
        if group != pid:
            known = self.threads.get(group)
            current = known is not None and known[0] == self.orders[group & MASK or 1]
            image = known[1] if known is not None and current else self.image(number, group)
        else:
            image = self.executing(number, pid)
        if len(self.threads) > _CROWD:
            self.threads.clear()
        self.threads[pid] = self.orders[pid & MASK or 1], image
        return image

    def executing(self, number: int, group: int) -> _Image:
        """The program that a process runs, as the kernel tells."""
        try:
            path = os.readlink(b"/proc/%d/exe" % group)
        except OSError:
            path = b""
        words = _command_line(group)
        forked = not self.orders[group & MASK or 1]
        key = (0 if forked else group, path, words)
        image = self.images.get(key)
        if image is None:
            image = self.images[key] = _Image(number, group, path, words, forked=forked)
        return image

    def asked(self, number: int, image: _Image, path: bytes) -> bool:
        """Takes down that a known path was asked for; whether it is one. There are more of these than of all others."""
        known = self.paths.get(path)
        if known is None:
            return False
        if known[1] is NEVER:
            known[1] = number
        used = image.used[ASKED]
        if path not in used:
            used.add(path)
            self.count += 1
        return True

    def look(self, number: int, image: _Image, path: bytes, action: int, flags: int, second: bytes) -> None:  # noqa: PLR0913, PLR0917
        """Takes down what is new about a path."""
        raw, path = path, path if path in self.paths else _straight(path)
        self.through(number, image, os.path.dirname(path))
        if action in (ACTIONS.OPEN, ACTIONS.OPEN2):
            if self.opened(number, image, path, flags):
                image.seen.add((raw, flags))
        elif action == ACTIONS.CREATE:
            self.opened(number, image, path, _ADDED)
        elif action == ACTIONS.ASK:
            self.follow(number, image, path, ASKED)
        elif action == ACTIONS.RUN:
            self.follow(number, image, path, RUN if self.is_there(path) else ASKED)
        elif action == ACTIONS.ENTER:
            self.follow(number, image, path, ASKED)
            self.enter(number, image, path)
        else:
            if action == ACTIONS.SYMLINK or (action == ACTIONS.RENAME and os.path.islink(path)):
                self.orders[LINKS] = number & 0xFFFFFFFF or 1
            self.changed(number, image, path, action, _straight(second))

    def is_there(self, path: bytes) -> bool:
        """Whether a path leads to something now."""
        known = self.paths.get(path)
        if known is None:
            row = _row(path)
            if not _IGNORED(path) and len(self.paths) < _MOST:
                self.paths[path] = [row, NEVER, NEVER, NEVER, None]
            return row is not None
        return (known[0] is not None and known[2] is NEVER) or os.access(path, os.F_OK)

    def opened(self, number: int, image: _Image, path: bytes, flags: int) -> bool:
        """How a path was opened; whether the same will be the same again."""
        if flags & _WITHOUT_NAME:
            return True
        if flags & os.O_PATH:
            self.follow(number, image, path, ASKED)
            return True
        if not self.is_there(path):
            self.follow(number, image, path, WRITTEN if flags & os.O_CREAT else ASKED)
            if flags & (os.O_CREAT | os.O_TRUNC) == os.O_CREAT or flags & os.O_EXCL:
                self.was_absent(number, path)
                if flags & os.O_ACCMODE == os.O_RDWR and not flags & os.O_EXCL:
                    image.used[READ].add(path)  # of what was there before, nothing is read
            return False
        if flags & os.O_CREAT and flags & os.O_EXCL:
            self.follow(number, image, path, ASKED)
            return True
        way, is_emptied = flags & os.O_ACCMODE, flags & os.O_TRUNC
        if way != os.O_WRONLY and not is_emptied:
            self.follow(number, image, path, READ)
            self.enter(number, image, path)
        if way == os.O_WRONLY and not is_emptied:
            image.used[WRITTEN].add(path)  # what it held is still there, for whoever reads it later
        elif way != os.O_RDONLY or is_emptied:
            self.follow(number, image, path, WRITTEN)
        return True

    def enter(self, number: int, image: _Image, path: bytes) -> None:
        """Takes down the links that the path of a folder leads through: what is used below it does not show them."""
        known = self.paths.get(path)
        if known is not None and isinstance(known[0], tuple) and stat.S_ISDIR(known[0][0]):
            self.through(number, image, path)

    def through(self, number: int, image: _Image, path: bytes) -> None:
        """Takes down the links among a folder and those above it, where that was not done before."""
        while path not in (b"", b"/") and path not in self.passed:
            self.passed.add(path)
            if os.path.islink(path):
                self.use(number, image, path, ASKED)
                self.through(number, image, os.path.join(os.path.dirname(path), os.readlink(path)))
            path = os.path.dirname(path)

    def follow(self, number: int, image: _Image, path: bytes, how: int) -> None:
        """Takes down one use of a path, and of where it leads: a link that the build made may be gone at its end."""
        self.use(number, image, path, how)
        if self.links and (path, how) not in self.followed:
            self.followed.add((path, how))
            real = os.path.realpath(path)
            if real != path:
                self.use(number, image, real, how)

    def changed(self, number: int, image: _Image, path: bytes, action: int, second: bytes) -> None:
        """What was made, removed, cut, renamed or linked; in vain, it was only asked for."""
        there = os.path.lexists(path)
        if action in (ACTIONS.MAKE, ACTIONS.SYMLINK):
            self.use(number, image, path, ASKED if there else WRITTEN)
            return
        if not there:
            self.use(number, image, path, ASKED)
        elif action == ACTIONS.LINK:
            self.use(number, image, path, READ)
        else:
            if action == ACTIONS.RENAME and self.is_older(path):
                self.doubts[f"{os.fsdecode(path)} was renamed, and what is in it has other paths since"] = None
            if action != ACTIONS.REMOVE:  # what it holds lives on
                self.use(number, image, path, READ)
            self.use(number, image, path, WRITTEN)
        if second:
            made = there and not (action == ACTIONS.LINK and os.path.lexists(second))
            self.use(number, image, second, WRITTEN if made else ASKED)
            if action == ACTIONS.LINK:
                self.was_absent(number, second)

    def was_absent(self, number: int, path: bytes) -> None:
        """Takes down that a call which makes something has told that nothing was there before."""
        known = self.paths.get(path)
        if known is not None and known[1] is NEVER:
            known[1] = number

    def is_older(self, path: bytes) -> bool:
        """Whether a path leads to a folder that is as it was before the build."""
        row = _row(path)
        return row is not None and stat.S_ISDIR(row[0]) and row[3] < self.began

    def use(self, number: int, image: _Image, path: bytes, how: int) -> None:
        """Takes down one use of a path."""
        known = self.paths.get(path)
        if known is None:
            if _IGNORED(path):
                return
            if len(self.paths) >= _MOST or self.count >= _MOST:
                self.doubts["the build has used more paths than are written down"] = None
                return
            known = self.paths[path] = [_row(path), NEVER, NEVER, NEVER, None]
        for place in (2,) if how == WRITTEN else (1,) if how == ASKED else (1, 3):
            if known[place] is NEVER:
                known[place] = number
        if how == READ and known[0] is None and known[4] is None:
            known[4] = _row(path)
        used = image.used[how]
        if path not in used:
            used.add(path)
            self.count += 1
        elif how == READ:
            image.used[AGAIN].add(path)

    def run(self, number: int, pid: int, image: _Image, path: bytes, words: int) -> None:
        """A program is about to be executed, if that is there: from then on, the process is another."""
        if not os.access(path, os.X_OK) or not os.path.isfile(path):
            return
        self.interpreter(number, pid, image, path)
        group = image.group if not image.forked else _leader(pid)
        if len(self.executed) < _MOST:
            line = self.memory.words(pid, words, _WORDS)
            self.executed.append((number, group, path, line))
        for process in {pid, group}:
            self.orders[process & MASK or 1] = (self.orders[process & MASK or 1] + 1) & 0x7FFFFFFF or 1

    def interpreter(self, number: int, pid: int, image: _Image, path: bytes, most: int = _SCRIPTS) -> None:
        """Takes down what the kernel itself executes a script with, which may be a script again."""
        try:
            with open(path, "rb", buffering=0) as file:
                first = file.read(_FIRST_LINE).partition(b"\n")[0]
        except OSError:
            return
        words = first[2:].split(None, 1) if first.startswith(b"#!") else ()
        place = words[0] if words else b""
        place = place if place[:1] == b"/" else self.begun(pid, place, kernel.HERE)
        if place and most and os.path.isfile(place):  # a pipe would keep everybody waiting
            self.follow(number, image, _straight(place), READ)
            self.interpreter(number, pid, image, place, most - 1)

    def told(self) -> bytes:
        """All that was written down, which is forgotten here."""
        images = [image.told() for image in self.images.values()]
        told = marshal.dumps((images, self.paths, self.executed, tuple(self.doubts)))
        for table in (self.images, self.threads, self.paths, self.executed, self.doubts, self.passed):
            table.clear()
        return told


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _row(path: bytes) -> Row | None:
    """What a path leads to, as `rows.row` has it; None for nothing."""
    try:
        s = os.stat(path)
    except (OSError, ValueError):
        return None
    return s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino


def _straight(path: bytes) -> bytes:
    """A path without empty parts and dots. Two dots stay, for what stands before them may be a link."""
    if b"//" not in path and b"/." not in path and path[-1:] != b"/":
        return path
    return b"/" + b"/".join([part for part in path.split(b"/") if part not in (b"", b".")])


def _leader(pid: int) -> int:
    """The process that a thread belongs to."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            return int(file.read(1024).partition(b"\nTgid:")[2].split(None, 1)[0])
    except (OSError, ValueError, IndexError):
        return pid


def _command_line(group: int) -> tuple[bytes, ...]:
    try:
        with open(f"/proc/{group}/cmdline", "rb", buffering=0) as file:
            return tuple(file.read(_LENGTH).rstrip(b"\0").split(b"\0")[:_WORDS])
    except OSError:
        return ()

"""What was answered for one tree and one question, and all beside the tree that it rests on. Part of the light column.

One small file for each state of the sources, in the cache directory of the user. Whatever is wrong with it, nothing was
answered then.
"""

import errno
import os
import stat
import struct
import sys

import xxhash

from freshwheel.base import environment, frame, records, rows
from freshwheel.base.records import Value
from freshwheel.memory import memory
from freshwheel.store.shelf import Blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LARGEST = 1 << 20
"""Bytes of a `.dist-info`, or of an editable wheel, that is kept here."""
MOST = 8
"""Answers to one question, for as many states of the sources."""

_MAGIC = b"FWANS\0\0\4"
"""The last byte is the edition of this format."""
_INFO = (".dist-info", ".egg-info")
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_MASK = (1 << 64) - 1
_pack = struct.Struct("<6Q").pack
_FIELDS = (
    *("asked", "digest", "key", "entry", "places", "stamps", "absent", "present", "salt", "names", "values"),
    *("patterns", "harmless", "families", "path", "distributions", "name", "sha256", "size", "xxh3", "lean", "until"),
    *("info", "data", "took"),
)
"""In the order of the file."""


class Answer(Value):
    """What was answered. Lists of texts have a NUL between two."""

    __slots__ = _FIELDS

    asked: bytes
    """The question: 16 bytes."""
    digest: bytes
    """The source digest that it holds for: 32 hex digits."""
    key: bytes
    """The build key: 64 hex digits."""
    entry: bytes
    """The key that the entry lies under in the store; nothing: the wheel is `data`."""
    places: bytes
    """Absolute paths of what decided."""
    stamps: bytes
    """8 bytes for each place: what `row_of` says of it."""
    absent: bytes
    """Absolute paths that led nowhere."""
    present: bytes
    """Absolute paths, each behind its `presence` and the end of a line: whatever is there may hold something else."""
    salt: bytes
    """Of the stamps of variables."""
    names: bytes
    """Variables that decided, whether they are set or not."""
    values: bytes
    """8 bytes for each of them: the `stamp` of its value, `rows.UNTRUSTED` for one that is not set."""
    patterns: bytes
    """Names and families of variables that shape the wheel."""
    harmless: bytes
    """Those that don't, although they fit."""
    families: bytes
    """What was set of the families, sorted."""
    path: bytes
    """The `stamp` of the folders where programs are looked for."""
    distributions: bytes
    """What `distributions` found, of all that stays there when nothing is built."""
    name: bytes
    """The file name of the finished wheel."""
    sha256: bytes
    """Of the finished wheel, if the store has it: 64 hex digits."""
    size: bytes
    xxh3: bytes
    lean: bytes
    """Whether nothing need be installed: one byte, or none."""
    until: bytes
    """When requirements must be resolved once more, in ns; nothing: never."""
    info: "Mapping[str, bytes]"
    """The `.dist-info` that was handed out, by path; nothing: it is not kept."""
    data: bytes
    """The finished wheel, if it is an editable one."""
    took: bytes
    """ms that the build of the wheel has taken."""

    @property
    def wheel(self) -> str:
        """The file name of the finished wheel."""
        return self.name.decode("utf-8", "surrogatepass")

    @property
    def blob(self) -> Blob:
        """The finished wheel."""
        return Blob(sha256=self.sha256.decode(), size=int.from_bytes(self.size, "little"), xxh3=self.xxh3)


def question(tree: bytes, hook: str, settings: object, environ: "Mapping[str, str]") -> bytes | None:
    """What must be equal for an answer to be one, in 16 bytes; None if `settings` can't be understood.

    That are the tree, a real path; all settings; what the environment says to us; and the interpreter that runs, with
    its environment unless that was made for one build: then it is another one every time.
    """
    asked, theirs = memory.question(settings, environ, tree), memory.framed_settings(settings, ours=False)
    if asked is None or theirs is None:
        return None
    said = [str(bool(environ.get(name))) for name in ("CIBUILDWHEEL", "TOX_ENV_NAME", "TOX_PACKAGE")]
    room = "" if environment.isolation(environ) is not None else sys.prefix
    about = frame.texts(hook, room, *said, *_interpreter())
    return xxhash.xxh3_128_digest(frame.framed(tree, asked, theirs, about))


def distributions(path: "Iterable[str]", keep: "Callable[[str, str], bool] | None" = None) -> bytes:
    """The names of the distributions in the folders of `sys.path`, folder by folder; `keep` is asked of each."""
    home = os.path.dirname(os.__file__)
    standard = (home, os.path.join(home, "lib-dynload"))
    listed = []
    for folder in path:
        if folder in standard or not os.path.isabs(folder):
            continue
        try:
            names = [name for name in os.listdir(folder) if name.endswith(_INFO)]
        except OSError:
            continue
        names = sorted(name for name in names if keep is None or keep(folder, name))
        if names:
            listed.append(joined(names))
    return frame.framed(*listed)


def family(names: "Iterable[str]", patterns: "Iterable[str]", harmless: "Iterable[str]") -> list[str]:
    """Those of the names, sorted, that fit a pattern, which is a name or has one `*`, and none of the harmless."""
    fits, spares = environment.matcher(patterns), environment.matcher(harmless)
    return sorted(name for name in names if fits(name) and not spares(name))


def row_of(status: os.stat_result) -> bytes:
    """What is kept of a look at a place: 8 bytes over its row and the file system it is on."""
    try:
        looked = status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
        return rows.stamp(_pack(*looked))
    except struct.error:  # a time before 1970, or after 2554
        return rows.stamp(rows.packed(rows.row(status)) + (status.st_dev & _MASK).to_bytes(8, "little"))


def holds(answer: Answer, environ: "Mapping[str, str]") -> bool:
    """Whether all that the answer rests on, beside the tree, is as it was.

    Raises OSError where something can't be looked at.
    """
    private = environment.isolation(environ) or ()
    searched = environment.searched(environ, private)
    values = [
        frame.stamp(answer.salt, name, environ[name]) if name in environ else rows.UNTRUSTED
        for name in split(answer.names)
    ]
    return (
        b"".join(values) == answer.values
        and frame.stamp(answer.salt, *searched) == answer.path
        and joined(family(environ, split(answer.patterns), split(answer.harmless))) == answer.families
        and b"".join([row_of(os.stat(place)) for place in memory.split(answer.places)]) == answer.stamps
        and all(map(_is_absent, memory.split(answer.absent)))
        and all(map(_is_present, memory.split(answer.present)))
        and distributions(sys.path) == answer.distributions
    )


def joined(texts: "Iterable[str]") -> bytes:
    """A field that is a list of texts."""
    return b"\0".join(map(frame.encoded, texts))


def split(data: bytes) -> list[str]:
    """The texts of a field."""
    return data.decode("utf-8", "surrogatepass").split("\0") if data else []


def load(cache: str, asked: bytes, digest: str) -> Answer | None:
    """What was answered to a question for sources with this digest; None where there is nothing that can be used."""
    fields = records.load(_place(cache, asked, digest), _MAGIC, (asked, digest))
    return None if fields is None else Answer.of(fields)


def save(cache: str, answer: Answer) -> bool:
    """Whether the answer could be written into the cache directory, for its owner alone. The oldest may have to go."""
    about = answer.asked, answer.digest.decode()
    return records.save(_place(cache, *about), _MAGIC, answer, about, most=MOST)


def _place(cache: str, asked: bytes, digest: str) -> str:
    return os.path.join(cache, "answers", f"{asked.hex()}.{digest}.bin")


def _interpreter() -> list[str]:
    """What this interpreter is, as far as it can be said at once; its files are among the places."""
    base = getattr(sys, "_base_executable", None) or sys.executable or sys.prefix
    system = os.uname() if hasattr(os, "uname") else None
    library = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", ()) else ""
    return [
        *(sys.implementation.name, sys.implementation.cache_tag or "", sys.version, getattr(sys, "abiflags", "")),
        *(sys.platform, str(sys.maxsize), os.path.realpath(base), library or ""),
        *((system.sysname, system.machine) if system is not None else ()),
    ]


def _is_absent(path: bytes) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in _ABSENT
    return False


def presence(place: bytes) -> bytes:
    """What can be asked of a path without opening it: type, size, whether it may be run, and where a link leads."""
    is_link = os.path.islink(place)
    status = os.stat(place) if os.path.exists(place) or not is_link else None
    if status is None:
        kind = b"-"
    elif stat.S_ISDIR(status.st_mode):
        kind = b"d"
    elif stat.S_ISREG(status.st_mode):
        kind = b"%s%d " % (b"x" if status.st_mode & 0o111 else b"f", status.st_size)
    else:
        kind = b"?"
    return kind + os.readlink(place) if is_link else kind


def _is_present(place: bytes) -> bool:
    kind, _, path = place.partition(b"\n")
    return presence(path) == kind

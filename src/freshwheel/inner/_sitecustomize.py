"""What each Python of a build runs first: it gets the packages of the environment, and writes down what it uses.

A base interpreter gets the packages of the virtual environment that was made from it. What is written down,
`observe.witness` reads.

`process` copies this text, with calls of `witness` and `main` below it, into the `sitecustomize.py` of a private folder
on PYTHONPATH, for all Pythons of a build: it must read in any version from 2.7 on, and cost next to nothing.
"""
# ruff: noqa: ANN001, ANN002, ANN003, ANN204, ANN202, B905, RUF005, SIM105, SLF001, UP004, UP031 - for old versions

import os
import site
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types  # noqa: F401 - for a comment
    from collections.abc import Iterator, Sequence  # noqa: F401 - the same
    from typing import Any  # noqa: F401 - the same

_WAYS = ("collections", "os", "sitecustomize")
"""Packages through which others reach `os.environ`."""
_SEARCHERS = ("mesonbuild", "shutil", "subprocess")
_PATH = ("PATH", b"PATH", "PATHEXT")
"""Who looks for a program there does not ask what the variable is."""
_PASSERS = {"distutils", "maturin", "mesonbuild", "mesonpy", "multiprocessing", "pdm", "scikit_build_core"}
_PASSERS |= {"setuptools", "setuptools_rust", "setuptools_scm", "subprocess", "vcs_versioning"}
"""Packages that copy all variables for a child, and ask the copy at most for what `backends` has for them."""
_PACKERS = {"distutils", "flit_core", "hatchling", "mesonpy", "scikit_build_core", "setuptools", "wheel"}
"""Packages that put files into wheels as they are."""
_STANDARD = frozenset(getattr(sys, "stdlib_module_names", ())) - {"importlib"}  # an import packs nothing

# Where the compiled modules of Python itself lie.
_HOME = os.path.join(os.path.dirname(os.__file__), "lib-dynload", "")
_READ, _WRITTEN = ("r",), ("w",)
_PATHS = {
    "ctypes.dlopen": _READ,
    "import": ("", "r"),
    "os.link": ("r", "w"),
    "os.listdir": _READ,
    "os.mkdir": _WRITTEN,
    "os.remove": _WRITTEN,
    "os.rename": ("rw", "w"),
    "os.rmdir": _WRITTEN,
    "os.scandir": _READ,
    "os.symlink": ("", "w"),
    "os.truncate": _WRITTEN,
    "shutil.copyfile": ("r", "w"),
}
"""Audit events, and how they use the paths among their details."""
_PROGRAMS = {"os.exec": (0, 1, 2), "os.posix_spawn": (0, 1, 2), "os.spawn": (1, 2, 3), "subprocess.Popen": (0, 1, 3)}
"""Where they have the program, its words and its environment."""
_WORDS = 8


def main(version="", base_prefix="", packages=()):
    # type: (str, str, Sequence[str]) -> None
    """The `sitecustomize` that stands behind this one; in the base interpreter then the packages of the environment."""
    here = _place(os.path.dirname(__file__))
    sys.path[:] = [entry for entry in sys.path if _place(entry) != here]
    own = sys.modules.pop("sitecustomize")  # held until the end: Python 2 empties a module that nobody holds
    try:
        _hand_over(own)
    finally:
        # Last: the other one may finish the base itself (Homebrew), or expect its own folders to be missing yet (pip).
        if _is_base(version, base_prefix):
            adopt(packages)


def adopt(packages):
    # type: (Sequence[str]) -> None
    """`sys.path` is PYTHONPATH, the standard library and `packages`, with what their `.pth` files add."""
    asked = [_place(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    home = os.path.dirname(os.__file__)
    stays = [entry for entry in sys.path if is_standard(entry, home) or _place(entry) in asked]
    _forget({_place(entry) for entry in sys.path if entry not in stays})
    sys.path[:] = stays
    for package in packages:
        # An entry that a `.pth` file of an earlier one brought is there already; nobody reads the `.pth` files in it.
        if _place(package) not in [_place(entry) for entry in sys.path]:
            site.addsitedir(package)


def is_standard(entry, home):
    # type: (str, str) -> bool
    """Whether an entry of `sys.path` holds a part of the standard library, whose folder is `home`."""
    prefix, name = os.path.split(os.path.normpath(entry))
    if name in ("lib-dynload", "python%d%d.zip" % sys.version_info[:2]):
        return True
    if _real(entry) == _real(home):
        return True
    # On Windows the extension modules lie beside `Lib`, and the folder above both is on the path as well.
    above = _real(os.path.dirname(home))
    return os.name == "nt" and (_real(entry) == above or (name == "DLLs" and _real(prefix) == above))


def _hand_over(own):
    # type: (types.ModuleType) -> None
    """`sys.modules` has the next `sitecustomize` on the path, or `own` if there is no next."""
    try:
        __import__("sitecustomize")
    except ImportError as error:
        # Python 2 does not say which module it was, and there site.py takes any of these for "there is none".
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = own


def _is_base(version, base_prefix):
    # type: (str, str) -> bool
    return sys.version == version and _real(sys.prefix) == _real(base_prefix)


def _forget(folders):
    # type: (set[str]) -> None
    """What `.pth` files imported from `folders` is as if it never was: other folders may come first now."""
    roots = {name for name, module in list(sys.modules.items()) if "." not in name and _origins(module) & folders}
    roots.discard("sitecustomize")  # it is being imported right now
    for name in list(sys.modules):
        if name.partition(".")[0] in roots:
            del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if _root(finder) not in roots]
    sys.path_hooks[:] = [hook for hook in sys.path_hooks if _root(hook) not in roots]


def _root(hook):
    # type: (object) -> str
    """The top-level module that a hook of the import system is from."""
    return str(getattr(hook, "__module__", "")).partition(".")[0]


def _origins(module):
    # type: (object) -> set[str]
    """The folders that a top-level module was imported from."""
    facts = getattr(module, "__dict__", {})
    paths = facts.get("__path__") or [facts.get("__file__")]
    return {_place(os.path.dirname(path)) for path in paths if path}


def _place(path):
    # type: (str) -> str
    return os.path.normcase(os.path.abspath(path))


def _real(path):
    # type: (str) -> str
    return os.path.normcase(os.path.realpath(path))


def witness(folder, files):
    # type: (str, bool) -> None
    """Writes every name that `os.environ` is asked for into a new file in `folder`, `*` for all of them.

    With `files` the paths and programs as well. The object gets another class. A process without a file is no witness.
    """
    if sys.version_info < (3, 8) or not hasattr(sys, "_getframe"):
        return
    try:
        notes = _Notes(folder)
    except OSError:
        return
    try:
        for environ in (os.environ, getattr(os, "environb", None)):
            if environ is not None:
                environ.__class__ = _witnessed(environ.__class__, notes)
        sys.meta_path.append(_LastFinder(notes))
        _overhear(notes) if files else sys.addaudithook(notes.notice)
    except Exception:  # noqa: BLE001 - nobody's build fails for it
        notes.drop()


class _Notes(object):
    """What one process asks for; its forks write into the same file."""

    def __init__(self, folder):
        # type: (str) -> None
        nonce = "".join("%02x" % byte for byte in bytearray(os.urandom(8)))
        self.path = os.path.join(folder, "%d.%s" % (os.getpid(), nonce))
        self.known = {"_", b"_"}  # type: set[object]
        """Names that were asked for, or set here, before; and the one that a shell sets anew for each program."""
        self.used = set()  # type: set[tuple[str, object]]
        """The records of paths."""
        self.linked = self.following = False
        """Whether this process has made a symbolic link, and whether it is asked where a path leads."""
        self.given = {}  # type: dict[str, str]
        """What going through all names has given out: who asks for one of these very objects makes a copy."""
        # Windows does not append at once, and has no forks, in which a lock might be held for ever.
        self.lock = __import__("_thread").RLock() if os.name == "nt" else None
        # Held, because a build may put others in their place.
        self.open, self.write, self.close, self.unlink = os.open, os.write, os.close, os.unlink
        self.flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        # Not kept open: a build may close whatever it finds open, and open another.
        self.close(self.open(self.path, self.flags | os.O_CREAT | os.O_EXCL, 0o600))

    def ask(self, key):
        # type: (str) -> None
        """One name is asked for; what can't be one is for the real class to refuse."""
        try:
            if key not in self.known and self.given.get(key) is not key:
                asker = _asker(sys._getframe(2))
                if asker and not (asker in _SEARCHERS and key in _PATH):
                    self.add("v", os.fsencode(key.upper() if os.name == "nt" else key))
                    self.known.add(key)
        except Exception:  # noqa: BLE001 - nobody's build fails for it
            self.drop()

    def ask_all(self):
        # type: () -> None
        """All names are asked for."""
        if "*" not in self.known and _asker(sys._getframe(2)) not in _PASSERS:
            self.add("v", b"*")
            self.known.add("*")

    def seek(self, kind, name):
        # type: (str, str) -> None
        """A module or a distribution is looked for in vain; or a compiled module is loaded."""
        try:
            if (kind, name) not in self.used:
                self.used.add((kind, name))
                self.add(kind, os.fsencode(name))
        except Exception:  # noqa: BLE001 - nobody's build fails for it
            self.drop()

    def notice(self, event, details):
        # type: (str, Any) -> None
        """An audit hook: what asks for variables behind the back of Python, or may do so as it is compiled."""
        if event == "import" and details[1] and not str(details[1]).startswith(_HOME):
            self.seek("l", details[1])
        elif event == "open":
            self.packing(details[0], details[2])
        elif event in ("os.listdir", "os.scandir"):
            self.listing(details[0], sys._getframe(1))
        asks = event == "ctypes.dlsym" and str(details[1]).lower().strip("_").endswith(("dir", "env", "environ"))
        if (asks or (event == "ctypes.dlopen" and details[0] is not None)) and "*" not in self.known:
            self.seek("l", "ctypes")
            self.add("v", b"*")
            self.known.add("*")

    def packing(self, path, flags):
        # type: (Any, int) -> None
        """A file is opened by who packs it, in whose stead nobody else acts."""
        packer, ours = False, (globals(), sys.modules["__main__"].__dict__)
        try:
            frame = sys._getframe(1) if isinstance(path, (str, bytes)) and _manner(flags) == "r" else None
            while frame is not None:
                name = str(frame.f_globals.get("__name__")).partition(".")[0]
                packer = packer or name in _PACKERS
                # setup.py is executed under that name, and stands above those that it calls.
                above = packer and name == "__main__" and frame.f_code.co_name == "<module>"
                if not (name in _PACKERS or name in _STANDARD or above or any(frame.f_globals is one for one in ours)):
                    return
                frame = frame.f_back
            if packer:
                self.seek("k", os.path.join(os.getcwd(), os.fsdecode(path)))
        except Exception:  # noqa: BLE001 - then it is not known to be packed
            return

    def listing(self, folder, frame):
        # type: (Any, Any) -> None
        """A folder is listed by somebody else than an import, which looks there for modules alone."""
        while frame is not None and frame.f_globals is globals():
            frame = frame.f_back
        if frame is None or not frame.f_code.co_filename.startswith("<frozen importlib"):
            is_open = isinstance(folder, int)
            place = self.below(folder, b"") if is_open else os.fsencode("." if folder is None else folder)
            if place == b"\0":
                self.drop()  # nobody knows which one
                return
            self.following = True  # which asks for paths itself
            try:
                self.seek("f", os.fsdecode(os.path.realpath(place)))
            finally:
                self.following = False

    def use(self, kinds, path):
        # type: (str, Any) -> None
        """A path is used: read, written, or asked for."""
        try:
            place = os.fsencode("." if path is None else path)
            place = place if os.path.isabs(place) else os.path.join(os.getcwdb(), place)
            if "w" not in kinds and not self.following and (self.linked or place.startswith((b"/proc/", b"/dev/"))):
                self.follow(kinds, place)
            for kind in kinds:
                if (kind, place) not in self.used and b"\0" not in place:
                    self.add(kind, place, ("%d" % time.time_ns()).encode("ascii"))
                    self.used.add((kind, place))
        except (OSError, TypeError, UnicodeError):
            pass  # a number is what is open already; the others are refused

    def below(self, folder, path):
        # type: (int, Any) -> bytes
        """A path that begins at a folder that is open; none where that can't be told."""
        self.following = True
        try:
            if sys.platform == "darwin":
                fcntl = __import__("fcntl")
                place = fcntl.fcntl(folder, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
            else:
                place = os.readlink(b"/proc/self/fd/%d" % folder)
            return os.path.join(place, os.fsencode(path))
        except Exception:  # noqa: BLE001 - the real function refuses what is wrong
            return b"\0"
        finally:
            self.following = False

    def follow(self, kinds, place):
        # type: (str, bytes) -> None
        """Where a path leads is used: through a link that may be gone when somebody reads this, or what is open."""
        if place.startswith(b"/proc/") and place.endswith(b"/environ"):
            self.add("v", b"*")
        self.following = True  # which asks for paths itself
        try:
            self.use(kinds, os.path.realpath(place))
        finally:
            self.following = False

    def run(self, program, words, environ=None):
        # type: (Any, Any, Any) -> None
        """A program is started; a name without a folder is looked for."""
        if isinstance(words, (str, bytes)):
            words = [words]
        if program is None:  # on Windows, where there is one line of words
            program = words[0][1:].partition('"')[0] if words[0].startswith('"') else words[0].partition(" ")[0]
        name, endings = os.fsencode(program), (b"", b".exe") if os.name == "nt" else (b"",)
        folders = [""] if os.path.dirname(name) else os.get_exec_path(environ)
        places = [os.path.join(os.getcwdb(), os.fsencode(folder), name) for folder in folders]
        programs = (place + ending for place in places for ending in endings if os.path.isfile(place + ending))
        self.add("x", next(programs, name), *[os.fsencode(word) for word in list(words)[:_WORDS]])

    def hear(self, event, details):
        # type: (str, Any) -> None
        """An audit hook."""
        try:
            self.notice(event, details)
            self.linked = self.linked or event == "os.symlink"
            if event == "open" and details[0] != self.path:
                self.use(_manner(details[2]), details[0])
            elif event == "sqlite3.connect":
                for ending in (b"", b"-journal", b"-wal"):
                    self.use("r", os.fsencode(details[0]) + ending)
            elif event in _PATHS:
                for kinds, path in zip(_PATHS[event], details):
                    self.use(kinds, "." if path is None and event != "import" else path)
            elif event in _PROGRAMS and (event != "os.posix_spawn" or _asker(sys._getframe(1)) != "subprocess"):
                self.run(*[details[number] for number in _PROGRAMS[event]])
            elif event == "os.system":
                self.run(os.environ.get("COMSPEC", "/bin/sh"), [b"-c", details[0]])
        except Exception:  # noqa: BLE001 - nobody's build fails for it
            self.drop()

    def add(self, kind, *words):
        # type: (str, *bytes) -> None
        """One record, written at once."""
        data = b"\0".join([("%s%d" % (kind, len(words))).encode("ascii")] + list(words) + [b""])
        if self.lock:
            self.lock.acquire()
        try:
            handle = self.open(self.path, self.flags)
            try:
                whole = self.write(handle, data) == len(data)
            finally:
                self.close(handle)
        except OSError:
            whole = False
        finally:
            if self.lock:
                self.lock.release()
        if not whole:
            self.drop()

    def drop(self):
        # type: () -> None
        """Takes the file away: half a witness is none."""
        try:
            self.unlink(self.path)
        except OSError:
            pass


class _LastFinder(object):
    """Stands behind all that find modules and distributions, and finds none: who asks it has looked in vain."""

    def __init__(self, notes):
        # type: (_Notes) -> None
        self.__notes = notes

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - as `importlib` calls it
        # type: (str, object, object) -> None
        """A module is looked for, in a package or everywhere."""
        self.__notes.seek("m", name)

    def find_distributions(self, context=None):
        # type: (Any) -> Iterator[Any]
        """A distribution is looked for by its name, or all are."""
        self.__notes.seek("d", getattr(context, "name", None) or "*")
        return iter(())


def _witnessed(real, notes):
    # type: (Any, _Notes) -> type
    """The class of `os.environ`, or of `os.environb`, that writes down."""

    class _Environ(real):  # type: ignore[misc]
        __module__, __qualname__ = real.__module__, real.__qualname__

        def __getitem__(self, key):
            # type: (str) -> Any
            notes.ask(key)
            return real.__getitem__(self, key)

        def __setitem__(self, key, value):
            # type: (str, str) -> None
            real.__setitem__(self, key, value)
            notes.known.add(key)

        def __delitem__(self, key):
            # type: (str) -> None
            notes.ask(key)
            real.__delitem__(self, key)

        def __iter__(self):
            # type: () -> Iterator[str]
            notes.ask_all()
            for key in real.__iter__(self):
                # Python has each string of one letter only once.
                yield notes.given.setdefault(key, key) if len(key) > 1 else key

        def __repr__(self):
            # type: () -> Any
            notes.ask_all()
            return real.__repr__(self)

    return _Environ


def _overhear(notes):
    # type: (_Notes) -> None
    """Writes down which files and programs are used, as well."""
    notes.add("p", *[os.fsencode(word) for word in [sys.executable] + getattr(sys, "orig_argv", [])[:_WORDS]])
    quick = ("exists", "isdir", "isfile", "isjunction", "islink", "lexists") if os.name == "nt" else ()
    for module, names in ((os, ("access", "lstat", "open", "readlink", "stat")), (os.path, quick)):
        for name in names:
            if hasattr(module, name):
                setattr(module, name, _Asked(module, name, notes))
    sys.addaudithook(notes.hear)


def _manner(flags):
    # type: (int) -> str
    """How a file is used that is opened with these."""
    if flags & os.O_WRONLY or flags & (os.O_TRUNC | os.O_EXCL):
        return "w"
    return "rw" if flags & (os.O_RDWR | os.O_CREAT) else "r"


class _Asked(object):
    """A function that asks for a path, of which no audit hook hears.

    No function itself, which would become a method where a class keeps it (`pathlib` did).
    """

    def __init__(self, module, name, notes):
        # type: (Any, str, _Notes) -> None
        self.__notes, self.__real = notes, getattr(module, name)
        self.__module__, self.__doc__ = module.__name__, self.__real.__doc__
        self.__name__ = self.__qualname__ = name
        for able in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
            if self.__real in able:
                able.add(self)

    def __call__(self, *words, **names):
        # type: (Any, Any) -> Any
        path = words[0] if words else names.get("path")
        folder, is_open = names.get("dir_fd"), self.__name__ == "open"
        if not self.__notes.following and not (is_open and folder is None):
            # That a file is opened is heard, but not from where.
            kinds = _manner(words[1] if len(words) > 1 else names.get("flags", 0)) if is_open else "s"
            self.__notes.use(kinds, path if folder is None else self.__notes.below(folder, path))
        return self.__real(*words, **names)

    def __getattr__(self, name):
        # type: (str) -> Any
        return getattr(self.__real, name)

    def __reduce__(self):
        # type: () -> str
        return str(self.__name__)


def _asker(frame):
    # type: (types.FrameType | None) -> str
    """The package that asks, behind those through which all do; nothing for this module itself."""
    while frame is not None and frame.f_globals is not globals():
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        # With that function distutils puts variables into what its caller has written.
        if package not in _WAYS and frame.f_code.co_name != "subst_vars":
            return package
        frame = frame.f_back
    return "" if frame else "?"

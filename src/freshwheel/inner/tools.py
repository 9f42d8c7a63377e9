"""The programs that a build uses, by what they say of themselves, and what shows that they would say the same again.

Where a program lies does not matter, only what it is. Answers are kept by the row of the program, so that the next run
starts none. A program that only stands for another one is asked each time, unless it is known how the other one is
chosen: rustup's by its settings, its toolchains and the toolchain files in play, Apple's by the selected Xcode.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from freshwheel.base import rows
from freshwheel.base.frame import framed
from freshwheel.inner.programs import Answer, Run, which
from freshwheel.inner.tool_answers import Answers
from freshwheel.inner.watch import Lookout

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "c++": ("CXX",),
    "cargo": ("CARGO",),
    "cc": ("CC",),
    "cmake": ("CMAKE_EXECUTABLE",),
    "ld": ("LD",),
    "meson": ("MESON",),
    "ninja": ("NINJA", "CMAKE_MAKE_PROGRAM"),
    "rustc": ("RUSTC", "CARGO_BUILD_RUSTC"),
}
"""Where the environment names a tool; the first that is set wins, and without any PATH is searched."""

_Target: TypeAlias = "Callable[[str, str], str | None]"
"""Finds the program behind a tool: name and path of the tool -> path, None where it can't be known."""

_ALTERNATIVES = {"cmake": ("cmake3", "cmake"), "ninja": ("ninja", "ninja-build", "samu")}
if os.name == "nt":
    _ALTERNATIVES |= {"cc": ("cl",), "c++": ("cl",), "ld": ("link",)}
_MORE = re.compile(r"(HOST|TARGET)_(AR|CC|CXX)|(AR|CC|CXX|RANLIB)_.+|AR|CPP|FC|NM|RANLIB|STRIP|CARGO_(.+_)?LINKER")
"""Other variables that name a program."""
_LAUNCHERS = frozenset(("ccache", "distcc", "icecc", "sccache"))
_PROXIES = frozenset((*_LAUNCHERS, "asdf", "mise", "proto", "rtx", "volta"))
"""Programs that stand for whichever others are found later."""
_RUSTUP = frozenset(("rustup", "rustup-init"))
_SCRIPTS = (".bat", ".cmd", ".com", ".ps1", ".py", ".sh")
_VERSION = ("--version",)
_QUESTIONS = {"cargo": ("-V",), "rustc": ("-vV",), "sdk": ("--show-sdk-version",)}
_SLACK = 2 * 10**9
"""In ns: how exact the times of any file system are that tools lie on."""
_QUIET = {"LC_ALL": "C", "NO_COLOR": "1", "RUSTUP_AUTO_INSTALL": "0"}
_NOISY = frozenset(("CLICOLOR_FORCE", "FORCE_COLOR", "LANGUAGE"))


class Tools:
    """Asks tools for one build; `lookout` keeps what their identity depends on."""

    def __init__(  # noqa: PLR0913 - one for each thing that decides which program is meant
        self,
        *,
        tree: str,
        environ: Mapping[str, str],
        folders: Sequence[str],
        scripts: Sequence[str],
        lookout: Lookout,
        answers: Answers,
        run: Run,
        platform: str,
        started: int,
    ) -> None:
        """`folders` are those of PATH; `scripts` those with programs of distributions that are watched themselves."""
        self._tree = tree
        self._environ = environ
        self._asking = {name: value for name, value in environ.items() if name not in _NOISY} | _QUIET
        self._folders = folders
        self._scripts = {os.path.normcase(os.path.normpath(folder)) for folder in scripts}
        self._lookout = lookout
        self._answers = answers
        self._run = run
        self._platform = platform
        self._started = started
        self._restless = False

    def identities(self, names: Sequence[str], *, named: Mapping[str, str], python: str | None) -> dict[str, str]:
        """Tool -> what it says of itself, `absent` for one that is not there.

        Besides `names` those that the variables `named` name, which shape the wheel, and the C compiler of the
        interpreter, which is what `python` says.
        """
        found = {name: self._tool(name) for name in names}
        for variable, value in sorted(named.items()):
            if _MORE.fullmatch(variable) and value.strip():
                found[variable] = self._identity("cc", self._where(_program(value)), called=variable)
        if python and "cc" in names and os.name != "nt":
            found["cc of Python"] = self._identity("cc", self._where(_program(python)), called="cc of Python")
        if self._platform == "darwin" and "cc" in names:
            found["SDK"] = self._identity("sdk", self._where("xcrun"))
        return found

    def _tool(self, name: str) -> str:
        variables = VARIABLES.get(name, ())
        self._lookout.names.update(variables)
        for variable in variables:
            if value := self._environ.get(variable, "").strip():
                return self._identity(name, self._where(_program(value)))
        return self._identity(name, self._where(*_ALTERNATIVES.get(name, (name,))))

    def _where(self, *names: str) -> str | None:
        return which(names, self._folders, self._lookout, cwd=self._tree, environ=self._environ)

    def _identity(self, name: str, path: str | None, *, called: str = "") -> str:
        """What the program says that plays the part of `name`; reasons are given by `called`, never by its path."""
        called = called or name
        if path is None:
            return "absent"
        return self._known(name, path, called, name, lambda real: self._said(name, path, real, called))

    def version(self, path: str) -> str:
        """What a program answers to `--version`; nothing where it gives no answer."""

        def asked(_: str) -> tuple[str, bool]:
            answer = self._run([path, *_VERSION], cwd=self._tree, environ=self._environ)
            return _text(answer.output), answer.status == 0 and bool(answer.output)

        name = _stem(path)
        return self._known(name, path, name, f"{name} {_VERSION[0]}", asked)

    def _known(self, name: str, path: str, called: str, question: str, ask: Callable[[str], tuple[str, bool]]) -> str:
        """The answer to a question, asked only where something moved that it follows from.

        `ask` is given the path of the program that really answers, and says whether its answer is one to build on.
        """
        self._restless = False
        evidence, target = self._evidence(called, path)
        if evidence is None:
            return ask(path)[0]
        about = hashlib.sha256(framed(question.encode(), os.fsencode(os.path.realpath(path)), *evidence)).hexdigest()
        known = self._answers.get(about)
        # The program behind a proxy must still be the one that answered.
        if known is not None and (not known.target or self._stamp(known.target) == known.stamp):
            return known.output
        behind = target(name, path) if target else ""
        if behind is None:
            self._lookout.distrust(f"what {called} stands for is not known")
            return ask(path)[0]
        stamp = self._stamp(behind) if behind else ""
        output, sound = ask(behind or path)
        if sound and not self._restless:
            self._answers.put(about, output=output, target=behind, stamp=stamp)
        return output

    def _evidence(self, called: str, path: str) -> tuple[list[bytes] | None, _Target | None]:
        """Rows that the answer follows from, and who knows the program behind; None: nothing shows what it would be."""
        own = self._row(path)
        if _is_rustup(path):
            return [own, *self._rustup()], self._behind_rustup
        if self._platform == "darwin" and os.path.dirname(path) == "/usr/bin":
            return [own, *self._xcode()], self._behind_xcode
        real = os.path.realpath(path)
        if _stem(real) in _PROXIES:
            self._lookout.distrust(f"{called} is whatever {_stem(real)} finds")
            return None, None
        if _is_script(real) and os.path.normcase(os.path.dirname(path)) not in self._scripts:
            self._lookout.distrust(f"{called} is a script, which may start anything")
            return None, None
        return [own], None

    def _rustup(self) -> list[bytes]:
        """What decides which toolchain rustup takes."""
        self._lookout.names.update(("RUSTUP_HOME", "RUSTUP_TOOLCHAIN"))
        home = self._environ.get("RUSTUP_HOME", "")
        if not home:
            variable = "USERPROFILE" if os.name == "nt" else "HOME"
            self._lookout.names.add(variable)
            home = os.path.join(self._environ.get(variable, ""), ".rustup")
        home = os.path.join(self._tree, home)
        toolchains = os.path.join(home, "toolchains")
        settings = os.path.join(home, "settings.toml")
        paths = [settings, "/etc/rustup/settings.toml", toolchains]
        paths += [os.path.join(toolchains, name) for name in _listed(toolchains)]
        looked = [(path, self._row(path)) for path in paths]
        for folder in _upwards(self._tree):
            places = (os.path.join(folder, "rust-toolchain"), os.path.join(folder, "rust-toolchain.toml"))
            # Those that are not there decide nothing, so that all trees without them have one answer.
            looked += [(path, row) for path in places if (row := self._row(path))]
        asked = self._environ.get("RUSTUP_TOOLCHAIN", "").encode("utf-8", "surrogatepass")
        bound = bool(asked) or os.path.realpath(self._tree) != self._tree or _has_overrides(settings)
        own = os.fsencode(self._tree) if bound else b""
        return [asked, own, *[part for path, row in looked for part in (os.fsencode(path), row)]]

    def _behind_rustup(self, name: str, path: str) -> str | None:
        rustup = os.path.join(os.path.dirname(path), "rustup" + (".exe" if os.name == "nt" else ""))
        return self._found([rustup, "which", "cargo" if name == "cargo" else "rustc"])

    def _xcode(self) -> list[bytes]:
        """What decides which Xcode is selected."""
        names = ("DEVELOPER_DIR", "SDKROOT", "TOOLCHAINS")
        self._lookout.names.update(names)
        values = [self._environ.get(name, "").encode("utf-8", "surrogatepass") for name in names]
        return [*values, self._row("/var/db/xcode_select_link"), self._row("/Library/Developer/CommandLineTools")]

    def _behind_xcode(self, name: str, path: str) -> str | None:
        if name == "sdk":
            return self._found([path, "--show-sdk-path"])
        return self._found([os.path.join(os.path.dirname(path), "xcrun"), "--find", os.path.basename(path)])

    def _found(self, command: Sequence[str]) -> str | None:
        """The path that a program answers with, looked at; None unless something is there."""
        path = _text(self._ask(command).output).strip()
        return path if os.path.isabs(path) and self._lookout.look(path) is not None else None

    def _row(self, path: str) -> bytes:
        found = self._lookout.look(path)
        # What was written just now may be written again and keep its times.
        self._restless |= found is not None and max(found[2:4]) > self._started - _SLACK
        return b"" if found is None else rows.packed(found)

    def _stamp(self, path: str) -> str:
        return self._row(path).hex()

    def _said(self, name: str, path: str, real: str, called: str) -> tuple[str, bool]:
        """What a program says of itself, and whether that is an answer to build on; `real` is what answers for it."""
        question = self._question(name, path)
        answer = self._ask([path, *question])
        text = _text(answer.output or answer.errors).strip()
        if answer.status is None:
            self._lookout.distrust(f"{called} does not answer: {answer.failure}")
        if answer.status != 0 or not text:
            # It may build all the same, so two that fail alike must not look alike.
            return f"{answer.ending}, {_content(real)}", False
        if name == "rustc":
            return text, True
        # Further lines of a compiler name the folders it lies in.
        first = text.partition("\n")[0].strip()
        if name in {"cc", "c++"}:  # and the first may begin with the name that they were called by
            first = first.removeprefix(f"{os.path.splitext(os.path.basename(path))[0]} ")
        more = self._ask([path, "-dumpmachine"]) if question == _VERSION and name in {"cc", "c++"} else None
        machine = _text(more.output).strip() if more is not None and more.status == 0 else ""
        return f"{first}\n{machine}".strip(), True

    def _question(self, name: str, path: str) -> Sequence[str]:
        if _stem(path) in {"cl", "link"}:  # of Microsoft, which have no such option
            return ()
        if name == "ld" and self._platform == "darwin":
            return ("-v",)
        return _QUESTIONS.get(name, _VERSION)

    def _ask(self, command: Sequence[str]) -> Answer:
        return self._run(command, cwd=self._tree, environ=self._asking)


def _program(value: str) -> str:
    """The program in a value such as `ccache gcc -m32`."""
    if os.path.isfile(value):
        return value
    try:
        words = shlex.split(value, posix=os.name != "nt")
    except ValueError:
        words = value.split()
    words = [word.strip('"') for word in words]
    while len(words) > 1 and _stem(words[0]) in _LAUNCHERS:
        words.pop(0)
    return words[0] if words and words[0] else value


def _is_rustup(path: str) -> bool:
    """Whether a program is rustup under another name: a link to it, or a copy beside it."""
    if _stem(os.path.realpath(path)) in _RUSTUP:
        return True
    beside = os.path.join(os.path.dirname(path), "rustup" + os.path.splitext(path)[1])
    try:
        one, other = os.stat(path), os.stat(beside)
    except OSError:
        return False
    return os.path.samestat(one, other) or one.st_size == other.st_size


def _is_script(path: str) -> bool:
    if os.name == "nt":
        return path.lower().endswith(_SCRIPTS)
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:32]
    except OSError:
        return "unreadable"


def _stem(path: str) -> str:
    name = os.path.basename(path).lower()
    return name.removesuffix(".exe")


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _has_overrides(settings: str) -> bool:
    """Whether rustup may have been told of a toolchain for one folder (`rustup override`)."""
    try:
        with open(settings, "rb") as file:
            before, _, after = file.read().partition(b"[overrides]")
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    return b"overrides" in before or bool(after.strip())


def _upwards(folder: str) -> list[str]:
    """The folder and all above it."""
    found = [folder]
    while (above := os.path.dirname(found[-1])) != found[-1]:
        found.append(above)
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")

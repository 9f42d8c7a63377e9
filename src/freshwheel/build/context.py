"""What one call of a hook or a command is about: the tree, the settings, the kind of build, the inputs, the backend.

The recipes and the reports start here; it joins what the rooms and the floor say before anything is built.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freshwheel.base import backends, config, environment, files
from freshwheel.base.errors import ConfigError, InputError, Problem
from freshwheel.base.model import Config, Input, Looks, Project, Snapshot
from freshwheel.base.rows import Row
from freshwheel.inner import distributions
from freshwheel.memory import discoveries, memory
from freshwheel.sources import boundary, digest, disk, project, selection
from freshwheel.sources.disk import Disk

if TYPE_CHECKING:
    from freshwheel.build.observation import Watch
    from freshwheel.inner.process import EnvironmentCopy, Inner

_TICK = 10**8
"""In ns: longer than the clock of any kernel stands still."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of a hook, as the door saw it."""

    tree: str
    environ: Mapping[str, str]
    hook: str
    """What is built in the end: `build_wheel`, `build_editable` or `build_sdist`."""
    settings: Mapping[str, str | Sequence[str]] | None
    say: Callable[[str], None]
    """Tells a person one line."""
    now: Callable[[], int] = time.time_ns
    """The time, in ns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """A call, and what the tree and the settings say about it."""

    call: Call
    project: Project
    config: Config
    backend: backends.Backend
    cache: str | None
    """The cache directory; None: there is none."""
    real: bytes
    """The real path of the tree."""
    private: tuple[str, ...] | None
    """The root folders of the environment that an installer made for this one build; None: there is none."""

    @classmethod
    def of(cls, call: Call) -> Context:
        """What a call is about. Raises ConfigError with all problems of the settings."""
        subject = project.read(call.tree, now=call.now)
        settings = config.parse(subject, call.settings, call.environ, importable=distributions.importable)
        named = (*_build_requires(subject), *settings.requires)
        backend = backends.find(settings.backend, named, in_tree=bool(settings.backend_path))
        return cls(
            call=call,
            project=subject,
            config=settings,
            backend=backend,
            cache=files.cache_directory(call.environ),
            real=memory.real(call.tree),
            private=environment.isolation(call.environ),
        )

    def snapshot(self) -> Snapshot:
        """The inputs of the tree as it is now; what was seen is remembered.

        Raises InputError where they can't be read, and ConfigError where a pattern of `include` matches nothing.
        """
        if (recalled := recall(self.call)) is not None:
            return recalled
        known = remembered(self.call.tree, self.call.environ)
        snapshot = selection.snapshot(self.call.tree, self.select, remembered=known, now=self.call.now)
        if self.project.sdist_version is None:
            if snapshot.idle:
                raise ConfigError(_idle(self.config.include, snapshot.idle))
            remember(self.project, snapshot, self.call.settings, self.call.environ)
        return snapshot

    def attempt(self, *, again: bool = False) -> Snapshot | InputError:
        """As `snapshot`, or why there is none; `again`: a build is done, which no setting may spoil any more."""
        try:
            return self.snapshot()
        except InputError as error:
            return error
        except ConfigError as error:
            if again:
                return InputError(error.message)
            raise

    def select(self, look: Disk) -> selection.Selection:
        """Which files are inputs, as `selection.snapshot` wants to know."""
        if self.cache is not None:
            look.text(os.fsencode(discoveries.place(self.cache, self.call.tree)), 0)  # it decides, so it is watched
        rules = selection.Rules(
            include=self.config.include,
            exclude=self.config.exclude,
            always=("pyproject.toml", *self.own_path),
            tables_of=None if "pyproject.toml" in self.own_path else "pyproject.toml",
            discovered=discoveries.load(self.cache, self.call.tree).discovered,
            apart=boundary.set_apart(self.call.tree, self.call.environ),
        )
        return selection.select(look, self.project.pyproject, self.backend, rules)

    @property
    def requires(self) -> tuple[str, ...]:
        """The requirements of `[build-system]`."""
        return tuple(_build_requires(self.project))

    @property
    def variables(self) -> frozenset[str]:
        """The environment names that the settings declare, and those that the last builds were seen to ask for."""
        page = discoveries.account(self.cache, self.call.tree)
        return frozenset(self.config.env).union(name for name in page.names if not self.never_counts(name))

    def never_counts(self, name: str) -> bool:
        """Whether a variable shapes nothing, whoever asks for it."""
        return environment.matcher((*backends.NEVER_COUNT, *self.config.ignore_env))(name)

    def globs(self, snapshot: Snapshot) -> list[str]:
        """Patterns that all inputs match, and maybe more: the folders that they lie in, and single files."""
        folders = [f"{path}/**" if path else "**" for path, kind in snapshot.roots if kind in ("crate", "folder")]
        return [
            "pyproject.toml",
            *self.own_path,
            *folders,
            *(path for path, kind in snapshot.roots if kind in ("file", "glob")),
        ]

    @property
    def kind(self) -> Literal["labelled", "plain", "release"]:
        """Labelled: the version names the sources. Plain: it can't or shall not. Release: what others will install."""
        origin = self.config.origins.get("label", "")
        if self.project.sdist_version is not None:
            return "release"
        if self.config.label == "off":
            return "plain" if origin.startswith("[") else "release"
        if self.call.environ.get("CIBUILDWHEEL") and (not origin or origin.startswith("[")):
            return "release"
        return "labelled" if self.project.version_is_dynamic else "plain"

    @property
    def passing(self) -> bool:
        """Whether the environment was made for this one build, so that a hit may leave it without what a build needs.

        Elsewhere what is there stays there. tox makes its environment anew when fewer are asked for than the last time,
        so there they are always asked for.
        """
        environ = self.call.environ
        return self.private is not None and not (environ.get("TOX_ENV_NAME") or environ.get("TOX_PACKAGE"))

    @property
    def proves(self) -> bool:
        """Whether what is stored is to be proved by a clean build before it is handed out."""
        return self.config.store == "verify"

    @property
    def in_place(self) -> bool:
        """Whether this is an editable build that puts its extension modules into the tree."""
        return self.call.hook == "build_editable" and self.backend.in_place

    @property
    def own_path(self) -> tuple[str, ...]:
        """The file that the own base version is read from, if it is."""
        own = self.config.version
        return (own.path,) if own is not None and own.path is not None else ()

    def base(self) -> str | None:
        """The version without a label, where it is not the inner backend's to say.

        An unpacked source distribution has its version already; a wheel built from it must have exactly that one.
        """
        if self.project.sdist_version is not None:
            return self.project.sdist_version
        return None if self.config.version is None else project.own_version(self.project, self.config.version)

    def own_base(self) -> str | None:
        """The own base version, of which the inner backend would not know; None: it is the inner backend's to say."""
        return None if self.config.version is None else self.base()


@contextlib.contextmanager
def fresh(context: Context, private: str) -> Iterator[tuple[dict[str, str], str]]:
    """The variables that give setuptools an empty folder, in `private`, and that folder; nothing for other backends."""
    from freshwheel.inner import build_folders  # noqa: PLC0415

    if not build_folders.runs_setuptools(context.backend, context.config.backend):
        yield {}, ""
        return
    with tempfile.TemporaryDirectory(prefix="freshwheel-build-", dir=private, ignore_cleanup_errors=True) as folder:
        known, environ, base = bool(context.backend.distributions), context.call.environ, context.own_base()
        yield build_folders.setuptools(folder, environ, context.call.hook, known=known, version=base), folder


@contextlib.contextmanager
def opened(
    context: Context,
    more: Mapping[str, str] | None = None,
    *,
    watch: Watch | None = None,
    environment: EnvironmentCopy | None = None,
) -> Iterator[Inner]:
    """The inner backend, in an environment that is the caller's but for the interpreter it is told to build for.

    With a copy of that environment it has that instead.
    """
    from freshwheel.inner import process  # noqa: PLC0415 - a hit asks nobody, as below

    own = context.call.environ if environment is None else environment.environ(context.call.environ)
    environ = {**context.backend.variables, **own, **(more or {})}
    facts = None if environment is None else environment.facts
    variables = backends.BASE_PYTHON_VARIABLES if context.config.stable_python else None
    notes = None if watch is None else watch.folder
    files = watch is not None and watch.records
    with process.stable(environ, variables=variables, facts=facts, witness=notes, files=files) as stable:
        if watch is not None:
            watch.private += [watch.folder, *stable.get("PYTHONPATH", "").split(os.pathsep)[:1]]
        yield process.Inner(
            backend=context.config.backend,
            backend_path=context.config.backend_path,
            tree=context.call.tree,
            python=sys.executable if environment is None else environment.python,
            environ=stable,
            start=None if watch is None else watch.run,
        )


def _build_requires(project: Project) -> Sequence[str]:
    requires = project.pyproject.get("build-system", {}).get("requires", [])
    return [text for text in requires if isinstance(text, str)]


def _idle(include: Sequence[str], idle: Sequence[str]) -> list[Problem]:
    hint = "patterns are relative to the folder of pyproject.toml; ** stands for any number of folders"
    return [
        Problem(f"tool.freshwheel.include[{place}]", f'"{pattern}" matches no file', hint)
        for place, pattern in enumerate(include)
        if pattern in idle
    ]


def remembered(tree: str, environ: Mapping[str, str]) -> dict[bytes, tuple[bytes, bytes, bytes]]:
    """Path -> row hash, kind and content digest of the files that need not be read again while their rows stay."""
    known = _last(tree, environ)
    return {} if known is None else memory.remembered(known)


def _last(tree: str, environ: Mapping[str, str]) -> memory.Memory | None:
    """The memory of a tree, if it is of the file system that the tree is on."""
    cache = files.cache_directory(environ)
    known = memory.load(cache, memory.real(tree)) if cache is not None else None
    return known if known is not None and known.device == _device(tree) else None


def recall(call: Call) -> Snapshot | None:
    """The inputs of the tree as they were seen last, if no row of what was looked at has moved; None: look again.

    What else was looked at is not in there: it is remembered already.
    """
    started, known = call.now(), _last(call.tree, call.environ)
    if known is None or known.slack is None:
        return None
    if known.question != memory.question(call.settings, call.environ, known.tree):
        return None
    try:
        seen = memory.standing(known, os.path.join(known.tree, b""))
    except OSError:
        return None
    if seen is None:
        return None
    held = memory.contents(known.inputs, known.column)
    return Snapshot(
        digest=known.digest.hex(),
        native=digest.native(known.rules, known.inputs, known.column),
        rules=known.rules,
        inputs=tuple([Input(path=path, kind=cell[:1], content=cell[1:]) for path, cell in held.items()]),
        rows=tuple(seen),
        started=started,
        roots=tuple(known.roots),
        locks=tuple(known.locks),
        unread=tuple(known.unread),
    )


def remember(
    project: Project, snapshot: Snapshot, settings: Mapping[str, str | Sequence[str]] | None, environ: Mapping[str, str]
) -> bool:
    """Whether what was seen is written into the memory of the tree."""
    cache = files.cache_directory(environ)
    question = memory.question(settings, environ, memory.real(project.tree))
    device = _device(project.tree)
    if cache is None or question is None or device is None:
        return False
    places = {**snapshot.looks.places, **project.looks.places}  # the older row of the two counts
    links = dict(snapshot.looks.links)
    inputs: list[tuple[bytes, bytes, bytes, Row]] = []
    for item, row in zip(snapshot.inputs, snapshot.rows, strict=True):
        own = links.pop(item.path, None) if item.kind == b"l" else row
        if own is None:
            return False
        inputs.append((item.path, item.kind, item.content, own))
    slack = disk.slack(project.tree) if snapshot.looks.devices == {device} else None
    slack = min(slack, _TICK) if slack is not None and _has_ticks(snapshot) else slack
    tree = memory.real(project.tree)
    ground = memory.Ground(tree=tree, device=device, slack=slack, question=question, rules=snapshot.rules)
    looks = Looks(
        links=links,
        places={path or b".": row for path, row in places.items()},
        kinds=frozenset(path or b"." for path in snapshot.looks.kinds - project.looks.places.keys()),
        absent=snapshot.looks.absent | project.looks.absent,
    )
    seen = memory.observed(
        ground,
        min(project.started, snapshot.started),
        inputs,
        looks,
        roots=snapshot.roots,
        locks=snapshot.locks,
        unread=snapshot.unread,
    )
    return memory.save(cache, seen)


def _has_ticks(snapshot: Snapshot) -> bool:
    """Whether each change that was seen has a time with parts of a second; what is only of a kind has none."""
    looks = (*snapshot.rows, *snapshot.looks.links.values(), *snapshot.looks.places.values())
    return all(row[3] % 10**9 or not row[3] for row in looks)


def _device(tree: str) -> int | None:
    try:
        return os.stat(tree).st_dev
    except OSError:
        return None

"""One real build: what must be forced before it, and what it shows afterwards.

Before: cargo must notice what we noticed (law 7), else it packs an old object under a new name. After: what was really
read, packed and written is held against the inputs. Nothing of this can fail a build.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from freshwheel import backends, frame, memory, state
from freshwheel.errors import ConfigError, InputError
from freshwheel.inner import folders, force, interpreter, process
from freshwheel.inner.force import Record, Seen
from freshwheel.model import Snapshot
from freshwheel.plan import Plan
from freshwheel.sources import opinion, selection
from freshwheel.sources.cargo import Closure
from freshwheel.sources.ground import Scope
from freshwheel.sources.trace import Read

__all__ = ["Built", "attempt", "build", "opened"]

_LARGEST = 1 << 28


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What one real build was made from, and what it made."""

    path: str
    """Of the inner backend's wheel."""
    earlier: Snapshot | InputError
    """The inputs before it, after all that was forced."""
    later: Snapshot | InputError
    missed: tuple[Read, ...] = ()
    """What it read or packed, and what is no input yet."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Inputs that it made or changed itself."""


@contextlib.contextmanager
def opened(plan: Plan, more: Mapping[str, str] | None = None) -> Iterator[process.Inner]:
    """The inner backend, in an environment that is the caller's but for the interpreter it is told to build for."""
    environ = {**plan.backend.variables, **plan.call.environ, **(more or {})}
    variables = backends.BASE_PYTHON_VARIABLES if plan.config.stable_python else None
    with interpreter.stable(environ, variables=variables) as stable:
        yield process.Inner(
            backend=plan.config.backend,
            backend_path=plan.config.backend_path,
            tree=plan.call.tree,
            python=interpreter.executable(),
            environ=stable,
        )


def attempt(plan: Plan, *, again: bool = False) -> Snapshot | InputError:
    """The inputs, or why there are none; `again` says that a build is done, which no setting may spoil any more."""
    try:
        return plan.snapshot()
    except InputError as error:
        return error
    except ConfigError as error:
        if again:
            return InputError(error.message)
        raise


def build(plan: Plan, private: str) -> Built:
    """A wheel of the inner backend, in the folder `private`. Raises InnerError where that fails."""
    before = attempt(plan)
    if isinstance(before, InputError) or plan.project.sdist_version is not None:
        with opened(plan) as inner:
            path = inner.build(plan.call.hook, private, plan.config.inner_settings)
        return Built(path=path, earlier=before, later=attempt(plan, again=True))
    with _Bench.of(plan, before) as bench:
        return bench.build(private)


@dataclass(kw_only=True)
class _Bench:
    """The place where one build is made: the tree, and the folders that cargo works in."""

    plan: Plan
    before: Snapshot
    closure: Closure
    places: list[str] | None
    """The build folders of cargo; None where they are not known, or can't be trusted."""
    spare: tempfile.TemporaryDirectory[str] | None = None
    """An empty folder for cargo, instead of those."""

    @classmethod
    @contextlib.contextmanager
    def of(cls, plan: Plan, before: Snapshot) -> Iterator[_Bench]:
        """The bench for a plan and the inputs that it found."""
        manifests, closure = selection.crates(plan.call.tree, plan.project.pyproject, plan.backend, before.inputs)
        places: list[str] | None = []
        if closure.crates:
            arguments = _arguments(plan)
            places = folders.build_folders(manifests, plan.call.environ, tree=plan.call.tree, arguments=arguments)
        bench = cls(plan=plan, before=before, closure=closure, places=places)
        try:
            yield bench
        finally:
            if bench.spare is not None:
                bench.spare.cleanup()

    def build(self, private: str) -> Built:
        """Forces what must be noticed, builds, and looks at what that has done."""
        record, found = self.record(), folders.look(self.places or [])
        earlier = self.forced(record, found)
        more = {} if self.spare is None else folders.private({}, self.spare.name)
        started = time.time_ns()
        with opened(self.plan, more) as inner:
            try:
                path = inner.build(self.plan.call.hook, private, self.plan.config.inner_settings)
            finally:
                # After a failure as well: only what broke need be compiled again.
                after = folders.look(self.places or [])
                later = attempt(self.plan, again=True)
                self.keep(record, found, after, earlier, later)
        return self.judged(path, started, earlier, later)

    def forced(self, record: Record | None, found: Mapping[str, folders.Profile]) -> Snapshot | InputError:
        """The inputs, when all that cargo must notice has a new mtime; else it gets an empty folder to work in."""
        refused = self.places is None
        if found:
            seen = self.seen(self.before)
            times = force.pending(record, found, seen, now=time.time_ns())
            newest = force.newest(record, found, seen.recipe)
            refused = bool(force.touch(os.fsencode(self.plan.call.tree), times, newest=newest))
            if times and not refused:
                return attempt(self.plan, again=True)
        if refused:
            self.places = None
            self.spare = tempfile.TemporaryDirectory(prefix="freshwheel-target-", ignore_cleanup_errors=True)
        return self.before

    def seen(self, found: Snapshot) -> Seen:
        """What of the inputs cargo may watch, and what chooses how it is called."""
        stems = [os.fsencode(crate.folder + "/" if crate.folder else "") for crate in self.closure.crates]
        files = {os.fsencode(path) for path in self.closure.files}
        inputs, mtimes = {}, {}
        for one, row in zip(found.inputs, found.rows, strict=True):
            if one.path in files or any(_is_below(one.path, stem) for stem in stems):
                inputs[one.path] = one.kind + one.content
                mtimes[one.path] = row[2]
        return Seen(recipe=self.recipe(found), inputs=inputs, mtimes=mtimes)

    def recipe(self, found: Snapshot) -> bytes:
        """What may choose another profile of cargo: hook, settings, environment, files of settings."""
        environ = self.plan.call.environ
        names = sorted(name for name in environ if backends.shapes(self.plan.backend, name))
        settings = sorted((self.plan.config.inner_settings or {}).items())
        texts = [self.plan.call.hook, *map(repr, settings), *(f"{name}={environ[name]}" for name in names)]
        chosen = [one.content for one in found.inputs if _chooses(os.path.basename(one.path))]
        return xxhash.xxh3_128_digest(
            frame.framed(*(text.encode("utf-8", "surrogateescape") for text in texts), *chosen)
        )

    def record(self) -> Record | None:
        """What is known of the build folders after the last build of ours."""
        place = self.place()
        try:
            with open(place or "", "rb") as file:
                return Record.parse(file.read(_LARGEST))
        except OSError:
            return None

    def keep(
        self,
        record: Record | None,
        before: Mapping[str, folders.Profile],
        after: Mapping[str, folders.Profile],
        earlier: Snapshot | InputError,
        later: Snapshot | InputError,
    ) -> None:
        """Writes the record; if anything moved there is none, and the next build counts everything as changed."""
        place = self.place()
        if not place or self.places == []:
            return
        with contextlib.suppress(OSError):
            frame.remove(place)
            if self.places and _stood_still(earlier, later) and isinstance(earlier, Snapshot):
                data = force.recorded(record, before, after, self.seen(earlier)).dump()
                os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
                frame.write(place, data, mode=0o600)

    def place(self) -> str | None:
        """Where the record is."""
        cache = frame.cache_directory(self.plan.call.environ)
        if cache is None:
            return None
        name = xxhash.xxh3_128_hexdigest(memory.real(self.plan.call.tree))
        return os.path.join(cache, "builds", f"{name}.bin")

    def judged(self, path: str, started: int, earlier: Snapshot | InputError, later: Snapshot | InputError) -> Built:
        """What was built, with the opinions on it, which are written into the state of the tree."""
        if isinstance(later, InputError) or isinstance(earlier, InputError):
            return Built(path=path, earlier=earlier, later=later)
        scope = self.scope(later, private=os.path.dirname(path))
        opinions = [opinion.third(scope, path)] if self.plan.call.hook == "build_wheel" else []
        if self.closure.crates:
            used = [self.spare.name] if self.spare is not None else self.places or []
            opinions.append(opinion.second(scope, self.closure, used, since=started))
        missed = {one.path: one for found in opinions for one in found.missed}
        system = {one.path: one.by for found in opinions for one in found.system}
        written = _written(earlier, later)
        cache, tree = frame.cache_directory(self.plan.call.environ), self.plan.call.tree
        known = state.load(cache, tree)
        fresh = state.State(
            built=True,
            discovered={**known.discovered, **{one.path: one.by for one in missed.values()}},
            system={**known.system, **system},
            written=written,
        )
        if fresh != known:
            state.save(cache, tree, fresh)
        return Built(path=path, earlier=earlier, later=later, missed=tuple(missed.values()), written=written)

    def scope(self, found: Snapshot, private: str) -> Scope:
        """What the opinions are held against."""
        tree, environ = self.plan.call.tree, self.plan.call.environ
        return Scope(
            tree=tree,
            repository=_repository(tree, [crate.folder for crate in self.closure.crates]),
            inputs=found.inputs,
            exclude=self.plan.config.exclude,
            outputs=list(selection.left_out(self.plan.project.pyproject, self.plan.backend)),
            apart=[private, *_apart(tree, environ)],
            known=list(state.load(frame.cache_directory(environ), tree).system),
        )


def _arguments(plan: Plan) -> list[str]:
    """What the user hands on to cargo, where maturin looks for it."""
    texts = [plan.call.environ.get("MATURIN_PEP517_ARGS", "")]
    for name in ("build-args", "maturin.build-args"):
        value = (plan.config.inner_settings or {}).get(name, ())
        texts += [value] if isinstance(value, str) else value
    try:
        return [word for text in texts for word in shlex.split(text)]
    except ValueError:
        return []


def _is_below(path: bytes, stem: bytes) -> bool:
    return path.startswith(stem) if stem else not path.startswith(b"../")


def _chooses(name: bytes) -> bool:
    return name in (b"pyproject.toml", b"setup.py", b"setup.cfg", b"config.toml", b"config")


def _stood_still(earlier: Snapshot | InputError, later: Snapshot | InputError) -> bool:
    if isinstance(earlier, InputError) or isinstance(later, InputError):
        return False
    return (earlier.digest, earlier.rows) == (later.digest, later.rows)


def _written(earlier: Snapshot, later: Snapshot) -> dict[str, str]:
    """Inputs that were made or changed between two looks."""
    before = {one.path: (one.kind, one.content) for one in earlier.inputs}
    words = {one.path: "changed" if one.path in before else "made" for one in later.inputs}
    moved = [one.path for one in later.inputs if before.get(one.path) != (one.kind, one.content)]
    return {os.fsdecode(path): f"{words[path]} by the build" for path in moved}


def _repository(tree: str, crates: Sequence[str]) -> str:
    """The folder that is cloned as a whole, as far as it shows: that with version control, else all that is known."""
    folder = os.path.realpath(tree)
    while True:
        if any(os.path.lexists(os.path.join(folder, name)) for name in (".git", ".hg", ".jj", ".svn")):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    real = os.path.realpath(tree)
    try:
        return os.path.commonpath([real, *(os.path.normpath(os.path.join(real, crate)) for crate in crates)])
    except ValueError:  # on several drives
        return real


def _apart(tree: str, environ: Mapping[str, str]) -> list[str]:
    """Folders of which nothing counts: what comes from registries, toolchains, Python and its packages."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    homes = [
        environ.get("CARGO_HOME") or (os.path.join(home, ".cargo") if home else ""),
        environ.get("RUSTUP_HOME") or (os.path.join(home, ".rustup") if home else ""),
    ]
    pythons = [*sys.path, *environ.get("PYTHONPATH", "").split(os.pathsep)]
    if sys.prefix != sys.base_prefix:
        pythons.append(sys.prefix)
    real = os.path.realpath(tree)
    return [
        path
        for path in (*homes, *pythons)
        if os.path.isabs(path) and not os.path.join(real, "").startswith(os.path.join(os.path.realpath(path), ""))
    ]

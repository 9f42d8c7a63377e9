"""What is known of the folders that builds keep: what their units were made from, and what those have taken.

Members of one workspace share a folder, and each must know what the builds of the others did there. So paths are kept
absolute, and handed to each tree as it calls them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import xxhash

from freshwheel.base import files
from freshwheel.build import discovery
from freshwheel.inner.build_folders import Record
from freshwheel.memory import discoveries
from freshwheel.memory.discoveries import Page
from freshwheel.store.shelf import Discovered
from freshwheel.store.store import Store

_LARGEST = 1 << 28
_PATHS = (discovery.FILE, discovery.FOLDER, discovery.PRESENT, discovery.ABSENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """The folders that a build keeps, as one tree sees them."""

    cache: str | None
    folders: Sequence[str]
    """Absolute; none: nothing is kept from one build to the next."""
    tree: str
    """Where links lead to, as the next one."""
    repository: str
    """The folder that is cloned as a whole: paths in it are relative to the tree, all others are absolute."""

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else builds in these folders meanwhile, as far as that can be had."""
        with contextlib.ExitStack() as stack:
            store = Store.open(self.cache) if self.folders else None
            if isinstance(store, Store):
                stack.enter_context(store.lock("folder", self.folders[0]))
            yield

    def record(self, present: Collection[bytes]) -> Record | None:
        """What is known after the last build of ours: of the inputs `present`, and of what is gone since."""
        raw = self._raw()
        if raw is None:
            return None
        names = {self.absolute(path): path for path in present}
        paths = {one: names.get(one) or self.called(one) for one in raw.seen.inputs}
        kept = [one for one in paths if one in names or not os.path.lexists(one)]
        return _with(
            raw,
            {paths[one]: raw.seen.inputs[one] for one in kept},
            {paths[one]: raw.seen.mtimes[one] for one in kept},
        )

    def keep(self, record: Record, *, others: bool) -> None:
        """Writes the record of a build; with what `others` are known to have built there, unless that is in doubt."""
        place, raw = self._place(), self._raw() if others else None
        inputs = {self.absolute(path): content for path, content in record.seen.inputs.items()}
        mtimes = {self.absolute(path): mtime for path, mtime in record.seen.mtimes.items()}
        if raw is not None:
            there = [one for one in raw.seen.inputs if one not in inputs and os.path.lexists(one)]
            inputs |= {one: raw.seen.inputs[one] for one in there}
            mtimes |= {one: raw.seen.mtimes[one] for one in there}
        if place is not None:
            files.settle(os.path.dirname(place))
            files.write(place, _with(record, inputs, mtimes).dump(), mode=0o600)

    def forget(self) -> None:
        """Drops the record: the next build counts everything as changed."""
        place = self._place()
        if place is not None:
            files.discard(place)

    def page(self) -> Page:
        """What all builds in these folders have taken."""
        if not self.folders:
            return Page()
        return self._translated(discoveries.account(self.cache, self.folders[0]), self.called)

    def save(self, page: Page) -> None:
        """Puts on record what all builds in these folders have taken."""
        if self.folders:
            discoveries.keep_account(
                self.cache, self.folders[0], self._translated(replace(page, lines=()), self.absolute)
            )

    def absolute(self, path: bytes) -> bytes:
        """A path as all trees call it."""
        return os.path.normpath(os.path.join(os.fsencode(self.tree), path))

    def common(self, item: Discovered) -> Discovered:
        """An item as all trees call it."""
        return _item(item, self.absolute)

    def called(self, path: bytes) -> bytes:
        """A path as this tree calls it."""
        repository = os.fsencode(self.repository)
        inside = path == repository or path.startswith(os.path.join(repository, b""))
        return os.path.relpath(path, os.fsencode(self.tree)).replace(os.sep.encode(), b"/") if inside else path

    def _translated(self, page: Page, translate: Callable[[bytes], bytes]) -> Page:
        def named(path: str) -> str:
            return os.fsdecode(translate(os.fsencode(path)))

        return replace(
            page,
            items=tuple(_item(one, translate) for one in page.items),
            readers={named(path): units for path, units in page.readers.items()},
            joined={named(path): by for path, by in page.joined.items()},
        )

    def _raw(self) -> Record | None:
        """The record as it is kept."""
        try:
            with open(self._place() or "", "rb") as file:
                return Record.parse(file.read(_LARGEST)) if files.is_own(os.fstat(file.fileno())) else None
        except OSError:
            return None

    def _place(self) -> str | None:
        if self.cache is None or not self.folders:
            return None
        name = xxhash.xxh3_128_hexdigest(b"\0".join(map(os.fsencode, self.folders)))
        return os.path.join(self.cache, "builds", f"{name}.bin")


def _with(record: Record, inputs: Mapping[bytes, bytes], mtimes: Mapping[bytes, int]) -> Record:
    return replace(record, seen=replace(record.seen, inputs=inputs, mtimes=mtimes))


def _item(item: Discovered, translate: Callable[[bytes], bytes]) -> Discovered:
    path, kind, content, row = item
    return (translate(path) if kind in _PATHS else path), kind, content, row

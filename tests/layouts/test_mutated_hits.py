"""Every file of some workspaces is changed in turn, and the store asked for the wheel of what is there then.

What makes another wheel moves the digest, which is shown elsewhere by builds; here, that nothing is handed out then:
neither by the store nor by what replays the last answer. What was changed back is known at once.
"""

import base64
import dataclasses
import hashlib
import os
import time
import zipfile
from pathlib import Path

import pytest

from freshwheel.base.errors import FreshwheelError
from freshwheel.build import lookup, recipes
from freshwheel.build.context import Context
from freshwheel.build.lookup import Case
from freshwheel.memory import replay
from freshwheel.store.store import Draft

from .test_mutations import CHANGES, Lane, lay_any_suffix, lay_binding_crate, lay_no_rust_here

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="links need a right that few have"),
]

HOUR = 3600 * 10**9
INNER = "mutated-0.1.0-py3-none-any.whl"
INFO = "mutated-0.1.0.dist-info"
MEMBERS = {
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: mutated\nVersion: 0.1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
MEMBERS[f"{INFO}/RECORD"] = (
    "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for name, text in MEMBERS.items()
    )
    + f"{INFO}/RECORD,,\n"
)


def later():
    """The clock an hour from now: what lies there was written long ago."""
    return time.time_ns() + HOUR


class Known(Lane):
    """A workspace whose wheel is in the store, and known to what replays it."""

    def __init__(self, layout, edits):
        self.layout, self.edits, self.said = layout, edits, []
        self.files = {path: self.held(path) for path in self.present()}
        self.before = self.digest()
        self.dist = layout.home / "dist"
        self.dist.mkdir()
        self.keep()

    def call(self):
        """A call of the hook, as the door would make it."""
        known = self.layout.call()
        return dataclasses.replace(known, say=self.said.append, now=later)

    def case(self):
        """The tree now, and what the store says of it; None: nothing, for the tree can't be understood."""
        try:
            context = Context.of(self.call())
            case = lookup.opened(context, context.snapshot())
        except FreshwheelError:
            return None
        assert isinstance(case, Case), case
        return case

    def keep(self):
        """A wheel is stored, as after a build, and handed out, so that it can be replayed."""
        case, wheel = self.case(), self.layout.home / INNER
        with zipfile.ZipFile(wheel, "w") as file:
            for name, text in MEMBERS.items():
                file.writestr(name, text)
        assert not isinstance(case.store.put(Draft(key=case.key, base="0.1.0"), str(wheel)), str)
        for _ in range(2):
            recipes.wheel(self.call(), str(self.dist))

    def is_stored(self):
        """Whether the store would hand out a wheel."""
        case = self.case()
        return case is not None and case.entry() is not None

    def is_replayed(self):
        """Whether the last answer would be given again."""
        call = self.call()
        for path in self.dist.iterdir():
            path.unlink()
        return replay.wheel(replay.Call(call.tree, call.environ, None, now=later), str(self.dist)) is not None


@pytest.mark.parametrize(
    ("lay", "folder", "locked"),
    [
        (lay_binding_crate, "python", "."),
        pytest.param(lay_no_rust_here, "python", ".", marks=pytest.mark.nightly),
        pytest.param(lay_any_suffix, ".", "rust", marks=pytest.mark.nightly),
    ],
)
def test_whatever_moves_the_digest_is_no_hit(layout, lay, folder, locked):
    """Edited, deleted or renamed: a miss on both roads. Taken back, or changed where nothing counts: a hit."""
    found = layout(folder)
    edits = lay(found)
    found.lock(locked)
    found.commit()
    known = Known(found, edits)
    assert known.is_replayed()
    wrong, moves = [], 0
    for path in sorted(known.files):
        for change in CHANGES:
            known.change(path, change)
            # First what trusts the most, while nobody else has looked at the tree.
            replayed, stored = known.is_replayed(), known.is_stored()
            moved = known.digest() != known.before
            moves += moved
            if (moved and (stored or replayed)) or not (moved or stored):
                wrong.append((change, path, moved, stored, replayed))
            known.restore()
            if not known.is_stored():
                wrong.append(("revert", change, path))
    assert wrong == []
    assert moves > len(known.files)
    assert Path(found.call().environ["FRESHWHEEL_CACHE_DIR"], "v1").is_dir()

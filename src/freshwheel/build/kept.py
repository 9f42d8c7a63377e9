"""What hooks ask for, what they get, and what may have it: the store, or what is kept of one tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from freshwheel.memory.outcome import Decided

Purpose = Literal["requires", "metadata", "wheel"]
"""What is asked for: the promise of a wheel, the metadata of one, the wheel."""

SAME = "nothing that it is made from has changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A finished wheel, and where it comes from."""

    name: str
    """Its file name."""
    inner: str
    """The file name of the wheel that the inner backend made."""
    decided: Decided
    why: str
    said: str = ""
    """What a person is told, behind the name."""
    saved: int = 0
    """ms of the build that was not needed."""
    key: str = ""
    """The build key of what is kept; nothing: the wheel was built in this run."""
    digest: str = ""
    """The source digest of what is kept."""


class Kept(Protocol):
    """Finished wheels that earlier builds have left for one case: in the store, or for one tree."""

    def fetch(self, purpose: Purpose, folder: str) -> Wheel | str:
        """The wheel, now in `folder`; else why there is none, nothing: by what has changed."""

    def reason(self, problem: str) -> str:
        """Why there is none, in words; `problem` is what `fetch` has said."""

"""Edits of real projects, and what shows that they were built."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Edit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One edit of a file that the wheel is made from."""

    file: str
    old: str
    new: str
    """A text in that file, and the one that it is edited to."""
    shows: str
    """Python code that prints what follows from it."""
    before: str = ""
    after: str = ""
    """What that prints without the edit and with it; nothing: the text itself."""
    base: str = ""
    """The base version with the edit; nothing: as before."""

    @property
    def prints(self) -> tuple[str, str]:
        """What `shows` prints without the edit and with it."""
        return self.before or self.old, self.after or self.new

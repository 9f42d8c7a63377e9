"""Which requirements are not met by what is installed here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement

from freshwheel.base.requirements import allows, normal
from freshwheel.inner import interpreter, packages


def unmet(texts: Iterable[str]) -> list[str]:
    """The requirements that what is installed here does not meet."""
    known = packages.installed(sys.path)
    return [text for text in texts if (one := _applying(text)) is not None and not _meets(one, known)]


def absent(texts: Iterable[str]) -> list[str]:
    """The requirements of which nothing is installed here, in whatever version."""
    known = packages.installed(sys.path) if texts else {}
    wanted = [(text, one.name) for text in texts if (one := _applying(text)) is not None]
    return [
        text
        for text, name in wanted
        # What has no metadata may be there all the same.
        if normal(name) not in known and not interpreter.importable(name.replace("-", "_"))
    ]


def _applying(text: str) -> Requirement | None:
    """The requirement, None where it is none or is not for this environment."""
    try:
        found = Requirement(text)
        return found if found.marker is None or found.marker.evaluate({"extra": ""}) else None
    except Exception:  # noqa: BLE001 - whatever it holds, an installer has the last word
        return None


def _meets(wanted: Requirement, known: Mapping[str, packages.Distribution]) -> bool:
    found = known.get(normal(wanted.name))
    return found is not None and allows(str(wanted), found.version)

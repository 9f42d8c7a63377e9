"""What the site shows of the repository outside of docs/: pages that people look for at the top, and test vectors.

MkDocs loads this file as a hook. Links to these places, as they stand on the pages, lead to the copies.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

SHOWN = {
    "CHANGELOG.md": "development/changelog.md",
    "CONTRIBUTING.md": "development/contributing.md",
    "SECURITY.md": "development/security.md",
    "fixtures/digest-vectors/vectors.json": "reference/vectors.json",
}
"""Where each is in the repository -> where it is on the site."""

LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site, and these."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - this file can be read without MkDocs, too

    for source, place in SHOWN.items():
        with open(os.path.join(_top(config), source), encoding="utf-8") as file:
            files.append(File.generated(config, place, content=file.read()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs
    """The text of a page, in which links between repository and site lead to what the site has."""
    return moved(markdown, page.file.src_uri)


def moved(text: str, place: str) -> str:
    """The text of the page at `place` of the site, with its links as they must be there."""
    sources = {there: source for source, there in SHOWN.items()}
    origin = os.path.dirname(sources.get(place, f"docs/{place}"))

    def there(link: re.Match[str]) -> str:
        path = os.path.normpath(os.path.join(origin, link[1])).replace(os.sep, "/")
        target = SHOWN.get(path, path.removeprefix("docs/"))
        back = os.path.relpath(target, os.path.dirname(place) or ".").replace(os.sep, "/")
        return f"]({back}{link[2] or ''})"

    return LINK.sub(there, text)


def _top(config: MkDocsConfig) -> str:
    return os.path.dirname(os.path.abspath(config.config_file_path))

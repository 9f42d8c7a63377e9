"""Draws the table of real projects on the page about performance: seconds without freshwheel and with it.

    python benchmarks/plot.py

The table is what `python benchmarks/trial.py --unwrapped` printed. The drawing is written into docs/assets, and says
nothing that the table does not say; a test holds the two together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(REPOSITORY, "docs", "explanation", "performance.md")
DRAWING = os.path.join(REPOSITORY, "docs", "assets", "real-projects.svg")

SITUATIONS = ("uv, cold", "uv again", "pip again", "uv, one line edited", "uv, edit taken back")
WIDTH, LEFT, TOP = 760, 170, 56
ROW, BAR = 29, 11
"""Points from one situation to the next, and from one of its bars to the other."""
BARS = WIDTH - LEFT - 60
STYLE = """  <style>
    text { fill: #212121; font-size: 13px; }
    .alone { fill: #9e9e9e; }
    .ours { fill: #00796b; }
    .name { font-weight: 600; }
    .figure { font-size: 11px; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e8e8e8; }
      .alone { fill: #8d8d8d; }
      .ours { fill: #4db6ac; }
    }
  </style>
"""

Project = tuple[str, Sequence[float], Sequence[float]]
"""Its name, and the seconds of the situations: without freshwheel, and with it."""


def projects(page: str) -> list[Project]:
    """What the table on the page says. Raises ValueError where a situation is not among its columns."""
    table = page.partition("## Real projects")[2].partition("\n|")[2].partition("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    places = [head.index(situation) for situation in SITUATIONS]
    read = [(row[0], [float(row[place]) for place in places]) for row in rows]
    pairs = zip(read[::2], read[1::2], strict=True)
    return [(re.sub(r",.*", "", name), alone, ours) for (name, alone), (_, ours) in pairs]


def drawing(measured: Sequence[Project]) -> str:
    """The drawing, as SVG: one scale for each project, for their builds take seconds or minutes."""
    parts = [_legend()]
    height = TOP
    for name, alone, ours in measured:
        parts.append(_text(10, height, name, "name"))
        scale = BARS / max(*alone, *ours)
        height += 10
        for situation, without, with_it in zip(SITUATIONS, alone, ours, strict=True):
            parts.append(_text(LEFT - 8, height + BAR + 4, situation, end=True))
            parts.append(_bar(height, without * scale, without, "alone"))
            parts.append(_bar(height + BAR, with_it * scale, with_it, "ours"))
            height += ROW
        height += ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height - ROW - 10}" width="{WIDTH}" role="img"'
    )
    head += ' font-family="system-ui, sans-serif">\n  <title>Seconds without freshwheel and with it</title>\n'
    return head + STYLE + "".join(parts) + "</svg>\n"


def _legend() -> str:
    keys = (("alone", "without freshwheel", LEFT), ("ours", "with freshwheel", LEFT + 170))
    boxes = [f'  <rect class="{kind}" x="{x}" y="12" width="12" height="12"/>\n' for kind, _, x in keys]
    return "".join([*boxes, *(_text(x + 18, 23, name) for _, name, x in keys), _text(10, 23, "seconds")])


def _text(x: float, y: float, text: str, kind: str = "", *, end: bool = False) -> str:
    more = f' class="{kind}"' if kind else ""
    more += ' text-anchor="end"' if end else ""
    return f'  <text x="{x:g}" y="{y:g}"{more}>{text}</text>\n'


def _bar(y: float, width: float, value: float, kind: str) -> str:
    bar = f'  <rect class="{kind}" x="{LEFT}" y="{y:g}" width="{width:.1f}" height="{BAR - 2}"/>\n'
    return bar + _text(round(LEFT + width + 6, 1), y + BAR - 2, f"{value}", "figure")


def main() -> None:
    """Writes the drawing."""
    with open(PAGE, encoding="utf-8") as file:
        text = drawing(projects(file.read()))
    with open(DRAWING, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


if __name__ == "__main__":
    main()

"""Names, and families of names with one `*` in them. Part of the light column."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def matcher(patterns: "Iterable[str]") -> "Callable[[str], bool]":
    """What says of a name whether it is one of the patterns, or of a family among them."""
    whole, starts, ends, both = set(), [], [], []
    for pattern in patterns:
        start, star, end = pattern.partition("*")
        if not star:
            whole.add(pattern)
        elif start and end:
            both.append((start, end, len(pattern) - 1))
        elif end:
            ends.append(end)
        else:
            starts.append(start)
    first, last = tuple(starts), tuple(ends)

    def fits(name: str) -> bool:
        return (
            name in whole
            or name.startswith(first)
            or name.endswith(last)
            or any(len(name) >= least and name.startswith(start) and name.endswith(end) for start, end, least in both)
        )

    return fits

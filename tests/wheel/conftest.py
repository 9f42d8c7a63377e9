"""A forge for wheels: good ones, and ones that no honest tool would write."""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

END = "<4s4H2LH"
CENTRAL = "<4s6H3L5H2L"
LOCAL = "<4s5H3L2H"
UTF8 = 1 << 11
Rows = list[list[str]]


@dataclass(kw_only=True)
class Entry:
    """One member to be forged; what is None or empty is made as an honest tool would make it."""

    name: str
    data: bytes = b""
    method: int = 8
    mode: int | None = None
    flags: int | None = None
    packed: bytes | None = None
    crc: int | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    comment: bytes = b""
    descriptor: bool = False
    central: dict[str, object] = field(default_factory=dict)
    """Fields of its record that shall differ: packed, offset."""


class Forge:
    """Makes the bytes of wheels, by default one for `demo` 1.0."""

    Entry = Entry
    file_name = "demo-1.0-py3-none-any.whl"
    info = "demo-1.0.dist-info"
    metadata = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\nA demo.\n"
    wheel = b"Wheel-Version: 1.0\nGenerator: forge\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

    def entries(
        self,
        *others: Entry,
        metadata: bytes | None = None,
        wheel: bytes | None = None,
        rows: Callable[[Rows], Rows] = list,
        record: bytes | None = None,
        info: str | None = None,
        leave_out: Sequence[str] = (),
        falsify: Mapping[str, Mapping[str, object]] | None = None,
    ) -> list[Entry]:
        """The members of a wheel with some modules and `others`.

        `rows` may falsify RECORD's rows, `record` replaces it. `falsify` gives other fields for members by their last
        name; RECORD then lists them with these.
        """
        info = info or self.info
        found = [
            Entry(name="demo/__init__.py", data=b"x = 1\n"),
            Entry(name="demo/native.so", data=bytes(range(256)) * 9),
        ]
        found += others
        texts = {
            "METADATA": self.metadata if metadata is None else metadata,
            "WHEEL": self.wheel if wheel is None else wheel,
        }
        found += [Entry(name=f"{info}/{name}", data=text) for name, text in texts.items() if name not in leave_out]
        for entry in found:
            vars(entry).update((falsify or {}).get(entry.name.rpartition("/")[2], {}))
        if "RECORD" not in leave_out:
            listed = rows([*map(self.row, (entry for entry in found if not entry.name.endswith("/"))), self.own(info)])
            found.append(Entry(name=f"{info}/RECORD", data=self.record(listed) if record is None else record))
            vars(found[-1]).update((falsify or {}).get("RECORD", {}))
        return found

    def own(self, info: str) -> list[str]:
        """RECORD's row for itself."""
        return [f"{info}/RECORD", "", ""]

    def row(self, entry: Entry) -> list[str]:
        """RECORD's row for a member."""
        digest = base64.urlsafe_b64encode(hashlib.sha256(entry.data).digest()).rstrip(b"=").decode()
        return [entry.name, f"sha256={digest}", str(len(entry.data))]

    def record(self, rows: Rows) -> bytes:
        """The text of RECORD."""
        return "".join([",".join(map(self._quoted, row)) + "\n" for row in rows]).encode()

    def _quoted(self, field: str) -> str:
        # Not with `csv`, which refuses NUL on Python 3.10.
        return '"' + field.replace('"', '""') + '"' if set(field) & set('",\r\n') else field

    def zipped(self, entries: Sequence[Entry], *, turned: bool = False) -> bytes:
        """The ZIP file; `turned` turns the directory round."""
        body, records = bytearray(), []
        for entry in entries:
            start = len(body)
            body += self._local(entry) + self._packed(entry) + self._descriptor(entry)
            records.append(self._central(entry, start))
        directory = b"".join(reversed(records) if turned else records)
        count = len(records)
        return (
            bytes(body) + directory + struct.pack(END, b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
        )

    def _packed(self, entry: Entry) -> bytes:
        if entry.packed is not None or entry.method != 8:
            return entry.data if entry.packed is None else entry.packed
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(entry.data) + deflate.flush()

    def _facts(self, entry: Entry) -> dict[str, int]:
        flags = (0 if entry.name.isascii() else UTF8) if entry.flags is None else entry.flags
        return {
            "flags": flags | (8 if entry.descriptor else 0),
            "method": entry.method,
            "crc": zlib.crc32(entry.data) if entry.crc is None else entry.crc,
            "packed": len(self._packed(entry)),
            "size": len(entry.data),
        }

    def _common(self, facts: Mapping[str, int], raw: bytes, extra: bytes) -> tuple[int, ...]:
        """What stands in both headers."""
        sizes = (facts["crc"], facts["packed"], facts["size"])
        return (20, facts["flags"], facts["method"], 0x6000, 0x58A1, *sizes, len(raw), len(extra))

    def _local(self, entry: Entry) -> bytes:
        facts = self._facts(entry) | ({"crc": 0, "packed": 0, "size": 0} if entry.descriptor else {})
        raw = entry.name.encode()
        return struct.pack(LOCAL, b"PK\x03\x04", *self._common(facts, raw, entry.local_extra)) + raw + entry.local_extra

    def _descriptor(self, entry: Entry) -> bytes:
        facts = self._facts(entry)
        known = struct.pack("<4s3L", b"PK\x07\x08", facts["crc"], facts["packed"], facts["size"])
        return known if entry.descriptor else b""

    def _central(self, entry: Entry, start: int) -> bytes:
        facts, raw = self._facts(entry) | entry.central, entry.name.encode()
        usual = stat.S_IFDIR | 0o755 if entry.name.endswith("/") else stat.S_IFREG | 0o644
        mode = usual if entry.mode is None else entry.mode
        common = self._common(facts, raw, entry.extra)
        rest = (len(entry.comment), 0, 0, mode << 16, facts.get("offset", start))
        return struct.pack(CENTRAL, b"PK\x01\x02", 3 << 8 | 20, *common, *rest) + raw + entry.extra + entry.comment


@pytest.fixture(scope="session")
def forge() -> Forge:
    """The forge."""
    return Forge()

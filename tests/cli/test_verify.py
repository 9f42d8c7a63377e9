"""What verify says of one wheel: its RECORD, its mark, and the tree that it is held against."""

import base64
import hashlib
import json
import zipfile

import pytest

from freshwheel.base.model import Mark
from freshwheel.cli.main import main
from freshwheel.wheel import archive, mark

INFO = "demo-1.0.dist-info"
DIGEST = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def row(name, data):
    """RECORD's row for a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return (name, f"sha256={digest}", str(len(data)))


def dumped(rows):
    """The text of RECORD."""
    return "".join([",".join(fields) + "\n" for fields in rows]).encode()


def listed(text):
    """The rows of RECORD."""
    return [tuple(line.split(",")) for line in text.decode().splitlines()]


def write(path, members):
    """A ZIP file with these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return path


def members_of(path):
    """What the members of a wheel hold."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def inner(folder, extra=()):
    """A wheel as an inner backend makes it."""
    folder.mkdir(exist_ok=True)
    found = {
        "demo.py": b"ANSWER = 1\n",
        **dict(extra),
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: forge\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [row(name, data) for name, data in found.items()]
    found[f"{INFO}/RECORD"] = dumped([*rows, (f"{INFO}/RECORD", "", "")])
    return write(folder / "demo-1.0-py3-none-any.whl", found)


def finished(folder, digest=DIGEST, *, label=True, settled=True, **fields):
    """A wheel with a mark."""
    name = mark.label(digest) if label else None
    stamp = Mark(
        **{
            "digest": digest,
            "settled": settled,
            "label": name,
            "base": "1.0",
            "backend": "flit_core.buildapi",
            "inner_wheel": "demo-1.0-py3-none-any.whl",
            "freshwheel": "0.1.0",
            **fields,
        }
    )
    full = mark.joined("1.0", name) if name else "1.0"
    folder.mkdir(exist_ok=True)
    made = archive.rewrite(archive.read(str(inner(folder / "inner"))), str(folder), version=full, mark=mark.dump(stamp))
    return folder / made


class Clerk:
    """Who is asked about wheels."""

    def __init__(self, desk):
        self.desk = desk

    def __call__(self, *words):
        """Exit code, standard output and standard error."""
        code = main(["verify", *map(str, words)])
        out, err = (data.decode() for data in self.desk.capture.readouterr())
        return code, out, err

    def json(self, *words):
        """Exit code and parsed JSON."""
        code, out, _ = self(*words, "--json")
        return code, json.loads(out)

    def kinds(self, *words):
        """Kind and place of each finding, which decide about the exit code."""
        code, found = self.json(*words)
        assert code == (1 if found["findings"] else 0)
        return [(one["kind"], one["where"]) for one in found["findings"]]


@pytest.fixture
def verify(desk):
    """Who is asked; there is a project."""
    desk.pyproject().files("demo/demo.py")
    return Clerk(desk)


@pytest.fixture
def digest(verify):
    """The source digest of the project."""
    return verify.desk("digest")[1].strip()


def test_wheel_of_the_tree(verify, desk, digest, tmp_path):
    """It is what the tree says, labelled or not."""
    wheel = finished(tmp_path / "dist", digest)
    code, out, err = verify(wheel, desk.project)
    assert (code, err) == (0, "")
    assert out == (
        f"{wheel.name}\n  built from {digest} by flit_core.buildapi\nit is what the tree says\nno findings\n"
    )
    assert verify.json(wheel, desk.project)[1]["same"] is True
    plain = finished(tmp_path / "plain", digest, label=False)
    code, out, _ = verify(plain, desk.project)
    assert code == 0
    assert "note: there is no label: this is a plain build, or a release\n" in out


def test_wheel_of_other_sources(verify, desk, digest, tmp_path):
    """Both digests are named."""
    wheel = finished(tmp_path / "dist")
    code, found = verify.json(wheel, desk.project)
    assert code == 1
    [one] = found["findings"]
    assert (one["kind"], one["where"]) == ("tree", wheel.name)
    assert one["what"] == f"it was built from {DIGEST}, and the tree has {digest}"
    assert (found["digest"], found["tree"], found["same"]) == (DIGEST, digest, False)


def test_tree_that_was_edited_after_the_build(verify, desk, digest, tmp_path):
    """And edited back."""
    wheel = finished(tmp_path / "dist", digest)
    desk.files("demo/demo.py", of="edited")
    assert verify.kinds(wheel, desk.project) == [("tree", wheel.name)]
    desk.files("demo/demo.py")
    assert verify.kinds(wheel, desk.project) == []


def test_wheel_alone(verify, tmp_path):
    """Without a tree nothing is said of one."""
    code, found = verify.json(finished(tmp_path / "dist"))
    assert code == 0
    assert (found["tree"], found["same"], found["label"]) == (None, None, "s0123456789ab")


def test_wheel_of_another_backend(verify, desk, tmp_path):
    """It has no mark, which is no fault of it; what it was built from can't be told."""
    wheel = inner(tmp_path / "dist")
    code, out, _ = verify(wheel)
    assert (code, "note: there is no mark: freshwheel has not made this wheel\n" in out) == (0, True)
    assert verify.kinds(wheel, desk.project) == [("tree", wheel.name)]
    assert verify.json(wheel, desk.project)[1]["same"] is None


def test_wheel_of_a_tree_that_moved(verify, desk, digest, tmp_path):
    """It is of no tree, whatever it is held against."""
    wheel = finished(tmp_path / "dist", digest, settled=False)
    assert verify.kinds(wheel) == verify.kinds(wheel, desk.project) == [("moved", wheel.name)]


@pytest.mark.parametrize("member", ["demo.py", "freshwheel.json"])
def test_member_that_is_not_what_record_says(verify, tmp_path, member):
    """It is named, the mark like any other."""
    wheel = finished(tmp_path / "dist")
    members = members_of(wheel)
    [name] = [name for name in members if name.endswith(member)]
    members[name] = members[name].replace(b"1", b"2", 1)
    write(wheel, members)
    assert ("broken", name) in verify.kinds(wheel)


def test_member_that_does_not_decompress(verify, tmp_path):
    """A flipped bit is found by the CRC."""
    wheel = finished(tmp_path / "dist")
    with zipfile.ZipFile(wheel) as file:
        start = file.getinfo("demo.py").header_offset + 30 + len("demo.py")
    data = bytearray(wheel.read_bytes())
    data[start + 3] ^= 1
    wheel.write_bytes(data)
    assert verify.kinds(wheel) == [("broken", "demo.py")]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda rows: [one for one in rows if one[0] != "demo.py"],
            "it has 'demo.py', or RECORD lists it, and not both",
        ),
        (lambda rows: [*rows, row("gone.py", b"")], "it has 'gone.py', or RECORD lists it, and not both"),
    ],
)
def test_record_that_is_wrong(verify, tmp_path, spoil, says):
    """Every member is listed, and nothing else is."""
    wheel = finished(tmp_path / "dist")
    members = members_of(wheel)
    [name] = [name for name in members if name.endswith("/RECORD")]
    members[name] = dumped(spoil(listed(members[name])))
    write(wheel, members)
    code, found = verify.json(wheel)
    assert code == 1
    [one] = found["findings"]
    assert (one["kind"], one["where"]) == ("broken", wheel.name)
    assert says in one["what"]


def marked(path, text):
    """The wheel with another text for a mark, RECORD being right."""
    members = members_of(path)
    [name] = [name for name in members if name.endswith(mark.NAME)]
    [record] = [name for name in members if name.endswith("/RECORD")]
    rows = [fields for fields in listed(members[record]) if fields[0] != name]
    if text is None:
        del members[name]
    else:
        members[name] = text
        rows.insert(0, row(name, text))
    members[record] = dumped(rows)
    return write(path, members)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "it is no mark"),
        (b"[]", "it is no mark: it is no table"),
        (b"\xff", "it is no mark"),
        (b'{"format": 2}', "it is no table of format 1"),
        (None, "there is none, and the version 1.0+s0123456789ab has a label"),
    ],
)
def test_mark_that_is_none(verify, tmp_path, text, says):
    """The reason is said; a label without a mark claims what nothing backs."""
    wheel = marked(finished(tmp_path / "dist"), text)
    code, found = verify.json(wheel)
    assert code == 1
    [one] = found["findings"]
    assert one["kind"] == "mark"
    assert says in one["what"]


def test_mark_of_another_wheel(verify, tmp_path):
    """Its label and base must be those of the version."""
    other = members_of(finished(tmp_path / "other", OTHER))
    [text] = [data for name, data in other.items() if name.endswith(mark.NAME)]
    wheel = marked(finished(tmp_path / "dist"), text)
    [one] = verify.json(wheel)[1]["findings"]
    assert one["what"] == "it is that of version 1.0+sfedcba987654, and the wheel has 1.0+s0123456789ab"
    later = finished(tmp_path / "later", base="2.0")
    assert verify.kinds(later) == [("mark", mark.NAME)]
    nonsense = finished(tmp_path / "nonsense", base="no version")
    assert verify.kinds(nonsense) == [("mark", mark.NAME)]


def test_form_that_is_not_known(verify, tmp_path):
    """What was not compared is not called right."""
    wheel = finished(tmp_path / "dist")
    members = members_of(wheel)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_BZIP2) as file:
        for name, data in members.items():
            file.writestr(name, data)
    assert verify.kinds(wheel) == [("unfamiliar", wheel.name)]


@pytest.mark.parametrize("data", [b"", b"no wheel", b"PK\x05\x06"])
def test_file_that_is_no_wheel(verify, tmp_path, data):
    """An error in words, with its own code."""
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(data)
    code, out, err = verify(path)
    assert (code, out) == (5, "")
    assert err.startswith("freshwheel: error: demo-1.0-py3-none-any.whl: it is no wheel")


@pytest.mark.parametrize("hashed", ["", "md17=abc"])
def test_hash_that_is_none(verify, tmp_path, hashed):
    """What can't be compared is not called right."""
    wheel = finished(tmp_path / "dist")
    members = members_of(wheel)
    [record] = [name for name in members if name.endswith("/RECORD")]
    members[record] = dumped(
        [
            (name, hashed, size) if name == "demo.py" else (name, digest, size)
            for name, digest, size in listed(members[record])
        ]
    )
    assert verify.kinds(write(wheel, members)) == [("broken", "demo.py")]


def test_file_with_another_name(verify, tmp_path):
    """The name of a wheel says what it is for."""
    path = finished(tmp_path / "dist").rename(tmp_path / "demo.zip")
    code, _, err = verify(path)
    assert code == 5
    assert err.startswith("freshwheel: error: 'demo.zip' is not the file name of a wheel")


def test_words_that_lead_nowhere(verify, tmp_path):
    """No file, and no project."""
    assert verify(tmp_path / "gone.whl")[0] == 2
    assert verify(finished(tmp_path / "dist"), tmp_path)[0] == 2
    assert verify()[0] == 2

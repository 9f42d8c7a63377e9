"""What check says of distributions: nothing may be uploaded, or handed on, that claims what it is not."""

import base64
import hashlib
import io
import json
import os
import tarfile
import zipfile

import pytest

from freshwheel.base.model import Mark
from freshwheel.cli.main import main
from freshwheel.wheel import archive, mark

ONE = "0123456789abcdef0123456789abcdef"
TWO = "fedcba9876543210fedcba9876543210"


def row(name, data):
    """RECORD's row for a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return (name, f"sha256={digest}", str(len(data)))


def dumped(rows):
    """The text of RECORD."""
    return "".join([",".join(fields) + "\n" for fields in rows]).encode()


class Dist:
    """A folder of distributions, and who is asked about it."""

    def __init__(self, folder, capture):
        self.path = folder / "dist"
        self.path.mkdir()
        self.capture = capture

    def inner(self, folder, base="1.0", name="demo", tag="py3-none-any"):
        """A wheel as an inner backend makes it."""
        folder.mkdir(exist_ok=True)
        info = f"{name}-{base}.dist-info"
        members = {
            f"{name}.py": b"ANSWER = 1\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {base}\n".encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        rows = [row(path, data) for path, data in members.items()]
        members[f"{info}/RECORD"] = dumped([*rows, (f"{info}/RECORD", "", "")])
        path = folder / f"{name}-{base}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as file:
            for path_inside, data in members.items():
                file.writestr(path_inside, data)
        return path

    def wheel(self, digest=ONE, base="1.0", *, label=True, settled=True, **names):
        """A wheel with a mark."""
        path = self.inner(self.path.parent / "inner", base, **names)
        name = mark.label(digest) if label else None
        stamp = Mark(
            digest=digest,
            settled=settled,
            label=name,
            base=base,
            backend="flit_core.buildapi",
            inner_wheel=path.name,
            freshwheel="0.1.0",
        )
        full = mark.joined(base, name) if name else base
        return archive.rewrite(archive.read(str(path)), str(self.path), version=full, mark=mark.dump(stamp))

    def sdist(self, base="1.0", stated="", name="demo"):
        """A source distribution."""
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {stated or base}\n".encode()
        with tarfile.open(self.path / f"{name}-{base}.tar.gz", "w:gz") as file:
            member = tarfile.TarInfo(f"{name}-{base}/PKG-INFO")
            member.size = len(text)
            file.addfile(member, io.BytesIO(text))
        return f"{name}-{base}.tar.gz"

    def __call__(self, *words):
        """Exit code, standard output and standard error."""
        code = main(["check", *(str(word) for word in words or [self.path])])
        out, err = (data.decode() for data in self.capture.readouterr())
        return code, out, err

    def json(self, *words):
        """Parsed JSON; the exit code says whether there are findings."""
        code, out, _ = self(*(words or [self.path]), "--json")
        found = json.loads(out)
        assert code == (1 if found["findings"] else 0)
        return found

    def kinds(self, *words):
        """Kind and place of each finding."""
        return sorted((one["kind"], one["where"]) for one in self.json(*words)["findings"])


@pytest.fixture
def dist(tmp_path, capsysbinary):
    """An empty folder."""
    return Dist(tmp_path, capsysbinary)


def test_release_is_clean(dist):
    """A source distribution and the wheels of it, for several machines."""
    names = [dist.wheel(label=False), dist.wheel(label=False, tag="py3-none-win32"), dist.sdist()]
    assert dist() == (0, "no findings\n", "")
    assert dist.json() == {"files": sorted(names), "findings": [], "notes": []}


def test_labels_are_refused_before_an_index_does(dist):
    """It is said how to build without one."""
    name = dist.wheel()
    code, out, _ = dist()
    assert code == 1
    assert out.startswith(f"{name}\n  its version has the label s0123456789ab, and an index refuses local versions\n")
    assert "FRESHWHEEL_LABEL=off" in out
    assert "freshwheel.label=off" in out


def test_wheels_of_two_trees_under_one_version(dist):
    """An installer would take any of them."""
    dist.wheel(ONE)
    dist.wheel(TWO)
    found = dist.json()["findings"]
    [one] = [one for one in found if one["kind"] == "labels"]
    assert one["where"] == "demo"
    assert "2 labels: s0123456789ab, sfedcba987654" in one["what"]


def test_labelled_wheel_beside_a_release(dist):
    """It sorts above the release, so that it is what is installed."""
    name = dist.wheel(ONE)
    dist.wheel(TWO, label=False)
    assert dist.kinds() == [("label", name), ("labels", "demo")]


def test_labels_of_one_tree_and_of_other_projects_do_not_mix(dist):
    """One label for several machines, another project, another version: each by itself."""
    names = [
        dist.wheel(ONE),
        dist.wheel(ONE, tag="py3-none-win32"),
        dist.wheel(TWO, name="other"),
        dist.wheel(TWO, base="2.0"),
    ]
    assert dist.kinds() == sorted(("label", name) for name in names)


def test_source_distribution_with_a_label(dist):
    """No build of freshwheel gives it one."""
    name = dist.sdist("1.0+s0123456789ab")
    assert dist.kinds() == [("label", name)]


def test_wheel_beside_a_source_distribution_of_another_version(dist):
    """One of the two is left from before."""
    name = dist.wheel(label=False)
    dist.sdist("1.1")
    [one] = dist.json()["findings"]
    assert (one["kind"], one["where"]) == ("versions", name)
    assert one["what"] == "it is of version 1.0, and the source distribution beside it of 1.1"
    dist.sdist("1.0")
    assert dist.kinds() == []


def test_wheel_of_another_backend_is_left_alone(dist):
    """Its version is its own affair."""
    dist.inner(dist.path, "2.0+cu128")
    dist.sdist("1.0")
    assert dist.json()["findings"] == []


def test_wheel_whose_tree_moved(dist):
    """It is of no tree."""
    name = dist.wheel(label=False, settled=False)
    assert dist.kinds() == [("moved", name)]


def test_broken_files_are_named_each(dist):
    """One does not hide the others."""
    good = dist.wheel(label=False)
    with zipfile.ZipFile(dist.path / good, "a") as file:
        file.writestr("unlisted.py", "")
    (dist.path / "other-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    (dist.path / "other-1.0.tar.gz").write_bytes(b"no archive")
    (dist.path / "nameless.whl").write_bytes(b"")
    (dist.path / "nameless.tar.gz").write_bytes(b"")
    wrong = dist.sdist("3.0", stated="3.1")
    found = dist.json()
    assert {one["kind"] for one in found["findings"]} == {"broken"}
    assert [one["where"] for one in found["findings"]] == [
        good,
        wrong,
        "nameless.tar.gz",
        "nameless.whl",
        "other-1.0-py3-none-any.whl",
        "other-1.0.tar.gz",
    ]
    assert "it has 'unlisted.py'" in found["findings"][0]["what"]


def test_form_that_is_not_known_is_a_note(dist):
    """Another backend may have its reasons."""
    path = dist.inner(dist.path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as file:
        file.writestr("packed.txt", b"otherwise")
    found = dist.json()
    assert (found["findings"], len(found["notes"])) == ([], 1)


def test_files_can_be_named_and_what_is_none_is_said(dist):
    """As an upload is called, with everything in the folder."""
    name = dist.wheel(label=False)
    other = dist.wheel()
    (dist.path / "SHA256SUMS").write_text("")
    assert dist.kinds(dist.path / name) == []
    code, _, err = dist(dist.path / name, dist.path / "SHA256SUMS")
    assert code == 0
    assert "SHA256SUMS is not looked at" in err
    assert dist.kinds(dist.path / name, dist.path / other) == [("label", other), ("labels", "demo")]


def test_pattern_that_no_shell_has_spelled(dist):
    """As on Windows."""
    name = dist.wheel()
    assert dist.kinds(dist.path / "*.whl") == [("label", name)]
    assert dist(dist.path / "*.tar.gz")[0] == 2


def test_directory_with_a_pyproject_is_a_project(dist, desk):
    """Whatever lies in it; it is checked alone."""
    dist.wheel()
    desk.pyproject()
    os.rename(dist.path, desk.project / "dist")
    for path in (desk.project / "dist").iterdir():
        os.rename(path, desk.project / path.name)
    assert desk.json("check")[1]["built"] is False
    code, _, err = dist(desk.project, *desk.project.glob("*.whl"))
    assert code == 2
    assert "it is a project" in err


def test_words_that_lead_nowhere(dist):
    """A file that is gone, and a folder with nothing in it, are not clean."""
    assert dist(dist.path / "gone-1.0-py3-none-any.whl")[0] == 2
    assert dist()[0] == 2
    assert dist(dist.path, dist.path)[0] == 2

"""The distributions of a project whose base version freshwheel states: made, checked and installed."""

from __future__ import annotations

import email
import json
import os
import sys
import tarfile
import time
import zipfile
from collections.abc import Mapping

from subjects import Subject
from workshop import FailedError, Workshop

__all__ = ["Releases"]


class Releases:
    """What is made from one tree: a release, and a wheel of the tree itself."""

    def __init__(self, subject: Subject, workshop: Workshop, *, tree: str, labelled: str) -> None:
        self.subject = subject
        self.workshop = workshop
        self.tree = tree
        self.labelled = labelled
        """The version of a wheel of the tree."""

    def run(self) -> None:
        """Raises FailedError where a version is wrong, or a distribution can't be uploaded or installed."""
        base, made = self.subject.version, self.workshop.folder(f"{self.subject.name}-dist")
        uv, build = self.workshop.uv, (sys.executable, "-m", "build", "--wheel", "--outdir")
        self.make("uv build", uv, "build", "--quiet", "--out-dir", made, self.tree)
        sdist, wheel = self.only(made, ".tar.gz"), self.only(made, ".whl")
        direct = self.workshop.folder(f"{self.subject.name}-direct")
        self.make("build --wheel", *build, direct, self.tree, more=self.workshop.alone)
        last = json.loads(self.workshop.ask("why", self.tree))["outcomes"][0]
        if last["decided"] not in ("hit", "lease"):
            raise FailedError(f"{self.subject.title}: the wheel of the tree is no hit: {json.dumps(last, indent=2)}")
        tree_wheel = self.only(direct, ".whl")
        for path, version in ((sdist, base), (wheel, base), (tree_wheel, self.labelled)):
            self.named(path, version)
            self.workshop.run(sys.executable, "-m", "twine", "check", path)
            print(f"  {'twine check':22}{'':8}  {os.path.basename(path)}", flush=True)
        self.judged(made, set())
        self.judged(direct, {"label"})
        for path, version in ((tree_wheel, self.labelled), (wheel, base), (sdist, base)):
            for installer in ("uv", "pip"):
                self.installed(installer, path, version)

    def make(self, title: str, *command: str, more: Mapping[str, str] | None = None) -> None:
        """Runs what makes distributions."""
        start = time.perf_counter()
        self.workshop.run(*command, more=more)
        print(f"  {title:22}{time.perf_counter() - start:6.1f} s", flush=True)

    def only(self, folder: str, suffix: str) -> str:
        """The path of the one distribution of a kind. Raises FailedError where there are others, or none."""
        found = [name for name in os.listdir(folder) if name.endswith(suffix)]
        if len(found) != 1:
            raise FailedError(f"{self.subject.title}: not one {suffix}: {sorted(os.listdir(folder))}")
        return os.path.join(folder, found[0])

    def named(self, path: str, version: str) -> None:
        """Raises FailedError where the name of a distribution or its metadata have another version."""
        name = os.path.basename(path)
        stem = f"{self.subject.name}-{version}"
        try:
            if path.endswith(".whl"):
                with zipfile.ZipFile(path) as wheel:
                    data = wheel.read(f"{stem}.dist-info/METADATA")
            else:
                with tarfile.open(path) as sdist:
                    file = sdist.extractfile(f"{stem}/PKG-INFO")
                    data = file.read() if file else b""
        except KeyError as error:
            raise FailedError(f"{self.subject.title}: {name} is not that of {stem}: {error}") from error
        found = email.message_from_bytes(data)["Version"]
        if found != version or not name.startswith((f"{stem}-", f"{stem}.tar.gz")):
            raise FailedError(f"{self.subject.title}: {name} states {found}, and should be {version}")

    def judged(self, folder: str, kinds: set[str]) -> None:
        """Raises FailedError unless `freshwheel check` finds exactly such things in a folder of distributions."""
        found = json.loads(self.workshop.ask("check", folder))["findings"]
        if {one["kind"] for one in found} != kinds:
            raise FailedError(f"{self.subject.title}: check finds in {os.listdir(folder)}: {found}")
        said = ", ".join(sorted(kinds)) or "nothing"
        names = ", ".join(sorted(name for name in os.listdir(folder) if name.startswith(self.subject.name)))
        print(f"  {'freshwheel check':22}{'':8}  finds {said} in {names}", flush=True)

    def installed(self, installer: str, path: str, version: str) -> None:
        """Raises FailedError where a distribution can't be installed, works differently or has another version."""
        kind = "tree wheel" if "+" in version else "wheel" if path.endswith(".whl") else "sdist"
        folder = f"{self.subject.name}-{installer}-{kind.replace(' ', '-')}"
        python = self.workshop.venv(folder, *self.subject.needs)
        start = time.perf_counter()
        self.workshop.run(*self.workshop.installer(installer, python), path)
        took = time.perf_counter() - start
        code = f"import importlib.metadata\nprint(importlib.metadata.version({self.subject.name!r}))"
        code = f"{code}\n{self.subject.rust.shows}"
        found, shown = self.workshop.run(python, "-c", code, cwd=self.workshop.scratch).splitlines()
        if (found, shown) != (version, self.subject.rust.prints[0]):
            raise FailedError(f"{self.subject.title}: {installer} installed {found}, {shown!r} from {path}")
        print(f"  {f'{installer}, {kind}':22}{took:6.1f} s  {found}  {shown}", flush=True)

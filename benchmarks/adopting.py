"""Three real projects from PyPI, adopted by one command: `freshwheel init` writes what the trial writes by hand.

    python benchmarks/adopting.py [PROJECT ...]

Downloads their source distributions, turns them into what a checkout would be, in a scratch folder, and follows the
guide to adoption there. `init --check-build` builds it as it is and switched, and the wheels must be the same; `--yes`
writes; `--undo` gives the same bytes back. What a build finds that nobody has declared, is declared as `check` says. uv
and pip then install the tree, an edited line of Rust moves the version, and taken back it is a hit. Of a project whose
version `init` has moved to `[tool.freshwheel]`, distributions are made, checked and installed as well.

Exits with 1 if a check fails. What cryptography needs is said in trial.py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from releases import Releases
from subjects import SUBJECTS, Subject
from trial import Installed, Trial
from workshop import FailedError, Workshop, replace

_TABLE = "[tool.freshwheel]\n"


def main(arguments: Sequence[str]) -> int:
    """0 if all checks hold."""
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"of {', '.join(names)}; all of them if none")
    options = parser.parse_args(arguments)
    chosen = [subject for subject in SUBJECTS if subject.name in (options.projects or names)]
    if set(options.projects) - set(names):
        parser.error(f"the projects are {', '.join(names)}")
    start = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="freshwheel-adopting-", ignore_cleanup_errors=True) as scratch:
            workshop = Workshop(scratch)
            workshop.require(library for subject in chosen for library in subject.libraries)
            command = workshop.venv("command", workshop.freshwheel.replace("==", "[cli]=="))
            print(f"{workshop.tools()}, Python {sys.version.split()[0]}", flush=True)
            for subject in chosen:
                print(f"\n{subject.title}, freshwheel init", flush=True)
                Adoption(subject, workshop, command).run()
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    print(f"\nall checks hold, after {(time.perf_counter() - start) / 60:.1f} minutes")
    return 0


class Adoption(Trial):
    """One project that its authors have adopted by the command."""

    def __init__(self, subject: Subject, workshop: Workshop, command: str) -> None:
        self.command = command
        """The interpreter of an environment with the command and all that it needs."""
        self.declared = ""
        """The lines that a person has added since."""
        super().__init__(subject, workshop, wrapped=True)

    def wrap(self) -> None:
        """Rewrites pyproject.toml by the command, there, back and there again."""
        self.workshop.track(self.tree)  # cryptography's own sdist asks git for its files
        self.former = self.read()
        self.compared()
        found = self.switched()
        for remark in found["remarks"]:
            self.say("remark", f"{remark['what']} {', '.join(remark['where'])}".rstrip())
        self.undone()
        if self.switched() != found:
            raise FailedError(f"{self.name}: after init --undo, init writes something else than before")
        again = self.init("--yes")
        if again["changed"] or again["written"]:
            raise FailedError(f"{self.name}: a second init has something to do: {again['difference']}")
        self.say("init again", "nothing to do")

    def run(self) -> tuple[float, ...]:
        """Seconds of the installations. Raises FailedError when a check does not hold."""
        rust = self.subject.rust
        steps = self.discovered()
        first = self.step("uv, declared" if steps else "uv, cold", rust.shows, built=True)
        steps.append(first)
        steps.append(self.step("pip after uv", rust.shows, built=False))
        for one in (first, steps[-1]):
            self.expect(one, first, rust.prints[0], self.subject.version)
        steps += self.there_and_back(rust, first, "uv, one line edited", "uv, edit taken back")
        if self.subject.states_version:
            Releases(self.subject, self.workshop, tree=self.tree, labelled=first.version).run()
        if self.declared:
            replace(self.pyproject, [(f"{_TABLE}{self.declared}", _TABLE)])
        self.undone()
        return tuple(one.seconds for one in steps)

    def init(self, *options: str, codes: Sequence[int] = (0,)) -> Any:
        """What the command answers. Raises FailedError where its exit code is another one."""
        words = (self.command, "-m", "freshwheel", "init", "--json", *options, self.tree)
        path = os.pathsep.join([os.path.dirname(self.workshop.uv), self.workshop.environ["PATH"]])
        return json.loads(self.workshop.run(*words, codes=codes, more={"PATH": path}))

    def compared(self) -> None:
        """Raises FailedError unless two builds show the same wheel, and nothing is written."""
        found = self.init("--check-build")
        if found["written"] or self.read() != self.former:
            raise FailedError(f"{self.name}: init should only show: {json.dumps(found, indent=2)}")
        if found["different"] or not any("the wheels are the same" in step for step in found["steps"]):
            raise FailedError(f"{self.name}: init makes another wheel: {found['different']}")
        self.say("init --check-build", "the wheels are the same but for version, mark and RECORD")

    def switched(self) -> Any:
        """What the command answers when it writes. Raises FailedError unless freshwheel is in place then."""
        backend = self.subject.backend(self.former.decode())
        found = self.init("--yes")
        text = self.read().decode()
        lines = ['build-backend = "freshwheel"', 'requires = ["freshwheel"]', f'backend = "{backend}"']
        missing = [line for line in lines if text.splitlines().count(line) != 1]
        states = [f'version = "{self.subject.version}"'] if self.subject.states_version else []
        table = text.partition(_TABLE)[2].partition("\n[")[0].splitlines()
        if missing or not found["written"] or [line for line in table if line.startswith("version")] != states:
            raise FailedError(f"{self.name}: not what init should write:\n{text}")
        self.say("init --yes", found["steps"][-1])
        return found

    def undone(self) -> None:
        """Raises FailedError unless the command gives the same bytes back."""
        self.init("--undo", "--yes")
        if self.read() != self.former:
            raise FailedError(f"{self.name}: init --undo does not give the same bytes:\n{self.read().decode()}")
        self.say("init --undo --yes", f"the same {len(self.former)} bytes")

    def discovered(self) -> list[Installed]:
        """A first build that finds what nobody has declared; then it is declared, as `check` says."""
        hidden, rust = self.subject.hidden, self.subject.rust
        if hidden is None:
            return []
        found = self.install("uv", rust.shows, alone=False)
        self.expect(found, None, rust.prints[0], self.subject.version)
        check = self.workshop.ask("check", self.tree)
        last = json.loads(self.workshop.ask("why", self.tree))["outcomes"][0]
        if not hidden.missed(check) or not last["unstored"] or not last["missed"]:
            raise FailedError(f"{self.name}: not exactly {hidden.folder} is named: {check}, {json.dumps(last)}")
        print(f"  {'uv, undeclared':22}{found.seconds:6.1f} s  {found.version}  {last['unstored']}", flush=True)
        self.declared = "".join(f"{line}\n" for line in json.loads(check)["lines"])
        if self.declared != hidden.line:
            raise FailedError(f"{self.name}: check should propose {hidden.line}: {check}")
        replace(self.pyproject, [(_TABLE, f"{_TABLE}{self.declared}")])
        findings = json.loads(self.workshop.ask("check", self.tree))["findings"]
        if findings:
            raise FailedError(f"{self.name}: check is not content with its own line: {findings}")
        self.say("check", f"says {self.declared.strip()}, and nothing more once that is there")
        return [found]

    def read(self) -> bytes:
        """The bytes of pyproject.toml."""
        with open(self.pyproject, "rb") as file:
            return file.read()

    def say(self, what: str, found: str) -> None:
        """Prints one line about what holds."""
        print(f"  {what:22}{'':8}  {found}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Three real projects from PyPI, wrapped by freshwheel: built, installed, edited, taken back, and measured.

    python benchmarks/trial.py [--unwrapped] [--rounds N] [PROJECT ...]

Downloads their source distributions, turns them into what a checkout would be, and rewrites their pyproject.toml as
their authors would to adopt freshwheel, in a scratch folder. uv and pip then install them, isolated and without
dependencies, into a fresh environment. Where nothing need be built, nothing but freshwheel can be installed either: no
index is asked, and the one folder of wheels holds no other backend. Checked are the import, the version, that all hits
give the same files, what freshwheel has on record, and one behaviour that an edited line of Rust changes; where a build
script reads what no table names, also what becomes of that.

Ends with a table of seconds, and one of the budgets: what was measured in turns with an empty project, and with the
same edits of the project as it is, built without isolation. Exits with 1 if a check fails; a budget is only shown.
`--unwrapped` measures the steps of the project as it is, too. `--rounds 0` leaves the budgets out.

cryptography needs pkg-config and the headers of OpenSSL: on Debian, `apt-get install -y libssl-dev pkg-config`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budgets import Budgets
from edits import Edit
from hidden import Showing
from subjects import SUBJECTS, Subject
from workshop import FailedError, Workshop, replace

STEPS = ("uv, cold", "uv again", "pip after uv", "pip again", "uv, one line edited", "uv, edit taken back")
CONTENTS = """
import hashlib, importlib.metadata as metadata
found = metadata.distribution({name!r})
own = {{"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}}
files = [f"{{file}} {{file.hash.value}}" for file in found.files if file.hash and file.name not in own]
print(found.version, hashlib.sha256("\\n".join(sorted(files)).encode()).hexdigest(), sep="\\n")
"""
"""Python code that prints the version of what is installed, and a digest of all that its wheel brought."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """What an installation took, and what is there now."""

    seconds: float
    version: str
    contents: str
    """A digest of the files of the wheel."""
    shown: str


def main(arguments: Sequence[str]) -> int:
    """0 if all checks hold."""
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"of {', '.join(names)}; all of them if none")
    parser.add_argument("--unwrapped", action="store_true", help="measure the projects without freshwheel, too")
    parser.add_argument("--rounds", type=int, default=5, help="in which the budgets are measured")
    options = parser.parse_args(arguments)
    chosen = [subject for subject in SUBJECTS if subject.name in (options.projects or names)]
    if set(options.projects) - set(names):
        parser.error(f"the projects are {', '.join(names)}")
    try:
        with tempfile.TemporaryDirectory(prefix="freshwheel-trial-", ignore_cleanup_errors=True) as scratch:
            workshop = Workshop(scratch)
            workshop.require(library for subject in chosen for library in subject.libraries)
            print(f"{workshop.tools()}, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n", flush=True)
            for subject in chosen:
                rows = {"recorded earlier on two cores, unwrapped": subject.recorded}
                if options.unwrapped:
                    rows["this run, unwrapped"] = Trial(subject, workshop, wrapped=False).run()
                trial = Trial(subject, workshop, wrapped=True)
                rows["this run, freshwheel"] = trial.run()
                print(f"\n{_table(subject, rows)}\n", flush=True)
                if options.rounds > 0:
                    print(f"{trial.budgets(options.rounds)}\n", flush=True)
                trial.uncover()
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    print("all checks hold")
    return 0


class Trial:
    """One project on its way through STEPS."""

    def __init__(self, subject: Subject, workshop: Workshop, *, wrapped: bool) -> None:
        self.subject = subject
        self.workshop = workshop
        self.wrapped = wrapped
        self.name = f"{subject.name}-{'wrapped' if wrapped else 'unwrapped'}"
        self.tree = workshop.checkout(subject.name, subject.version, self.name)
        # One environment for all steps, as a person has: pip's isolated builds see its path.
        self.python = workshop.venv(f"{self.name}-venv", *subject.needs)
        self.pyproject = os.path.join(self.tree, "pyproject.toml")
        if wrapped:
            self.wrap()

    def wrap(self) -> None:
        """Rewrites pyproject.toml."""
        with open(self.pyproject, encoding="utf-8") as file:
            replace(self.pyproject, self.subject.adopting(file.read(), self.workshop.freshwheel))

    def run(self) -> tuple[float, ...]:
        """Seconds of each step. Raises FailedError when a check does not hold."""
        rust = self.subject.rust
        print(f"{self.subject.title}, {'freshwheel' if self.wrapped else 'unwrapped'}", flush=True)
        first = self.step(STEPS[0], rust.shows, built=True)
        again = [self.step(step, rust.shows, built=False) for step in STEPS[1:4]]
        for one in (first, *again):
            self.expect(one, first, rust.prints[0], self.subject.version)
        steps = [first, *again, *self.there_and_back(rust, first, *STEPS[4:])]
        for edit in self.subject.others if self.wrapped else ():
            self.there_and_back(edit, first, f"uv, {os.path.basename(edit.file)} edited", STEPS[5])
        return tuple(one.seconds for one in steps)

    def there_and_back(self, edit: Edit, first: Installed, there: str, back: str) -> list[Installed]:
        """What one edit of the tree makes of it, and taking it back. Raises FailedError where that is wrong."""
        path = os.path.join(self.tree, *edit.file.split("/"))
        replace(path, [(edit.old, edit.new)])
        self.refuse(edit)
        edited = self.step(there, edit.shows, built=True)
        replace(path, [(edit.new, edit.old)])
        restored = self.step(back, edit.shows, built=False)
        self.expect(edited, None, edit.prints[1], edit.base or self.subject.version)
        self.expect(restored, first, edit.prints[0], self.subject.version)
        if self.wrapped and edited.version == first.version:
            raise FailedError(f"{self.name}: the version did not follow {edit.file}: {edited}")
        return [edited, restored]

    def step(self, title: str, shows: str, *, built: bool) -> Installed:
        """One installation, which must have been built, or else must not. Raises FailedError where it is not so."""
        found = self.install(title.replace(",", " ").split(maxsplit=1)[0], shows, alone=not built)
        told = ""
        if self.wrapped:
            last = json.loads(self.workshop.ask("why", self.tree))["outcomes"][0]
            told = f"  {last['decided']}: {last['why']}"
            if (last["decided"] == "built") != built or (built and last["unstored"]):
                raise FailedError(f"{self.name}, {title}: {json.dumps(last, indent=2)}")
        print(f"  {title:22}{found.seconds:6.1f} s  {found.version}  {found.shown}{told}", flush=True)
        return found

    def install(self, installer: str, shows: str, *, alone: bool) -> Installed:
        """Installs the tree; `alone` means that nothing can be had for it but freshwheel, where that is to build it."""
        command = self.workshop.installer(installer, self.python)
        start = time.perf_counter()
        self.workshop.run(*command, self.tree, more=self.workshop.alone if alone and self.wrapped else None)
        took = time.perf_counter() - start
        code = f"{CONTENTS.format(name=self.subject.name)}\n{shows}"
        version, contents, shown = self.workshop.run(self.python, "-c", code, cwd=self.workshop.scratch).splitlines()
        return Installed(seconds=took, version=version, contents=contents, shown=shown)

    def refuse(self, edit: Edit) -> None:
        """Raises FailedError where an edited tree is installed with nothing at hand that could build it."""
        for installer in ("uv", "pip") if self.wrapped else ():
            try:
                self.install(installer, edit.shows, alone=True)
            except FailedError:
                continue
            raise FailedError(f"{self.name}: {installer} had what it takes to build {edit.file}, so no hit is proved")

    def expect(self, found: Installed, same: Installed | None, shown: str, base: str) -> None:
        """Raises FailedError where program, version or wheel is not what it should be."""
        if found.shown != shown:
            raise FailedError(f"{self.name}: the program did not follow the sources: not {shown!r}, {found}")
        if not self.wrapped:
            return
        if not found.version.startswith(f"{base}+s"):
            raise FailedError(f"{self.name}: a version is not {base} and a label: {found}")
        if same is not None and (found.version, found.contents) != (same.version, same.contents):
            raise FailedError(f"{self.name}: not the wheel of before: {found}, {same}")

    def budgets(self, rounds: int) -> str:
        """What was measured against the budgets, as Markdown."""
        return Budgets(self.subject, self.workshop, tree=self.tree, python=self.python).measured(rounds)

    def uncover(self) -> None:
        """Shows what becomes of files that no table names. Raises FailedError where that is wrong."""
        hidden = self.subject.hidden
        if hidden is None:
            return
        edit = self.subject.others[0]
        showing = Showing(
            hidden=hidden,
            edit=edit,
            tree=self.tree,
            ask=lambda verb: self.workshop.ask(verb, self.tree),
            install=lambda: self.visible(edit, alone=False),
            again=lambda: self.visible(edit, alone=True),
            replace=lambda file, old, new: replace(os.path.join(self.tree, *file.split("/")), [(old, new)]),
        )
        try:
            print(f"  with the line: {showing.declared()}", flush=True)
            self.workshop.forget()
            print(f"  without it: {showing.undeclared()}\n", flush=True)
        except AssertionError as error:
            raise FailedError(f"{self.name}: {error}") from error

    def visible(self, edit: Edit, *, alone: bool) -> tuple[str, str]:
        """The version that uv installs, and what the code of an edit prints then."""
        found = self.install("uv", edit.shows, alone=alone)
        return found.version, found.shown


def _table(subject: Subject, rows: Mapping[str, Sequence[float]]) -> str:
    """Seconds as Markdown, a row for each way to build."""
    lines = [f"| {subject.title}, seconds | {' | '.join(STEPS)} |", f"|---|{'---|' * len(STEPS)}"]
    lines += [f"| {name} | {' | '.join(f'{second:.3g}' for second in row)} |" for name, row in rows.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

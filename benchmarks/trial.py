"""Three real projects from PyPI, wrapped by freshwheel: built, installed, edited, taken back.

    python benchmarks/trial.py [--unwrapped] [PROJECT ...]

Downloads their source distributions, turns them into what a checkout would be, and rewrites their pyproject.toml as
their authors would to adopt freshwheel, in a scratch folder. uv and pip then install them, isolated and without
dependencies, into a fresh environment. Checked are the import, the version, and one behaviour that an edited line of
Rust changes; where a build script reads what no table names, also what becomes of that. Ends with a table of seconds;
exits with 1 if a check fails. `--unwrapped` measures the same steps of the project as it is, too.

cryptography needs pkg-config and the headers of OpenSSL: on Debian, `apt-get install -y libssl-dev pkg-config`.
"""

from __future__ import annotations

import argparse
import glob
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence

from hidden import Hidden, Showing
from subjects import SUBJECTS, Subject

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
OUTSIDE = ("FRESHWHEEL_", "CIBUILDWHEEL", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CARGO_TARGET_DIR")
"""Variables, or beginnings of them, that would change what is measured."""

REFRESHED = ("--refresh-package", "freshwheel")
"""For uv: the wheel that is tried has the version of the one before."""
STEPS = ("uv, cold", "uv again", "pip after uv", "pip again", "uv, one line edited", "uv, edit taken back")


class FailedError(Exception):
    """A check or a command failed; the text says which."""


def main(arguments: Sequence[str]) -> int:
    """0 if all checks hold."""
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"of {', '.join(names)}; all of them if none")
    parser.add_argument("--unwrapped", action="store_true", help="measure the projects without freshwheel, too")
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
                rows["this run, freshwheel"] = Trial(subject, workshop, wrapped=True).run()
                print(f"\n{_table(subject, rows)}\n", flush=True)
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    print("all checks hold")
    return 0


class Workshop:
    """The scratch folder, with a wheel of freshwheel in it, and the programs that work there."""

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        self.uv = os.path.join(os.path.dirname(sys.executable), "uv")
        wheels = os.path.join(scratch, "wheels")
        os.mkdir(wheels)
        self.environ = {**_environ(os.environ), "FRESHWHEEL_CACHE_DIR": os.path.join(scratch, "cache")}
        self.run(self.uv, "build", "--quiet", "--wheel", "--out-dir", wheels, REPOSITORY)
        self.environ |= _find_links(self.environ, wheels)
        [wheel] = [name for name in os.listdir(wheels) if name.endswith(".whl")]
        self.freshwheel = "freshwheel=={}".format(wheel.split("-")[1])
        self.python = self.venv("tools")
        self.run(self.uv, "pip", "install", "--quiet", "--python", self.python, *REFRESHED, "pip", self.freshwheel)

    def venv(self, name: str) -> str:
        """The interpreter of a new environment."""
        path = os.path.join(self.scratch, name)
        self.run(self.uv, "venv", "--quiet", "--python", sys.executable, path)
        return os.path.join(path, SCRIPTS, "python")

    def tools(self) -> str:
        """The versions of what is measured with."""
        return ", ".join(
            [self.run(self.uv, "--version"), self.run(self.python, "-m", "pip", "--version").split(" from ")[0]]
        )

    def require(self, libraries: Iterable[str]) -> None:
        """Raises FailedError where pkg-config does not know of a library."""
        for library in libraries:
            known = shutil.which("pkg-config") and subprocess.run(["pkg-config", "--exists", library], check=False)
            if not known or known.returncode:
                raise FailedError(
                    f"pkg-config and the headers of {library} are needed; name other projects, or see --help"
                )

    def forget(self) -> None:
        """From now on freshwheel remembers nothing of what was built."""
        self.environ["FRESHWHEEL_CACHE_DIR"] = tempfile.mkdtemp(prefix="cache-", dir=self.scratch)

    def ask(self, verb: str, tree: str) -> str:
        """The JSON that a verb of freshwheel prints about a tree; whatever is wrong with that is in there."""
        return self.run(self.python, "-m", "freshwheel", verb, "--json", tree, codes=(0, 1))

    def run(self, *command: str, cwd: str | None = None, codes: Sequence[int] = (0,)) -> str:
        """The standard output of a program. Raises FailedError with all its output when it fails."""
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode not in codes:
            raise FailedError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def checkout(self, subject: Subject, folder: str) -> str:
        """The tree of a source distribution as a checkout has it: without PKG-INFO, which would make it a release."""
        above = os.path.join(self.scratch, folder)
        archive = os.path.join(self.scratch, f"{subject.sdist}.tar.gz")
        if not os.path.exists(archive):
            command = (self.python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", subject.name)
            self.run(*command, "--dest", self.scratch, f"{subject.name}=={subject.version}")
        with tarfile.open(archive) as sdist:
            if hasattr(tarfile, "data_filter"):
                sdist.extractall(above, filter="data")
            else:
                sdist.extractall(above)  # noqa: S202 - Pythons before the filter; the archive is a known one
        tree = os.path.join(above, subject.sdist)
        os.unlink(os.path.join(tree, "PKG-INFO"))
        for egg_info in glob.glob(os.path.join(glob.escape(tree), "**", "*.egg-info"), recursive=True):
            shutil.rmtree(egg_info)
        return tree


class Trial:
    """One project on its way through STEPS."""

    def __init__(self, subject: Subject, workshop: Workshop, *, wrapped: bool) -> None:
        self.subject = subject
        self.workshop = workshop
        self.wrapped = wrapped
        self.name = f"{subject.name}-{'wrapped' if wrapped else 'unwrapped'}"

    def run(self) -> tuple[float, ...]:
        """Seconds of each step. Raises FailedError when a check does not hold."""
        subject = self.subject
        print(f"{subject.sdist}, {'freshwheel' if self.wrapped else 'unwrapped'}", flush=True)
        tree = self.workshop.checkout(subject, self.name)
        # One environment for all steps, as a person has: pip's isolated builds see its path.
        python = self.workshop.venv(f"{self.name}-venv")
        if subject.needs:
            self.workshop.run(self.workshop.uv, "pip", "install", "--quiet", "--python", python, *subject.needs)
        if self.wrapped:
            edits = [(old, new.replace("{freshwheel}", self.workshop.freshwheel)) for old, new in subject.edits]
            self.replace(os.path.join(tree, "pyproject.toml"), edits)
        rust = os.path.join(tree, *subject.file.split("/"))
        there, back = ((subject.old, subject.new),), ((subject.new, subject.old),)
        seconds, seen = [], []
        for place, step in enumerate(STEPS):
            if place in (4, 5):
                self.replace(rust, there if place == 4 else back)  # noqa: PLR2004 - the last two of STEPS
            took, version, shown = self.install(tree, python, step.split()[0].rstrip(","))
            print(f"  {step:22}{took:6.1f} s  {version}  {shown}", flush=True)
            seconds.append(took)
            seen.append((version, shown))
        self.check(seen)
        if self.wrapped and subject.hidden is not None:
            self.uncover(tree, python, subject.hidden)
        return tuple(seconds)

    def uncover(self, tree: str, python: str, hidden: Hidden) -> None:
        """Shows what becomes of files that no table names. Raises FailedError where that is wrong."""
        showing = Showing(
            hidden=hidden,
            tree=tree,
            ask=lambda verb: self.workshop.ask(verb, tree),
            install=lambda: self.install(tree, python, "uv", hidden.shows)[1:],
            replace=lambda file, old, new: self.replace(os.path.join(tree, *file.split("/")), [(old, new)]),
        )
        try:
            print(f"  with the line: {showing.declared()}", flush=True)
            self.workshop.forget()
            print(f"  without it: {showing.undeclared()}", flush=True)
        except AssertionError as error:
            raise FailedError(f"{self.name}: {error}") from error

    def install(self, tree: str, python: str, installer: str, shows: str = "") -> tuple[float, str, str]:
        """Seconds, the installed version, and what the program shows, or the code `shows`."""
        if installer == "uv":
            command = [self.workshop.uv, "pip", "install", "--python", python, *REFRESHED]
        else:
            command = [self.workshop.python, "-m", "pip", "--python", python, "install", "--quiet"]
        start = time.perf_counter()
        self.workshop.run(*command, "--no-deps", tree)
        took = time.perf_counter() - start
        code = f"import importlib.metadata as m; print(m.version({self.subject.name!r}))\n{shows or self.subject.shows}"
        version, shown = self.workshop.run(python, "-c", code, cwd=self.workshop.scratch).splitlines()
        return took, version, shown

    def check(self, seen: Sequence[tuple[str, str]]) -> None:
        """Raises FailedError where version or program did not follow the sources."""
        *plain, edited, back = seen
        texts = [shown for _, shown in (plain[0], edited)]
        if texts != [self.subject.old, self.subject.new] or back[1] != self.subject.old:
            raise FailedError(f"{self.name}: the program did not follow the sources: {seen}")
        if not self.wrapped:
            return
        if set(plain) != {back} or edited[0] == back[0]:
            raise FailedError(f"{self.name}: the version did not follow the sources: {seen}")
        if not all(version.startswith(f"{self.subject.version}+s") for version, _ in seen):
            raise FailedError(f"{self.name}: a version is not {self.subject.version} and a label: {seen}")

    def replace(self, path: str, edits: Sequence[tuple[str, str]]) -> None:
        """Replaces texts that must be there, once each."""
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        for old, new in edits:
            if text.count(old) != 1:
                raise FailedError(f"{path} has {text.count(old)} times: {old}")
            text = text.replace(old, new)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)


def _environ(given: Mapping[str, str]) -> dict[str, str]:
    # Bytecode is written, as on most machines: pip and the backends start faster with it.
    without = (*OUTSIDE, "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in given.items() if not name.startswith(without)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_PYTHON_DOWNLOADS": "never"}


def _find_links(environ: Mapping[str, str], wheels: str) -> dict[str, str]:
    """Variables that let isolated builds find freshwheel in a folder."""
    # pip's links are apart by spaces, which a path may have in it and a URL has not.
    pip = " ".join(link for link in (pathlib.Path(wheels).as_uri(), environ.get("PIP_FIND_LINKS", "")) if link)
    uv = ",".join(link for link in (wheels, environ.get("UV_FIND_LINKS", "")) if link)
    return {"PIP_FIND_LINKS": pip, "UV_FIND_LINKS": uv}


def _table(subject: Subject, rows: Mapping[str, Sequence[float]]) -> str:
    """Seconds as Markdown, a row for each way to build."""
    lines = [f"| {subject.sdist}, seconds | {' | '.join(STEPS)} |", f"|---|{'---|' * len(STEPS)}"]
    lines += [f"| {name} | {' | '.join(f'{second:.3g}' for second in row)} |" for name, row in rows.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""What git says of a repository that the base version is taken from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

from freshwheel.inner.key import Value
from freshwheel.inner.programs import Run, which
from freshwheel.inner.watch import Lookout

__all__ = ["facts"]

_OTHERS = (".hg", ".svn", ".bzr", ".fslckout", ".jj")


def facts(tree: str, environ: Mapping[str, str], folders: Sequence[str], run: Run) -> tuple[dict[str, Value], str]:
    """HEAD, branch, tags and whether a tracked file was changed, and what of it can't be known, in words.

    Nothing where there is no repository: then the version comes from a file, which is an input.
    """
    kept = _kept(tree)
    if kept is None:
        return {"head": None}, ""
    program = which(("git",), folders, Lookout(), cwd=tree, environ=environ) if kept == ".git" else None
    if program is None:
        return {"head": None}, f"what {kept.lstrip('.')} says of the version"

    def git(*words: str) -> tuple[int | None, bytes]:
        answer = run([program, "--no-optional-locks", *words], cwd=tree, environ=environ)
        return answer.status, answer.output.strip()

    changed, listed = git("status", "--porcelain", "--untracked-files=no")
    tags, named = git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/tags")
    found: dict[str, Value] = {
        # Both fail where nothing was committed yet, and where HEAD is no branch.
        "head": git("rev-parse", "--verify", "--quiet", "HEAD")[1].decode("utf-8", "replace"),
        "branch": git("symbolic-ref", "--quiet", "HEAD")[1].decode("utf-8", "replace"),
        "tags": hashlib.sha256(named).hexdigest(),
        "changed": bool(listed),
    }
    return found, "" if changed == tags == 0 else "what git says of the version"


def _kept(tree: str) -> str | None:
    """The name of the folder that version control keeps for the tree, in it or above."""
    folder = os.path.realpath(tree)
    while True:
        for name in (".git", *_OTHERS):
            if os.path.lexists(os.path.join(folder, name)):
                return name
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above

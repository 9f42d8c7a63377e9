"""What programs may have asked for, by what they are told."""

import pytest

from freshwheel.observe.account import Account, Program
from freshwheel.observe.programs import asks_references

PLAIN = """\
--version
-c core.fsmonitor=false status --porcelain --untracked-files=no
--git-dir /tree/.git describe --dirty --tags --long --match *[0-9]*
describe --always --abbrev=9 --match v*
rev-parse --show-toplevel
rev-parse --abbrev-ref HEAD
rev-parse --verify --quiet HEAD~2
-C .. rev-parse --short=8 HEAD
log -n 1 HEAD --format=%cI
log -1 --pretty=format:%h|%ct -- demo/20
show -s --format=%ci HEAD
rev-list --count --first-parent HEAD
rev-list --max-count 1 refs/tags/v1
for-each-ref --sort=-creatordate --format %(refname) refs/tags
tag --points-at HEAD
config --get remote.origin.url
diff-index --quiet HEAD --
archive --prefix tree/ HEAD
ls-files --cached -z
--git-dir /tree/.git ls-files -z -s -- . :(exclude,attr:export-ignore)
--git-dir /tree/.git check-attr -z --stdin export-ignore
--git-dir /tree/.git -c log.showSignature=false log -n 1 HEAD --format=%cI
""".splitlines()
MORE = """\
log -c other --format=%H
diff -C other
rev-list --count ..other
rev-list --count refs/tags/v1..other
log -1
log -1 --oneline
log -1 --pretty=mine
log -1 --format=%D
log -1 --format=%N
show -s
show -s --format=%h other
status
status --short --branch
status -sb --porcelain
status --porcelain=v2 --branch
branch --show-current
cherry
for-each-ref --format %(refname)
rev-list --count --glob=heads
rev-list --count --simplify-by-decoration HEAD
rev-list --count --all
rev-list --stdin
rev-parse 20
rev-parse --verify feature=x
rev-parse @{upstream}
cat-file --batch-check
ls-remote .
describe --all
ls-files --with-tree=other
whatever
""".splitlines()


@pytest.mark.parametrize(("line", "more"), [*((line, False) for line in PLAIN), *((line, True) for line in MORE)])
def test_git_that_is_told_anything_unfamiliar_may_go_by_all_references(line, more):
    """What goes by `HEAD` and tags for certain is known; a setting or a word may have the rest go by any branch."""
    program = Program(path=b"/usr/bin/git", words=(b"git", *line.encode().split()))
    assert asks_references(Account(programs=(program,))) is more

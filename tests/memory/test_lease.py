"""What one run of a frontend is promised, and that no other run gets it."""

import os
import sys
import time

import pytest

from freshwheel.memory import lease

TREE = b"/src/demo"
ENVIRON = {"PYTHONPATH": "/elsewhere/pip-build-env-x/overlay"}

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")


@pytest.fixture
def cache(tmp_path):
    """An empty cache directory."""
    return str(tmp_path / "cache")


def granted(cache, tmp_path, identity, name="demo-1.0-py3-none-any.whl", data=b"wheel"):
    """A lease of a wheel."""
    path = tmp_path / "made.whl"
    path.write_bytes(data)
    return lease.grant(cache, identity, key="k" * 64, digest="d" * 32, wheel=(str(path), name))


def test_run_is_the_same_for_all_its_hooks():
    """Hooks of one frontend process, with equal questions, are one run."""
    assert lease.run(TREE, ENVIRON, b"wheel") == lease.run(TREE, dict(ENVIRON), b"wheel") is not None


@pytest.mark.parametrize(
    ("tree", "environ", "asked"),
    [
        (b"/src/other", ENVIRON, b"wheel"),
        (TREE, {"PYTHONPATH": "/elsewhere/pip-build-env-y/overlay"}, b"wheel"),
        (TREE, ENVIRON, b"editable"),
    ],
)
def test_run_differs_in_any_one_thing(tree, environ, asked):
    """Another tree, another environment, another question: another run."""
    assert lease.run(tree, environ, asked) != lease.run(TREE, ENVIRON, b"wheel")


def test_run_of_another_prefix_or_parent_is_another(monkeypatch):
    """Two packaging environments of one tox have one parent; an aborted run and a later one have one environment."""
    first = lease.run(TREE, ENVIRON, b"wheel")
    monkeypatch.setattr(sys, "prefix", "/elsewhere")
    second = lease.run(TREE, ENVIRON, b"wheel")
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert len({first, second, lease.run(TREE, ENVIRON, b"wheel")}) == 3


def test_no_run_without_an_environment_of_its_own(monkeypatch):
    """The interpreter's own environment outlives each run, so that nothing in it tells them apart."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert lease.run(TREE, {}, b"wheel") is None
    assert lease.run(TREE, ENVIRON, b"wheel") is not None


def test_no_run_where_the_start_of_the_parent_is_not_known(monkeypatch):
    """A process number alone is given out again."""
    monkeypatch.setattr(os, "getppid", lambda: 1 << 30)
    assert lease.run(TREE, ENVIRON, b"wheel") is None


def test_lease_is_found_by_its_run_alone(cache, tmp_path):
    """What was granted is found with all that was said; another run finds nothing."""
    one, other = bytes(16), bytes(15) + b"\1"
    granted(cache, tmp_path, one)
    found = lease.find(cache, one)
    assert (found.key, found.digest, found.name) == ("k" * 64, "d" * 32, "demo-1.0-py3-none-any.whl")
    with open(found.wheel, "rb") as file:
        assert file.read() == b"wheel"
    assert lease.find(cache, other) is None
    lease.drop(found)
    assert lease.find(cache, one) is None
    assert os.listdir(os.path.join(cache, "leases")) == []


def test_lease_is_replaced_by_the_next_one(cache, tmp_path):
    """A run that asks again is promised what is true now."""
    granted(cache, tmp_path, bytes(16))
    granted(cache, tmp_path, bytes(16), data=b"newer")
    with open(lease.find(cache, bytes(16)).wheel, "rb") as file:
        assert file.read() == b"newer"


@pytest.mark.parametrize("data", [b"", b"whee", b"wheel!", b"weehl"])
def test_damaged_wheel_is_no_promise(cache, tmp_path, data):
    """What was verified when it was granted is verified when it is found."""
    found = granted(cache, tmp_path, bytes(16))
    with open(found.wheel, "wb") as file:
        file.write(data)
    assert lease.find(cache, bytes(16)) is None


def test_damaged_terms_are_no_promise(cache, tmp_path):
    """At whatever byte."""
    found = granted(cache, tmp_path, bytes(16))
    path = os.path.join(found.folder, "terms")
    with open(path, "rb") as file:
        terms = file.read()
    for place in range(len(terms)):
        for data in (terms[:place], terms[:place] + bytes([terms[place] ^ 1]) + terms[place + 1 :]):
            with open(path, "wb") as file:
                file.write(data)
            assert lease.find(cache, bytes(16)) is None


def test_wheel_that_is_a_link_is_no_promise(cache, tmp_path):
    """Nobody can have one read what lies elsewhere."""
    found = granted(cache, tmp_path, bytes(16))
    os.rename(found.wheel, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", found.wheel)
    assert lease.find(cache, bytes(16)) is None


def test_cache_that_can_not_be_written_grants_nothing(tmp_path):
    """The frontend is told to install then."""
    (tmp_path / "file").touch()
    assert granted(str(tmp_path / "file" / "cache"), tmp_path, bytes(16)) is None


def test_leases_of_runs_that_are_over_are_swept(cache, tmp_path, monkeypatch):
    """Those of a day ago, those whose environment is gone, and what is none and never will be; the others stay."""
    environment = tmp_path / "environment"
    environment.mkdir()
    monkeypatch.setattr(sys, "prefix", str(environment))
    granted(cache, tmp_path, bytes(16))
    broken = granted(cache, tmp_path, bytes(15) + b"\1")
    os.unlink(os.path.join(broken.folder, "terms"))
    open(os.path.join(broken.folder, ".wheel.1.ab.tmp"), "xb").close()
    lease.sweep(cache, time.time())
    assert len(os.listdir(os.path.join(cache, "leases"))) == 2  # it may be one that is being written
    os.utime(broken.folder, (time.time() - 3600,) * 2)
    lease.sweep(cache, time.time())
    assert os.listdir(os.path.join(cache, "leases")) == ["00" * 16]
    lease.sweep(cache, time.time() + 2 * 86400)
    assert os.listdir(os.path.join(cache, "leases")) == []
    granted(cache, tmp_path, bytes(16))
    environment.rmdir()
    lease.sweep(cache, time.time())
    assert os.listdir(os.path.join(cache, "leases")) == []

"""Which Python texts of a project run in its build, and what they read of the environment."""

import warnings

from freshwheel.sources import scripts


def scanned(grove, *backend_path):
    """What the texts in the tree read."""
    return scripts.scanned(str(grove.path), grove.snapshot().inputs, backend_path)


def test_setup_script_is_scanned(grove):
    """What `setup.py` reads is known by name; what other modules read is not looked at."""
    grove.write("setup.py", b"import os\nos.environ['PK_FAST']\n").write("pk/a.py", b"import os\nos.environ['OTHER']\n")
    found = scanned(grove)
    assert (found.names, found.unknown) == ({"PK_FAST"}, False)


def test_modules_of_an_in_tree_backend_are_scanned(grove):
    """All that lies in the folders of `backend-path` may run."""
    grove.write("_build/wrap.py", b"import os\nos.getenv('A')\n").write(
        "_build/deep/x.py", b"import os\nos.getenv('B')\n"
    )
    assert scanned(grove, "_build").names == {"A", "B"}
    assert scanned(grove, "./_build/").names == {"A", "B"}
    assert scanned(grove, ".").names == {"A", "B"}
    assert scanned(grove, "elsewhere").names == set()


def test_computed_name_makes_the_rest_unknown(grove):
    """A script that reads what it computes may read anything."""
    grove.write("setup.py", b"import os\nos.environ[input()]\n")
    assert scanned(grove).unknown


def test_text_that_no_python_reads_is_unknown(grove):
    """Nothing is said of it, and no warning is shown about it."""
    grove.write("setup.py", b"x = '\\d'\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not scanned(grove).unknown
    grove.write("setup.py", b"print 'two'\n")
    assert scanned(grove).unknown


def test_script_that_is_gone_by_now_is_unknown(grove):
    """It was an input a moment ago, and may have read anything."""
    grove.write("setup.py", b"")
    inputs = grove.snapshot().inputs
    (grove.path / "setup.py").unlink()
    assert scripts.scanned(str(grove.path), inputs, ()).unknown

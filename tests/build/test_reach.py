"""The packages and modules that an editable wheel may have to list."""

import pytest

from freshwheel.build import editable

PATHS = ["demo/__init__.py", "demo/sub/__init__.py", "demo/space/one/__init__.py", "tests/test_x.py"]
TOP = ["demo", "demo/space/one"]


@pytest.mark.parametrize(
    ("settings", "more", "nested"),
    [
        ({}, (), False),
        ({"packages": ["demo", "demo.sub"]}, (), False),
        ({"packages": ["demo.sub"]}, (), True),
        ({"packages": {"find": {}}}, (), False),
        ({"packages": {"find": {"where": ["."], "include": ["demo*"], "exclude": ["tests*"]}}}, (), False),
        ({"packages": {"find": {"include": ["demo.*"]}}}, (), True),
        ({"packages": {"find": {"exclude": ["demo"]}}}, (), True),
        ({"packages": {"find": {"where": ["a", "b"]}}}, (), True),
        ({"packages": {"find": {"where": ["demo"]}}}, (), True),
        ({"package-dir": {"": "."}}, (), True),
        ({}, ("setup.py",), True),
        ({}, ("setup.cfg",), True),
    ],
)
def test_package_in_a_package_of_setuptools(settings, more, nested):
    """It shapes nothing where setuptools can't single it out; a module in no package may always."""
    paths = [path.encode() for path in (*PATHS, *more)]
    found = editable.shaping(paths, {"tool": {"setuptools": settings}}, name="setuptools")
    script = [b"setup.py"] if "setup.py" in more else []
    sub = [b"demo/sub"] if nested else []
    assert found == sorted([*map(str.encode, TOP), *sub, *script, b"tests/test_x.py"])


def test_package_in_a_package_of_maturin():
    """It shapes nothing, and nothing that lies in no package does."""
    assert editable.shaping([path.encode() for path in PATHS], {}, name="maturin") == [b"demo", b"demo/space/one"]


def test_package_under_src():
    """It is looked for there, even where `src` is a package itself."""
    paths = [b"src/__init__.py", b"src/demo/__init__.py", b"src/demo/sub/__init__.py"]
    assert editable.shaping(paths, {}, name="setuptools") == [b"src", b"src/demo"]

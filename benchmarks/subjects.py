"""The real projects of the trial, and what their authors would write to adopt freshwheel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edits import Edit
from hidden import Hidden

__all__ = ["SUBJECTS", "Subject"]

_REQUIRES = re.compile(r"^requires = (\[[^\]]*\])\n", re.MULTILINE)
_BACKEND = re.compile(r'^build-backend = "(.*)"\n', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One real project, and what its authors would write."""

    name: str
    version: str
    rust: Edit
    """Of a line of Rust."""
    recorded: tuple[float, ...]
    """Seconds of the steps without freshwheel, recorded earlier on two cores."""
    table: str = ""
    """Lines of `[tool.freshwheel]`, beside those that any project has there."""
    edits: tuple[tuple[str, str], ...] = ()
    """Of the rest of pyproject.toml: what goes, and what takes its place."""
    others: tuple[Edit, ...] = ()
    """Edits elsewhere."""
    needs: tuple[str, ...] = ()
    """What the program imports besides; dependencies are not installed."""
    libraries: tuple[str, ...] = ()
    """What pkg-config must know of."""
    hidden: Hidden | None = None
    """What a build script reads, and no table names."""

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name}-{self.version}"

    @property
    def states_version(self) -> bool:
        """Whether freshwheel must be told the base version, since the inner backend would find another one, or none."""
        return "version = " in self.table

    def adopting(self, pyproject: str, freshwheel: str) -> list[tuple[str, str]]:
        """The edits of a pyproject.toml by which freshwheel builds the project, the requirements only where it must."""
        requires, backend = _REQUIRES.search(pyproject), _BACKEND.search(pyproject)
        assert requires, "no requirements"
        assert backend, "no backend"
        table = f'[tool.freshwheel]\nbackend = "{backend[1]}"\nrequires = {requires[1]}\n{self.table}'
        return [
            (requires[0], f'requires = ["{freshwheel}"]\n'),
            (backend[0], f'build-backend = "freshwheel"\n\n{table}'),
            *self.edits,
        ]

    @staticmethod
    def backend(pyproject: str) -> str:
        """The build backend that a pyproject.toml names; nothing where it names none."""
        backend = _BACKEND.search(pyproject)
        return backend[1] if backend else ""

    @staticmethod
    def requirements(pyproject: str) -> list[str]:
        """What the project itself asks for to be built."""
        requires = _REQUIRES.search(pyproject)
        lines = requires[1].splitlines() if requires else []
        return [text for line in lines for text in re.findall(r'"([^"]*)"', line.partition("#")[0])]


SUBJECTS = (
    Subject(
        name="fastuuid",
        version="0.14.0",
        rust=Edit(
            file="src/lib.rs",
            old="badly formed hexadecimal UUID string",
            new="edited hexadecimal UUID string",
            shows="import fastuuid\ntry: fastuuid.UUID('x')\nexcept ValueError as error: print(error)",
        ),
        recorded=(35, 22, 28, 4.5, 18, 14),
    ),
    Subject(
        name="bcrypt",
        version="5.0.0",
        # Its Cargo.toml says 0.1.0, and setuptools has no version to read once the static one is gone.
        table='version = "5.0.0"\n',
        edits=(
            ('\nversion = "5.0.0"\nauthors', "\nauthors"),
            ('dynamic = ["readme"]', 'dynamic = ["readme", "version"]'),
        ),
        rust=Edit(
            file="src/_bcrypt/src/lib.rs",
            old="Invalid rounds",
            new="Edited rounds",
            shows="import bcrypt\ntry: bcrypt.gensalt(99)\nexcept ValueError as error: print(error)",
        ),
        recorded=(24, 20, 23, 6.0, 18, 17),
    ),
    Subject(
        name="cryptography",
        version="50.0.2",
        # Its Cargo.toml says 0.50.2.
        table='include = ["src/_cffi_src/**"]\nversion = { path = "src/cryptography/__about__.py" }\n',
        edits=(('\nversion = "50.0.2"\nauthors', '\ndynamic = ["version"]\nauthors'),),
        rust=Edit(
            file="src/rust/src/exceptions.rs",
            old="Context was already finalized.",
            new="Context was finalized before.",
            shows=(
                "from cryptography.hazmat.primitives import hashes\nsome = hashes.Hash(hashes.SHA256())\n"
                "some.finalize()\ntry: some.finalize()\nexcept Exception as error: print(error)"
            ),
        ),
        others=(
            Edit(
                file="src/_cffi_src/openssl/opensslv.py",
                old="static const int OPENSSL_VERSION_NUMBER;",
                new="static const int OPENSSL_VERSION_NUMBER, OPENSSL_VERSION_MAJOR;",
                shows=(
                    "from cryptography.hazmat.bindings._rust import _openssl\n"
                    "print(hasattr(_openssl.lib, 'OPENSSL_VERSION_MAJOR'))"
                ),
                before="False",
                after="True",
            ),
            Edit(
                file="src/cryptography/__about__.py",
                old='__version__ = "50.0.2"',
                new='__version__ = "50.0.3"',
                shows="import cryptography; print(cryptography.__version__)",
                before="50.0.2",
                after="50.0.3",
                base="50.0.3",
            ),
        ),
        recorded=(99, 0.8, 3.3, 2.9, 45, 59),
        needs=("cffi",),
        libraries=("openssl",),
        hidden=Hidden(folder="src/_cffi_src", line='include = ["src/_cffi_src/**"]\n'),
    ),
)

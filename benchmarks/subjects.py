"""The real projects of the trial, and what their authors would write to adopt freshwheel."""

from __future__ import annotations

from dataclasses import dataclass

from hidden import Hidden

__all__ = ["SUBJECTS", "Subject"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One real project, and what its authors would write."""

    name: str
    version: str
    edits: tuple[tuple[str, str], ...]
    """Of pyproject.toml: what goes, and what takes its place; `{freshwheel}` stands for the one that is tried."""
    file: str
    old: str
    new: str
    """A text in a Rust file, and the one that it is edited to."""
    shows: str
    """Python code that prints that text."""
    recorded: tuple[float, ...]
    """Seconds of the steps without freshwheel, recorded earlier on two cores."""
    needs: tuple[str, ...] = ()
    """What the program imports besides; dependencies are not installed."""
    libraries: tuple[str, ...] = ()
    """What pkg-config must know of."""
    hidden: Hidden | None = None
    """What a build script reads, and no table names."""

    @property
    def sdist(self) -> str:
        """The stem of its source distribution."""
        return f"{self.name}-{self.version}"


SUBJECTS = (
    Subject(
        name="fastuuid",
        version="0.14.0",
        edits=(
            ('requires = ["maturin>=1.0,<2.0"]', 'requires = ["{freshwheel}", "maturin>=1.0,<2.0"]'),
            ('build-backend = "maturin"\n', 'build-backend = "freshwheel"\n\n[tool.freshwheel]\nbackend = "maturin"\n'),
        ),
        file="src/lib.rs",
        old="badly formed hexadecimal UUID string",
        new="edited hexadecimal UUID string",
        shows="import fastuuid\ntry: fastuuid.UUID('x')\nexcept ValueError as error: print(error)",
        recorded=(35, 22, 28, 4.5, 18, 14),
    ),
    Subject(
        name="bcrypt",
        version="5.0.0",
        edits=(
            ("requires = [\n", 'requires = [\n    "{freshwheel}",\n'),
            (
                'build-backend = "setuptools.build_meta"\n',
                (
                    'build-backend = "freshwheel"\n\n[tool.freshwheel]\nbackend = "setuptools.build_meta"\n'
                    # Its Cargo.toml says 0.1.0, and setuptools has no version to read once the static one is gone.
                    'version = "5.0.0"\n'
                ),
            ),
            ('\nversion = "5.0.0"\nauthors', "\nauthors"),
            ('dynamic = ["readme"]', 'dynamic = ["readme", "version"]'),
        ),
        file="src/_bcrypt/src/lib.rs",
        old="Invalid rounds",
        new="Edited rounds",
        shows="import bcrypt\ntry: bcrypt.gensalt(99)\nexcept ValueError as error: print(error)",
        recorded=(24, 20, 23, 6.0, 18, 17),
    ),
    Subject(
        name="cryptography",
        version="50.0.2",
        edits=(
            ("requires = [\n", 'requires = [\n    "{freshwheel}",\n'),
            (
                'build-backend = "maturin"\n',
                (
                    'build-backend = "freshwheel"\n\n[tool.freshwheel]\nbackend = "maturin"\n'
                    'include = ["src/_cffi_src/**"]\n'
                    # Its Cargo.toml says 0.50.2.
                    'version = { path = "src/cryptography/__about__.py" }\n'
                ),
            ),
            ('\nversion = "50.0.2"\nauthors', '\ndynamic = ["version"]\nauthors'),
        ),
        file="src/rust/src/exceptions.rs",
        old="Context was already finalized.",
        new="Context was finalized before.",
        shows=(
            "from cryptography.hazmat.primitives import hashes\nsome = hashes.Hash(hashes.SHA256())\nsome.finalize()\n"
            "try: some.finalize()\nexcept Exception as error: print(error)"
        ),
        recorded=(99, 0.8, 3.3, 2.9, 45, 59),
        needs=("cffi",),
        libraries=("openssl",),
        hidden=Hidden(
            folder="src/_cffi_src",
            line='include = ["src/_cffi_src/**"]\n',
            file="src/_cffi_src/openssl/opensslv.py",
            old="static const int OPENSSL_VERSION_NUMBER;",
            new="static const int OPENSSL_VERSION_NUMBER, OPENSSL_VERSION_MAJOR;",
            shows=(
                "from cryptography.hazmat.bindings._rust import _openssl\n"
                "print(hasattr(_openssl.lib, 'OPENSSL_VERSION_MAJOR'))"
            ),
        ),
    ),
)

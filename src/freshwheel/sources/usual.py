"""Whether a `setup.py` does the usual alone, which reads no Python of its project, and runs none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

__all__ = ["reads_nothing"]

_MODULES = frozenset(
    (
        *("__future__", "collections", "distutils", "distutils.ccompiler", "distutils.command", "distutils.core"),
        *("distutils.command.build", "distutils.command.build_ext", "distutils.errors", "distutils.extension"),
        *("distutils.sysconfig", "distutils.util", "distutils.version", "glob", "itertools", "multiprocessing"),
        *("nanobind", "numpy", "os", "os.path", "pathlib", "platform", "pybind11", "pybind11.setup_helpers", "re"),
        *("setuptools", "setuptools.command", "setuptools.command.bdist_wheel", "setuptools.command.build"),
        *("setuptools.command.build_ext", "setuptools.command.build_py", "setuptools.dist", "setuptools.errors"),
        *("setuptools.extension", "setuptools_rust", "shutil", "struct", "sys", "sysconfig", "textwrap", "typing"),
        *("warnings", "wheel", "wheel.bdist_wheel"),
    )
)
"""What it may import."""
_MEMBERS: Mapping[str, frozenset[str]] = {
    "os": frozenset(
        (
            *("chdir", "cpu_count", "curdir", "environ", "fspath", "getcwd", "getenv", "linesep", "makedirs", "name"),
            *("path", "pathsep", "sep", "uname"),
        )
    ),
    "shutil": frozenset(("which",)),
    "sys": frozenset(
        (
            *("argv", "byteorder", "executable", "exit", "hexversion", "implementation", "maxsize", "platform"),
            *("stderr", "stdout", "version_info"),
        )
    ),
}
"""What it may use of a module in which there is much that reads."""
_USUAL = frozenset(
    (
        # what builds are made of
        *("Binding", "Command", "CompileError", "Distribution", "DistutilsExecError", "DistutilsPlatformError"),
        *("All", "Debug", "No", "RustCPython"),
        *("DistutilsSetupError", "Exec", "Extension", "Library", "NoBinding", "ParallelCompile", "PyO3"),
        *("Pybind11Extension", "RustBin", "RustExtension", "Strip", "bdist_wheel", "build", "build_clib"),
        *("build_ext", "build_extension", "build_extensions", "build_py", "cmake_dir", "command", "core", "dist"),
        *("errors", "extension", "find_namespace_packages", "find_packages", "get_cmake_dir", "get_include"),
        *("include_dir", "install", "intree_extensions", "naive_recompile", "setup", "setup_helpers", "source_dir"),
        # what commands have
        *("abi3", "build_lib", "build_temp", "compiler", "compiler_type", "customize_compiler", "debug"),
        *("define_macros", "distribution", "editable_mode", "ext_modules", "extensions", "extra_compile_args"),
        *("extra_link_args", "finalize_options", "get_ext_filename", "get_ext_fullname", "get_ext_fullpath"),
        *("get_tag", "has_ext_modules", "include_dirs", "initialize_options", "inplace", "language", "libraries"),
        *("library_dirs", "plat_name", "py_limited_api", "root_is_pure", "sources", "user_options"),
        # places
        *("Path", "PurePath", "PurePosixPath", "absolute", "abspath", "as_posix", "basename", "commonpath", "cwd"),
        *("dirname", "environ", "exists", "expanduser", "expandvars", "getenv", "glob", "iglob", "is_absolute"),
        *("is_dir", "is_file", "isabs", "isdir", "isfile", "join", "joinpath", "normpath", "parent", "parents"),
        *("parts", "path", "realpath", "relative_to", "relpath", "resolve", "rglob", "sep", "splitext", "stem"),
        *("suffix", "with_name", "with_suffix"),
        # the machine and the interpreter
        *("__version__", "architecture", "cpu_count", "get_config_var", "get_config_vars", "get_path", "get_paths"),
        *("get_platform", "get_python_inc", "get_python_lib", "implementation", "mac_ver", "machine", "major"),
        *("micro", "minor", "platform", "processor", "python_implementation", "python_version", "release"),
        *("sysconfig", "system", "version", "version_info"),
        # texts and collections
        *("Any", "Counter", "Dict", "List", "Optional", "OrderedDict", "Tuple", "Union", "add", "annotations"),
        *("append", "calcsize", "capitalize", "chain", "clear", "count", "decode", "dedent", "defaultdict"),
        *("discard", "encode", "endswith", "extend", "find", "findall", "format", "from_iterable", "fullmatch"),
        *("get", "group", "groups", "index", "insert", "intersection", "isdigit", "items", "keys", "lower", "lstrip"),
        *("match", "name", "namedtuple", "partition", "pop", "removeprefix", "removesuffix", "replace", "reverse"),
        *("rpartition", "rsplit", "rstrip", "search", "setdefault", "sort", "split", "splitlines", "startswith"),
        *("strip", "sub", "title", "union", "update", "upper", "values", "warn", "write", "zfill"),
        # builtins
        *("Exception", "ImportError", "KeyError", "NotImplementedError", "OSError", "RuntimeError", "SystemExit"),
        *("TypeError", "ValueError", "all", "any", "bool", "dict", "enumerate", "exit", "filter", "float"),
        *("frozenset", "hasattr", "int", "isinstance", "issubclass", "len", "list", "map", "max", "min", "print"),
        *("property", "range", "repr", "reversed", "set", "sorted", "staticmethod", "str", "sum", "super", "tuple"),
        *("zip",),
    )
)
"""What it may import, call, and ask a value for: none of it reads a file or runs anything."""
_READERS = frozenset(
    (
        *("__builtins__", "__import__", "__loader__", "__spec__", "breakpoint", "compile", "eval", "exec", "getattr"),
        *("globals", "input", "locals", "open", "vars"),
        *("cffi_modules", "command_packages", "setup_requires", "use_2to3"),
    )
)
"""Names by which it may read or run anything, called or not; keywords that make setuptools import or install more."""
_GLOBS = frozenset(("glob", "iglob", "rglob"))
_MAGIC = re.compile(r"[*?\]]")
_PYTHON = re.compile(r"\.pyi?\b", re.IGNORECASE)


def reads_nothing(script: ast.Module, near: Iterable[str]) -> bool:
    """Whether a script is known to read and run nothing; `near` are modules of the tree that it might import."""
    nodes = list(ast.walk(script))
    imported = {module.partition(".")[0] for node in nodes for module in _imported(node)}
    return imported.isdisjoint(near) and not _matches_python(nodes) and _does_the_usual(nodes)


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [one.name for one in names]
        case ast.ImportFrom(module=module, level=level):
            return ["." * level + (module or "")]
        case _:
            return []


def _matches_python(nodes: Sequence[ast.AST]) -> bool:
    """Whether a pattern for files may match modules, whose names alone may shape a build then."""
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    tails = [_MAGIC.split(text)[-1] for text in texts if _MAGIC.search(text)]
    used = {getattr(node, "attr", getattr(node, "id", "")) for node in nodes}
    return bool(used & _GLOBS) and any(f"a{ending}".endswith(tail) for tail in tails for ending in (".py", ".pyi"))


def _does_the_usual(nodes: Sequence[ast.AST]) -> bool:
    own = {one.name for one in nodes if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
    own |= {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    own |= {one.attr for one in nodes if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)}
    own |= {name.asname or name.name for one in nodes if isinstance(one, ast.ImportFrom) for name in one.names}
    return all(_is_usual(node, own) for node in nodes)


def _is_usual(node: ast.AST, own: AbstractSet[str]) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return _is_usual_import(node)
        case ast.Attribute():
            return _is_usual_member(node, own)
        case ast.Call(func=func):
            called = isinstance(func, ast.Name) and (func.id in _USUAL or func.id in own)
            return called or isinstance(func, (ast.Attribute, ast.Lambda))
        case ast.Name(id=name) | ast.keyword(arg=str(name)):
            return name not in _READERS
        case ast.Constant(value=str(text)):
            return not (_PYTHON.search(text) or text in _READERS or text.startswith(("distutils.", "setuptools.")))
        case _:
            return True


def _is_usual_import(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.Import):
        return all(one.name in _MODULES and (one.name not in _MEMBERS or not one.asname) for one in node.names)
    usual = _MEMBERS.get(node.module or "", _USUAL)
    return not node.level and node.module in _MODULES and all(one.name in usual for one in node.names)


def _is_usual_member(node: ast.Attribute, own: AbstractSet[str]) -> bool:
    match node.value:
        case ast.Name(id=module) if module in _MEMBERS:
            return node.attr in _MEMBERS[module]
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return node.attr in _USUAL or node.attr in own
        case _:
            return node.attr in _USUAL or isinstance(node.ctx, ast.Store)

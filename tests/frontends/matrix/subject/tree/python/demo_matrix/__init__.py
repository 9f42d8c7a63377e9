"""What it was made from, in words: of its Rust, of a crate outside of its folder, of its Python, and of a file."""

import ctypes
import os
import sysconfig

WORD = "python-one"
FOLDER = os.path.dirname(__file__)


def says():
    """All four words."""
    native = ctypes.CDLL(os.path.join(FOLDER, "_native" + sysconfig.get_config_var("EXT_SUFFIX")))
    words = []
    for function in (native.compiled, native.outside):
        function.restype = ctypes.c_char_p
        words.append(function().decode())
    files = [name for name in os.listdir(FOLDER) if name.startswith("spare")]
    return " ".join([*words, WORD, *sorted(files)])


def main():
    """For installers that want a program."""

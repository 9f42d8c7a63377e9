"""Makes what a release uploads, in dist/: a wheel that is built from the source distribution, and both are checked.

python .ci/release.py

In a workflow that a tag has started, the tag must name the version.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys

import environment


def main() -> int:
    """0 if all is well."""
    dist = os.path.join(environment.REPOSITORY, "dist")
    shutil.rmtree(dist, ignore_errors=True)
    version, tag = stated(), os.environ.get("GITHUB_REF_NAME", "")
    if os.environ.get("GITHUB_REF_TYPE") == "tag" and tag != f"v{version}":
        print(f"the tag is {tag}, and the version is {version}", file=sys.stderr)
        return 1
    uv = os.path.join(os.path.dirname(sys.executable), "uv")
    subprocess.run([uv, "build", "--out-dir", dist, environment.REPOSITORY], check=True)
    made = sorted(glob.glob(os.path.join(dist, "*.whl")) + glob.glob(os.path.join(dist, "*.tar.gz")))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *made], check=True)
    print("\n".join(made))
    return 0


def stated() -> str:
    """The version of this tree."""
    with open(os.path.join(environment.REPOSITORY, "src", "freshwheel", "about.py"), encoding="utf-8") as file:
        found = re.search(r'__version__ = "(.+)"', file.read())
    if found is None:
        raise SystemExit("about.py states no version")
    return found[1]


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m freshwheel`."""

import sys

from freshwheel.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

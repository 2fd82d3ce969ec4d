"""``python -m headway``: the command line, where the ``headway`` script is not on the path."""

import sys

from headway.cli import main

if __name__ == "__main__":
    sys.exit(main())

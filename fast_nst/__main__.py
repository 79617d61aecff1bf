"""`python -m fast_nst`: the same as `fast-nst`."""

import sys

from fast_nst.commands.main import main

if __name__ == "__main__":
    sys.exit(main())

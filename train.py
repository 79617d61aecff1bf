"""Train one style: the same as `fast-nst train`."""

import sys

from fast_nst.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))

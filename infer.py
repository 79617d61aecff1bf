"""Stylize photographs: the same as `fast-nst infer`."""

import sys

from fast_nst.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["infer", *sys.argv[1:]]))

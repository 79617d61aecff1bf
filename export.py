"""Turn a checkpoint into ONNX: the same as `fast-nst export`."""

import sys

from fast_nst.commands.main import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))

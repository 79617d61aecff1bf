"""Tests of `fast_nst.pictures`."""

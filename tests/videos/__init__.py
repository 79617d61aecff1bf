"""Tests of `fast_nst.videos`."""

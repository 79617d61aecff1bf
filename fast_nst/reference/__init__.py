"""The reference path: one picture, optimised for minutes (Gatys et al. 2016)."""

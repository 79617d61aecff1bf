"""A fast network against the reference path: measuring it, and reporting on it."""

"""Choices and defaults of the reference path, readable without PyTorch."""

OPTIMIZERS = ("lbfgs", "adam")
INITS = ("content", "noise")
STEPS = 200  # L-BFGS gains little after them
# 0.02 is five levels of 255. L-BFGS finds its own step length: 1 is a full quasi-Newton step.
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.02}

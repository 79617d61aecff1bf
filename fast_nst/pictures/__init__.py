"""Picture files and PIL images to and from NumPy arrays, no torch."""

"""The page and its service: a network behind HTTP, or a folder for any web host. No torch."""

"""The page, as an HTTP service or a static site; imports no torch."""

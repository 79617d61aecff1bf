"""Model files: their names, content, metadata and blends."""

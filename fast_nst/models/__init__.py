"""Model files: found by name, read, mixed; no engine."""

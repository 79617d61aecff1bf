"""The `fast-nst` command: `main`, and one file a subcommand."""

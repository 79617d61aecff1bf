"""Commands as they are typed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence


def command_line(words: Sequence[str]) -> str:
    """A command as this system's shell reads it."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)

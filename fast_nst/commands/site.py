"""`fast-nst site`: the page as a static site, whose networks run in the visitor's browser."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.commands.shared import models_option, runtime_option, webgpu_option
from fast_nst.errors import UserError
from fast_nst.options import check, option, parse_flags


@dataclass(kw_only=True)
class SiteOptions:
    """Options of `fast-nst site`."""

    output: str = option(
        "folder to write; an earlier site is replaced (required)", "", "-o", metavar="DIR"
    )
    models: str | None = models_option()
    runtime: str | None = runtime_option("; default: download it with npm")
    webgpu: bool = webgpu_option()
    quiet: bool = option("print errors only", False, "-q")

    def __post_init__(self) -> None:
        """Validate the values.

        Raises:
            UserError: `output` is empty.
        """
        check(self)
        if not self.output:
            raise UserError("no output: add -o FOLDER")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Write the site.

    Raises:
        UserError: An option is invalid, a folder cannot be read or written, or ONNX Runtime
            cannot be downloaded.
    """
    options = parse_flags(SiteOptions, argv, prog, description)
    from fast_nst.web.files import page_files  # slow, so not for --help
    from fast_nst.web.models import count_listed, find_models
    from fast_nst.web.runtime import runtime_from_npm, runtime_in
    from fast_nst.web.site import check_site_folder, write_site

    folder = Path(options.output)
    check_site_folder(folder)
    models = find_models(
        Path(options.models) if options.models else None,
        lambda line: print(f"note: {line}", file=sys.stderr),
    )
    if options.runtime:
        runtime = runtime_in(Path(options.runtime), options.webgpu)
    else:
        runtime = runtime_from_npm(options.webgpu)
    size = write_site(folder, page_files(models, runtime, None))
    if not options.quiet:
        line = f"wrote {options.output}: {count_listed(models)} styles, {size / 1e6:.1f} MB"
        print(f"{line}; to view it: python3 -m http.server -d {folder}", file=sys.stderr)
    return 0

"""`fast-nst site`: the page as static files, whose visitors paint in their own browsers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.commands.shared import models_option, runtime_option
from fast_nst.errors import UserError
from fast_nst.options import check, option, parse_flags


@dataclass(kw_only=True)
class SiteOptions:
    """What `fast-nst site` can be told; its flags are made from these fields."""

    output: str = option(
        "folder to write; a site that is there is replaced", "", "-o", metavar="DIR"
    )
    models: str | None = models_option()
    runtime: str | None = runtime_option("; default: npm gets it")
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: There is no output.
        """
        check(self)
        if not self.output:
            raise UserError("no output: add -o FOLDER")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Write the site.

    Raises:
        UserError: A folder cannot be used, or the runtime not be had.
    """
    options = parse_flags(SiteOptions, argv, prog, description)
    from fast_nst.web.files import page_files  # imported late: --help need not wait
    from fast_nst.web.models import find_models, listed
    from fast_nst.web.runtime import runtime_from_npm, runtime_in
    from fast_nst.web.site import check_site_place, write_site

    folder = Path(options.output)
    check_site_place(folder)
    models = find_models(
        Path(options.models) if options.models else None,
        lambda line: print(f"note: {line}", file=sys.stderr),
    )
    runtime = runtime_in(Path(options.runtime)) if options.runtime else runtime_from_npm()
    size = write_site(folder, page_files(models, runtime, None))
    if not options.quiet:
        line = f"wrote {options.output}: {listed(models)} styles, {size / 1e6:.1f} MB"
        print(
            f"{line}; any web host serves it: python3 -m http.server -d {folder}", file=sys.stderr
        )
    return 0

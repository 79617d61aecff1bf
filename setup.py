"""What pyproject.toml cannot say: `configs/` is in the package, and sdists are reproducible."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import time
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist


class BuildWithConfigs(build_py):
    """Copies the recipes to where `fast_nst.assets.CONFIGS` finds them in an installation."""

    def run(self) -> None:
        """Build, and copy, unless the checkout itself is what is installed."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "fast_nst", "configs")
            target.mkdir(exist_ok=True)
            for recipe in Path("configs").glob("*.yaml"):
                shutil.copyfile(recipe, target / recipe.name)


class ReproducibleSdist(sdist):
    """An sdist without owners, modes and times of this machine; wheels are so by themselves."""

    def make_archive(self, base_name: str, format: str, *, base_dir: str, **_: object) -> str:
        """Write the files in `base_dir` as `base_name`.tar.gz, at the time of SOURCE_DATE_EPOCH."""
        if format != "gztar":
            raise ValueError(f"format {format!r}: sdists are gztar")
        now = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def reset(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = now
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            return info

        target = f"{base_name}.tar.gz"
        with (
            gzip.GzipFile(target, "wb", mtime=now) as file,
            tarfile.open(None, "w", file) as archive,
        ):
            archive.add(base_dir, filter=reset)
        return target


setup(cmdclass={"build_py": BuildWithConfigs, "sdist": ReproducibleSdist})

"""What pyproject.toml cannot say: `configs/` travels in the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


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


setup(cmdclass={"build_py": BuildWithConfigs})

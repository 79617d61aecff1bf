"""Masks of a batch: one image for all pictures, or a folder with a mask for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.models.model import Model
from fast_nst.pictures.edit import Array
from fast_nst.pictures.find import find_images
from fast_nst.pictures.mask import read_mask
from fast_nst.stylize.painting import PaintOptions, Region


class MaskFolder:
    """Finds masks by the names of pictures, whatever their suffix.

    Args:
        folder: Folder of masks.
        recursive: Search subfolders too.

    Raises:
        UserError: The folder cannot be read, or holds no images.
    """

    def __init__(self, folder: Path, recursive: bool = True) -> None:
        self._folder = folder
        self._masks: dict[Path, list[Path]] = {}  # by name without suffix
        for path in find_images(folder, recursive):
            self._masks.setdefault(path.relative_to(folder).with_suffix(""), []).append(path)

    def find(self, name: Path) -> Path | None:
        """The mask of a picture; None if there is none.

        Args:
            name: Of the picture, relative to its folder. A mask of exactly this name comes first.

        Raises:
            UserError: Several masks have the name, with other suffixes.
        """
        found = self._masks.get(name.with_suffix(""), [])
        if len(found) > 1 and self._folder / name in found:
            return self._folder / name
        if len(found) > 1:
            masks = " and ".join(repr(str(path)) for path in found[:2])
            raise UserError(f"{masks} are both masks of {str(name)!r}: keep one of them")
        return found[0] if found else None


@dataclass(frozen=True)
class Masks:
    """Where the pictures of a batch are painted.

    Attributes:
        path: As the user gave it: the mask of all pictures, or a folder.
        shared: The mask of all pictures, decoded; None for a folder.
        outside: See `Region`.
    """

    path: Path
    shared: Array | None
    outside: tuple[Model, PaintOptions] | None = None

    @classmethod
    def open(cls, path: Path, outside: tuple[Model, PaintOptions] | None = None) -> Masks:
        """Read the mask, if it is one for all pictures.

        Raises:
            UserError: It cannot be read.
        """
        return cls(path, None if path.is_dir() else read_mask(path), outside)

    def region(self, source: Path | None, mask: Path | None) -> Region:
        """The region of a picture.

        Args:
            source: The picture, for the error.
            mask: Its mask in the folder; None if it has none.

        Raises:
            UserError: The picture has no mask, or it cannot be read.
        """
        if self.shared is not None:
            return Region(self.shared, self.outside)
        if mask is None:
            raise UserError(
                f"no mask for {str(source)!r} in {str(self.path)!r}: add one of the same name, "
                "whatever the suffix"
            )
        return Region(read_mask(mask), self.outside)

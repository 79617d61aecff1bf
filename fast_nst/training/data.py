"""A folder of photographs as training crops.

Which photograph, crop, flip and noise a sample is, is a pure function of the seed and the sample's
number: a resumed run sees what an uninterrupted one would have seen, with no state to save.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from fast_nst.devices import to_bytes
from fast_nst.errors import UserError
from fast_nst.networks import noise_shape
from fast_nst.pictures.edit import from_array
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_photograph
from fast_nst.training.frame_augmentation import FrameAugmentation

VALIDATION_PHOTOGRAPHS = 8
_LARGEST_CROP = 2.0  # a crop covers at most this many training pixels per side


class Sample(NamedTuple):
    """A training crop, its noise, and the unreadable files that were skipped for it."""

    crop: Tensor  # (3, S, S) uint8
    noise: Tensor  # (1, *noise_shape(S, S)) float32, N(0, 1)
    unreadable: list[str]
    other: Tensor | None = None  # (3, S, S) uint8, the crop as the next frame of a video shows it
    shift: tuple[int, int] = (0, 0)  # px, down and right: the translation between them


class Batch(NamedTuple):
    """Crops and their noise, as the network takes them; bytes until they are on the device."""

    photographs: Tensor  # (N, 3, S, S)
    noise: Tensor  # (N, 1, *noise_shape(S, S))
    others: Tensor | None = None  # (N, 3, S, S)
    shifts: Tensor | None = None  # (N, 2) int64


class ValidationBatch(NamedTuple):
    """Validation photographs, without noise, as inference paints them; else as in `Batch`."""

    photographs: Tensor  # (N, 3, S, S)
    others: Tensor | None = None  # (N, 3, S, S)
    shifts: Tensor | None = None  # (N, 2) int64


def random_crop(photo: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """A square crop scaled to `size`, flipped half of the time.

    It covers between `size` and twice that in the photograph, or all of a smaller one's
    shorter side.
    """
    shorter = min(photo.size)
    side = min(shorter, int(rng.integers(size, int(size * _LARGEST_CROP), endpoint=True)))
    left = int(rng.integers(0, photo.width - side, endpoint=True))
    top = int(rng.integers(0, photo.height - side, endpoint=True))
    box = (left, top, left + side, top + side)
    crop = photo.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop


class Crops(Dataset[Sample]):
    """Sample i of an endless stream that visits each photograph once an epoch.

    Args:
        paths: The photographs; at least one must be readable.
        size: Side of the crops, in px.
        seed: Decides order, crops, flips and noise.
        augmentation: Makes the second view for the temporal loss; None makes none.
    """

    def __init__(
        self, paths: list[Path], size: int, seed: int, augmentation: FrameAugmentation | None = None
    ) -> None:
        self.paths = paths
        self.size = size
        self.augmentation = augmentation
        self.seed = seed
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def _position(self, i: int) -> int:
        epoch, place = divmod(i, len(self.paths))
        if self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.paths))
            self._order = (epoch, order)
        return int(self._order[1][place])

    def __getitem__(self, i: int) -> Sample:
        """Sample i; an unreadable photograph's place is taken by the next readable one."""
        rng = np.random.default_rng([self.seed, i, 1])
        first = self._position(i)
        unreadable: list[str] = []
        for offset in range(len(self.paths)):
            path = self.paths[(first + offset) % len(self.paths)]
            try:
                photo = open_photograph(path)
            except UserError:
                unreadable.append(str(path))
                continue
            if self.augmentation is None:
                crop = to_bytes(random_crop(photo, self.size, rng))
                return Sample(crop, self._noise(i), unreadable)
            both = random_crop(photo, self.size + self.augmentation.margin, rng)
            view, other, shift = self.augmentation.views(np.asarray(both), rng)
            crop, second = (to_bytes(from_array(pixels)) for pixels in (view, other))
            return Sample(crop, self._noise(i), unreadable, second, shift)
        raise UserError(
            f"none of the {len(self.paths)} photographs can be read any more: "
            "put them back, then resume the run"
        )

    def _noise(self, i: int) -> Tensor:
        rng = np.random.default_rng([self.seed, i, 2])
        shape = (1, *noise_shape(self.size, self.size))
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


class _From(Sampler[int]):
    """Every `world`-th of 0, 1, ... count - 1, from `rank` on; iteration begins at `start`."""

    def __init__(self, start: int, count: int, rank: int = 0, world: int = 1) -> None:
        self.numbers = range(start + rank, count, world)
        self.count = count // world

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return self.count  # of the whole run: what a resumed trainer counts


def _stack(samples: list[Sample]) -> tuple[Batch, list[str]]:
    crops = torch.stack([sample.crop for sample in samples])
    noise = torch.stack([sample.noise for sample in samples])
    unreadable = [name for sample in samples for name in sample.unreadable]
    others = [sample.other for sample in samples if sample.other is not None]
    if not others:
        return Batch(crops, noise), unreadable
    shifts = torch.tensor([sample.shift for sample in samples])
    return Batch(crops, noise, torch.stack(others), shifts), unreadable


def _stack_validation(views: list[ValidationBatch]) -> ValidationBatch:
    photographs = torch.stack([view.photographs for view in views])
    others = [view.others for view in views if view.others is not None]
    shifts = [view.shifts for view in views if view.shifts is not None]
    if not others:
        return ValidationBatch(photographs)
    return ValidationBatch(photographs, torch.stack(others), torch.stack(shifts))


def _scaled(images: Tensor) -> Tensor:
    return images.float().div(255).contiguous(memory_format=torch.channels_last)


class Photographs(L.LightningDataModule):
    """Training crops and fixed validation photographs from one folder.

    A quarter of the photographs, at most `VALIDATION_PHOTOGRAPHS`, evenly spaced in the sorted
    list, is kept for validation. A folder with a single one uses it for both.

    Args:
        folder: Flat or nested, with at least one readable image.
        size: Side of the square crops, in px.
        batch_size: Crops a batch.
        steps: Batches in the whole run.
        seed: Decides order, crops, flips and noise.
        workers: Loading processes; None decides by the accelerator.
        augmentation: See `Crops`.

    Attributes:
        unreadable: The files skipped so far.

    Raises:
        UserError: The folder is missing or holds no readable image.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        batch_size: int,
        steps: int,
        seed: int = 0,
        workers: int | None = None,
        augmentation: FrameAugmentation | None = None,
    ) -> None:
        super().__init__()
        self.augmentation = augmentation
        self.size = size
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.workers = workers
        self.unreadable: set[str] = set()
        paths = find_images(folder)
        self.validation_paths: list[Path] = self._choose_validation(paths, folder)
        validation = set(self.validation_paths)
        self.training_paths: list[Path] = [path for path in paths if path not in validation]
        if not any(self._readable(path) for path in self.training_paths):
            self.training_paths = list(self.validation_paths)

    def _readable(self, path: Path) -> bool:
        try:
            open_photograph(path)
        except UserError:
            self.unreadable.add(str(path))
            return False
        return True

    def _choose_validation(self, paths: list[Path], folder: Path) -> list[Path]:
        wanted = min(VALIDATION_PHOTOGRAPHS, max(1, len(paths) // 4))
        spaced = [paths[i * len(paths) // wanted] for i in range(wanted)]
        chosen = [path for path in spaced if self._readable(path)]
        if not chosen:
            chosen = [next((path for path in paths if self._readable(path)), paths[0])]
        if str(chosen[0]) in self.unreadable:
            raise UserError(
                f"none of the {len(paths)} images in {str(folder)!r} can be read: "
                "give a folder of photographs"
            )
        return chosen

    def validation_photographs(self) -> Tensor:
        """Their central squares, (N, 3, S, S) uint8."""
        return torch.stack([to_bytes(crop) for crop in self._central_squares(self.size)])

    def _central_squares(self, size: int) -> list[Image.Image]:
        return [ImageOps.fit(open_photograph(path), (size, size)) for path in self.validation_paths]

    def validation_views(self) -> list[ValidationBatch]:
        """The validation photographs one by one; with an augmentation, two fixed views of each."""
        if self.augmentation is None:
            return [ValidationBatch(photograph) for photograph in self.validation_photographs()]
        found = []
        for number, square in enumerate(
            self._central_squares(self.size + self.augmentation.margin)
        ):
            # Always the same, so that the losses of two validations can be compared.
            rng = np.random.default_rng(number)
            first, other, shift = self.augmentation.views(np.asarray(square), rng)
            photograph, frame = (to_bytes(from_array(pixels)) for pixels in (first, other))
            found.append(ValidationBatch(photograph, frame, torch.tensor(shift)))
        return found

    def train_dataloader(self, first: int = 0) -> DataLoader[Any]:
        """The whole run as one epoch, from the trainer's current step on.

        Args:
            first: The step to begin at, where there is no trainer.
        """
        trainer = self.trainer
        samples, done, rank, world, on_cpu = self.batch_size, first, 0, 1, True
        if trainer is not None:
            rank, world = trainer.global_rank, trainer.world_size
            samples *= trainer.accumulate_grad_batches * world
            done = trainer.global_step
            on_cpu = trainer.strategy.root_device.type == "cpu"
        workers = self.workers
        if workers is None:
            workers = 0 if on_cpu else min(8, torch.get_num_threads())
        return DataLoader(
            Crops(self.training_paths, self.size, self.seed, self.augmentation),
            batch_size=self.batch_size,
            sampler=_From(done * samples, self.steps * samples, rank, world),
            num_workers=workers,
            collate_fn=_stack,
            pin_memory=not on_cpu,
            persistent_workers=workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation photographs in batches, see `validation_views`."""
        return DataLoader(
            self.validation_views(),  # type: ignore[arg-type]  # a list is a dataset
            batch_size=self.batch_size,
            collate_fn=_stack_validation,
        )

    def on_before_batch_transfer(
        self, batch: ValidationBatch | tuple[Batch, list[str]], dataloader_idx: int
    ) -> ValidationBatch | Batch:
        """Collect the names of unreadable files in the main process, and return the batch."""
        if isinstance(batch, ValidationBatch):
            return batch
        found, unreadable = batch
        self.unreadable.update(unreadable)
        return found

    def on_after_batch_transfer(
        self, batch: ValidationBatch | Batch, dataloader_idx: int
    ) -> ValidationBatch | Batch:
        """Photographs as (N, 3, S, S) float32 in [0, 1], channels last."""
        others = None if batch.others is None else _scaled(batch.others)
        return batch._replace(photographs=_scaled(batch.photographs), others=others)

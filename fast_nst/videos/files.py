"""Choosing the reader and the writer for a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.exif import DECODING_ERRORS
from fast_nst.pictures.read import INPUT_FORMATS
from fast_nst.videos.animation import AnimationReader, AnimationWriter
from fast_nst.videos.clip import Clip, Reader, Writer
from fast_nst.videos.codecs import is_animation


def check_pyav(path: Path) -> None:
    """Check that PyAV is installed, if the file needs it.

    Raises:
        UserError: It is needed and missing.
    """
    if is_animation(path):
        return
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError(
            f'{str(path)!r} is a video, which needs PyAV: pip install "fast-nst[video]", with '
            "Python 3.11 or newer"
        ) from error


def open_reader(
    path: Path, size: int | None, start: Fraction, until: Fraction | None, max_pixels: int
) -> Reader:
    """Open a GIF, an animated WebP, or any video that PyAV reads.

    Args:
        path: The file.
        size: Longer side of the frames, in px; default: the clip's own.
        start: Start of the part to read, in seconds.
        until: End of the part, in seconds; default: the end of the clip.
        max_pixels: Largest number of pixels in a frame.

    Raises:
        UserError: The file is a still picture, or PyAV is missing; see also `AnimationReader` and
            `VideoReader`.
    """
    if not is_animation(path) and _is_still(path):
        raise UserError(f"{str(path)!r} is a still picture: give a video, or use fast-nst infer")
    check_pyav(path)
    if is_animation(path):
        return AnimationReader(path, size, start, until, max_pixels)
    from fast_nst.videos.read import VideoReader

    return VideoReader(path, size, start, until, max_pixels)


def _is_still(path: Path) -> bool:
    """Whether a file is an image without animation; others are for the readers to judge."""
    try:
        if not path.is_file():
            return False
        with Image.open(path, formats=INPUT_FORMATS) as image:
            # The pages of a TIFF and the views of an MPO are no frames.
            return image.format not in ("PNG", "AVIF", "GIF", "WEBP") or not image.is_animated
    except (*DECODING_ERRORS, Image.DecompressionBombError):
        return False


def open_writer(
    path: Path,
    name: Path,
    clip: Clip,
    codec: str | None,
    crf: int | None,
    source: Path,
    start: Fraction,
    until: Fraction | None,
) -> Writer:
    """Open a clip for writing.

    Args:
        path: Temporary path to write to.
        name: Final path, whose suffix selects the container or format.
        clip: Properties of the clip.
        codec: See `codecs.check_target`.
        crf: See `codecs.check_target`.
        source: The clip whose sound and subtitles are copied.
        start: Start of the part of `source`, in seconds.
        until: End of the part, in seconds; default: the end of `source`.

    Raises:
        UserError: PyAV is missing; see also `VideoWriter`.
    """
    check_pyav(name)
    if is_animation(name):
        writer = AnimationWriter(path, name, clip)
        if not is_animation(source) and _has_sound(source):
            writer.notes.append(f"the sound is left out: {name.suffix} files have none")
        return writer
    from fast_nst.videos.write import VideoWriter

    tracks_source = None if is_animation(source) else source
    return VideoWriter(path, name, clip, codec, crf, tracks_source, start, until)


def _has_sound(path: Path) -> bool:
    from fast_nst.videos.container import open_video

    with open_video(path) as container:
        return bool(container.streams.audio)

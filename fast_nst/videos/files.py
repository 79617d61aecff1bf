"""Clips by their files: what reads one, what writes one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.videos.animation import AnimationReader, AnimationWriter
from fast_nst.videos.clip import Clip, Reader, Writer
from fast_nst.videos.codecs import is_animation


def check_pyav(path: Path) -> None:
    """Make sure that PyAV is there, for files that need it.

    Raises:
        UserError: It is not.
    """
    if is_animation(path):
        return
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{str(path)!r} is a video: install what reads and writes them, pip install "
            "'fast-nst[video]', with Python 3.11 or newer"
        ) from error


def open_reader(
    path: Path, size: int | None, start: Fraction, until: Fraction | None, max_pixels: int
) -> Reader:
    """What reads a clip.

    Args:
        path: A GIF or animated WebP, or anything that PyAV reads.
        size: Longer side of the frames, in px; default: the clip's own.
        start: Where to begin, in seconds.
        until: Where to end; default: at the end.
        max_pixels: That a frame may have.

    Raises:
        UserError: It cannot be read, or PyAV is missing.
    """
    check_pyav(path)
    if is_animation(path):
        return AnimationReader(path, size, start, until, max_pixels)
    from fast_nst.videos.read import VideoReader

    return VideoReader(path, size, start, until, max_pixels)


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
    """What writes a clip.

    Args:
        path: Where it is written.
        name: What it will be called, by which container or format are chosen.
        clip: What it is like.
        codec: See `codecs.check_target`.
        crf: See `codecs.check_target`.
        source: The clip whose sound and subtitles it gets.
        start: From when on they are taken, in seconds.
        until: Up to when; default: to the end.

    Raises:
        UserError: It cannot be written, or PyAV is missing.
    """
    check_pyav(name)
    if is_animation(name):
        writer = AnimationWriter(path, name, clip)
        if not is_animation(source) and _has_sound(source):
            writer.notes.append(f"the sound is left out: {name.suffix} files have none")
        return writer
    from fast_nst.videos.write import VideoWriter

    with_tracks = None if is_animation(source) else source
    return VideoWriter(path, name, clip, codec, crf, with_tracks, start, until)


def _has_sound(path: Path) -> bool:
    from fast_nst.videos.container import open_video

    with open_video(path) as container:
        return bool(container.streams.audio)

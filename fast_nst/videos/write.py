"""Frames to video files, with PyAV."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.edit import Array
from fast_nst.videos.clip import Clip, Frame
from fast_nst.videos.codecs import Encoder, container_of, encoder_of
from fast_nst.videos.read import MATRICES, matrix_of
from fast_nst.videos.tracks import Tracks

_FINEST = Fraction(1, 60_000)  # of seconds, for MPEG-4, which counts no finer


class VideoWriter:
    """A video file, with the sound and subtitles of another.

    Args:
        path: Where it is written, under whatever name.
        name: What it will be called, by which the container is chosen.
        clip: What it is like.
        codec: See `codecs.check_target`.
        crf: See `codecs.check_target`.
        source: The video whose sound and subtitles it gets.
        start: From when on, in seconds.
        until: Up to when.

    Raises:
        UserError: It cannot be written.
    """

    def __init__(
        self,
        path: Path,
        name: Path,
        clip: Clip,
        codec: str | None = None,
        crf: int | None = None,
        source: Path | None = None,
        start: Fraction = Fraction(0),
        until: Fraction | None = None,
    ) -> None:
        self._name = repr(str(name))
        encoder = encoder_of(name, codec, crf)
        container = container_of(name)
        self._container: OutputContainer = av.open(
            f"file:{path}", "w", format=container, container_options=_container_options(container)
        )
        self._tracks: Tracks | None = None
        self._last: Fraction | None = None
        self._clip = clip
        os.environ.setdefault("SVT_LOG", "1")  # AV1's encoder prints what it does, otherwise
        try:
            self._stream = self._add_stream(encoder, crf)
            if source is not None:
                self._tracks = Tracks(source, self._container, start, until)
            self._start()
        except BaseException:
            self.close()
            raise
        self.notes = [] if self._tracks is None else self._tracks.notes
        size = f"{self._stream.width}x{self._stream.height}"
        if (self._stream.width, self._stream.height) != (clip.width, clip.height):
            self.notes.append(
                f"{clip.width}x{clip.height} becomes {size}: {encoder.name} wants even sides"
            )
        self._reformatter = VideoReformatter()

    def _add_stream(self, encoder: Encoder, crf: int | None) -> VideoStream:
        clip = self._clip
        options = dict(encoder.options)
        if encoder.crf is not None:
            options["crf"] = str(encoder.crf if crf is None else crf)
        try:
            stream = self._container.add_stream(encoder.name, clip.rate, options=options)
        except (ValueError, av.FFmpegError) as error:
            raise UserError(
                f"{self._name} cannot hold {encoder.name}: choose another --codec or suffix"
            ) from error
        assert isinstance(stream, VideoStream)
        even = not encoder.takes_odd_sizes
        stream.width = clip.width + (clip.width % 2 if even else 0)
        stream.height = clip.height + (clip.height % 2 if even else 0)
        stream.pix_fmt = _pixel_format(encoder.name)
        stream.time_base = clip.time_base
        if encoder.name == "mpeg4" and clip.time_base < _FINEST:
            stream.time_base = _FINEST
        context = stream.codec_context
        context.time_base = stream.time_base
        context.sample_aspect_ratio = clip.pixel_aspect
        context.color_range = clip.colors.range or ColorRange.UNSPECIFIED
        context.color_primaries = clip.colors.primaries
        context.color_trc = clip.colors.transfer
        context.colorspace = clip.colors.matrix
        context.thread_type = "AUTO"
        return stream

    def _start(self) -> None:
        """Write the header, which is where FFmpeg refuses what it does not like."""
        try:
            self._container.start_encoding()
        except (av.FFmpegError, ValueError, OSError) as error:
            raise UserError(f"cannot write {self._name}: {one_line(error)}") from error

    def write(self, frame: Frame) -> None:
        """The next frame, and the sound before it.

        Raises:
            UserError: It cannot be encoded or written.
        """
        try:
            if self._tracks is not None:
                self._tracks.write(frame.time)
            self._container.mux(self._stream.encode(self._converted(frame)))
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> UserError:
        return UserError(f"cannot write {self._name}: {one_line(error)}")

    def _converted(self, frame: Frame) -> VideoFrame:
        colors = self._clip.colors
        whole = _padded(frame.pixels, self._stream.width, self._stream.height)
        given = VideoFrame.from_ndarray(whole, format="rgb24")
        converted = self._reformatter.reformat(
            given,
            format=self._stream.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_color_range=colors.range or ColorRange.MPEG,
            dst_colorspace=MATRICES[matrix_of(colors, self._clip.width, self._clip.height)],
            interpolation=Interpolation.BILINEAR,
            threads=1,  # as in read.py
        )
        time_base = Fraction(self._stream.codec_context.time_base or self._clip.time_base)
        converted.time_base = time_base
        converted.pts = round(frame.time / time_base)
        converted.duration = round(frame.duration / time_base)
        self._last = frame.time
        return converted

    def finish(self, is_whole: bool = True) -> None:
        """Make the file playable.

        Args:
            is_whole: False of a clip that ends early, whose sound ends with its pictures.

        Raises:
            UserError: It cannot be written.
        """
        try:
            self._container.mux(self._stream.encode(None))
            if self._tracks is not None:
                self._tracks.write(None if is_whole else self._last)
                self._tracks.finish()
            self._container.close()
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Let the files go."""
        if self._tracks is not None:
            self._tracks.close()
        with contextlib.suppress(av.FFmpegError, ValueError):
            self._container.close()


def _container_options(container: str) -> dict[str, str]:
    # An index at the file's beginning, so that it plays while it is loaded.
    return {"movflags": "+faststart"} if container in ("mp4", "mov") else {}


def _pixel_format(encoder: str) -> str:
    """8 bits and half as many colours each way, which everything plays, or what there is."""
    formats = av.Codec(encoder, "w").video_formats or []
    names = [pixel_format.name for pixel_format in formats]
    return "yuv420p" if not names or "yuv420p" in names else names[0]


def _padded(pixels: Array, width: int, height: int) -> Array:
    """(H, W, 3) at a size that is up to a pixel larger, the last row and column repeated."""
    more = (height - pixels.shape[0], width - pixels.shape[1])
    if not any(more):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge")

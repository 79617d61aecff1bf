"""Frames to video files, with PyAV."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.edit import Array
from fast_nst.videos.animation import on_white
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
        self._waiting: Frame | None = None  # for the next one, up to which it lasts
        self._end = Fraction(0)
        self._pts = -1
        self._is_on_white = False
        self._step = 1 / clip.rate  # from one frame to the next, where they are closest
        self._held: Packet[VideoStream] | None = None  # the last one lasts up to the end
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
        context.flags |= Flags.frame_duration
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
            if self._waiting is not None:
                self._encode(self._waiting, frame.time)
                self._step = min(self._step, frame.time - self._waiting.time)
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        self._waiting = frame

    def _encode(self, frame: Frame, end: Fraction, is_key: bool = False) -> None:
        """A frame that is shown up to a time; a keyframe is stored behind all those before it."""
        self._end = end
        converted = self._converted(frame, end)
        if is_key:
            converted.pict_type = PictureType.I
        self._mux(self._stream.encode(converted))

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet

    def _finish_pictures(self) -> None:
        """The last frame, which lasts as long as it says, and what the encoder has kept."""
        last = self._waiting
        if last is None:
            return
        end = last.time + (last.duration or 1 / self._clip.rate)
        rests = end - last.time > 2 * self._step
        if rests and self._container.format.name == "mpegts":
            # Its packets have no duration: the frame is shown again at its end.
            self._encode(last, end - self._step)
            last = replace(last, time=end - self._step)
        self._encode(last, end, is_key=rests)
        self._mux(self._stream.encode(None))
        held = self._held
        if held is not None:
            if rests and held.pts is not None and held.time_base:  # not all encoders tell
                held.duration = max(round(end / held.time_base) - held.pts, 0)
            self._container.mux(held)

    def _failure(self, error: Exception) -> UserError:
        return UserError(f"cannot write {self._name}: {one_line(error)}")

    def _converted(self, frame: Frame, end: Fraction) -> VideoFrame:
        colors = self._clip.colors
        pixels = frame.pixels
        if frame.alpha is not None:
            pixels = on_white(pixels, frame.alpha)
            if not self._is_on_white:
                self.notes.append("clear parts become white: videos have none")
            self._is_on_white = True
        whole = _padded(pixels, self._stream.width, self._stream.height)
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
        self._pts = max(round(frame.time / time_base), self._pts + 1)
        converted.pts = self._pts
        converted.duration = max(round(end / time_base) - self._pts, 1)
        return converted

    def finish(self, is_whole: bool = True) -> None:
        """Make the file playable.

        Args:
            is_whole: False of a clip that ends early, whose sound ends with its pictures.

        Raises:
            UserError: It cannot be written.
        """
        try:
            self._finish_pictures()
            if self._tracks is not None:
                self._tracks.write(None if is_whole else self._end)
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

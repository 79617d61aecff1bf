"""Writing video files with PyAV."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
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

_MPEG4_TIME_BASE = Fraction(1, 60_000)  # s, the finest that MPEG-4 Part 2 allows

_MAX_DELAY = 3600  # s between decoding and presentation; an encoder's is a few frames


@contextlib.contextmanager
def _scheduling_kept() -> Iterator[None]:
    """Undo changes of the process's scheduling policy.

    As root, SVT-AV1 gives its threads, and the one that opens it, realtime priority, and all that
    they start inherits it: other processes, and our own other threads, would starve.
    """
    if not hasattr(os, "sched_getscheduler"):  # macOS, Windows
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # the thread has ended
                os.sched_setscheduler(int(task.name), policy, parameters)


class VideoWriter:
    """Writes a video file, with the sound and subtitles of another.

    Args:
        path: Temporary path to write to.
        name: Final path, whose suffix selects the container.
        clip: Properties of the video.
        codec: See `codecs.check_target`.
        crf: See `codecs.check_target`.
        source: The video whose sound and subtitles are copied.
        start: Start of the part of `source`, in seconds.
        until: End of the part, in seconds; default: the end of `source`.

    Raises:
        UserError: The codec is unknown or does not fit the container, FFmpeg refuses to write the
            header, or `source` cannot be read.
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
        self._pending: Frame | None = None  # its duration is known when the next one comes
        self._end = Fraction(0)
        self._pts = -1
        self._is_on_white = False
        self._step = 1 / clip.rate  # smallest step between frames, in seconds
        self._held: Packet[VideoStream] | None = None  # the duration of the last one is changed
        self._clip = clip
        os.environ.setdefault("SVT_LOG", "1")  # silences SVT-AV1
        try:
            self._stream = self._add_stream(encoder, crf)
            if source is not None:
                self._tracks = Tracks(source, self._container, start, until)
            self._start()
        except BaseException:
            self.close()
            raise
        self.notes: list[str] = [] if self._tracks is None else self._tracks.notes
        size = f"{self._stream.width}x{self._stream.height}"
        if (self._stream.width, self._stream.height) != (clip.width, clip.height):
            self.notes.append(
                f"{clip.width}x{clip.height} becomes {size}: {encoder.name} needs even sides"
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
                f"{self._name} cannot hold {encoder.name}: choose another codec or suffix",
                "codec",
            ) from error
        assert isinstance(stream, VideoStream)
        even = not encoder.takes_odd_sizes
        stream.width = clip.width + (clip.width % 2 if even else 0)
        stream.height = clip.height + (clip.height % 2 if even else 0)
        stream.pix_fmt = _pixel_format(encoder.name)
        stream.time_base = clip.time_base
        if encoder.name == "mpeg4" and clip.time_base < _MPEG4_TIME_BASE:
            stream.time_base = _MPEG4_TIME_BASE
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
        """Write the header, at which FFmpeg reports unsupported parameters."""
        try:
            with _scheduling_kept():
                self._container.start_encoding()
        except (av.FFmpegError, ValueError, OSError) as error:
            raise self._failure(error) from error

    def write(self, frame: Frame) -> None:
        """Write the next frame, and the sound before it.

        Raises:
            UserError: FFmpeg cannot encode or write it.
        """
        try:
            if self._tracks is not None:
                self._tracks.write(frame.time)
            if self._pending is not None:
                self._encode(self._pending, frame.time)
                self._step = min(self._step, frame.time - self._pending.time)
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        self._pending = frame

    def _encode(self, frame: Frame, end: Fraction, is_key: bool = False) -> None:
        """Encode a frame shown until `end`; a keyframe is stored after all frames before it."""
        self._end = end
        converted = self._converted(frame, end)
        if is_key:
            converted.pict_type = PictureType.I
        self._mux(self._stream.encode(converted))

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            # x265 leaves the dts of very short films uninitialized; the muxer derives it then.
            delay = (packet.pts or 0) - (packet.dts or 0)
            if packet.time_base and abs(delay) * packet.time_base > _MAX_DELAY:
                packet.dts = None
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet

    def _finish_video(self) -> None:
        """Encode the last frame with its duration, and flush the encoder."""
        last = self._pending
        if last is None:
            return
        end = last.time + (last.duration or 1 / self._clip.rate)
        is_long = end - last.time > 2 * self._step
        if is_long and self._container.format.name == "mpegts":
            # MPEG-TS packets have no duration: repeat the frame at its end.
            self._encode(last, end - self._step)
            last = replace(last, time=end - self._step)
        self._encode(last, end, is_key=is_long)
        self._mux(self._stream.encode(None))
        held = self._held
        if held is not None:
            if is_long and held.pts is not None and held.time_base:  # some encoders drop it
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
                self.notes.append("transparent parts become white: videos have no transparency")
            self._is_on_white = True
        padded = _padded(pixels, self._stream.width, self._stream.height)
        converted = self._reformatter.reformat(
            VideoFrame.from_ndarray(padded, format="rgb24"),
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

    def finish(self, is_complete: bool = True) -> None:
        """Complete and close the file.

        Args:
            is_complete: False if the clip ends early; its sound is then cut after the last frame.

        Raises:
            UserError: FFmpeg cannot encode or write the rest.
        """
        try:
            self._finish_video()
            if self._tracks is not None:
                self._tracks.write(None if is_complete else self._end)
                self._tracks.finish()
            self._container.close()
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the files."""
        if self._tracks is not None:
            self._tracks.close()
        with contextlib.suppress(av.FFmpegError, ValueError):
            self._container.close()


def _container_options(container: str) -> dict[str, str]:
    # The index at the beginning lets players start while the file downloads.
    return {"movflags": "+faststart"} if container in ("mp4", "mov") else {}


def _pixel_format(encoder: str) -> str:
    """8-bit 4:2:0, which every player supports, or else the encoder's first format."""
    formats = av.Codec(encoder, "w").video_formats or []
    names = [pixel_format.name for pixel_format in formats]
    return "yuv420p" if not names or "yuv420p" in names else names[0]


def _padded(pixels: Array, width: int, height: int) -> Array:
    """Edge-pad (H, W, 3) by up to one row and one column."""
    more = (height - pixels.shape[0], width - pixels.shape[1])
    if not any(more):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge")

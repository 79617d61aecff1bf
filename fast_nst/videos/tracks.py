"""Sound and subtitles, from one file into another: copied packet by packet where that is possible.

They are read from the file apart from its pictures, as far as those have come.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard

from fast_nst.videos.read import MICROSECONDS, open_video, packets_of

_BITS_A_CHANNEL = 96_000  # a second, of sound that is encoded again
_RATES = {"opus": 48_000}  # Hz; others take what comes


class Tracks:
    """What a video has beside its pictures, on its way into another file.

    Args:
        path: The video.
        target: Where it goes; nothing may have been written into it yet.
        start: From when on, in seconds.
        until: Up to when; default: to the end.

    Attributes:
        notes: What could not be kept as it is.

    Raises:
        UserError: The video cannot be read.
    """

    def __init__(
        self, path: Path, target: OutputContainer, start: Fraction, until: Fraction | None
    ) -> None:
        self.notes: list[str] = []
        self._target = target
        self._start = start
        self._length = None if until is None else until - start
        self._container = open_video(path)
        self._begin = Fraction(self._container.start_time or 0, MICROSECONDS) + start
        self._tracks: dict[int, _Copied | _Encoded] = {}
        for source in [*self._container.streams.audio, *self._container.streams.subtitles]:
            self._take(source)
        for stream in self._container.streams:
            if stream.index not in self._tracks:
                stream.discard = Discard.all
        if start:
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(int(self._begin * MICROSECONDS))
        self._damaged = 0
        self._packets = self._read()
        self._next = next(self._packets, None)
        _copy_tags(self._container, target, start)

    def _take(self, source: Any) -> None:
        """Find out how a stream can be kept."""
        what = "sound" if source.type == "audio" else "subtitles"
        codec = source.codec_context.name if source.codec_context else "an unknown kind"
        if _can_hold(self._target.format.name, source):
            copied = self._target.add_stream_from_template(source)
            _label(source, copied)
            self._tracks[source.index] = _Copied(source, copied, self._begin)
            return
        if source.type == "audio" and source.codec_context:
            encoder = self._target.default_audio_codec
            with contextlib.suppress(ValueError, av.FFmpegError):
                encoded = _encoder(source, self._target, encoder)
                _label(source, encoded)
                self._tracks[source.index] = _Encoded(encoded, self._begin)
                self.notes.append(
                    f"sound in {codec} becomes {encoder}: {self._target.format.name} cannot hold it"
                )
                return
        self.notes.append(
            f"{what} in {codec} are left out: {self._target.format.name} cannot hold them"
        )

    def _read(self) -> Iterator[tuple[Fraction, Packet[Any]]]:
        """Packets with their times, those that belong to the part of the video."""
        if not self._tracks:
            return
        streams = [self._container.streams[index] for index in self._tracks]
        with contextlib.suppress(av.FFmpegError, ValueError):  # damaged: it ends here
            for packet in packets_of(self._container, *streams):
                stamp = packet.dts if packet.dts is not None else packet.pts
                if stamp is None:  # the last, empty one
                    continue
                time = stamp * packet.time_base - self._begin
                is_before = self._start > 0 and time < 0
                if not is_before and (self._length is None or time < self._length):
                    yield time, packet

    def write(self, time: Fraction | None) -> None:
        """Write what comes before a time, in seconds of the part; None is all there is."""
        while self._next is not None and (time is None or self._next[0] < time):
            packet = self._next[1]
            track = self._tracks[packet.stream.index]
            try:
                for made in track.packets(packet):
                    self._target.mux(made)
            except av.InvalidDataError:
                self._damaged += 1
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write what encoders have kept."""
        for track in self._tracks.values():
            for made in track.rest():
                self._target.mux(made)
        if self._damaged:
            self.notes.append(
                f"damaged packets of sound and subtitles are left out: {self._damaged}"
            )

    def close(self) -> None:
        """Let the file go."""
        self._container.close()


class _Copied:
    """Packets as they are, at times that count from the part's begin."""

    def __init__(self, source: Any, target: Any, begin: Fraction) -> None:
        self._target = target
        self._offset = round(begin / source.time_base)

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        if packet.pts is not None:
            packet.pts -= self._offset
        if packet.dts is not None:
            packet.dts -= self._offset
        packet.stream = self._target
        yield packet

    def rest(self) -> Iterator[Packet[Any]]:
        yield from ()


class _Encoded:
    """Sound that is decoded and encoded again."""

    def __init__(self, target: Any, begin: Fraction) -> None:
        self._target = target
        self._begin = begin

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        with contextlib.suppress(av.FFmpegError, ValueError):  # a damaged packet is a silence
            for frame in packet.decode():
                if frame.pts is not None and frame.time_base:
                    frame.pts -= round(self._begin / frame.time_base)
                yield from self._target.encode(frame)

    def rest(self) -> Iterator[Packet[Any]]:
        yield from self._target.encode(None)


def _can_hold(container: str, source: Any) -> bool:
    """Whether a container takes a stream as it is: some say so only when they begin."""
    if container == "mp4" and source.codec_context and source.codec_context.name.startswith("pcm"):
        return False  # it does, since lately: few players know, and some files fail at their end
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(source)
            trial.start_encoding()
    except (ValueError, av.FFmpegError, OSError):
        return False
    return True


def _encoder(source: Any, target: OutputContainer, codec: str) -> Any:
    """A stream of sound as `source` has it, as far as the codec can."""
    rate = _RATES.get(codec) or source.rate
    name = "libopus" if codec == "opus" else codec
    encoder: Any = target.add_stream(name, rate)
    encoder.layout = "mono" if source.layout.nb_channels == 1 else "stereo"
    encoder.bit_rate = _BITS_A_CHANNEL * encoder.layout.nb_channels
    return encoder


def _label(source: Any, target: Any) -> None:
    """Language, title and the like."""
    target.metadata.update(source.metadata)
    target.disposition = source.disposition


_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")


def _copy_tags(source: InputContainer, target: OutputContainer, start: Fraction) -> None:
    """What the file says of itself, and its chapters if it is taken from its beginning."""
    kept = {k: v for k, v in source.metadata.items() if k.lower() not in _OF_THE_FILE}
    target.metadata.update(kept)
    if not start and source.chapters():
        target.set_chapters(source.chapters())

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

from fast_nst.videos.container import MICROSECONDS, open_video, packets_of
from fast_nst.videos.timeline import Clock, going_on, timeline_of

_BITS_A_CHANNEL = 96_000  # a second, of sound that is encoded again
_ENCODERS = {"opus": "libopus"}  # the better ones of two
# MPEG-TS takes anything, as data that nobody knows how to read.
_IN_TS = (
    *("mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus"),
    *("s302m", "pcm_bluray", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"),
)
_UNMIXABLE = (av.InvalidDataError, av.ArgumentError)  # of a packet, not of the whole file


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
        self._timeline = timeline_of(path, until)
        self._container = open_video(path)
        self._begin = Fraction(self._container.start_time or 0, MICROSECONDS) + start
        self._tracks: dict[int, _Copied | _Encoded] = {}
        for source in [*self._container.streams.audio, *self._container.streams.subtitles]:
            self._take(source)
        for stream in self._container.streams:
            if stream.index not in self._tracks:
                stream.discard = Discard.all
        if start and self._timeline.can_seek:
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(int(self._begin * MICROSECONDS))
        self._damaged = 0
        self._clocks: list[Clock] = []
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
            self._tracks[source.index] = _Copied(copied)
            return
        if source.type == "audio" and source.codec_context:
            encoder = self._target.default_audio_codec
            how = _how_to_encode(source, self._target.format.name, encoder)
            if how is not None:
                encoded = _add_encoder(source, self._target, encoder, *how)
                _label(source, encoded)
                self._tracks[source.index] = _Encoded(encoded)
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
        clocks = {
            stream.index: Clock(1, round(1 / Fraction(stream.time_base or 1)))
            for stream in streams
            if stream.type == "audio"
        }
        self._clocks = list(clocks.values())
        packets = going_on(packets_of(self._container, *streams), self._timeline)
        with contextlib.suppress(av.FFmpegError, ValueError):  # damaged: it ends here
            for packet in packets:
                if not packet.size:  # the last, empty one
                    continue
                clock = clocks.get(packet.stream.index)
                time = self._placed(packet, clock)
                if time is None:
                    self._damaged += 1
                    continue
                is_before = self._start > 0 and time < 0
                if not is_before and (self._length is None or time < self._length):
                    yield time, packet

    def _placed(self, packet: Packet[Any], clock: Clock | None) -> Fraction | None:
        """Give a packet its time in the part; None if it has none, and no sound before it."""
        begin = round(self._begin / Fraction(packet.time_base))
        stamp = packet.dts if packet.dts is not None else packet.pts
        if clock is not None:
            step = packet.duration or 0
            placed = clock.next(step) if stamp is None else clock.settle(stamp - begin, step)
            if placed is None:
                return None
            # Sound comes in the order in which it is heard.
            packet.pts = packet.dts = placed
            return placed * Fraction(packet.time_base)
        if stamp is None:
            return None
        packet.pts = None if packet.pts is None else packet.pts - begin
        packet.dts = None if packet.dts is None else packet.dts - begin
        return (stamp - begin) * Fraction(packet.time_base)

    def write(self, time: Fraction | None) -> None:
        """Write what comes before a time, in seconds of the part; None is all there is."""
        while self._next is not None and (time is None or self._next[0] < time):
            packet = self._next[1]
            for made in self._tracks[packet.stream.index].packets(packet):
                self._mux(made)
            self._next = next(self._packets, None)

    def _mux(self, packet: Packet[Any]) -> None:
        try:
            self._target.mux(packet)
        except _UNMIXABLE:
            self._damaged += 1

    def finish(self) -> None:
        """Write what encoders have kept."""
        for track in self._tracks.values():
            for made in track.rest():
                self._mux(made)
        moved = sum(clock.moved for clock in self._clocks)
        if moved:
            self.notes.append(f"packets of sound whose times did not rise are moved: {moved}")
        if self._damaged:
            self.notes.append(
                f"damaged packets of sound and subtitles are left out: {self._damaged}"
            )

    def close(self) -> None:
        """Let the file go."""
        self._container.close()


class _Copied:
    """Packets as they are."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        packet.stream = self._target
        yield packet

    def rest(self) -> Iterator[Packet[Any]]:
        yield from ()


class _Encoded:
    """Sound that is decoded and encoded again."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        with contextlib.suppress(av.FFmpegError, ValueError):  # a damaged packet is a silence
            for frame in packet.decode():
                yield from self._target.encode(frame)

    def rest(self) -> Iterator[Packet[Any]]:
        yield from self._target.encode(None)


def _can_hold(container: str, source: Any) -> bool:
    """Whether a container takes a stream as it is: some say so only when they begin."""
    codec = source.codec_context.codec.canonical_name if source.codec_context else ""
    if container == "mp4" and codec.startswith("pcm"):
        return False  # it does, since lately: few players know, and some files fail at their end
    if container == "mpegts" and codec and codec not in _IN_TS:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(source)
            trial.start_encoding()
    except (ValueError, av.FFmpegError, OSError):
        return False
    return True


def _how_to_encode(source: Any, container: str, codec: str) -> tuple[int, int | None] | None:
    """Samples and bits a second at which a container takes sound in a codec; None if it does not.

    As many samples as the source has, or the next that the codec knows.
    """
    name = _ENCODERS.get(codec, codec)
    try:
        rates = av.Codec(name, "w").audio_rates
    except ValueError:
        return None
    rate = source.rate
    if rates:
        rate = min((r for r in rates if r >= rate), default=max(rates))
    bits = _BITS_A_CHANNEL * min(source.layout.nb_channels, 2)
    for wanted in (bits, None):  # some codecs know a few numbers of bits only, or none
        with contextlib.suppress(ValueError, av.FFmpegError, OSError):
            with av.open(io.BytesIO(), "w", format=container) as trial:
                _add_encoder(source, trial, codec, rate, wanted)
                trial.start_encoding()
            return rate, wanted
    return None


def _add_encoder(
    source: Any, target: OutputContainer, codec: str, rate: int, bits: int | None
) -> Any:
    """A stream of sound with as many channels as `source` has, two at most."""
    encoder: Any = target.add_stream(_ENCODERS.get(codec, codec), rate)
    encoder.layout = "mono" if source.layout.nb_channels == 1 else "stereo"
    if bits is not None:
        encoder.bit_rate = bits
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

"""Copying sound and subtitles from one file to another, re-encoding what cannot be copied.

They are demuxed separately from the video, and interleaved with it as it is written.
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

from fast_nst.videos.container import MICROSECONDS, demux, open_video
from fast_nst.videos.timeline import MonotonicClock, continuous, timeline_of

_BIT_RATE = 96_000  # bits per second and channel of re-encoded sound
_ENCODERS = {"opus": "libopus"}  # better than FFmpeg's own
# The MPEG-TS muxer accepts any other codec too, as private data that no player reads.
_MPEGTS_CODECS = (
    *("mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus"),
    *("s302m", "pcm_bluray", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"),
)
_PACKET_ERRORS = (av.InvalidDataError, av.ArgumentError)  # raised by `mux` for a damaged packet


class Tracks:
    """Copies the audio and subtitle streams of a video.

    Args:
        path: The video.
        target: The container to write to, before its header is written.
        start: Start of the part to copy, in seconds.
        until: End of the part, in seconds; default: the end of the video.

    Attributes:
        notes: Messages for the user on what is converted or lost.

    Raises:
        UserError: See `open_video`.
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
            self._add_stream(source)
        for stream in self._container.streams:
            if stream.index not in self._tracks:
                stream.discard = Discard.all
        if start and self._timeline.can_seek:
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(int(self._begin * MICROSECONDS))
        self._damaged = 0
        self._clocks: list[MonotonicClock] = []
        self._packets = self._read()
        self._next = next(self._packets, None)
        _copy_tags(self._container, target, start)

    def _add_stream(self, source: Any) -> None:
        """Add a stream that copies `source`, or re-encodes it, or note that it is dropped."""
        what = "sound" if source.type == "audio" else "subtitles"
        codec = source.codec_context.name if source.codec_context else "an unknown codec"
        muxer = self._target.format.name
        if _can_hold(muxer, source):
            copied = self._target.add_stream_from_template(source)
            _copy_stream_metadata(source, copied)
            self._tracks[source.index] = _Copied(copied)
            return
        if source.type == "audio" and source.codec_context:
            encoder = self._target.default_audio_codec
            rates = _encoder_rates(source, muxer, encoder)
            if rates is not None:
                encoded = _add_encoder(source, self._target, encoder, *rates)
                _copy_stream_metadata(source, encoded)
                self._tracks[source.index] = _Encoded(encoded)
                self.notes.append(f"sound in {codec} becomes {encoder}: {muxer} cannot hold it")
                return
        self.notes.append(f"{what} in {codec} are left out: {muxer} cannot hold them")

    def _read(self) -> Iterator[tuple[Fraction, Packet[Any]]]:
        """Yield the packets of the part with their times in seconds."""
        if not self._tracks:
            return
        streams = [self._container.streams[index] for index in self._tracks]
        clocks = {
            stream.index: MonotonicClock(1, round(1 / Fraction(stream.time_base or 1)))
            for stream in streams
            if stream.type == "audio"
        }
        self._clocks = list(clocks.values())
        packets = continuous(demux(self._container, *streams), self._timeline)
        with contextlib.suppress(av.FFmpegError, ValueError):  # damaged from here on
            for packet in packets:
                if not packet.size:  # flushes the decoder
                    continue
                time = self._set_time(packet, clocks.get(packet.stream.index))
                if time is None:
                    self._damaged += 1
                    continue
                is_before = self._start > 0 and time < 0
                if not is_before and (self._length is None or time < self._length):
                    yield time, packet

    def _set_time(self, packet: Packet[Any], clock: MonotonicClock | None) -> Fraction | None:
        """Make a packet's timestamps relative to the start of the part.

        Returns:
            Its time in seconds; None if it has no timestamp and `clock` cannot provide one.
        """
        begin = round(self._begin / Fraction(packet.time_base))
        stamp = packet.dts if packet.dts is not None else packet.pts
        if clock is not None:
            step = packet.duration or 0
            time = clock.next(step) if stamp is None else clock.correct(stamp - begin, step)
            if time is None:
                return None
            packet.pts = packet.dts = time  # audio is stored in presentation order
            return time * Fraction(packet.time_base)
        if stamp is None:
            return None
        packet.pts = None if packet.pts is None else packet.pts - begin
        packet.dts = None if packet.dts is None else packet.dts - begin
        return (stamp - begin) * Fraction(packet.time_base)

    def write(self, time: Fraction | None) -> None:
        """Write the packets before `time`, in seconds of the part; all of them if it is None."""
        while self._next is not None and (time is None or self._next[0] < time):
            packet = self._next[1]
            for output in self._tracks[packet.stream.index].convert(packet):
                self._mux(output)
            self._next = next(self._packets, None)

    def _mux(self, packet: Packet[Any]) -> None:
        try:
            self._target.mux(packet)
        except _PACKET_ERRORS:
            self._damaged += 1

    def finish(self) -> None:
        """Flush the encoders."""
        for track in self._tracks.values():
            for output in track.flush():
                self._mux(output)
        moved = sum(clock.moved for clock in self._clocks)
        if moved:
            self.notes.append(f"audio packets with non-increasing timestamps are moved: {moved}")
        if self._damaged:
            self.notes.append(
                f"damaged packets of sound and subtitles are left out: {self._damaged}"
            )

    def close(self) -> None:
        """Close the source file."""
        self._container.close()


class _Copied:
    def __init__(self, target: Any) -> None:
        self._target = target

    def convert(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        packet.stream = self._target
        yield packet

    def flush(self) -> Iterator[Packet[Any]]:
        yield from ()


class _Encoded:
    def __init__(self, target: Any) -> None:
        self._target = target

    def convert(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        with contextlib.suppress(av.FFmpegError, ValueError):  # damaged packets become silence
            for frame in packet.decode():
                yield from self._target.encode(frame)

    def flush(self) -> Iterator[Packet[Any]]:
        yield from self._target.encode(None)


def _can_hold(muxer: str, source: Any) -> bool:
    """Whether a stream can be copied; some muxers reject it only when they write the header."""
    codec = source.codec_context.codec.canonical_name if source.codec_context else ""
    if muxer == "mp4" and codec.startswith("pcm"):
        return False  # recent FFmpeg allows it, but few players do, and some files fail at the end
    if muxer == "mpegts" and codec and codec not in _MPEGTS_CODECS:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            trial.add_stream_from_template(source)
            trial.start_encoding()
    except (ValueError, av.FFmpegError, OSError):
        return False
    return True


def _encoder_rates(source: Any, muxer: str, codec: str) -> tuple[int, int | None] | None:
    """The sample rate and bit rate at which sound can be encoded; None if it cannot.

    The sample rate is the source's, or the next higher one that the codec supports.
    """
    name = _ENCODERS.get(codec, codec)
    try:
        rates = av.Codec(name, "w").audio_rates
    except ValueError:
        return None
    rate = source.rate
    if rates:
        rate = min((r for r in rates if r >= rate), default=max(rates))
    bit_rate = _BIT_RATE * min(source.layout.nb_channels, 2)
    for wanted in (bit_rate, None):  # some codecs support a few bit rates only, or none
        with contextlib.suppress(ValueError, av.FFmpegError, OSError):
            with av.open(io.BytesIO(), "w", format=muxer) as trial:
                _add_encoder(source, trial, codec, rate, wanted)
                trial.start_encoding()
            return rate, wanted
    return None


def _add_encoder(
    source: Any, target: OutputContainer, codec: str, rate: int, bit_rate: int | None
) -> Any:
    """Add an audio stream, mono or stereo as `source`; more channels are mixed to stereo."""
    encoder: Any = target.add_stream(_ENCODERS.get(codec, codec), rate)
    encoder.layout = "mono" if source.layout.nb_channels == 1 else "stereo"
    if bit_rate is not None:
        encoder.bit_rate = bit_rate
    return encoder


def _copy_stream_metadata(source: Any, target: Any) -> None:
    target.metadata.update(source.metadata)
    target.disposition = source.disposition


_FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")


def _copy_tags(source: InputContainer, target: OutputContainer, start: Fraction) -> None:
    """Copy the file's metadata, and its chapters unless the part starts later."""
    kept = {k: v for k, v in source.metadata.items() if k.lower() not in _FILE_TAGS}
    target.metadata.update(kept)
    if not start and source.chapters():
        target.set_chapters(source.chapters())

"""Containers and codecs for writing videos and animations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fast_nst.errors import UserError, choose


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg's.

    Attributes:
        name: FFmpeg's name.
        crf: Default constant rate factor, lower for better quality and larger files; None if the
            encoder has no such option.
        options: Other encoder options.
        takes_odd_sizes: Whether width and height may be odd with 4:2:0 chroma subsampling.
    """

    name: str
    crf: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    takes_odd_sizes: bool = True


# The presets keep up with the network on two cores. For paintings, x264's slower presets make files
# of the same size.
ENCODERS = {
    "h264": Encoder("libx264", 20, (("preset", "superfast"), ("forced-idr", "1")), False),
    "hevc": Encoder(
        "libx265",
        24,
        (("preset", "superfast"), ("forced-idr", "1"), ("x265-params", "log-level=none")),
        False,
    ),
    "vp9": Encoder("libvpx-vp9", 30, (("deadline", "realtime"), ("cpu-used", "6"), ("b", "0"))),
    "av1": Encoder("libsvtav1", 32, (("preset", "9"),), False),
}
_OTHER_NAMES = {encoder.name: name for name, encoder in ENCODERS.items()} | {"h265": "hevc"}
# Suffix -> FFmpeg's muxer, default codec.
CONTAINERS = {
    ".mp4": ("mp4", "h264"),
    ".m4v": ("mp4", "h264"),
    ".mov": ("mov", "h264"),
    ".mkv": ("matroska", "h264"),
    ".webm": ("webm", "vp9"),
    ".ts": ("mpegts", "h264"),
}
ANIMATIONS = {".gif": "GIF", ".webp": "WEBP"}  # suffix -> Pillow's format


def is_animation(path: Path) -> bool:
    """Whether the suffix is that of a GIF or WebP, which Pillow handles rather than PyAV."""
    return path.suffix.lower() in ANIMATIONS


def check_target(path: Path, codec: str | None, crf: int | None) -> None:
    """Check that a file can be written with the given codec.

    Args:
        path: The file; its suffix selects the container.
        codec: A name in `ENCODERS`, or any of FFmpeg's encoders; default: the container's default.
        crf: Constant rate factor, in the encoder's own range; default: the encoder's.

    Raises:
        UserError: The suffix or the codec is unknown, or the codec or format takes no such option.
    """
    if is_animation(path):
        for name, value in (("codec", codec), ("crf", crf)):
            if value is not None:
                raise UserError(f"{path.suffix} files have no {name}: leave it out", name)
        return
    container_of(path)
    encoder_of(path, codec, crf)


def container_of(path: Path) -> str:
    """FFmpeg's name of the muxer for a path's suffix.

    Raises:
        UserError: The suffix is missing or not in `CONTAINERS`.
    """
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        given = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UserError(
            f"{str(path)!r} has {given}: videos can be written as "
            f"{' '.join([*CONTAINERS, *ANIMATIONS])}"
        )
    return CONTAINERS[suffix][0]


def encoder_of(path: Path, codec: str | None, crf: int | None) -> Encoder:
    """Choose the encoder; the arguments are those of `check_target`.

    Raises:
        UserError: The codec is unknown or does not encode video, or it has no `crf`.
    """
    import av

    name = CONTAINERS[path.suffix.lower()][1] if codec is None else codec.lower()
    name = _OTHER_NAMES.get(name, name)
    encoder = ENCODERS.get(name, Encoder(name))
    try:
        found = av.Codec(encoder.name, "w")
    except ValueError:  # PyAV's UnknownCodecError
        raise _unknown(name) from None
    if found.type != "video":
        raise UserError(f"codec {name} encodes {found.type}: choose a video codec", "codec")
    if crf is not None and encoder.crf is None:
        raise UserError(f"crf is for {', '.join(ENCODERS)}; {name} has none: leave it out", "crf")
    return encoder


def _unknown(name: str) -> UserError:
    try:
        choose("codec", name, ENCODERS)
    except UserError as error:
        return UserError(f"{error}, or any other FFmpeg encoder")
    return UserError(f"this FFmpeg has no encoder for {name}: choose another codec", "codec")

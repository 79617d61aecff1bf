"""Which files of moving pictures can be written, and with which codecs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fast_nst.errors import UserError, choose


@dataclass(frozen=True)
class Encoder:
    """A codec of FFmpeg's.

    Attributes:
        name: FFmpeg's own.
        crf: What its `crf` is by default, low for good and large; None if it has none.
        options: What else it is told.
        takes_odd_sizes: Whether sides may be odd, with half as many colours as pixels each way.
    """

    name: str
    crf: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    takes_odd_sizes: bool = True


# The presets keep up with the network on two cores: for paintings, x264's slower ones make files of
# the same size.
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
# Suffix -> FFmpeg's container and what is written into it by default.
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
    """Whether Pillow reads and writes such files, and not PyAV."""
    return path.suffix.lower() in ANIMATIONS


def check_target(path: Path, codec: str | None, crf: int | None) -> None:
    """Refuse what cannot be written, before any work.

    Args:
        path: The file, by whose suffix the container is chosen.
        codec: A name in `ENCODERS`, or FFmpeg's of any encoder; default: the container's.
        crf: Quality, as the encoder counts it.

    Raises:
        UserError: The suffix stands for no container, or it has no such codec.
    """
    if is_animation(path):
        for flag, value in (("--codec", codec), ("--crf", crf)):
            if value is not None:
                raise UserError(f"{path.suffix} files have no {flag}: leave it out")
        return
    container_of(path)
    encoder_of(path, codec, crf)


def container_of(path: Path) -> str:
    """FFmpeg's name of the container that a path's suffix stands for.

    Raises:
        UserError: None that can be written.
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
    """What encodes the pictures.

    Args:
        path: See `check_target`.
        codec: See `check_target`.
        crf: See `check_target`.

    Raises:
        UserError: There is no such codec, or it takes no such `crf`.
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
        raise UserError(f"--codec {name} is of {found.type}: choose one of pictures")
    if crf is not None and encoder.crf is None:
        raise UserError(f"--crf is of {', '.join(ENCODERS)}, and {name} has none: leave it out")
    return encoder


def _unknown(name: str) -> UserError:
    """What to say of a codec that does not exist."""
    try:
        choose("codec", name, ENCODERS)
    except UserError as error:
        return UserError(f"{error}, or the name of any other encoder of FFmpeg's")
    return UserError(f"this FFmpeg has no encoder for {name}: choose another --codec")

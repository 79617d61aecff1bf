"""What a painting keeps of its photograph's EXIF data."""

from __future__ import annotations

import contextlib
import struct
import zlib

from PIL import Image
from PIL.ExifTags import IFD, Base

# Everything that Pillow's decoders have been seen to raise on damaged files.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    AttributeError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Warning,  # where somebody has made errors of them
)
# What a painting has in common with its photograph: who, when, where, with which camera and how.
# The rest (size, orientation, thumbnail, the maker's notes) is no longer so.
_KEPT_TAGS = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
)
_KEPT_EXIF_TAGS = (
    Base.ExposureTime,
    Base.FNumber,
    Base.ExposureProgram,
    Base.ISOSpeedRatings,
    Base.DateTimeOriginal,
    Base.DateTimeDigitized,
    Base.OffsetTime,
    Base.OffsetTimeOriginal,
    Base.OffsetTimeDigitized,
    Base.SubsecTime,
    Base.SubsecTimeOriginal,
    Base.SubsecTimeDigitized,
    Base.ShutterSpeedValue,
    Base.ApertureValue,
    Base.ExposureBiasValue,
    Base.MeteringMode,
    Base.Flash,
    Base.FocalLength,
    Base.FocalLengthIn35mmFilm,
    Base.UserComment,
    Base.LensMake,
    Base.LensModel,
    Base.LensSpecification,
)


def still_true(image: Image.Image) -> bytes:
    """The EXIF data of a picture that its painting keeps; b"" without any."""
    with contextlib.suppress(*DECODING_ERRORS):  # broken EXIF is dropped
        given, kept = image.getexif(), Image.Exif()
        for tag in _KEPT_TAGS:
            if tag in given:
                kept[tag] = given[tag]
        taken = given.get_ifd(IFD.Exif)
        details = {int(tag): taken[tag] for tag in _KEPT_EXIF_TAGS if tag in taken}
        place = given.get_ifd(IFD.GPSInfo)
        if details:
            kept.get_ifd(IFD.Exif).update(details)
        if place:
            kept.get_ifd(IFD.GPSInfo).update(place)
        if kept or details or place:
            return kept.tobytes()
    return b""

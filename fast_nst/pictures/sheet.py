"""Contact sheets: pictures side by side, to be looked at together."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from fast_nst.pictures.edit import flatten

_HEADER = 20  # px, of a row with labels
_WIDEST = 4  # times the height, in a contact sheet


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]],
    labels: Sequence[Sequence[str]] = (),
    height: int = 300,
    gap: int = 8,
) -> Image.Image:
    """A grid on white, each picture scaled to one height, or to fit in four times that width.

    Args:
        rows: Pictures, row by row; RGB.
        labels: Written above the pictures, row by row; of the first rows only, if there are fewer.
        height: Of each row, in px.
        gap: Between pictures and around them, in px.
    """
    from PIL import ImageDraw

    scaled = []
    for row in rows:
        factors = [min(height / p.height, _WIDEST * height / p.width) for p in row]
        sizes = [
            (max(1, round(p.width * factor)), max(1, round(p.height * factor)))
            for p, factor in zip(row, factors, strict=True)
        ]
        scaled.append(
            [
                flatten(p).resize(size, Image.Resampling.LANCZOS)
                for p, size in zip(row, sizes, strict=True)
            ]
        )
    words = [*labels, *[()] * (len(scaled) - len(labels))]
    width = max(sum(picture.width + gap for picture in row) for row in scaled) + gap
    headers = [_HEADER if row else 0 for row in words]
    whole = sum(headers) + gap + len(scaled) * (height + gap)
    sheet = Image.new("RGB", (width, whole), "white")
    draw = ImageDraw.Draw(sheet)
    top = gap
    for row, texts, header in zip(scaled, words, headers, strict=False):
        left = gap
        for c, picture in enumerate(row):
            if c < len(texts):
                draw.text((left, top), texts[c], fill="black")
            sheet.paste(picture, (left, top + header))
            left += picture.width + gap
        top += header + height + gap
    return sheet

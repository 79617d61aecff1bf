"""Contact sheets: pictures side by side, to be looked at together."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from fast_nst.pictures.edit import flatten

_WIDEST = 4  # times the height, in a contact sheet


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]],
    labels: Sequence[str] = (),
    height: int = 300,
    gap: int = 8,
) -> Image.Image:
    """A grid on white, each picture scaled to one height, or to fit in four times that width.

    Args:
        rows: Pictures, row by row; RGB.
        labels: Written above the pictures of the first row.
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
    header = 20 if labels else 0
    width = max(sum(picture.width + gap for picture in row) for row in scaled) + gap
    sheet = Image.new("RGB", (width, header + gap + len(scaled) * (height + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    top = header + gap
    for r, row in enumerate(scaled):
        left = gap
        for c, picture in enumerate(row):
            if r == 0 and c < len(labels):
                draw.text((left, gap), labels[c], fill="black")
            sheet.paste(picture, (left, top))
            left += picture.width + gap
        top += height + gap
    return sheet

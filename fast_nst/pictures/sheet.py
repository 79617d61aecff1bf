"""Contact sheets: images in a labelled grid."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from fast_nst.pictures.edit import flatten, scaled_size

_HEADER = 20  # px above a row with labels
_MAX_ASPECT = 4


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]],
    labels: Sequence[Sequence[str]] = (),
    height: int = 300,
    gap: int = 8,
) -> Image.Image:
    """Draw images in rows on white, scaled to one height and at most four times as wide.

    Args:
        rows: Images, row by row.
        labels: Texts above the images, row by row; may have fewer rows than `rows`.
        height: Height of each row, in px.
        gap: Space between images and around them, in px.
    """
    from PIL import ImageDraw

    def scaled(image: Image.Image) -> Image.Image:
        factor = min(height / image.height, _MAX_ASPECT * height / image.width)
        size = scaled_size(image.size, factor)
        return flatten(image).resize(size, Image.Resampling.LANCZOS)

    images = [[scaled(image) for image in row] for row in rows]
    texts = [*labels, *[()] * (len(images) - len(labels))]
    width = max(sum(image.width + gap for image in row) for row in images) + gap
    headers = [_HEADER if row else 0 for row in texts]
    full_height = sum(headers) + gap + len(images) * (height + gap)
    sheet = Image.new("RGB", (width, full_height), "white")
    draw = ImageDraw.Draw(sheet)
    top = gap
    for row, row_texts, header in zip(images, texts, headers, strict=False):
        left = gap
        for column, image in enumerate(row):
            if column < len(row_texts):
                draw.text((left, top), row_texts[column], fill="black")
            sheet.paste(image, (left, top + header))
            left += image.width + gap
        top += header + height + gap
    return sheet

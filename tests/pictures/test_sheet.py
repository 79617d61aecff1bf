"""Contact sheets."""

from __future__ import annotations

from PIL import Image

from fast_nst.pictures.sheet import contact_sheet


def test_contact_sheet_layout():
    red, blue = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (5, 10), "blue")
    sheet = contact_sheet([[red, blue], [blue]], height=20, gap=4)
    assert sheet.size == (4 + 40 + 4 + 10 + 4, 4 + 20 + 4 + 20 + 4)
    assert sheet.getpixel((5, 5)) == (255, 0, 0)
    assert sheet.getpixel((50, 5)) == (0, 0, 255)
    assert sheet.getpixel((5, 30)) == (0, 0, 255)
    assert sheet.getpixel((1, 1)) == (255, 255, 255)

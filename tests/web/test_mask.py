"""Masks over HTTP: the file `mask` of a form and the parameter `outside`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fast_nst.commands.main import main
from fast_nst.pictures.mask import composite
from fast_nst.pictures.read import open_image
from fast_nst.web.limits import Limits
from fast_nst.web.models import ServedModel
from tests.conftest import noise
from tests.web.conftest import client_of

NEGATIVE = "/api/stylize?style=negative&detail=0"


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


WHITE, BLACK = (png(np.full((3, 5), level, np.uint8)) for level in (255, 0))


def painted(client: TestClient, query: str, image: bytes, mask: bytes) -> np.ndarray:
    # The mask comes first: files are told apart by name, not by order.
    answer = client.post(query, files={"mask": ("m.png", mask), "image": ("a.png", image)})
    assert answer.status_code == 200, answer.text
    return np.asarray(open_image(answer.content))


def test_a_mask_is_applied_to_the_pixel(client: TestClient):
    pixels, mask = noise(20, 30), noise(20, 30, 1)[..., 0]
    found = painted(client, NEGATIVE, png(pixels), png(mask))
    assert np.array_equal(found, composite(pixels, 255 - pixels, mask))
    assert np.array_equal(painted(client, NEGATIVE, png(pixels), WHITE), 255 - pixels)
    assert np.array_equal(painted(client, NEGATIVE, png(pixels), BLACK), pixels)
    transparent = np.dstack([255 - mask] * 3 + [mask])  # as a page's canvas has it
    found = painted(client, NEGATIVE, png(pixels), png(transparent))
    assert np.array_equal(found, composite(pixels, 255 - pixels, mask))


def test_a_mask_gives_the_pixels_of_infer(client: TestClient, photograph: bytes, tmp_path: Path):
    source, mask, target = (tmp_path / name for name in ("photo.jpg", "mask.png", "out.png"))
    source.write_bytes(photograph)
    mask.write_bytes(png(np.tile(np.arange(256, dtype=np.uint8), (90, 1))))
    flags = "--style udnie:0.6 --style evening:0.4 --outside great_wave --size 200 --strength 0.8"
    files = ["-o", str(target), "--mask", str(mask)]
    assert main(["infer", str(source), "-q", *flags.split(), *files]) == 0
    query = "style=udnie:0.6&style=evening:0.4&outside=great_wave&size=200&strength=0.8"
    found = painted(client, f"/api/stylize?{query}", photograph, mask.read_bytes())
    assert np.array_equal(found, np.asarray(open_image(target)))


def test_outside_as_a_field_of_the_form(client: TestClient):
    pixels = noise(20, 30)
    answer = client.post(
        "/api/stylize?detail=0",
        data={"style": "udnie_fast", "outside": "negative"},
        files={"image": png(pixels), "mask": BLACK},
    )
    assert np.array_equal(np.asarray(open_image(answer.content)), 255 - pixels)


def test_a_form_without_a_chosen_mask(client: TestClient):
    """A browser sends a file without a name and without content."""
    pixels, boundary = noise(4, 5), b"b"
    parts = [
        b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + png(pixels),
        b'Content-Disposition: form-data; name="mask"; filename=""\r\n\r\n',
    ]
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post(NEGATIVE, content=body, headers=headers)
    assert np.array_equal(np.asarray(open_image(answer.content)), 255 - pixels)


@pytest.mark.parametrize(
    ("query", "sent", "status", "said"),
    [
        ("outside=udni", {"files": {"image": WHITE, "mask": WHITE}}, 404, "unknown style 'udni'"),
        ("outside=", {"files": {"image": WHITE, "mask": WHITE}}, 404, "unknown style ''"),
        ("outside=udnie", {"files": {"image": WHITE}}, 400, "outside is given without a mask"),
        ("outside=udnie", {"content": WHITE}, 400, "add a file named mask to the form"),
        (
            "outside=negative&strength=1.2",
            {"files": {"image": WHITE, "mask": WHITE}},
            400,
            "style 'negative' takes no strength above 1",
        ),
        ("mask=white", {"content": WHITE}, 400, "unknown parameter 'mask'"),
        ("", {"files": {"mask": WHITE}}, 400, "the form has no image: add an image file"),
        ("", {"files": {"image": WHITE}, "data": {"mask": "x"}}, 400, "mask is a text"),
        ("", {"files": {"image": WHITE, "mask": b""}}, 400, "the mask is empty"),
        ("", {"files": {"image": WHITE, "mask": b"white"}}, 400, "the mask is not an image"),
        ("", {"files": {"image": WHITE, "mask": WHITE[:-30]}}, 400, "the mask is damaged"),
        (
            "",
            {"files": {"image": WHITE, "mask": png(np.zeros((1001, 1000), np.uint8))}},
            413,
            "the mask has over 1,000,000 pixels: give a smaller one",
        ),
        (
            "",
            {"files": [("mask", WHITE), ("image", WHITE), ("mask", WHITE)]},
            400,
            "Too many files",
        ),
        ("", {"files": [("mask", WHITE), ("mask", WHITE)]}, 400, "the form has no image"),
        ("", {"files": [("a", WHITE), ("b", WHITE)]}, 400, "the form has 2 images and 0 masks"),
    ],
)
def test_what_is_wrong_with_a_mask(
    client: TestClient, query: str, sent: dict, status: int, said: str
):
    answer = client.post(f"/api/stylize?{query}", **sent)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_image_and_mask_share_the_limit_of_an_upload(models: dict[str, ServedModel]):
    image, mask = png(noise(300, 400)), png(noise(300, 400, 1)[..., 0])
    with client_of(models, Limits(max_upload=f"{(len(image) + len(mask)) / 1e6}MB")) as client:
        answer = client.post(NEGATIVE, files={"image": image, "mask": mask})
        assert answer.status_code == 413
        assert client.post(NEGATIVE, files={"image": image}).status_code == 200


def test_openapi_describes_the_mask(client: TestClient):
    described = client.get("/openapi.json").json()["paths"]["/api/stylize"]["post"]
    form = described["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert form["mask"]["format"] == form["image"]["format"] == "binary"
    assert "outside" in form
    assert "outside" in [parameter["name"] for parameter in described["parameters"]]

"""The styles in the user's folder: their names, and what else has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fast_nst
from fast_nst import Stylizer
from fast_nst.assets import STYLES
from fast_nst.errors import UserError, UserNote
from fast_nst.models.catalogue import (
    entries,
    find_model,
    is_style,
    live_name,
    source_of,
    style_names,
)
from fast_nst.models.graphs import with_metadata
from fast_nst.models.home import own_style_files, own_styles
from fast_nst.models.own_styles import add_style, install_style, name_of, remove_style
from fast_nst.web.models import find_models
from tests.conftest import inverting_model, noise

UDNIE = STYLES / "udnie.onnx"


def model(path: str, image: str = "", title: str = "") -> Path:
    """A model of its own bytes, trained on the image with that SHA-256."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    data = with_metadata(inverting_model(), title=title, style_sha256=image, path=path)
    Path(path).write_bytes(data)
    return Path(path)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_added_style_is_found_from_any_folder_until_it_is_removed(tmp_path: Path, monkeypatch):
    assert not is_style("wave")
    added = add_style(model("downloads/wave.onnx"))
    assert added == own_styles() / "wave.onnx"
    assert added.read_bytes() == Path("downloads/wave.onnx").read_bytes()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_model("wave") == added
    assert "wave" in style_names()
    assert source_of(added) == "own"
    pixels = noise(3, 4)
    assert (Stylizer("wave", detail=0)(pixels) == 255 - pixels).all()
    assert remove_style("wave") == added
    assert not is_style("wave")
    assert own_style_files() == []


def test_the_name_is_made_of_the_title_or_of_the_file():
    assert name_of("The Great Wave, 1831") == "the_great_wave_1831"
    assert add_style(model("a.onnx", title="Über – alles")).stem == "über_alles"
    assert add_style(model("my wave.onnx")).stem == "my_wave"
    assert add_style("a.onnx", "Wave-2").stem == "Wave-2"
    assert sorted(own_styles().iterdir()) == own_style_files()  # no temporary file


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "../x", "a/b", "x.onnx", "a:1", "nul", "COM1", "a" * 61, "a\n"]
)
def test_names_that_cannot_be_files_everywhere_are_refused(name: str):
    with pytest.raises(UserError, match=r"^name is .*: give letters, digits, _ and -"):
        add_style(UDNIE, name)
    assert own_style_files() == []


@pytest.mark.parametrize("name", ["udnie", "Udnie", "udnie_fast"])
def test_a_name_of_the_package_is_refused(name: str):
    with pytest.raises(UserError, match="is a style in the package: choose another with name"):
        add_style(UDNIE, name, overwrite=True)
    with pytest.raises(UserError, match="in the package, and not one of yours"):
        remove_style(name)


def test_a_style_is_replaced_only_if_it_is_asked_for():
    added = add_style(model("a.onnx"), "wave")
    before = added.read_bytes()
    with pytest.raises(UserError, match=r"you have a style 'wave': choose .* overwrite=True"):
        add_style(model("b.onnx"), "WAVE")
    assert added.read_bytes() == before
    assert add_style("b.onnx", "WAVE", overwrite=True) == added
    assert added.read_bytes() == Path("b.onnx").read_bytes()


def test_what_is_no_model_is_refused_and_costs_nothing():
    added = add_style(model("a.onnx"), "wave")
    before = added.read_bytes()
    Path("bad.onnx").write_bytes(b"no model")
    Path("cut.onnx").write_bytes(before[:-1])
    Path("floats.onnx").write_bytes(inverting_model(type=1))
    for name, words in (
        ("bad.onnx", "is not an ONNX model"),
        ("cut.onnx", "is not an ONNX model"),
        ("floats.onnx", "has the input image float"),
        ("missing.onnx", "no model 'missing.onnx'"),
    ):
        with pytest.raises(UserError, match=words):
            add_style(name, "wave", overwrite=True)
    assert added.read_bytes() == before


def test_remove_lists_the_users_styles():
    with pytest.raises(UserError, match="no style 'wave': there are none in"):
        remove_style("wave")
    add_style(UDNIE, "wave")
    with pytest.raises(UserError, match=r"Did you mean 'wave'\? Choose one of: wave$"):
        remove_style("waev")
    for name in ("../styles/wave", "wave.onnx", str(own_styles() / "wave")):
        with pytest.raises(UserError, match="unknown style of yours"):
            remove_style(name)
    assert is_style("wave")


def test_installed_runs_replace_models_of_their_image_and_no_others():
    first = install_style(model("1.onnx", "sea"), "wave")
    assert (first.name, first.is_replacement, first.reason) == ("wave", False, "")
    again = install_style(model("2.onnx", "sea"), "wave")
    assert (again.path, again.is_replacement, again.reason) == (first.path, True, "")
    assert first.path.read_bytes() == Path("2.onnx").read_bytes()
    other = install_style(model("3.onnx", "night"), "Wave")
    assert (other.name, other.is_replacement) == ("Wave-2", False)
    assert other.reason == "'wave' is another style of yours"
    assert install_style(model("4.onnx", "night"), "wave").path == other.path
    unknown = [install_style(model(f"{i}.onnx"), "wave").name for i in (5, 6)]
    assert unknown == ["wave-3", "wave-4"]  # older models do not say what they are of
    gallery = install_style(model("7.onnx", "night"), "udnie")
    assert (gallery.name, gallery.reason) == ("udnie-2", "'udnie' is a style in the package")
    assert install_style(model("8.onnx", "night"), "udnie").is_replacement
    assert find_model("udnie") == UDNIE


def test_installed_runs_get_a_name_whatever_their_image_is_called():
    names = [
        install_style(model("a.onnx", name), name).name
        for name in ("IMG_2026-05-01", "night, moon, and wind", "Волна é, 浪", "nul", "...")
    ]
    assert names == ["IMG_2026-05-01", "night_moon_and_wind", "волна_é_浪", "style_nul", "style"]


def test_a_run_and_its_installed_copy_are_one_style(recwarn):
    run = model("runs/wave-2/model.onnx", "sea")
    model("runs/wave/model.onnx", "sea")
    os.utime("runs/wave/model.onnx", (1, 1))
    own = install_style(run, "wave").path
    assert find_model("wave") == own
    assert find_model("wave-2") == run
    assert [entry for entry in entries() if entry.source != "package"] == [("wave", own, "own")]
    assert [str(warning.message) for warning in recwarn] == []


def test_a_newer_run_that_is_not_installed_is_told():
    own = install_style(model("runs/wave/model.onnx"), "wave").path
    run = model("runs/wave-2/model.onnx")
    os.utime(own, (1, 1))
    with pytest.warns(UserNote, match=r"newer, and not installed: runs/wave-2/model\.onnx$"):
        assert find_model("wave") == own
    assert [entry[0::2] for entry in entries()[-2:]] == [("wave", "own"), ("wave-2", "run")]
    remove_style("wave")
    assert find_model("wave") == run


def test_the_package_hides_a_file_of_its_name_which_can_be_removed():
    own = model(str(own_styles() / "udnie.onnx"))
    with pytest.warns(UserNote, match="'udnie' is the style in the package; yours is the model"):
        assert find_model("udnie") == UDNIE
    assert all(entry.source == "package" for entry in entries())
    assert remove_style("udnie") == own


def test_a_film_model_of_the_users_is_found():
    add_style(model("a.onnx"), "wave")
    assert live_name("wave") is None
    add_style("a.onnx", "wave_fast")
    assert live_name("wave") == "wave_fast"
    own = add_style("a.onnx", "udnie_steady")
    with pytest.warns(UserNote, match=f"^films of the package's style 'udnie' are .* by {own}$"):
        assert live_name("udnie") == "udnie_steady"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that cannot be read")
def test_what_cannot_be_read_in_the_folder_hides_no_style(recwarn):
    wave = add_style(model("a.onnx"), "wave")
    model("runs/sea/model.onnx")
    Path("runs/empty").mkdir()
    Path("runs/empty/model.onnx").touch()  # compared with the unreadable file, of size 0
    folder = own_styles()
    (folder / "folder.onnx").mkdir()
    (folder / "text.onnx").write_bytes(b"no model")
    (folder / "wave_fast.onnx").write_bytes(b"no model")
    (folder / "udnie_steady.onnx").write_bytes(b"no model")
    links = {"dangling": "gone.onnx", "loop": "loop.onnx", "unreadable": "/proc/self/mem"}
    for name, target in links.items():
        (folder / f"{name}.onnx").symlink_to(target)
    Path("runs/dangling").mkdir()
    Path("runs/dangling/model.onnx").symlink_to("gone.onnx")
    own = [style.name for style in fast_nst.styles() if style.source != "package"]
    assert own == ["wave", "sea"]
    skipped = {Path(str(warning.message).split("'")[1]).stem for warning in recwarn}
    assert skipped == {"text", "unreadable", "wave_fast", "udnie_steady", "model"}
    assert find_model("wave") == wave
    said: list[str] = []
    models = find_models(None, said.append)
    assert [name for name, model in models.items() if model.is_own] == ["sea", "wave"]
    assert models["wave"].live == models["udnie"].live == ""
    words = [line.partition(" is skipped: ")[0] for line in said]
    assert sorted(words) == [
        "empty", "text", "udnie_steady", "unreadable", "wave_fast",
    ]  # fmt: skip
    assert not is_style("dangling")
    # Nothing of it is overwritten, and links are removed.
    assert install_style(Path("a.onnx"), "dangling").name == "dangling-2"
    assert install_style(model("b.onnx", "sea"), "folder").name == "folder-2"
    for name in links:
        assert remove_style(name) == folder / f"{name}.onnx"
        assert not os.path.lexists(folder / f"{name}.onnx")
    with pytest.raises(UserError, match=r"^cannot remove '.*folder\.onnx': Is a directory$"):
        remove_style("folder")


def test_a_training_that_was_stopped_early_replaces_nothing(tmp_path: Path):
    model = tmp_path / "model.onnx"
    model.write_bytes(with_metadata((STYLES / "udnie.onnx").read_bytes(), note="first"))
    first = install_style(model, "wave", replaces=False)
    kept = first.path.read_bytes()
    model.write_bytes(with_metadata((STYLES / "udnie.onnx").read_bytes(), note="second"))
    with pytest.raises(UserError, match=r"'wave' is kept, .* --name wave --overwrite$"):
        install_style(model, "wave", replaces=False)
    assert first.path.read_bytes() == kept
    assert install_style(model, "wave").is_replacement
    assert first.path.read_bytes() == model.read_bytes()

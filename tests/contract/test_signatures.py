"""Every family's attention, called in every way that a host calls it: exactly what arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from settings_of import paper
from stand_ins import HOSTS, Transformer, by_two, image, only, tokens

from lib_todo import Report, Settings, token_downsampling
from lib_todo.interception.families import FAMILIES
from lib_todo.reasons import Reason

BY_TWO = paper(factor=2, threshold=4)
# Calls by what the fixture `given` has: x, its pooled tokens x↓, and so on.
# how attention is called that takes x and context first, and mask somewhere later
LDM_LIKE = """
x → x context=x↓
x none → x x↓
x two → x two↓
x context=two → x context=two↓
x context=none mask=none → x context=x↓ mask=none
x mask=none → x mask=none context=x↓
mask=none context=x x=x → mask=none context=x↓ x=x
"""
LDM = """
x none none → x x↓ none
"""
SGM = """
x none none none zero → x x↓ none none zero
x additional_tokens=none n_times_crossframe_attn_in_self=zero → \
x additional_tokens=none n_times_crossframe_attn_in_self=zero context=x↓
"""
COMFY = """
x context=none value=none → x context=x↓ value=none
x context=x value=x → x context=x↓ value=x↓
x x value none options → x x↓ value↓ none options
x value=value → x value=value↓ context=x↓
x two two_values → x two↓ two_values↓
x none none none → x x↓ none none
transformer_options=options x=x → transformer_options=options x=x context=x↓
"""
DIFFUSERS = """
x → x encoder_hidden_states=x↓
x two → x two↓
x none none → x x↓ none
x encoder_hidden_states=none attention_mask=none scale=options → \
x encoder_hidden_states=x↓ attention_mask=none scale=options
encoder_hidden_states=x hidden_states=x → encoder_hidden_states=x↓ hidden_states=x
"""
POOLED = {
    "ldm": LDM_LIKE + LDM,
    "sgm": LDM_LIKE + LDM + SGM,
    **dict.fromkeys(("forge", "ldm_patched", "comfy"), LDM_LIKE + COMFY),
    "diffusers": DIFFUSERS,
}

# with a reason, or without one: no self-attention
PROMPT = """
x text →
x few →
x odd →
x empty →
x another_batch →
x another_width →
x list →
merged → OTHER_GRID
merged context=merged → OTHER_GRID
doubled → OTHER_GRID
x a_dict →
x context=text mask=mask →
x context=none mask=mask → MASKED
x context=two mask=mask → MASKED
mask=mask x=x → MASKED
"""
LDM_MASK = """
x none mask → MASKED
"""
SGM_MASK = """
x none none text zero → MASKED
x additional_tokens=text → MASKED
x none none none three → MASKED
x n_times_crossframe_attn_in_self=three → MASKED
"""
# Forge's token merging merges the queries' tokens alone, reForge's HyperTile tiles them
COMFY_LEFT = """
x none none mask → MASKED
x text text none options →
x context=x value=value mask=mask → MASKED
x context=x value=text → OTHER_VALUES
merged context=x value=x → OTHER_GRID
"""
DIFFUSERS_MASK = """
x text →
x encoder_hidden_states=text attention_mask=mask →
x none mask → MASKED
x attention_mask=mask → MASKED
"""
UNTOUCHED = {
    "ldm": PROMPT + LDM_MASK,
    "sgm": PROMPT + LDM_MASK + SGM_MASK,
    **dict.fromkeys(("forge", "ldm_patched", "comfy"), PROMPT + COMFY_LEFT),
    "diffusers": DIFFUSERS_MASK,
}

Call = tuple[list[str], dict[str, str]]


def call_of(text: str) -> Call:
    """The names of what is passed by position, and by name."""
    words = [word.split("=") for word in text.split()]
    return [w[0] for w in words if len(w) == 1], dict(w for w in words if len(w) == 2)


def each(table: dict[str, str]) -> list[Any]:
    """A test for each line of each family."""
    rows = [(name, row) for name in table for row in table[name].strip().splitlines() if row]
    return [pytest.param(name, *row.split("→"), id=f"{name}: {row}") for name, row in rows]


@pytest.fixture
def given() -> dict[str, Any]:
    """What the tables name."""
    found: dict[str, Any] = {"none": None, "zero": 0, "three": 3, "options": {"block": 1}}
    found |= {"x": tokens(), "value": tokens(), "text": tokens(77), "merged": tokens(9)}
    found["mask"] = torch.ones(2, 24)
    # ToMe merges tokens; style-align folds the batch into them
    found["doubled"] = tokens(48)
    # less than a grid, two grids and a token, and what some extensions hand to a forward of theirs
    found |= {"few": tokens(23), "odd": tokens(49), "empty": tokens(0), "list": [1], "a_dict": {}}
    found |= {"another_batch": tokens()[:1], "another_width": tokens()[..., :4]}
    grids = {"two": (found["x"], tokens()), "two_values": (found["value"], tokens())}
    for name, pair in grids.items():
        found[name] = torch.cat(pair, dim=1)
        found[f"{name}↓"] = torch.cat([by_two(grid) for grid in pair], dim=1)
    return found | {"x↓": by_two(found["x"]), "value↓": by_two(found["value"])}


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


def run(transformer: Transformer, call: Call, given: dict[str, Any], settings: Settings) -> Report:
    """Have the transformer over GRID call its attention so."""
    transformer.args = tuple(given[name] for name in call[0])
    transformer.kwargs = {key: given[name] for key, name in call[1].items()}
    with token_downsampling(settings) as report:
        transformer(image())
    return report


def assert_arrived(transformer: Transformer, wanted: Call, given: dict[str, Any]) -> None:
    """Exactly these positions and names, pooled tokens by value and all else the very object."""
    ((args, kwargs),) = transformer.transformer_blocks[0].attn1.calls
    assert (len(args), list(kwargs)) == (len(wanted[0]), list(wanted[1]))
    for got, name in zip([*args, *kwargs.values()], [*wanted[0], *wanted[1].values()]):
        if name.endswith("↓"):
            assert torch.equal(got, given[name])
        else:
            assert got is given[name]


def test_every_family_is_here() -> None:
    assert [family.name for family in FAMILIES] == list(HOSTS) == list(POOLED) == list(UNTOUCHED)


@pytest.mark.parametrize(("name", "call", "wanted"), each(POOLED))
def test_self_attention_arrives_pooled(
    name: str, call: str, wanted: str, given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    transformer = make(name)
    report = run(transformer, call_of(call), given, BY_TWO)
    assert_arrived(transformer, call_of(wanted), given)
    copies = 2 if "two" in call else 1
    assert list(report.tallies) == [((4, 6), copies * 24, copies * 6, None)]


@pytest.mark.parametrize(("name", "call", "reason"), each(UNTOUCHED))
def test_all_else_arrives_untouched_and_is_counted(
    name: str, call: str, reason: str, given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    transformer = make(name)
    report = run(transformer, call_of(call), given, BY_TWO)
    assert_arrived(transformer, call_of(call), given)
    assert [key[3] for key in report.tallies] == [Reason[word] for word in reason.split()]


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
    assert_arrived(transformer, (["x"], {}), given)
    assert report.tallies == {}


def test_a_transformer_inside_of_another_has_the_grid_to_itself(
    given: dict[str, Any], make: Callable[[str], Transformer]
) -> None:
    inner, outer = make("ldm"), make("ldm")
    inner.args = (tokens(4),)
    outer.call = lambda: (inner(torch.zeros(2, 8, 2, 2)), Transformer.call(outer))
    report = run(outer, (["x"], {}), given, paper(factor=2, threshold=1))
    assert list(report.tallies) == [((2, 2), 4, 1, None), ((4, 6), 24, 6, None)]

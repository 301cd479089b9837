"""Every family's attention, called in every way the host notes list: exactly what arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from settings_of import paper
from stand_ins import HOSTS, OptimisedAttention, Transformer, by_two, image, only, tokens

from lib_todo import Report, Settings, token_downsampling
from lib_todo.interception.families import FAMILIES
from lib_todo.reasons import Reason

Call = tuple[tuple, dict[str, str]]
Case = tuple[Call, Call]

# the tables name what is passed: x, its pooled tokens x↓, and so on; see `given`


def same(*args: str, **kwargs: str) -> Call:
    return args, kwargs


def ldm_like(*extra: str) -> list[Case]:
    """How attention is called that takes x, context, and (third or later) mask."""
    return [
        (same("x"), same("x", context="x↓")),
        (same("x", "none"), same("x", "x↓")),
        (same("x", "x"), same("x", "x↓")),
        (same("x", "two"), same("x", "two↓")),
        (same("x", "none", *extra, "none"), same("x", "x↓", *extra, "none")),
        (same("x", context="none"), same("x", context="x↓")),
        (same("x", context="x"), same("x", context="x↓")),
        (same("x", context="two"), same("x", context="two↓")),
        (same("x", context="none", mask="none"), same("x", context="x↓", mask="none")),
        (same("x", mask="none"), same("x", mask="none", context="x↓")),
        (same(x="x"), same(x="x", context="x↓")),
        (same(mask="none", context="x", x="x"), same(mask="none", context="x↓", x="x")),
    ]


SGM = [
    (same("x", "none", "none", "none", "zero"), same("x", "x↓", "none", "none", "zero")),
    (
        same(
            "x",
            context="none",
            additional_tokens="none",
            n_times_crossframe_attn_in_self="zero",
        ),
        same(
            "x",
            context="x↓",
            additional_tokens="none",
            n_times_crossframe_attn_in_self="zero",
        ),
    ),
]
COMFY = [
    (same("x", context="none", value="none"), same("x", context="x↓", value="none")),
    (same("x", context="x", value="x"), same("x", context="x↓", value="x↓")),
    (same("x", "x", "x"), same("x", "x↓", "x↓")),
    (same("x", context="x", value="value"), same("x", context="x↓", value="value↓")),
    (same("x", "x", "value"), same("x", "x↓", "value↓")),
    (same("x", value="value"), same("x", value="value↓", context="x↓")),
    (same("x", "two", "two"), same("x", "two↓", "two↓")),
    (same("x", context="two", value="two_values"), same("x", context="two↓", value="two_values↓")),
    (
        same("x", context="none", value="none", transformer_options="options"),
        same("x", context="x↓", value="none", transformer_options="options"),
    ),
    (
        same("x", "x", "value", "none", "options"),
        same("x", "x↓", "value↓", "none", "options"),
    ),
    (
        same(transformer_options="options", x="x"),
        same(transformer_options="options", x="x", context="x↓"),
    ),
]
DIFFUSERS = [
    (same("x"), same("x", encoder_hidden_states="x↓")),
    (same("x", "none"), same("x", "x↓")),
    (same("x", "two"), same("x", "two↓")),
    (same("x", "none", "none"), same("x", "x↓", "none")),
    (
        same("x", encoder_hidden_states="none", attention_mask="none"),
        same("x", encoder_hidden_states="x↓", attention_mask="none"),
    ),
    (
        same("x", encoder_hidden_states="none", attention_mask="none", scale="options"),
        same("x", encoder_hidden_states="x↓", attention_mask="none", scale="options"),
    ),
    (same(hidden_states="x"), same(hidden_states="x", encoder_hidden_states="x↓")),
    (
        same(encoder_hidden_states="x", hidden_states="x"),
        same(encoder_hidden_states="x↓", hidden_states="x"),
    ),
]
POOLED: dict[str, list[Case]] = {
    "ldm": ldm_like(),
    "sgm": [*ldm_like(), *SGM],
    **{name: [*ldm_like("none"), *COMFY] for name in ("forge", "ldm_patched", "comfy")},
    "diffusers": DIFFUSERS,
}

PROMPT = [
    same("x", "text"),
    same("x", context="text"),
    same(x="x", context="text"),
    same("x", context="text", mask="mask"),
]
MASK = [
    same("x", context="none", mask="mask"),
    same("x", mask="mask", context="x"),
    same("x", context="two", mask="mask"),
    same(mask="mask", x="x"),
]
UNTOUCHED: dict[str, list[tuple[Call, str]]] = {
    "ldm": [
        *[(call, Reason.NOT_SELF_ATTENTION) for call in PROMPT],
        *[
            (call, Reason.MASKED)
            for call in [*MASK, same("x", "none", "mask"), same("x", "x", "mask")]
        ],
    ],
    "sgm": [
        *[(call, Reason.NOT_SELF_ATTENTION) for call in PROMPT],
        *[(call, Reason.MASKED) for call in [*MASK, same("x", "none", "mask")]],
        (same("x", "none", "none", "text", "zero"), Reason.MASKED),
        (same("x", additional_tokens="text"), Reason.MASKED),
        (same("x", "none", "none", "none", "three"), Reason.MASKED),
        (same("x", context="none", n_times_crossframe_attn_in_self="three"), Reason.MASKED),
    ],
    **{
        name: [
            *[(call, Reason.NOT_SELF_ATTENTION) for call in PROMPT],
            *[(call, Reason.MASKED) for call in [*MASK, same("x", "none", "none", "mask")]],
            (same("x", context="text", value="text"), Reason.NOT_SELF_ATTENTION),
            (same("x", "text", "text", "none", "options"), Reason.NOT_SELF_ATTENTION),
            (same("x", context="x", value="value", mask="mask"), Reason.MASKED),
            (same("x", context="x", value="text"), Reason.OTHER_VALUES),
            # Forge's token merging merges the queries' tokens alone, reForge's HyperTile tiles them
            (same("merged", context="x", value="x"), Reason.OTHER_GRID),
        ]
        for name in ("forge", "ldm_patched", "comfy")
    },
    "diffusers": [
        (same("x", "text"), Reason.NOT_SELF_ATTENTION),
        (same("x", encoder_hidden_states="text", attention_mask="none"), Reason.NOT_SELF_ATTENTION),
        (same("x", encoder_hidden_states="text", attention_mask="mask"), Reason.NOT_SELF_ATTENTION),
        (same("x", "none", "mask"), Reason.MASKED),
        (same("x", encoder_hidden_states="none", attention_mask="mask"), Reason.MASKED),
    ],
}


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
    assert [key[3] for key in report.tallies] == [reason]


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
    transformer.transformer_blocks[0].attn1.fused_projections = True
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

"""Which contexts are self-attention over the grid, and so pooled, and which are not."""

from __future__ import annotations

import copy
from typing import Any

import pooling_reference as reference
import pytest
import torch
from ldm_models import WIDTH, image, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, Settings, token_downsampling
from lib_todo.reasons import Reason
from lib_todo.settings import METHODS

GRID = (6, 7)
TOKENS = 42


class Given:
    """A block of a transformer over GRID whose attention gets exactly these arguments."""

    def __init__(self, name: str = "attn1") -> None:
        self.model = spatial_transformer(text_width=WIDTH)
        self.layer = getattr(self.model.transformer_blocks[0], name)
        self.report = Report()
        self.seen: list[tuple[tuple, dict]] = []

    def call(self, settings: Settings, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The attention's answer to a call from inside the transformer."""
        answers = []
        block = self.model.transformer_blocks[0]
        # as ControlNet does it: the block's own way is replaced
        block._forward = lambda x, context=None: answers.append(self.layer(*args, **kwargs)) or x
        hook = self.layer.register_forward_pre_hook(
            lambda _, *passed: self.seen.append(passed), with_kwargs=True
        )
        with hook, token_downsampling(settings) as self.report:
            self.model(image(*GRID), context=[None])
        del block._forward
        assert len(answers) == 1
        return answers[0]

    def assert_untouched(self, got: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        assert torch.equal(got, self.layer(*args, **kwargs))
        ((seen_args, seen_kwargs),) = self.seen
        assert all(seen is passed for seen, passed in zip(seen_args, args, strict=True))
        assert seen_kwargs.keys() == kwargs.keys()
        assert all(seen_kwargs[name] is kwargs[name] for name in kwargs)


def tokens(count: int = TOKENS) -> torch.Tensor:
    return torch.randn(2, count, WIDTH)


def by_loops(given_tokens: torch.Tensor, factor: float, method: str = "nearest") -> torch.Tensor:
    return reference.pool(given_tokens, GRID, factor, method).to(given_tokens.dtype)


BY_TWO = paper(factor=2, threshold=4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2, 1.5])
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_several_grids_side_by_side_are_pooled_each(
    copies: int, factor: float, method: str
) -> None:
    """ControlNet's reference-only: the layer's own tokens and those it has in its bank.

    Where it weighs the two, it hands the own ones over alone as well, as a copy of x.
    """
    case, x = Given(), tokens()
    grids = [x.clone(), *(tokens() for _ in range(copies - 1))]
    settings = paper(factor=factor, threshold=4, method=method)
    got = case.call(settings, x, context=torch.cat(grids, dim=1))
    pooled = [by_loops(grid, factor, method) for grid in grids]
    torch.testing.assert_close(got, case.layer(x, context=torch.cat(pooled, dim=1)))
    keys = pooled[0].shape[1]
    assert list(case.report.tallies) == [(GRID, copies * TOKENS, copies * keys, None)]


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_text_prompt_of_as_many_tokens_as_grids_passes(copies: int) -> None:
    case, x, prompt = Given("attn2"), tokens(), text(copies * TOKENS, width=WIDTH)
    case.assert_untouched(case.call(BY_TWO, x, context=prompt), x, context=prompt)
    assert case.report.pooled == {}


def test_an_attention_that_is_no_blocks_own_is_no_such_layer() -> None:
    """GLIGEN's, over the picture's tokens and those of its boxes."""
    case, x = Given(), tokens(TOKENS + 3)
    case.layer = copy.deepcopy(case.layer)
    case.assert_untouched(case.call(BY_TWO, x), x)
    assert case.report.pooled == {}


def test_attention_before_and_after_the_transformers_call_passes_uncounted() -> None:
    case, x = Given(), tokens()
    with token_downsampling(BY_TWO) as report:
        assert torch.equal(case.layer(x), case.layer.forward(x))
        assert report.tallies == {}
        case.model(image(*GRID), context=[text(width=WIDTH)])
        before = report.tallies
        assert torch.equal(case.layer(x), case.layer.forward(x))
    assert report.tallies == before


def test_a_layer_that_is_put_in_anothers_place_is_pooled_from_the_next_call_on() -> None:
    """The layers of a transformer are remembered until one of them is not called."""
    given = Given()
    seen = []
    with token_downsampling(paper(factor=2, threshold=1)) as report:
        for number in range(4):
            if number == 1:
                given.model.transformer_blocks[0].attn1 = given.layer = copy.deepcopy(given.layer)
                given.layer.to_k.register_forward_pre_hook(
                    lambda _, inputs: seen.append(inputs[0].shape[1])
                )
            given.model(image(*GRID), context=[None])
    assert seen == [TOKENS, 12, 12]
    assert report.left_alone[Reason.REPLACED].calls == 1
    assert report.pooled[TOKENS, 12].calls == 3

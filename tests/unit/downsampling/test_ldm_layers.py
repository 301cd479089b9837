"""Inside the `with`, real ldm layers compute attention over explicitly pooled tokens."""

from __future__ import annotations

from typing import Any

import pooling_reference as reference
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ldm.modules.attention import CrossAttention
from ldm_models import Pool, image, run, run_explicitly, spatial_transformer, text
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.plan import Grid
from lib_todo.settings import METHODS

MODEL = spatial_transformer()

sides = st.integers(1, 12)


def by_loops(grid: Grid, factor: float, method: str = "nearest") -> Pool:
    return lambda tokens: reference.pool(tokens, grid, factor, method).to(tokens.dtype)


@given(
    height=sides,
    width=sides,
    factor=st.integers(1, 8) | st.floats(1, 8),
    method=st.sampled_from(METHODS),
)
def test_any_grid_factor_and_method(height: int, width: int, factor: float, method: str) -> None:
    x, context = image(height, width), text()
    with token_downsampling(paper(factor=factor, threshold=1, method=method)):
        got = run(MODEL, x, context)
    # one token is no more than the threshold allows
    by = factor if height * width > 1 else 1
    wanted = run_explicitly(MODEL, x, context, by_loops((height, width), by, method))
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("use_linear", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_every_block_of_a_transformer(depth: int, use_linear: bool) -> None:
    model = spatial_transformer(depth, use_linear)
    x, context = image(6, 9), text()
    with token_downsampling(paper(factor=2, threshold=4)) as report:
        got = run(model, x, context)
    torch.testing.assert_close(got, run_explicitly(model, x, context, by_loops((6, 9), 2)))
    assert not torch.allclose(got, run(model, x, context), atol=1e-3)
    assert {key: tally.calls for key, tally in report.pooled.items()} == {(54, 15): depth}
    assert report.layers == depth


def test_the_host_may_replace_the_classs_forward_in_mid_generation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A checkpoint load does, for a refiner or the hires pass."""
    seen: list[tuple[int, int]] = []
    original = CrossAttention.forward

    def optimised(self: Any, x: torch.Tensor, context: Any = None, mask: Any = None) -> Any:
        seen.append((x.shape[1], (x if context is None else context).shape[1]))
        return original(self, x, context, mask)

    with token_downsampling(paper(factor=2, threshold=4)):
        run(MODEL, image(6, 6), text())
        monkeypatch.setattr(CrossAttention, "forward", optimised)
        run(MODEL, image(6, 6), text())
    assert CrossAttention.forward is optimised
    assert seen == [(36, 9), (36, 5)]


def test_an_instances_forward_gets_the_pooled_tokens() -> None:
    """HyperTile leaves one on every layer for ever, LoRA and others for a while."""
    model = spatial_transformer()
    layer, seen = model.transformer_blocks[0].attn1, []
    original = layer.forward
    layer.forward = lambda x, *args, **kwargs: (
        seen.append((args, kwargs)) or original(x, *args, **kwargs)
    )
    x, context = image(6, 6), text()
    with token_downsampling(paper(factor=2, threshold=4)):
        got = run(model, x, context)
    assert len(seen) == 1
    layer.forward = original
    torch.testing.assert_close(got, run_explicitly(model, x, context, by_loops((6, 6), 2)))

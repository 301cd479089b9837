"""Inside the `with`, real ldm layers compute attention over explicitly pooled tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ldm.modules.attention import CrossAttention
from ldm_models import image, run, run_explicitly, spatial_transformer, text
from self_attention import by_loops
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.settings import METHODS

MODEL = spatial_transformer()

sides = st.integers(1, 12)


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
    wanted = run_explicitly(MODEL, x, context, by_loops((height, width), 1, by, method))
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("use_linear", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_every_block_of_a_transformer(depth: int, use_linear: bool) -> None:
    model = spatial_transformer(depth, use_linear)
    x, context = image(6, 9), text()
    with token_downsampling(paper(factor=2, threshold=4)) as report:
        got = run(model, x, context)
    torch.testing.assert_close(got, run_explicitly(model, x, context, by_loops((6, 9), 1, 2)))
    assert not torch.allclose(got, run(model, x, context), atol=1e-3)
    assert {key: tally.calls for key, tally in report.pooled.items()} == {(54, 15): depth}
    assert report.layers == depth


@pytest.mark.parametrize("owner", ["class", "instance"])
def test_a_forward_that_others_replace_gets_the_pooled_tokens(
    owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the class a checkpoint load does, for a refiner or the hires pass; LoRA on instances."""
    model, seen = spatial_transformer(), []
    target = CrossAttention if owner == "class" else model.transformer_blocks[0].attn1
    original = target.forward

    def optimised(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["context"].shape[1])
        return original(*args, **kwargs)

    x, context = image(6, 6), text()
    with token_downsampling(paper(factor=2, threshold=4)):
        wanted = run(model, x, context)
        with monkeypatch.context() as patch:
            patch.setattr(target, "forward", optimised)
            assert torch.equal(run(model, x, context), wanted)
            assert target.forward is optimised
    assert seen == ([9, 5] if owner == "class" else [9])

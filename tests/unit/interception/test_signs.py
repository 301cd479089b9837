"""Signs on a layer: what stands on it is asked about, and only on layers that would be pooled."""

from __future__ import annotations

from typing import Any

import pytest
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.interception import signs
from lib_todo.reasons import Reason


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that other tests imported have registered theirs."""
    monkeypatch.setattr(signs, "_checks", {})


class Check:
    """Gives the reason, and remembers the layers that it was asked of."""

    def __init__(self, reason: Reason | None) -> None:
        self.reason = reason
        self.asked: list[Any] = []

    def __call__(self, layer: Any) -> Reason | None:
        self.asked.append(layer)
        return self.reason


def reasons(threshold: int, **on_layer: object) -> list[Reason | None]:
    """Why a real layer over 6×6 tokens was left alone (None: it was pooled)."""
    model = spatial_transformer()
    vars(model.transformer_blocks[0].attn1).update(on_layer)
    with token_downsampling(paper(factor=2, threshold=threshold)) as report:
        run(model, image(6, 6), text())
    return [key[3] for key in report.tallies]


def test_a_layer_without_the_sign_is_pooled_and_not_asked_about() -> None:
    check = Check(Reason.HYPERTILE)
    signs.register("mark", check)
    assert reasons(threshold=4) == reasons(threshold=4, other=1) == [None]
    assert check.asked == []


def test_the_first_reason_in_the_order_registered() -> None:
    chain = [Check(None), Check(Reason.HYPERTILE), Check(Reason.OLDER_EXTENSION)]
    for check in (*chain, chain[0]):
        # the first one twice, as a reload of the page's scripts does
        signs.register("mark", check)
    assert reasons(threshold=4, mark=None) == [Reason.HYPERTILE]
    assert [len(check.asked) for check in chain] == [1, 1, 0]


def test_a_sign_that_is_switched_off() -> None:
    signs.register("mark", Check(None))
    assert reasons(threshold=4, mark=None) == [None]


def test_it_is_asked_only_where_the_layer_would_be_pooled() -> None:
    check = Check(Reason.HYPERTILE)
    signs.register("mark", check)
    assert reasons(threshold=6, mark=1) == [Reason.BELOW_THRESHOLD]
    assert check.asked == []

"""Signs on a layer: what stands on it is asked about, and only on layers that would be pooled."""

from __future__ import annotations

from unittest.mock import Mock

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


def reasons(threshold: int = 4, **on_layer: object) -> list[Reason | None]:
    """Why a real layer over 6×6 tokens was left alone (None: it was pooled)."""
    model = spatial_transformer()
    vars(model.transformer_blocks[0].attn1).update(on_layer)
    with token_downsampling(paper(factor=2, threshold=threshold)) as report:
        run(model, image(6, 6), text())
    return [key[3] for key in report.tallies]


def test_it_is_asked_only_where_it_stands_on_a_layer_that_would_be_pooled() -> None:
    check = Mock(return_value=Reason.HYPERTILE)
    signs.register("mark", check)
    assert reasons() == reasons(other=1) == [None]
    assert reasons(threshold=6, mark=1) == [Reason.BELOW_THRESHOLD]
    check.assert_not_called()


def test_the_first_reason_in_the_order_registered() -> None:
    off, first, second = (
        Mock(return_value=reason) for reason in (None, Reason.HYPERTILE, Reason.OLDER_EXTENSION)
    )
    signs.register("mark", off)
    assert reasons(mark=None) == [None]
    for check in (first, second, off):
        # the first one again, as a reload of the page's scripts does
        signs.register("mark", check)
    assert reasons(mark=None) == [Reason.HYPERTILE]
    assert [check.call_count for check in (off, first, second)] == [2, 1, 0]

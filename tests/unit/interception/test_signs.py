"""Signs on a layer that other code uses it: whose they are, and when they are asked about.

That the layers then do for the other extensions what they did, tests/host shows beside these.
"""

from __future__ import annotations

import types
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.webui import other_extensions
from lib_todo.interception import signs
from lib_todo.reasons import Reason


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that other tests imported have registered theirs."""
    monkeypatch.setattr(signs, "_checks", [])


def reasons(model: Any = None, threshold: int = 4, **on_layer: object) -> list[Reason | None]:
    """Why a real layer over 6×6 tokens was left alone (None: it was pooled)."""
    model = model or spatial_transformer()
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


def older(step: int, hooks: int = 1) -> dict[str, Any]:
    """What the older extension notes on a layer: it rests after its fourth call."""
    return {"hooks": [None] * hooks, "current_step": step, "args": {"disable_after": 4}}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("_todo_info", older(step=4), Reason.OLDER_EXTENSION),
        ("_todo_info", {"hooks": [None]}, Reason.OLDER_EXTENSION),
        ("_todo_info", older(step=5), None),
        ("_todo_info", older(step=1, hooks=0), None),
        ("_todo_info", "something else of that name", None),
        ("__webui_hypertile_params", types.SimpleNamespace(enabled=True), Reason.HYPERTILE),
        ("__webui_hypertile_params", types.SimpleNamespace(enabled=False), None),
        ("pag_enable", True, Reason.PERTURBED_ATTENTION),
        ("pag_enable", False, None),
    ],
)
def test_what_other_extensions_of_the_webui_leave(
    name: str, value: object, reason: Reason | None
) -> None:
    other_extensions.register()
    assert reasons(**{name: value}) == [reason]


@pytest.mark.parametrize("name", ["xattn_forward_log", "another_one"])
def test_self_attention_guidance_is_known_by_the_name_of_its_forward(name: str) -> None:
    """It folds the attention map to the grid, and fails where keys are missing."""
    other_extensions.register()
    keys = []

    def forward(x: torch.Tensor, context: Any = None) -> torch.Tensor:
        keys.append((x if context is None else context).shape[1])
        return x

    forward.__name__ = name
    is_theirs = name == "xattn_forward_log"
    # of the other one it is seen that it computes no keys
    assert reasons(forward=forward)[0] is (Reason.ATTENTION_MAP_READ if is_theirs else None)
    assert keys == [36 if is_theirs else 9]

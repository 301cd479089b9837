"""The registry of vetoes: asked in order, each once; those before the rule are separate."""

from __future__ import annotations

from typing import Any

import pytest
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.interception import vetoes
from lib_todo.reasons import Reason

LAYER = object()


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that other tests imported have registered theirs."""
    monkeypatch.setattr(vetoes, "_before_the_rule", [])
    monkeypatch.setattr(vetoes, "_after_the_rule", [])


class Veto:
    """Gives the reason, and remembers the layers that it was asked of."""

    def __init__(self, reason: Reason | None) -> None:
        self.reason = reason
        self.asked: list[Any] = []

    def __call__(self, layer: Any) -> Reason | None:
        self.asked.append(layer)
        return self.reason


def test_nobody_registered() -> None:
    assert vetoes.first(LAYER) is None
    assert vetoes.first(LAYER, before_the_rule=True) is None


@pytest.mark.parametrize("before_the_rule", [False, True])
def test_the_first_reason_in_the_order_registered(before_the_rule: bool) -> None:
    chain = [Veto(None), Veto(Reason.HYPERTILE), Veto(Reason.OLDER_EXTENSION)]
    for veto in chain:
        vetoes.register(veto, before_the_rule)
    assert vetoes.first(LAYER, before_the_rule) is Reason.HYPERTILE
    # whoever comes after the first reason need not be asked
    assert [veto.asked for veto in chain] == [[LAYER], [LAYER], []]


@pytest.mark.parametrize("before_the_rule", [False, True])
def test_none_of_them_minds(before_the_rule: bool) -> None:
    for _ in range(3):
        vetoes.register(Veto(None), before_the_rule)
    assert vetoes.first(LAYER, before_the_rule) is None


@pytest.mark.parametrize("before_the_rule", [False, True])
def test_each_kind_is_asked_for_itself(before_the_rule: bool) -> None:
    veto = Veto(Reason.HYPERTILE)
    vetoes.register(veto, before_the_rule)
    assert vetoes.first(LAYER, not before_the_rule) is None
    assert veto.asked == []
    assert vetoes.first(LAYER, before_the_rule) is Reason.HYPERTILE


@pytest.mark.parametrize("before_the_rule", [False, True])
def test_registered_twice_is_asked_once_and_keeps_its_place(before_the_rule: bool) -> None:
    """A UI reload registers again."""
    one, other = Veto(None), Veto(Reason.HYPERTILE)
    for veto in (one, other, one):
        vetoes.register(veto, before_the_rule)
    vetoes.first(LAYER, before_the_rule)
    assert (one.asked, other.asked) == ([LAYER], [LAYER])


def reasons(threshold: int) -> list[Reason | None]:
    """Why a real layer over 6×6 tokens was left alone (None: it was pooled)."""
    model = spatial_transformer()
    with token_downsampling(paper(factor=2, threshold=threshold)) as report:
        run(model, image(6, 6), text())
    return [key[3] for key in report.tallies if key[3] is not Reason.NOT_SELF_ATTENTION]


def test_a_veto_before_the_rule_is_said_of_every_layer() -> None:
    assert (reasons(threshold=4), reasons(threshold=6)) == ([None], [Reason.BELOW_THRESHOLD])
    vetoes.register(Veto(Reason.OLDER_EXTENSION), before_the_rule=True)
    assert reasons(threshold=4) == reasons(threshold=6) == [Reason.OLDER_EXTENSION]


def test_a_veto_after_the_rule_is_asked_only_where_a_layer_would_be_pooled() -> None:
    veto = Veto(Reason.HYPERTILE)
    vetoes.register(veto)
    assert reasons(threshold=6) == [Reason.BELOW_THRESHOLD]
    assert veto.asked == []
    assert reasons(threshold=4) == [Reason.HYPERTILE]
    assert len(veto.asked) == 1


def test_the_veto_before_the_rule_goes_first() -> None:
    vetoes.register(Veto(Reason.HYPERTILE))
    vetoes.register(Veto(Reason.OLDER_EXTENSION), before_the_rule=True)
    assert reasons(threshold=4) == [Reason.OLDER_EXTENSION]

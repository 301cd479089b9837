"""The plan for graphs of torch.compile: made once, even where nothing is compiled."""

from __future__ import annotations

from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Settings, token_downsampling
from lib_todo.interception import pooling_in_graphs
from lib_todo.interception.pooling_in_graphs import plan_text
from lib_todo.position import Moment

SETTINGS = paper(factor=2, threshold=2, end=0.7)


def test_it_is_made_once_however_often_the_model_is_called() -> None:
    model, x, context = spatial_transformer(), image(4, 4), text()
    pooling_in_graphs._key.cache_clear()
    with token_downsampling(SETTINGS) as report:
        for step in range(10):
            report.progress(step, 10)
            run(model, x, context)
    assert pooling_in_graphs._key.cache_info().misses == 1


def test_equal_settings_have_one_plan_whatever_their_window() -> None:
    assert plan_text(SETTINGS, None) == plan_text(paper(factor=2, threshold=2), None)
    assert plan_text(SETTINGS, None) != plan_text(Settings(), None)


def test_a_closed_window_has_a_plan_of_its_own() -> None:
    closed = plan_text(SETTINGS, Moment(fraction=0.9))
    assert closed != plan_text(SETTINGS, Moment(fraction=0.1)) == plan_text(SETTINGS, None)

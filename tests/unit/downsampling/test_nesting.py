"""Nesting: the inner settings apply inside, the outer ones after it; other threads are left out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from ldm_models import image, keys_over, run, spatial_transformer, text
from self_attention import keys_computed
from settings_of import paper

from lib_todo import Report, Settings, token_downsampling
from lib_todo.interception.active import entered_run

MODEL = spatial_transformer()
BY_TWO = paper(factor=2, threshold=4)
BY_THREE = paper(factor=3, threshold=4)
DISABLED = paper(enabled=False)
DENSE, HALF, THIRD = 36, 9, 4


def keys() -> int:
    return keys_over(MODEL, 6)


def calls(report: Report) -> dict[tuple[int, int], int]:
    return {key: tally.calls for key, tally in report.pooled.items()}


@pytest.fixture(autouse=True)
def _leaves_nothing_active() -> Iterator[None]:
    yield
    assert entered_run() is None
    assert keys() == DENSE


def test_the_inner_holds_even_if_disabled_and_the_outer_comes_back() -> None:
    with token_downsampling(DISABLED) as off:
        assert keys() == DENSE
        with token_downsampling(BY_TWO) as outer:
            assert keys() == HALF
            with token_downsampling(DISABLED):
                assert keys() == DENSE
                with token_downsampling(BY_THREE):
                    assert keys() == THIRD
            with token_downsampling(BY_THREE) as inner:
                assert keys() == THIRD
            assert keys() == HALF
        assert keys() == DENSE
    assert (off.tallies, calls(outer), calls(inner)) == ({}, {(36, 9): 2}, {(36, 4): 1})


def test_the_same_object_entered_twice_and_again() -> None:
    downsampling = token_downsampling(BY_TWO)
    for _ in range(2):
        with downsampling as outer:
            with token_downsampling(BY_THREE):
                with downsampling as inner:
                    assert keys() == HALF
                assert keys() == THIRD
            assert keys() == HALF
        assert keys() == DENSE
    assert inner is outer
    assert calls(outer) == {(36, 9): 4}


def test_the_inner_has_its_own_progress() -> None:
    windowed = paper(factor=2, threshold=4, start=0.5)
    with token_downsampling(windowed) as outer:
        outer.progress(0, 2)
        with token_downsampling(windowed) as inner:
            inner.progress(1, 2)
            assert keys() == HALF
        assert keys() == DENSE


def test_two_threads_with_settings_of_their_own() -> None:
    """They leave in the order in which they came, so neither may restore what the other needs."""
    both_in, found = threading.Barrier(2, timeout=60), {}
    first_out = threading.Event()

    def work(name: str, settings: Settings) -> None:
        with token_downsampling(settings):
            both_in.wait()
            if name == "second":
                assert first_out.wait(60)
            with keys_computed(models[name]) as seen:
                run(models[name], image(6, 6), text())
            found[name] = seen
        first_out.set()

    models = {"first": spatial_transformer(), "second": spatial_transformer()}
    threads = [
        threading.Thread(target=work, args=("first", BY_TWO)),
        threading.Thread(target=work, args=("second", BY_THREE)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"first": [(36, HALF)], "second": [(36, THIRD)]}

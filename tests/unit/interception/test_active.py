"""Which run applies: the one entered last in this thread or task and not yet left."""

from __future__ import annotations

import contextvars
import functools
import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ldm_models import keys_over, spatial_transformer
from settings_of import paper

from lib_todo import Report, token_downsampling
from lib_todo.interception.active import enter, entered_run, leave


class Run:
    """What is entered; `active` looks at nothing of it."""


FIRST, SECOND, THIRD = Run(), Run(), Run()


@pytest.fixture(autouse=True)
def _leaves_nothing_active() -> Iterator[None]:
    assert entered_run() is None
    yield
    assert entered_run() is None


def in_another_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns in a thread that has just begun."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(60)


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ((0, 1, 2), (THIRD, THIRD, None)),
        ((0, 2, 1), (THIRD, SECOND, None)),
        ((1, 0, 2), (THIRD, THIRD, None)),
        ((1, 2, 0), (THIRD, FIRST, None)),
        ((2, 0, 1), (SECOND, SECOND, None)),
        ((2, 1, 0), (SECOND, FIRST, None)),
        ((2, 2, 1, 0), (SECOND, SECOND, FIRST, None)),
    ],
)
def test_left_in_any_order_or_twice(order: tuple[int, ...], wanted: tuple[Run | None, ...]) -> None:
    entries = [enter(run) for run in (FIRST, SECOND, THIRD)]
    found = []
    for index in order:
        leave(entries[index])
        found.append(entered_run())
    assert tuple(found) == wanted


def test_a_generator_that_goes_on_and_is_closed_in_another_thread() -> None:
    """Its entry belongs to the thread that it began in; the other is not concerned."""

    def generation() -> Iterator[Any]:
        """As a WebUI's generation that yields its previews."""
        entry = enter(FIRST)
        try:
            while True:
                yield entered_run()
        finally:
            leave(entry)

    previews = generation()
    assert next(previews) is entered_run() is FIRST
    assert in_another_thread(lambda: next(previews)) is None
    entry = enter(SECOND)
    in_another_thread(previews.close)
    assert entered_run() is SECOND
    leave(entry)


def test_a_copied_context_ends_with_the_entry() -> None:
    """So does an asyncio task that outlives the `with`: it runs in a copy."""
    entry = enter(FIRST)
    copied = contextvars.copy_context()
    assert copied.run(entered_run) is FIRST
    leave(entry)
    assert copied.run(entered_run) is None


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_that_was_left_is_not_kept(elsewhere: bool) -> None:
    """Left in another thread, it goes with the next one that is entered here."""
    run = Run()
    gone, entry = weakref.ref(run), enter(run)
    if elsewhere:
        in_another_thread(functools.partial(leave, entry))
        leave(enter(SECOND))
    else:
        leave(entry)
    del run, entry
    gc.collect()
    assert gone() is None


BY_TWO, BY_THREE = (paper(factor=factor, threshold=4) for factor in (2, 3))
DISABLED = paper(enabled=False)
DENSE, QUARTER, NINTH = 36, 9, 4
MODEL = spatial_transformer()


def keys() -> int:
    return keys_over(MODEL, 6)


def calls(report: Report) -> dict[tuple[int, int], int]:
    return {key: tally.calls for key, tally in report.pooled.items()}


def test_the_inner_holds_even_if_disabled_and_the_outer_comes_back() -> None:
    with token_downsampling(DISABLED) as off:
        assert keys() == DENSE
        with token_downsampling(BY_TWO) as outer:
            assert keys() == QUARTER
            with token_downsampling(DISABLED):
                assert keys() == DENSE
                with token_downsampling(BY_THREE):
                    assert keys() == NINTH
            with token_downsampling(BY_THREE) as inner:
                assert keys() == NINTH
            assert keys() == QUARTER
        assert keys() == DENSE
    assert (off.tallies, calls(outer), calls(inner)) == ({}, {(36, 9): 2}, {(36, 4): 1})


def test_the_same_object_entered_twice_and_again() -> None:
    downsampling = token_downsampling(BY_TWO)
    for _ in range(2):
        with downsampling as outer:
            with token_downsampling(BY_THREE):
                with downsampling as inner:
                    assert keys() == QUARTER
                assert keys() == NINTH
            assert keys() == QUARTER
        assert keys() == DENSE
    assert inner is outer
    assert calls(outer) == {(36, 9): 4}

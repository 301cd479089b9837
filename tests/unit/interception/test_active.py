"""Which run applies: the one entered last in this thread or task and not yet left."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(60)
    (answer,) = found
    return answer


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


def test_another_thread_has_its_own_which_ends_with_it() -> None:
    def work() -> tuple[Any, Any]:
        before, _ = entered_run(), enter(SECOND)
        return before, entered_run()

    entry = enter(FIRST)
    assert in_another_thread(work) == (None, SECOND)
    assert entered_run() is FIRST
    leave(entry)


def test_a_task_that_outlives_the_with_is_out_of_it() -> None:
    async def outliving() -> tuple[Any, Any]:
        left = asyncio.Event()

        async def work() -> Any:
            await left.wait()
            return entered_run()

        entry = enter(FIRST)
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        inside = entered_run()
        leave(entry)
        left.set()
        return inside, await task

    assert asyncio.run(outliving()) == (FIRST, None)


def generation(run: Run) -> Iterator[Any]:
    """As a WebUI's generation that yields its previews."""
    entry = enter(run)
    try:
        while True:
            yield entered_run()
    finally:
        leave(entry)


def test_a_generator_that_goes_on_and_is_closed_in_another_thread() -> None:
    """Its entry belongs to the thread that it began in; the other is not concerned."""
    previews = generation(FIRST)
    assert next(previews) is entered_run() is FIRST
    assert in_another_thread(lambda: next(previews)) is None
    entry = enter(SECOND)
    in_another_thread(previews.close)
    assert entered_run() is SECOND
    leave(entry)


def test_a_copied_context_ends_with_the_entry() -> None:
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

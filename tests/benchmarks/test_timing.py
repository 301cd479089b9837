"""The benchmark's arithmetic of times: rounds, spread, ratios and peaks."""

from __future__ import annotations

import torch

from benchmarks.running.timing import next_round, peak_bytes, ratio


def test_rounds_go_on_where_they_stopped() -> None:
    assert sorted(next_round({"a": 1, "b": 1}, rounds=2, seed=0)) == ["a", "b"]
    assert next_round({"a": 1, "b": 2}, rounds=2, seed=0) == ["a"]
    assert next_round({"a": 2, "b": 2}, rounds=2, seed=0) == []
    assert next_round({}, rounds=2, seed=0) == []


def test_order_changes_from_round_to_round() -> None:
    names = [str(index) for index in range(6)]
    orders = {tuple(next_round(dict.fromkeys(names, n), rounds=9, seed=0)) for n in range(8)}
    assert len(orders) > 1


def test_ratio_is_taken_round_by_round() -> None:
    """Only of rounds that both have; the order in which they were measured does not matter."""
    lower = {"4": 7.0, "3": 1.0, "2": 2.0, "1": 1.0}
    spread = ratio({"1": 2.0, "2": 8.0, "3": 3.0}, lower)
    assert (spread.low, spread.median, spread.high, spread.count) == (2.0, 3.0, 4.0, 3)


def test_ratio_of_what_shares_no_round_is_that_of_medians() -> None:
    spread = ratio({"3": 6.0}, {"1": 1.0, "2": 3.0})
    assert (spread.median, spread.count) == (3.0, 0)


def test_peak_counts_what_is_held_at_one_time() -> None:
    def one_after_the_other() -> None:
        for _ in range(3):
            torch.empty(1 << 20, dtype=torch.uint8)

    def at_once() -> list[torch.Tensor]:
        return [torch.empty(1 << 20, dtype=torch.uint8) for _ in range(3)]

    device = torch.device("cpu")
    assert peak_bytes(one_after_the_other, device) == 1 << 20
    assert peak_bytes(at_once, device) == 3 << 20

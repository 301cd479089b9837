"""Which tokens a layer is given in each step: the moving lattice, seen from outside."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from expect import HIRES, infotext, todo
from host import Host
from kinds import every_kind, everywhere
from phases_seen import phases
from told import report_of, used

from lib_todo import Settings
from lib_todo.cost.rates import Rates, typical
from lib_todo.cost.speedup import Pass, in_words
from lib_todo.hosts.webui.host import shape_of_file
from lib_todo.plan import with_papers_factors

# 16×16 tokens at 128×128, of which the largest layers alone are pooled
ALONE = {"preset": "close", "factor": 2, "deep_factor": 1, "threshold": 8}
SQUARE = {"width": 128, "height": 128, "steps": 4}
# two by two, each token of every cell once, along the diagonal first
ROUND = [(0, 0), (1, 1), (0, 1), (1, 0)]


@pytest.fixture
def watched(host: Host) -> Host:
    host.watch_positions()
    return host


@everywhere
@pytest.mark.parametrize("size", [(128, 128), (264, 200), (136, 328)], ids=str)
@pytest.mark.parametrize("factor", [2, 3])
def test_each_step_takes_another_whole_lattice(
    watched: Host, factor: int, size: tuple[int, int]
) -> None:
    width, height = size
    watched.txt2img(width=width, height=height, steps=4, **todo(**ALONE | {"factor": factor}))
    calls = watched.probe_positions()
    assert len(calls) == 4 * 5
    assert len({len(call["first"]) for call in calls}) == 1
    taken = [phase for _, phase in phases(calls, factor)]
    assert len(set(taken)) == 4
    assert factor == 3 or taken == ROUND


@every_kind
@pytest.mark.parametrize("sampler", ["Heun", "DPM++ SDE", "DPM2"])
def test_both_evaluations_of_a_step_share_the_phase(watched: Host, sampler: str) -> None:
    watched.txt2img(**SQUARE, sampler_name=sampler, **todo(**ALONE))
    taken = phases(watched.probe_positions())
    assert [number for number, _ in taken] == list(range(7))
    assert [phase for _, phase in taken] == [ROUND[number // 2] for number in range(7)]


@pytest.mark.parametrize(("sampler", "steps", "held"), [("LMS", 4, 0), ("PLMS", 5, 2)])
def test_a_sampler_that_amplifies_what_changes(
    watched: Host, sampler: str, steps: int, held: int
) -> None:
    careful = {"preset": "balanced", "threshold": 8}
    answer = watched.txt2img(**SQUARE | {"steps": steps}, sampler_name=sampler, **todo(**careful))
    taken = [phase for _, phase in phases(watched.probe_positions())]
    told = report_of(answer)["passes"]["first"]["phase_held"]
    assert told == [{"sampler": sampler, "steps": held}]
    # the automatic factor is the paper's there, and told as such
    assert used(infotext(answer)) == {(256, 64)}
    if held:
        assert all(taken[n] == taken[n + 1] for n in range(0, len(taken) - 1, held))
        assert len(set(taken)) > 1
    else:
        assert set(taken) == {(0, 0)}


def by(host: Host, sampler: str, scheduler: str) -> dict[str, Any]:
    """Ten steps of a request; before 1.9 the sampler's name tells, and means Uniform without."""
    # 1.9.0 has schedules, and no list of them
    if host.takes("scheduler"):
        return {"sampler_name": sampler, "scheduler": scheduler, "steps": 10}
    name = f"{sampler} {scheduler}" if scheduler == "Karras" else sampler
    return {"sampler_name": name, "steps": 10}


@every_kind
@pytest.mark.parametrize(
    ("sampler", "scheduler", "rests"),
    [
        ("DPM++ 2M", "Uniform", True),
        ("DPM++ 2M SDE", "Normal", True),
        ("DPM++ 2M", "Karras", False),
        ("Euler", "Uniform", False),
    ],
)
def test_a_multistep_samplers_phase_rests_where_the_noise_level_leaps(
    watched: Host, sampler: str, scheduler: str, rests: bool
) -> None:
    """Of twenty steps Uniform's and Normal's last but one is the leap."""
    sampling = SQUARE | by(watched, sampler, scheduler)
    answer = watched.txt2img(**sampling | {"steps": 20}, **todo(**ALONE))
    taken = [phase for _, phase in phases(watched.probe_positions())]
    moving = taken[:15] if rests else taken
    assert all(one != next_one for one, next_one in itertools.pairwise(moving))
    assert len(set(taken[15:])) == (1 if rests else 4)
    assert report_of(answer)["passes"]["first"]["phase_rests"] == ([sampler] if rests else [])


@every_kind
@pytest.mark.parametrize(("scheduler", "careful"), [("Uniform", 25), ("Karras", 22)])
def test_the_hint_counts_the_papers_steps_as_the_report_does(
    host: Host, scheduler: str, careful: int
) -> None:
    """Asked for eight times the size, where the tiny model's gain shows, at the same ratio."""
    # enough of them that not all have the paper's
    steps = 30
    sampling = by(host, "DPM++ 2M", scheduler) | {"steps": steps}
    asked = {"sampler": sampling["sampler_name"], "scheduler": sampling.get("scheduler")}
    if asked["scheduler"] is None:
        pytest.skip("before 1.9 the page has no schedules, and the hint goes by even noise levels")
    # first, since Forge loads the checkpoint only now
    answer = host.txt2img(**SQUARE | sampling, **todo(preset="balanced", threshold=8))
    grids = report_of(answer)["passes"]["first"]["grids"]
    hint, *_ = host.post("/todo/hint", {"width": 1024, "height": 1024, "steps": steps} | asked)[
        "lines"
    ]
    papers, own = (
        sum(row["calls"] for row in grids if (row["keys_before"], row["keys_after"]) == (256, keys))
        for keys in (64, 36)
    )
    # in five layers
    assert (papers, own) == (5 * careful, 5 * (steps - careful))
    settings = Settings()
    stages = {with_papers_factors(settings): careful / steps, settings: 1 - careful / steps}
    shape = shape_of_file(str(host.kind.folder() / "models/Stable-diffusion/tiny15_a.safetensors"))
    kept = host.data / "todo-machine.json"
    machines = (
        [Rates(**entry) for entry in json.loads(kept.read_text()).values()]
        if kept.exists()
        else typical("cpu")
    )
    gain = Pass(shape, (1024, 1024)).gain(stages, machines)
    assert f"{in_words(gain)} times as fast" in hint


@every_kind
def test_each_pass_and_each_batch_begins_anew(watched: Host) -> None:
    several = HIRES | {"steps": 4, "n_iter": 2}
    watched.txt2img(**several, **todo(**ALONE))
    # by batch: four steps of the first pass, four of the hires pass
    assert phases(watched.probe_positions()) == list(enumerate(ROUND)) * 2

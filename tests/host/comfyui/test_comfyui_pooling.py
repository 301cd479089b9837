"""Tokens and their positions in a real ComfyUI, counted by hooks on the layers' projections."""

from __future__ import annotations

from itertools import groupby

import pytest
from comfyui_host import ComfyHost
from graphs import SAMPLER, TODO, hires, in_halves, text2image
from lattice import counts, grid_of, phase_of, pooled_calls

LONG_PROMPT = "a fox on a beach " * 90
SIZES = {"even": (256, 256), "odd": (264, 200), "wide": (328, 136)}


def fixed(**changed: object) -> tuple:
    return "ToDo", {**TODO[1], "phase": "fixed", **changed}


@pytest.mark.parametrize(("width", "height"), SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("factor", [2, 3])
def test_each_step_takes_one_whole_lattice(
    comfyui: ComfyHost, width: int, height: int, factor: int
) -> None:
    todo = ("ToDo", {**TODO[1], "factor": factor})
    comfyui.run(text2image(todo, width=width, height=height))
    calls = list(pooled_calls(comfyui.record()))
    grid = (height // 8, width // 8)
    assert {call["queries"] for call in calls} == {grid[0] * grid[1]}
    assert len({call["tokens"] for call in calls}) == 1, "the number of keys moves with the phase"
    phases = [phase_of(call["positions"], grid, factor) for call in calls]
    for evaluation, of_one in groupby(zip(calls, phases), key=lambda pair: pair[0]["evaluation"]):
        assert len({phase for _, phase in of_one}) == 1, f"phases mixed in {evaluation}"
    assert len(set(phases)) == 4, "four steps, four phases"
    assert all(call["positions"] == call["last_positions"] for call in calls)


def test_smaller_levels_are_whole(comfyui: ComfyHost) -> None:
    comfyui.run(text2image(TODO))
    assert counts(comfyui.record()) == {(1024, 256), (256, 256), (64, 64)}


def test_fixed_is_the_papers_lattice(comfyui: ComfyHost) -> None:
    comfyui.run(text2image(fixed(), width=264, height=200))
    found = {
        phase_of(call["positions"], grid_of(call["queries"], 264, 200), 2)
        for call in pooled_calls(comfyui.record())
    }
    assert found == {(0, 0)}


@pytest.mark.parametrize("apart", [False, True], ids=["one batch", "apart"])
def test_cond_and_uncond_share_the_phase(comfyui: ComfyHost, apart: bool) -> None:
    graph = text2image(TODO)
    if apart:
        # prompts of lengths too different to be put in one batch
        graph["positive"]["inputs"]["text"] = LONG_PROMPT
    comfyui.run(graph)
    record = comfyui.record()
    assert len(record["sigmas"]) == (8 if apart else 4)
    by_sigma: dict[float, set] = {}
    for call in pooled_calls(record):
        phase = phase_of(call["positions"], (32, 32), 2)
        by_sigma.setdefault(record["sigmas"][call["evaluation"]], set()).add(phase)
    assert [len(phases) for phases in by_sigma.values()] == [1, 1, 1, 1]


# how often each of four steps evaluates the model, where that is not once; the last step of most is
# one of Euler's, and sa_solver_pece corrects each step from its second evaluation on
EVALUATIONS = {
    **dict.fromkeys(
        (
            "heun",
            "exp_heun_2_x0",
            "exp_heun_2_x0_sde",
            "dpm_2",
            "dpm_2_ancestral",
            "dpmpp_2s_ancestral",
            "dpmpp_2s_ancestral_cfg_pp",
            "dpmpp_sde",
            "dpmpp_sde_gpu",
            "seeds_2",
        ),
        (2, 2, 2, 1),
    ),
    "heunpp2": (3, 3, 2, 1),
    "seeds_3": (3, 3, 3, 1),
    "sa_solver_pece": (1, 2, 2, 2),
}
# they go by noise levels of their own, whatever the schedule's steps are
OWN_LEVELS = ("dpm_fast", "dpm_adaptive")


def test_evaluations_of_a_step_share_phase_factor_and_window(comfyui: ComfyHost) -> None:
    """With every sampler: the first of four steps is the lead-in, and the last one is left out."""
    todo = ("ToDo", {**TODO[1], "factor": 0, "scale": 1.5, "end": 0.75})
    for sampler in comfyui.choices("KSampler", "sampler_name"):
        if sampler in OWN_LEVELS:
            continue
        comfyui.forget()
        comfyui.run(text2image(todo, sampler_name=sampler))
        record = comfyui.record()
        of_each = EVALUATIONS.get(sampler, (1, 1, 1, 1))
        steps = [step for step, count in enumerate(of_each) for _ in range(count)]
        assert len(record["sigmas"]) == len(steps), sampler
        taken: dict[int, set] = {}
        for call in record["calls"]:
            if call["queries"] == 32 * 32:
                place = tuple(call["positions"][:2]), call["tokens"]
                taken.setdefault(steps[call["evaluation"]], set()).add(place)
        assert [len(found) for found in taken.values()] == [1, 1, 1, 1], f"{sampler}: {taken}"
        sizes = [found.pop()[1] for found in taken.values()]
        assert sizes[0] == 16 * 16 and sizes[3] == 32 * 32, f"{sampler}: {sizes}"
        assert sizes[1] == sizes[2] < 32 * 32, f"{sampler}: {sizes}"


@pytest.mark.parametrize(
    ("sampler", "scheduler", "rests"),
    [
        ("dpmpp_2m", "normal", True),
        ("res_multistep", "normal", True),
        ("dpmpp_2m", "karras", False),
        ("euler", "normal", False),
    ],
)
def test_a_multistep_samplers_phase_rests_where_the_noise_level_leaps(
    comfyui: ComfyHost, sampler: str, scheduler: str, rests: bool
) -> None:
    """Of ten steps, normal's last but one is the leap."""
    with comfyui.log_since() as lines:
        comfyui.run(text2image(TODO, sampler_name=sampler, scheduler=scheduler, steps=10))
    by_evaluation: dict[int, set] = {}
    for call in pooled_calls(comfyui.record()):
        phase = phase_of(call["positions"], (32, 32), 2)
        by_evaluation.setdefault(call["evaluation"], set()).add(phase)
    taken = [phases.pop() for phases in by_evaluation.values()]
    assert len(taken) == 10
    assert len(set(taken[6:])) == (1 if rests else 4)
    assert len(set(taken[:7])) == 4
    assert any(f"phase held in the last steps for {sampler}" in line for line in lines) is rests


def test_two_halves_of_a_schedule_are_one_sampling(comfyui: ComfyHost) -> None:
    """KSampler (Advanced) from step 0 to 4, and another one from there to 8."""
    with comfyui.log_since() as lines:
        comfyui.run(in_halves(TODO))
    taken = [
        {phase_of(c["positions"], (32, 32), 2) for c in calls}
        for _, calls in groupby(pooled_calls(comfyui.record()), key=lambda c: c["evaluation"])
    ]
    phases = [phase for (phase,) in taken]
    assert len(phases) == 8 and len(set(phases[:4])) == 4
    assert phases[:4] == phases[4:]
    assert len([line for line in lines if "in all 4 steps" in line]) == 2


def test_window_in_steps(comfyui: ComfyHost) -> None:
    comfyui.run(text2image(("ToDo", {**TODO[1], "start": 0.25, "end": 0.75})))
    assert {call["evaluation"] for call in pooled_calls(comfyui.record())} == {1, 2}


def test_two_samplers_with_one_model(comfyui: ComfyHost) -> None:
    comfyui.run(hires(TODO))
    record = comfyui.record()
    assert counts(record) == {(256, 256), (64, 64), (16, 16), (1024, 256)}
    first, second = record["sigmas"][:4], record["sigmas"][4:]
    assert len(second) == 4 and first[0] > second[0]
    phases = [phase_of(c["positions"], (32, 32), 2) for c in pooled_calls(record)]
    assert phases[0] == (0, 0), "the second sampler begins its round anew"


def test_a_second_run_is_the_same_where_the_nodes_are_cached(comfyui: ComfyHost) -> None:
    graph = text2image(TODO)
    comfyui.run(graph)
    first = comfyui.record()
    comfyui.forget()
    graph[SAMPLER]["inputs"]["seed"] = 2
    comfyui.run(graph)
    second = comfyui.record()
    assert [c["positions"] for c in first["calls"]] == [c["positions"] for c in second["calls"]]


def test_the_last_of_two_counts(comfyui: ComfyHost) -> None:
    comfyui.run(text2image(fixed(factor=4), fixed(factor=2)))
    assert counts(comfyui.record()) == {(1024, 256), (256, 256), (64, 64)}

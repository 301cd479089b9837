"""Tokens and their positions in a real ComfyUI, counted by hooks on the layers' projections."""

from __future__ import annotations

import pytest
from comfyui_host import ComfyHost, Graph
from graphs import SAMPLER, TODO, hires, in_halves, text2image
from lattice import counts, latent, phases
from torch import equal

LONG_PROMPT = "a fox on a beach " * 90
SIZES = {"even": (256, 256), "odd": (264, 200), "wide": (328, 136)}
# two by two, each token of every cell once, along the diagonal first
ROUND = [(0, 0), (1, 1), (0, 1), (1, 0)]


@pytest.mark.parametrize(("width", "height"), SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("factor", [2, 3])
def test_each_step_takes_one_whole_lattice_of_the_largest_level(
    comfyui: ComfyHost, width: int, height: int, factor: int
) -> None:
    size = {"width": width, "height": height}
    comfyui.run(text2image(("ToDo", {**TODO[1], "factor": factor}), **size))
    record = comfyui.record()
    largest = (height // 8) * (width // 8)
    pooled = {found for found in counts(record) if found[0] > found[1]}
    assert {queries for queries, _ in pooled} == {largest}
    assert len(pooled) == 1, "the number of keys moves with the phase"
    taken = phases(record, factor)
    assert len(set(taken)) == len(taken) == 4
    comfyui.forget()
    comfyui.run(text2image(("ToDo", {**TODO[1], "phase": "fixed"}), **size))
    assert phases(comfyui.record()) == [(0, 0)] * 4


def test_cond_and_uncond_apart_share_the_phase(comfyui: ComfyHost) -> None:
    """Prompts of lengths too different to be put in one batch."""
    graph = text2image(TODO)
    graph["positive"]["inputs"]["text"] = LONG_PROMPT
    comfyui.run(graph)
    record = comfyui.record()
    assert len(record["sigmas"]) == 8
    assert phases(record) == [phase for phase in ROUND for _ in range(2)]


# how often each of four steps evaluates the model, where that is not once; the last step of most is
# one of Euler's, and sa_solver_pece corrects each step from its second evaluation on
TWICE = (
    *("heun", "exp_heun_2_x0", "exp_heun_2_x0_sde", "dpm_2", "dpm_2_ancestral", "seeds_2"),
    *("dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu"),
)
EVALUATIONS = {
    **dict.fromkeys(TWICE, (2, 2, 2, 1)),
    "heunpp2": (3, 3, 2, 1),
    "seeds_3": (3, 3, 3, 1),
    "sa_solver_pece": (1, 2, 2, 2),
}
# they go by noise levels of their own, whatever the schedule's steps are
OWN_LEVELS = ("dpm_fast", "dpm_adaptive")


def test_evaluations_of_a_step_share_phase_factor_and_window(comfyui: ComfyHost) -> None:
    """With every sampler: the first of four steps is the lead-in, and the last one is left out."""
    todo = ("ToDo", {**TODO[1], "factor": 0, "scale": 1.5, "end": 0.75})
    inputs = comfyui.get("object_info/KSampler").json()["KSampler"]["input"]["required"]
    for sampler in set(inputs["sampler_name"][0]) - set(OWN_LEVELS):
        comfyui.forget()
        comfyui.run(text2image(todo, sampler_name=sampler))
        record = comfyui.record()
        of_each = EVALUATIONS.get(sampler, (1, 1, 1, 1))
        steps = [step for step, count in enumerate(of_each) for _ in range(count)]
        assert len(record["sigmas"]) == len(steps), sampler
        taken: dict[int, set] = {}
        for call in record["calls"]:
            if call["queries"] == 32 * 32:
                place = tuple(call["first"][:2]), call["tokens"]
                taken.setdefault(steps[call["step"]], set()).add(place)
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
    """Of twenty steps, normal's last but one is the leap."""
    graph = text2image(TODO, sampler_name=sampler, scheduler=scheduler, steps=20)
    said = comfyui.said(graph)
    taken = phases(comfyui.record())
    assert len(taken) == 20
    assert (len(set(taken[:15])), len(set(taken[15:]))) == (4, 1 if rests else 4)
    assert any(f"phase held in the last steps for {sampler}" in line for line in said) is rests


def test_each_sampler_begins_its_round_anew(comfyui: ComfyHost) -> None:
    """Two halves of a schedule, and two samplers with one model, of which the second pools."""
    said = comfyui.said(in_halves(TODO))
    assert phases(comfyui.record()) == ROUND * 2
    assert len([line for line in said if "in all 4 steps" in line]) == 2
    comfyui.forget()
    comfyui.run(hires(TODO))
    assert counts(comfyui.record()) == {(256, 256), (64, 64), (16, 16), (1024, 256)}
    assert phases(comfyui.record()) == ROUND


def test_a_window_in_steps_and_a_second_run_where_the_nodes_are_cached(comfyui: ComfyHost) -> None:
    graph = text2image(("ToDo", {**TODO[1], "start": 0.25, "end": 0.75}))
    for seed in (1, 2):
        graph[SAMPLER]["inputs"]["seed"] = seed
        comfyui.forget()
        comfyui.run(graph)
        calls = comfyui.record()["calls"]
        pooled = [call for call in calls if call["tokens"] < call["queries"]]
        assert {call["step"] for call in pooled} == {1, 2}
        assert phases(comfyui.record()) == ROUND[:2]


# at 256 pixels its largest grid is 16×16: attention only at a half and a quarter of the latent
XL = {"threshold": 8, "factor": 2, "deep_factor": 1}


def sdxl(*chain: tuple, **more: object) -> Graph:
    return text2image(*chain, checkpoint="SDXLCheckpoint", **more)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, {(256, 64), (64, 64)}),
        # the preset balanced at twice the trained size: by the paper's 2 in the first quarter of
        # the steps, then by 3 on the largest level and by 2 below it
        ({"factor": 0, "deep_factor": 0}, {(256, 64), (64, 64), (256, 36), (64, 16)}),
        ({"threshold": 16}, {(256, 256), (64, 64)}),
    ],
    ids=["first level", "balanced", "at the trained size"],
)
def test_sdxls_levels(comfyui: ComfyHost, inputs: dict, expected: set) -> None:
    # up to fourteen from noise have the paper's factors
    comfyui.run(sdxl(("ToDo", {**XL, **inputs}), steps=15, scheduler="karras"))
    assert counts(comfyui.record()) == expected


def test_sdxl_at_an_odd_size_and_as_by_hand(comfyui: ComfyHost) -> None:
    """The node that takes every second token by plain indexing has a threshold of 16×16."""
    (said,) = comfyui.said(sdxl(("ToDo", XL), width=296, height=200))
    # 37×25 of the latent, rounded up by halves
    assert counts(comfyui.record()) == {(19 * 13, 10 * 7), (10 * 7, 10 * 7)}
    assert phases(comfyui.record()) == ROUND
    assert "247 → 70 keys in 5 of 17 self-attention layers" in said and "times as fast" in said
    side = {"width": 512, "height": 512}
    found = latent(comfyui, sdxl(("ToDo", {**XL, "threshold": 16, "phase": "fixed"}), **side))
    assert equal(found, latent(comfyui, sdxl(("ByHand", {}), **side)))
    assert not equal(found, latent(comfyui, sdxl(**side)))

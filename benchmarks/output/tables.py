"""The results as Markdown tables, one function for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.output import cells
from benchmarks.parts import calibration, overhead
from benchmarks.peers.methods import DENSE, PAPER, PRESETS
from benchmarks.running.store import Store
from benchmarks.running.timing import Times, ratio
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.speedup import Pass, Stages


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; empty without rows."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if rows else ""


def _machine(store: Store) -> str:
    described = {**store.data["machine"], **store.conditions("unet")}
    rows = [[name.replace("_", " "), str(value)] for name, value in described.items()]
    return table(["what", "value"], rows)


def _overhead(store: Store) -> str:
    rows = [
        [name, *(f"{1e6 * seconds / overhead.LAYERS:+.1f}" for seconds in spread)]
        for name, spread in overhead.added(store).items()
    ]
    heads = [
        f"{overhead.LAYERS} attention layers",
        "µs a layer above off",
        "lower quartile",
        "upper quartile",
    ]
    return table(heads, rows)


def _ratio(upper: Times | None, lower: Times | None) -> str:
    return cells.times(ratio(upper, lower)) if upper and lower else ""


def _beside_dense(store: Store, part: str, head: Sequence[str]) -> str:
    rows = []
    for (*what, size), methods in store.groups(part).items():
        dense = methods.get(DENSE, {}).get("seconds")
        for method, point in methods.items():
            if times := point.get("seconds"):
                # a mark on what the file says is not the method's alone
                mark = " †" if point.get("doubtful") else ""
                numbers = [cells.seconds(times), _ratio(dense, times)]
                where = [", ".join(reversed(what)), f"{size}²", method]
                rows.append([*where, *(number + mark for number in numbers)])
    return table([*head, "pixels", "method", "seconds", "speed-up"], rows)


def predicted(store: Store) -> Iterator[tuple[str, str, str, float, float]]:
    """What, side in pixels, preset, and how many times as fast it is: predicted, and measured.

    First calls of U-Nets, then whole passes, which are of diffusers' with its own attention.
    """
    calls, passes = store.groups("unet"), store.groups("pass")
    for (*implementation, architecture, size), methods in [*calls.items(), *passes.items()]:
        # without a name the backend is PyTorch's own choice
        attention = "".join(implementation).partition(", ")[2]
        rates = calibration.rates(store, *filter(None, [attention]))
        dense = methods.get(DENSE, {}).get("seconds")
        if architecture not in SHAPES or not rates or not dense:
            continue
        part = "unet" if implementation else "pass"
        # the cost model counts pictures, of which each is in a call twice
        images = store.conditions(part)["batch"] // 2 or 1
        whole = Pass(SHAPES[architecture], (int(size), int(size)), "Euler", images=images)
        for method, preset in PRESETS.items():
            if times := methods.get(method, {}).get("seconds"):
                settings = Settings.from_preset(preset)
                stages: Stages = {settings: 1.0}
                if part == "pass":
                    stages = whole.stages(settings)
                gain, _ = whole.gain(stages, [rates])
                what = ", ".join([architecture, *(implementation or ["a pass"])])
                yield what, size, preset, gain, ratio(dense, times).median


def _predictions(store: Store) -> str:
    rows = [
        [what, f"{size}²", preset, f"{gain:.3f}", f"{measured:.3f}", f"{gain / measured:.3f}"]
        for what, size, preset, gain, measured in predicted(store)
    ]
    numbers = ["predicted speed-up", "measured", "prediction / measured"]
    return table(["U-Net", "pixels", "preset", *numbers], rows)


def _quality(store: Store) -> str:
    rows = []
    found = store.under("quality")
    for (side, name), point in sorted(found.items(), key=lambda item: int(item[0][0])):
        if errors := point.get("latent_mse"):
            row = [f"{side}²", name, str(len(errors)), cells.mean(errors, 5)]
            row += [cells.mean(point["psnr"], 1), cells.mean(point["high_frequency"], 3)]
            paper = found.get((side, PAPER), {}).get("latent_mse", [])
            # an error of nothing is no measure
            other = paper and all(paper) and name != PAPER
            rows.append([*row, cells.ratio_of_means(errors, paper, 2) if other else ""])
    head = ["pixels", "method", "seeds", "latents' squared error", "PSNR, dB", "fine detail"]
    return table([*head, "error / the paper's"], rows)


def _beside_paper(store: Store, part: str, measure: str) -> str:
    """Errors with each sampler, divided by the paper's with the same one."""
    rows, points = [], store.under(part)
    others = list(dict.fromkeys(key[2] for key in points if key[2] != PAPER))
    for side, name in dict.fromkeys(key[:2] for key in points):
        if paper := points.get((side, name, PAPER), {}).get(measure):
            row = [f"{side}²", name, str(len(paper)), cells.mean(paper, 5)]
            for method in others:
                errors = points.get((side, name, method), {}).get(measure)
                row.append(cells.ratio_of_means(errors, paper, 2) if errors and all(paper) else "")
            rows.append(row)
    head = ["pixels", "sampler", "seeds", "the paper's error", *(f"{m} / it" for m in others)]
    return table(head, rows)


def _notes(store: Store) -> str:
    rows = [[name.replace(" | ", ", "), text] for name, text in store.data["notes"].items()]
    return table(["left out", "why"], rows)


def all_tables(store: Store) -> dict[str, str]:
    """Markdown tables by name; those without numbers are empty."""
    return {
        "machine": _machine(store),
        "calls": _beside_dense(store, "unet", ["U-Net"]),
        "passes": _beside_dense(store, "pass", ["U-Net"]),
        "overhead": _overhead(store),
        "predictions": _predictions(store),
        "quality": _quality(store),
        "samplers": _beside_paper(store, "samplers", "latent_mse"),
        # measured through a WebUI's API, before ComfyUI's matrix took its place
        "webui_samplers": _beside_paper(store, "WebUI samplers", "picture_mse"),
        "notes": _notes(store),
    }

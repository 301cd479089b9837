"""The results as Markdown tables, one function for each."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.output import cells, preset_targets, targets
from benchmarks.output.pages import table
from benchmarks.parts import calibration, overhead, samplers
from benchmarks.peers.names import DENSE, IDEAL, TODO, attention_of
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.speedup import of_step
from lib_todo.plan import latent_grid


def _machine(store: Store) -> str:
    described = {**store.data["machine"], **store.conditions("unet")}
    rows = [[name.replace("_", " "), str(value)] for name, value in described.items()]
    return table(["what", "value"], rows)


def _overhead(store: Store) -> str:
    added = overhead.added(store)
    if added is None:
        return ""
    row = "{:.1f} ({:.1f} to {:.1f})".format(
        *(1e6 * seconds for seconds in (added.median, added.low, added.high))
    )
    return table(["a layer that passes through", "µs"], [["median (least to greatest)", row]])


def _layers(store: Store) -> str:
    head = ["layer", "tokens", "method", "seconds", "speed-up", "of ideal's time", "peak MiB"]
    rows = []
    for (name, kernel, side), methods in store.groups("layer").items():
        for method, point in methods.items():
            if not point.get("seconds"):
                continue
            row = [f"{name} ({kernel})", f"{side}²", method, cells.seconds(point["seconds"])]
            for other, upside_down in ((DENSE, False), (IDEAL, True)):
                base = methods.get(other, {}).get("seconds")
                pair = (point["seconds"], base) if upside_down else (base, point["seconds"])
                row.append(cells.times(ratio(*pair)) if base else "")
            rows.append([*row, cells.mebibytes(point)])
    return table(head, rows) if rows else ""


def _pooling(store: Store) -> str:
    head = ["layer", "tokens", "method", "ms of pooling", "share of the pooled layer's time"]
    layers = store.groups("layer")
    rows = []
    for (name, side), methods in store.groups("pooling").items():
        for method, point in methods.items():
            alone = statistics.median(point["seconds"].values())
            whole = [
                statistics.median(group[f"ToDo {method}"]["seconds"].values())
                for (layer, _, tokens), group in layers.items()
                if (layer, tokens) == (name, side)
                and group.get(f"ToDo {method}", {}).get("seconds")
            ]
            # of the layer with the fastest attention backend
            share = f"{100 * alone / min(whole):.2f}%" if whole else ""
            rows.append([name, f"{side}²", method, f"{1000 * alone:.2f}", share])
    return table(head, rows) if rows else ""


def _calls(store: Store) -> str:
    head = ["U-Net", "pixels", "method", "seconds", "speed-up", "its time / ToDo's"]
    rows = []
    for (implementation, architecture, size), methods in store.groups("unet").items():
        base = methods.get(DENSE, {}).get("seconds")
        ours = methods.get(TODO, {}).get("seconds")
        for method, point in methods.items():
            row = [f"{architecture}, {implementation}", f"{size}²", method]
            times = point.get("seconds")
            if not times:
                continue
            row.append(cells.seconds(times))
            row.append(cells.times(ratio(base, times)) if base else "")
            row.append(cells.times(ratio(times, ours)) if ours and method != TODO else "")
            rows.append(row)
    return table(head, rows) if rows else ""


def _passes(store: Store) -> str:
    return _beside_dense(store, "pass", ["U-Net", "pixels", "method", "seconds of a pass"])


def _generations(store: Store) -> str:
    return _beside_dense(store, "generation", ["through", "pixels", "method", "seconds"])


def _beside_dense(store: Store, part: str, head: Sequence[str]) -> str:
    rows = []
    for (what, size), methods in store.groups(part).items():
        base = methods.get(DENSE, {}).get("seconds")
        for method, point in methods.items():
            speed_up = cells.times(ratio(base, point["seconds"])) if base else ""
            # a mark on what the file says is not the method's alone
            mark = " †" if point.get("doubtful") else ""
            seconds = cells.seconds(point["seconds"]) + mark
            rows.append([what, f"{size}²", method, seconds, speed_up + mark])
    return table([*head, "speed-up"], rows) if rows else ""


def _memory(store: Store) -> str:
    head = ["U-Net", "pixels", "method", "peak MiB", "of dense"]
    rows = []
    for (implementation, architecture, size), methods in store.groups("unet").items():
        dense = methods.get(DENSE, {}).get("peak_bytes")
        for method, point in methods.items():
            peak = point.get("peak_bytes")
            if peak and dense:
                share = f"{100 * peak / dense:.1f}%"
                where = [f"{architecture}, {implementation}", f"{size}²", method]
                rows.append([*where, cells.mebibytes(point), share])
    return table(head, rows) if rows else ""


def predicted(store: Store) -> Iterator[tuple[str, str, float, float]]:
    """U-Net, side in pixels, and how many times as fast ToDo is: predicted, and measured."""
    settings = Settings.from_preset("paper")
    for (implementation, architecture, size), methods in store.groups("unet").items():
        rates = calibration.rates(store, attention_of(implementation))
        times = [methods.get(name, {}).get("seconds") for name in (DENSE, TODO)]
        if architecture in SHAPES and rates and rates.attention and all(times):
            latent, batch = latent_grid(int(size), int(size)), store.conditions("unet")["batch"]
            # the cost model counts pictures, of which each is in a call twice
            gain, _ = of_step(SHAPES[architecture], latent, settings, [rates], batch // 2 or 1)
            yield f"{architecture}, {implementation}", size, gain, ratio(*times).median


def _predictions(store: Store) -> str:
    head = ["U-Net", "pixels", "predicted speed-up", "measured", "prediction / measured"]
    rows = [
        [unet, f"{size}²", f"{gain:.3f}", f"{measured:.3f}", f"{gain / measured:.3f}"]
        for unet, size, gain, measured in predicted(store)
    ]
    return table(head, rows) if rows else ""


def _targets(store: Store) -> str:
    rows = targets.rows(store)
    return table(["target", "measured", "wanted", ""], rows) if rows else ""


def _preset_targets(store: Store) -> str:
    rows = preset_targets.rows(store)
    return table(["target", "measured", "wanted", ""], rows) if rows else ""


def _quality(store: Store) -> str:
    head = ["pixels", "method", "seeds", "latents' squared error", "PSNR, dB", "fine detail"]
    head.append("error / nearest's")
    rows = []
    found = store.under("quality")
    for (side, name), point in sorted(found.items(), key=lambda item: int(item[0][0])):
        errors = point.get("latent_mse")
        if not errors:
            continue
        row = [f"{side}²", name, str(len(errors)), cells.mean(errors, 5)]
        row += [cells.mean(point["psnr"], 1), cells.mean(point["high_frequency"], 3)]
        nearest = found.get((side, "ToDo nearest"), {}).get("latent_mse", [])
        # an error of nothing is no measure
        other = nearest and all(nearest) and name != "ToDo nearest"
        rows.append([*row, cells.ratio_of_means(errors, nearest, 2) if other else ""])
    return table(head, rows) if rows else ""


def _samplers(store: Store) -> str:
    return _beside_paper(store, "samplers", "latent_mse", samplers.COMPARED[1:])


def _webui_samplers(store: Store) -> str:
    compared = [name for name in samplers.IN_WEBUI.values() if name != samplers.PAPER]
    return _beside_paper(store, "WebUI samplers", "picture_mse", compared)


def _beside_paper(store: Store, part: str, measure: str, compared: Sequence[str]) -> str:
    rows = []
    for side, name in dict.fromkeys(key[:2] for key in store.under(part)):
        points = store.under(part, side, name)
        paper = points.get((samplers.PAPER,), {}).get(measure)
        if not paper:
            continue
        row = [f"{side}²", name, str(len(paper)), cells.mean(paper, 5)]
        for method in compared:
            errors = points.get((method,), {}).get(measure)
            row.append(cells.ratio_of_means(errors, paper, 2) if errors and all(paper) else "")
        rows.append(row)
    head = ["pixels", "sampler", "seeds", "the paper's error", *(f"{m} / it" for m in compared)]
    return table(head, rows) if rows else ""


def _notes(store: Store) -> str:
    rows = [[name.replace(" | ", ", "), text] for name, text in store.left_out().items()]
    return table(["left out", "why"], rows) if rows else ""


def all_tables(store: Store) -> dict[str, str]:
    """Markdown tables by name; those without numbers are empty."""
    return {
        "machine": _machine(store),
        "targets": _targets(store),
        "preset_targets": _preset_targets(store),
        "calls": _calls(store),
        "passes": _passes(store),
        "generations": _generations(store),
        "memory": _memory(store),
        "layers": _layers(store),
        "pooling": _pooling(store),
        "overhead": _overhead(store),
        "predictions": _predictions(store),
        "quality": _quality(store),
        "samplers": _samplers(store),
        "webui_samplers": _webui_samplers(store),
        "notes": _notes(store),
    }

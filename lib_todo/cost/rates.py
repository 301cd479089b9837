"""How fast a machine runs a U-Net's operations: measured and kept, or a range where it was not."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

log = logging.getLogger(__name__)

# devices that are measured without being asked: it takes a second, and they can be waited for
QUICK = ("cuda", "xpu", "mps")
# setups whose measurement failed; it is not tried again in this process
_failed: set[str] = set()
ROUNDS = 3
# channels per head: SD 1.x's three levels, and SDXL's and SD 2.x's everywhere
HEAD_WIDTHS = (40, 64, 80, 160)
HEADS = 8
# of the largest grid, in tokens: on a CPU SD 1.x's at 768 pixels, where each shape takes some
# tenths of a second; larger on a GPU, so that a kernel takes longer than Python needs to launch it
SIDES = {"cpu": 96, "gpu": 192}

# a call, and its number of operations or bytes
Workload = tuple[Callable[[], Any], int]
# tokens as [batch, tokens, channels] and a number of heads; what comes out is not looked at
Attend = Callable[[torch.Tensor, int], Any]


@dataclasses.dataclass(frozen=True)
class Rates:
    """Operations a second of matrix products and of attention, and bytes a second moved.

    `attention` is by channels per head, since few of them use the hardware less well; they are
    texts, as in JSON. `launch` is the seconds that Python takes to begin an operation, while a GPU
    works on those before; 0 on a CPU, where it is nothing beside the work. `itemsize` is the bytes
    per number in the precision, `measured` the day of the measurement; empty without.
    """

    products: float
    attention: Mapping[str, float]
    bytes: float
    launch: float
    itemsize: int
    measured: str = ""

    def attention_of(self, head_width: int) -> float:
        """The rate of attention with about that many channels per head."""
        return self.attention[min(self.attention, key=lambda width: abs(int(width) - head_width))]


def typical(device_type: str) -> tuple[Rates, Rates]:
    """Two machines that others lie between: what is promised before a measurement is a range.

    On CPUs an operation in attention takes one to three times as long as one in a matrix product.
    Of GPUs the first is faster than most programs that launch its kernels, the second slower. All
    of docs/measurements lies between the two, which tests/unit/cost/test_speedup.py checks.
    """
    if device_type == "cpu":
        return Rates(50e9, {"64": 50e9}, 1e9, 0, 4), Rates(50e9, {"64": 50e9 / 3}, 1e9, 0, 4)
    fast = Rates(650e12, {"64": 650e12}, 1.9e12, 75e-6, 2)
    return fast, Rates(40e12, {"40": 25e12, "64": 40e12}, 0.8e12, 0, 2)


def fused_attention(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """PyTorch's own choice of a kernel."""
    # laid out in memory as in U-Nets: heads next to each other within a token
    split = tokens.unflatten(2, (heads, -1)).transpose(1, 2)
    return F.scaled_dot_product_attention(split, split, split)


def measure(device: torch.device, dtype: torch.dtype, attend: Attend = fused_attention) -> Rates:
    """Measure the rates: about a second on a GPU, several on a CPU."""
    like: dict[str, Any] = {"device": device, "dtype": dtype}
    side = SIDES["cpu" if device.type == "cpu" else "gpu"]
    rows = side**2
    linear = (rows, 320, 2560), (rows, 1280, 320), (rows // 4, 640, 640), (rows // 16, 1280, 10240)
    convolved = ((side, 320), (side // 2, 640), (side // 4, 1280))
    with torch.inference_mode():
        products = [_product(nn.Linear(i, o, **like), tokens, i) for tokens, i, o in linear]
        products += [
            _product(nn.Conv2d(width, width, 3, padding=1, **like), 1, width, size, size)
            for size, width in convolved
        ]
        return Rates(
            products=_rate(products, device),
            attention={
                str(width): _rate([_attention(rows * 4 // 9, width, attend, **like)], device)
                for width in HEAD_WIDTHS
            },
            bytes=_rate([_moves(*size, **like) for size in convolved[:2]], device),
            launch=0 if device.type == "cpu" else _launch(**like),
            itemsize=torch.empty(0, dtype=dtype).element_size(),
            measured=time.strftime("%Y-%m-%d"),
        )


def _product(layer: nn.Linear | nn.Conv2d, *shape: int) -> Workload:
    x = layer.weight.new_empty(shape).normal_()
    # a multiply-add for each weight of a result's channel
    return lambda: layer(x), 2 * layer(x).numel() * layer.weight[0].numel()


def _attention(count: int, head_width: int, attend: Attend, **like: Any) -> Workload:
    tokens = torch.randn(1, count, HEADS * head_width, **like)
    return lambda: attend(tokens, HEADS), 4 * count**2 * HEADS * head_width


def _moves(side: int, channels: int, **like: Any) -> Workload:
    """One elementwise operation of each kind that the cost model counts, and their bytes."""
    image = torch.randn(1, channels, side, side, **like)
    tokens = torch.randn(1, side * side, channels, **like)
    wide = torch.randn(1, side * side, 8 * channels, **like)

    def run() -> None:
        F.silu(F.group_norm(image, 32)) + image
        F.layer_norm(tokens, (channels,)) + tokens
        left, right = wide.chunk(2, dim=-1)
        left * F.gelu(right)

    passes = 3 + 2 + 3 + 3 + 3 + 20
    return run, passes * image.numel() * image.element_size()


def _rate(work: Iterable[Workload], device: torch.device) -> float:
    calls, amounts = zip(*work)
    return sum(amounts) / _seconds(lambda: [call() for call in calls], device)


def _launch(**like: Any) -> float:
    """Seconds of Python for one operation as the cost model counts them.

    Measured by a layer so small that only Python counts. On a CPU, ldm's U-Net took 64 µs for each
    operation that cost.unet counts, and this layer 200 µs: as long as three.
    """
    layer = nn.TransformerEncoderLayer(32, 4, 128, dropout=0, batch_first=True, **like)
    tokens = torch.randn(2, 16, 32, **like)
    # so many that waiting for the GPU's last one is nothing beside them
    return _seconds(lambda: [layer(tokens) for _ in range(30)], like["device"]) / 30 / 3


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    """The median after a first call."""
    on_cpu = device.type == "cpu"
    wait = (lambda: None) if on_cpu else getattr(torch, device.type).synchronize
    # on a CPU only this process's time: other processes slow all kinds of work alike
    clock = time.process_time if on_cpu else time.perf_counter
    times = []
    call()
    for _ in range(ROUNDS):
        wait()
        start = clock()
        call()
        wait()
        times.append(clock() - start)
    return statistics.median(times)


def default_file() -> Path:
    """Where a program without settings of its own keeps its rates."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sd-webui-todo" / "machine.json"


@dataclasses.dataclass(frozen=True)
class Machine:
    """A device in a precision; `attention` is the name of `attend`, and `file` keeps the rates."""

    device: torch.device
    dtype: torch.dtype
    file: Path = dataclasses.field(default_factory=default_file)
    attend: Attend = fused_attention
    attention: str = "scaled_dot_product_attention"

    @property
    def key(self) -> str:
        """What the rates depend on."""
        backend = getattr(torch, self.device.type, None)
        named = getattr(backend, "get_device_name", lambda device: device.type)(self.device)
        precision = str(self.dtype).removeprefix("torch.")
        return f"{named}, {precision}, {self.attention}, torch {torch.__version__}"

    def rates(self) -> Rates | None:
        """The rates that were measured; None without."""
        with contextlib.suppress(KeyError, TypeError):
            return Rates(**read(self.file)[self.key])
        return None

    def measure(self) -> None:
        """Measure now, and write it to the file."""
        found = dataclasses.asdict(measure(self.device, self.dtype, self.attend))
        write(self.file, {**read(self.file), self.key: found})

    def measure_once(self) -> None:
        """Measure where that is quick, and was not done before."""
        if self.device.type not in QUICK or self.key in _failed or self.rates():
            return
        try:
            self.measure()
        except (RuntimeError, OSError) as error:
            # memory that the picture needs, or a folder that cannot be written to
            _failed.add(self.key)
            log.warning("The GPU's speed was not measured: %s", error)

    def candidates(self) -> Sequence[Rates]:
        """The measured rates alone, or two machines between which this one may lie."""
        found = self.rates()
        return [found] if found else typical(self.device.type)


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The entries of the file; none where it cannot be read, and without what somebody changed."""
    try:
        found = json.loads(file.read_text("utf-8"))
        return {key: entry for key, entry in found.items() if isinstance(entry, dict)}
    except (OSError, ValueError, AttributeError):
        return {}


def write(file: Path, content: dict[str, Any]) -> None:
    """Replace the file's content at once, so that no reader finds half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    os.replace(new, file)

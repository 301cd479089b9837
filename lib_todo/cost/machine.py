"""The rates of the machine in use: measured once, and kept in a file by all that they depend on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from . import rates
from .rates import Attend, Rates, fused_attention

log = logging.getLogger(__name__)

# devices that are measured without being asked: it takes a second, and they can be waited for
QUICK = ("cuda", "xpu", "mps")
# setups whose measurement failed; it is not tried again in this process
_failed: set[str] = set()


def default_file() -> Path:
    """Where a program without settings of its own keeps its rates."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sd-webui-todo" / "machine.json"


@dataclasses.dataclass(frozen=True)
class Machine:
    """A device in a precision; `attention` is the name of the attention that is used on it."""

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
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return Rates.from_dict(read(self.file)[self.key])
        return None

    def measure(self) -> None:
        """Measure now, and write it to the file."""
        found = dataclasses.asdict(rates.measure(self.device, self.dtype, self.attend))
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
        return [found] if found else rates.typical(self.device.type)


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The entries of the file; none where it cannot be read, and without what somebody changed."""
    try:
        found = dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
    return {key: entry for key, entry in found.items() if isinstance(entry, dict)}


def write(file: Path, content: dict[str, Any]) -> None:
    """Replace the file's content at once, so that no reader finds half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    os.replace(new, file)

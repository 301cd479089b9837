"""The library imports no host, its imports run one way, and it may have two names."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ldm_models import image, run, spatial_transformer, text

import lib_todo

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted((ROOT / "lib_todo").rglob("*.py"))
    if path.stem != "__init__"
}
PURE = ("lib_todo.hosts.webui.request",)


def test_the_library_and_the_pure_parts_of_the_face_import_no_host() -> None:
    names = ", ".join(name for name in FILES if ".hosts." not in name or name in PURE)
    code = f"import json, sys, {names}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seen = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert "torch" in seen
    # modules of hosts and of the programs whose classes are intercepted
    foreign = "modules gradio fastapi ldm sgm backend ldm_patched comfy diffusers"
    assert seen & set(foreign.split()) == set()


# what each folder may import from the library, besides itself
ARROWS = {
    "rule": (),
    "interception": ("rule",),
    "runs": ("rule", "interception"),
    "downsampling": ("rule", "interception", "runs"),
    "cost": ("rule",),
    "hosts": ("rule", "interception", "runs", "downsampling", "cost"),
}


def folder_of(module: str) -> str:
    """The folder of a module, or "rule" for the files at the root."""
    first = module.split(".")[1]
    return first if first in ARROWS else "rule"


def imported_by(path: Path) -> set[str]:
    """The library's modules that a file imports, at the top or inside of anything."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    tree = ast.parse(path.read_text())
    # names that only types use may point the other way
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("lib_todo") for name in node.names), path
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("lib_todo"), f"{path}: not relative"
            if node.level:
                base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
                base = [part for part in base if part]
                found |= {".".join([*base, name.name]) for name in node.names}
    return found


@pytest.mark.parametrize("module", FILES)
def test_the_arrows_run_one_way(module: str) -> None:
    own, names = folder_of(module), imported_by(FILES[module])
    assert {name for name in names if folder_of(name) not in (own, *ARROWS[own])} == set()


@pytest.fixture
def other() -> Iterator[Any]:
    """The library in ComfyUI's package, which has a path for a name."""
    name = "/some/where/custom_nodes/sd-webui-todo"
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(ROOT)]
    yield importlib.import_module(f"{name}.lib_todo")
    for found in [found for found in sys.modules if found.startswith(name)]:
        del sys.modules[found]


def test_each_pools_for_those_who_entered_it_alone(other: Any) -> None:
    assert other.Settings is not lib_todo.Settings
    model, x, context = spatial_transformer(), image(8, 8), text()
    plain, outs = run(model, x, context), []
    for library in (lib_todo, other):
        with library.token_downsampling(library.Settings(factor=2, threshold=4)) as report:
            outs.append(run(model, x, context))
        assert {pair: tally.calls for pair, tally in report.pooled.items()} == {(64, 16): 1}
    assert torch.equal(*outs)
    assert not torch.equal(outs[0], plain)
    assert torch.equal(run(model, x, context), plain)

"""The model classes of Forge and its relatives, without the WebUI around them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest
from host import REPOSITORY
from kinds import FORGES, Kind

from lib_todo.interception.families import COMFY_PARAMETERS, FAMILIES, Place

pytestmark = pytest.mark.kinds(*FORGES)
SCRIPT = Path(__file__).resolve().parent / "models_alone.py"


def forward_parameters(folder: Path, place: Place) -> list[str]:
    """The parameters of a class's `forward`, as they are written in the host's folder."""
    module, cls = place
    source = folder.joinpath(*module.split(".")).with_suffix(".py")
    (found,) = [
        node
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == cls
    ]
    (forward,) = [
        node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "forward"
    ]
    return [argument.arg for argument in forward.args.args[1:]]


def test_the_table_has_the_hosts_signatures(kind: Kind) -> None:
    (family,) = [each for each in FAMILIES if each.name == kind.family]
    folder = kind.folder()
    (attention,) = family.attentions
    names = forward_parameters(folder, attention)
    assert names == list(COMFY_PARAMETERS[: len(names)])
    assert names[:4] == ["x", "context", "value", "mask"]
    (transformer,) = family.transformers
    assert forward_parameters(folder, transformer)[:2] == ["x", "context"]
    for model in family.models:
        assert forward_parameters(folder, model)[1] == family.timestep


def test_the_unets_of_sd_1_and_sd_2_are_pooled(kind: Kind) -> None:
    done = subprocess.run(
        [kind.python(), SCRIPT, REPOSITORY, kind.arguments.split()[0]],
        cwd=kind.folder(),
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    expected = {"pooled": [[256, 64], [64, 16]], "downscales": [1, 2]}
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {"unet": expected, "unet 2.x": expected}

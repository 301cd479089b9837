"""The library stands alone: outside of webui/ it imports no host, no gradio, no FastAPI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# what the WebUI has in sys.modules, and what the families' classes live in
FOREIGN = (
    "modules",
    "gradio",
    "fastapi",
    "ldm",
    "sgm",
    "backend",
    "ldm_patched",
    "comfy",
    "diffusers",
)
ALONE = sorted(
    f"lib_todo.{path.stem}"
    for path in (ROOT / "lib_todo").glob("*.py")
    # this one is for diffusers' users, and is imported by nobody else
    if path.stem not in ("__init__", "diffusers_progress")
)
PURE = ("lib_todo.webui.infotext", "lib_todo.webui.arguments")


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh Python has imported after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_the_list_of_files_is_not_empty() -> None:
    assert {"lib_todo.hijack", "lib_todo.plan", "lib_todo.settings"} <= set(ALONE)


def test_the_library_and_the_pure_parts_of_the_face_import_no_host() -> None:
    seen = modules_after(f"import lib_todo, {', '.join([*ALONE, *PURE])}")
    assert "torch" in seen
    assert seen & set(FOREIGN) == set()


def test_the_public_names() -> None:
    import lib_todo

    public = ["Report", "Settings", "SettingsError", "pool_tokens", "token_downsampling"]
    assert sorted(lib_todo.__all__) == public
    assert all(hasattr(lib_todo, name) for name in public)

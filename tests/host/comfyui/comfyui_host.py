"""Start a real ComfyUI on the CPU and talk to it; its folder is only read."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from program import HostError, Installed, Program

COMFYUI = Installed("ComfyUI", "COMFYUI", ("main.py",))
REPOSITORY = Path(__file__).resolve().parents[3]
DEMO_NODES = Path(__file__).resolve().parent / "demo_nodes"
# the first call of a compiled model takes minutes
PROMPT_SECONDS = 900
# what the example workflows ask for
CHECKPOINTS = ("v1-5-pruned-emaonly.safetensors", "sd_xl_base_1.0.safetensors")
ARGUMENTS = (
    "--cpu --listen 127.0.0.1 --disable-api-nodes --database-url sqlite:///:memory: "
    "--use-pytorch-cross-attention --disable-auto-launch"
).split()

Graph = dict[str, dict[str, Any]]


class ComfyHost(Program):
    """One running ComfyUI with the test nodes; use it as a context manager."""

    name = "ComfyUI"

    def __init__(self, data: Path, with_todo: bool = True) -> None:
        super().__init__(data)
        self._folder = COMFYUI.folder()
        self.with_todo = with_todo

    def queue(self, graph: Graph) -> requests.Response:
        """POST /prompt, whatever the answer is."""
        # json.dumps writes NaN, which requests' own would refuse
        body = json.dumps({"prompt": graph})
        header = {"Content-Type": "application/json"}
        return requests.post(f"{self.url}/prompt", data=body, headers=header, timeout=30)

    def run(self, graph: Graph) -> Mapping[str, Any]:
        """The history entry of a run that worked. Raises HostError with what went wrong."""
        answer = self.queue(graph)
        if answer.status_code != 200:
            raise HostError(f"{answer.status_code}: {answer.text}")
        entry = self._wait_for(answer.json()["prompt_id"])
        if entry["status"]["status_str"] != "success":
            raise HostError(str(entry["status"]["messages"]))
        return entry

    def said(self, graph: Graph) -> list[str]:
        """Run it; the lines of ToDo in the log."""
        with self.log_since() as lines:
            self.run(graph)
        return [line for line in lines if "ToDo" in line]

    def file(self, entry: Mapping[str, Any], node: str, kind: str) -> bytes:
        """The first file of that kind ("images", "latents") that a node of the run saved."""
        where = entry["outputs"][node][kind][0]
        return (self.data / "output" / where["subfolder"] / where["filename"]).read_bytes()

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/{path}", timeout=60)

    def forget(self) -> None:
        """Begin a new record of what the self-attention layers are handed."""
        requests.delete(f"{self.url}/tests/calls", timeout=30).raise_for_status()

    def record(self) -> dict[str, Any]:
        """{"calls": [...], "sigmas": [...]} since `forget`; see demo_nodes/watch.py."""
        return dict(self.get("tests/calls").json())

    def free_memory(self) -> None:
        """Have every node run again the next time: the host forgets what it has cached."""
        body = {"unload_models": True, "free_memory": True}
        requests.post(f"{self.url}/free", json=body, timeout=30).raise_for_status()

    def _lay_out_data(self) -> None:
        nodes = self.data / "custom_nodes"
        nodes.mkdir(parents=True)
        (nodes / "demo_nodes").symlink_to(DEMO_NODES)
        # that a workflow's picture shows no missing file; nobody loads them
        checkpoints = self.data / "models" / "checkpoints"
        checkpoints.mkdir(parents=True)
        for name in CHECKPOINTS:
            (checkpoints / name).touch()
        if self.with_todo:
            (nodes / "sd-webui-todo").symlink_to(REPOSITORY)

    def _command(self) -> list[str]:
        where = ["--port", str(self.port), "--base-directory", str(self.data)]
        return [str(COMFYUI.python()), "main.py", *ARGUMENTS, *where]

    def _is_up(self) -> bool:
        return self.get("system_stats").ok

    def _wait_for(self, prompt_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + PROMPT_SECONDS
        while time.monotonic() < deadline:
            history = self.get(f"history/{prompt_id}").json()
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.05)
        raise HostError(f"no end of the run in {PROMPT_SECONDS} s:\n{self.log_tail()}")

"""A test-only extension: lets Forge and reForge recognise the tiny random checkpoints.

They tell a model by the exact shape of its U-Net, and build text encoders and VAE from JSON of
theirs. Tables and JSON are replaced in memory, before the first model is loaded; no file of theirs
is changed. Real checkpoints are then not recognised any more in that process.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

CLIP_L = {"num_hidden_layers": 2, "intermediate_size": 768}
CLIP_G = {
    "num_hidden_layers": 10,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_attention_heads": 4,
    "projection_dim": 256,
}
VAE = {"block_out_channels": [32, 64, 128, 128], "layers_per_block": 1}
# the same in the words of ldm
LDM_VAE = {"ch": 32, "num_res_blocks": 1}
UNETS = {
    "SD15": {"model_channels": 32},
    "SDXL": {
        "model_channels": 32,
        "context_dim": 1024,
        "adm_in_channels": 1792,
        "transformer_depth": [0, 0, 2, 2, 2, 2],
    },
}


def narrow(path: Path, changes: dict[str, Any]) -> None:
    """Change entries of a JSON file (a copy of the host's), where there is one."""
    if path.is_file():
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def narrow_unets(models: Any) -> None:
    for name, changes in UNETS.items():
        cls = getattr(models, name)
        cls.unet_config = {**cls.unet_config, **changes}


def prepare_forge(models: Any, folder: Path) -> None:
    """`models` is huggingface_guess.model_list; every model names a folder of JSON files."""
    narrow_unets(models)
    stock = Path(sys.modules["backend.args"].__file__).parent / "huggingface"
    for name in UNETS:
        cls = getattr(models, name)
        copy = folder / cls.huggingface_repo
        shutil.copytree(stock / cls.huggingface_repo, copy)
        narrow(copy / "text_encoder" / "config.json", CLIP_L)
        narrow(copy / "text_encoder_2" / "config.json", CLIP_G)
        narrow(copy / "vae" / "config.json", VAE)
        # the host joins it to its own folder, and there an absolute path wins
        cls.huggingface_repo = str(copy)


def prepare_reforge(models: Any, folder: Path) -> None:
    """`models` is ldm_patched.modules.supported_models."""
    from ldm_patched.modules import sd, sd1_clip

    narrow_unets(models)
    for name, changes in (("sd1_clip_config.json", CLIP_L), ("clip_config_bigg.json", CLIP_G)):
        shutil.copy(Path(sd1_clip.__file__).parent / name, folder)
        narrow(folder / name, changes)
    init, autoencoder = sd1_clip.SDClipModel.__init__, sd.AutoencoderKL

    def tiny_init(self: Any, *args: Any, **kwargs: Any) -> None:
        given = kwargs.get("textmodel_json_config")
        kwargs["textmodel_json_config"] = str(folder / Path(given or "sd1_clip_config.json").name)
        if kwargs.get("layer") == "hidden" and given is None:
            # the host wants fewer layers from the end than there are: two
            kwargs["layer_idx"] = -1
        init(self, *args, **kwargs)

    def tiny_autoencoder(ddconfig: dict[str, Any], embed_dim: int) -> Any:
        return autoencoder(ddconfig={**ddconfig, **LDM_VAE}, embed_dim=embed_dim)

    sd1_clip.SDClipModel.__init__ = tiny_init
    sd.AutoencoderKL = tiny_autoencoder


def prepare() -> None:
    """Prepare whichever host this is, once in a process; a UI reload runs this file again."""
    for name, prepare_host in (
        ("huggingface_guess.model_list", prepare_forge),
        ("ldm_patched.modules.supported_models", prepare_reforge),
    ):
        models = sys.modules.get(name)
        if models is not None and not hasattr(models, "todo_tiny_shapes"):
            models.todo_tiny_shapes = tempfile.mkdtemp(prefix="tiny-shapes-")
            prepare_host(models, Path(models.todo_tiny_shapes))


prepare()

"""The built-in model: its files, loading it offline, and converting it for A1111."""

import importlib
import json
from pathlib import Path

import pytest
import torch

safetensors = pytest.importorskip("safetensors.torch", reason="needs safetensors")
convert = importlib.import_module("demo.training.convert")

MODEL = convert.MODEL
PARTS = tuple(convert.PREFIXES)
LIMIT = 40_000_000

pytestmark = pytest.mark.skipif(
    not (MODEL / "model_index.json").exists(), reason="demo/model is not in this checkout"
)


def config_of(part: str) -> dict:
    return json.loads((MODEL / part / "config.json").read_text("utf-8"))


def weights_of(part: str) -> dict[str, torch.Tensor]:
    return safetensors.load_file(next((MODEL / part).glob("*.safetensors")))


@pytest.fixture(scope="module")
def pipe():
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers")
    pytest.importorskip("transformers", reason="needs transformers")
    loaded = diffusers.StableDiffusionPipeline.from_pretrained(
        MODEL, safety_checker=None, local_files_only=True
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return convert.convert(MODEL, tmp_path_factory.mktemp("a1111"))


def test_the_folder_is_at_most_40_mb():
    assert sum(f.stat().st_size for f in MODEL.rglob("*") if f.is_file()) <= LIMIT


@pytest.mark.parametrize("part", PARTS)
def test_weights_are_finite_and_half_precision(part):
    for name, weight in weights_of(part).items():
        assert weight.dtype == torch.float16, name
        assert weight.isfinite().all(), name


def test_attention_at_the_latents_own_resolution_and_two_levels_below():
    unet = config_of("unet")
    assert unet["down_block_types"] == ["CrossAttnDownBlock2D"] * 3
    assert unet["up_block_types"] == ["CrossAttnUpBlock2D"] * 3
    assert unet["sample_size"] == 16


def test_the_autoencoder_has_factor_8_and_4_channels():
    vae = config_of("vae")
    assert 2 ** (len(vae["block_out_channels"]) - 1) == 8
    assert vae["latent_channels"] == 4


def test_the_tokenizer_is_clips(pipe):
    assert len(pipe.tokenizer) == 49408
    # the numbers that openai/clip-vit-large-patch14 gives
    assert pipe.tokenizer("a fox on a beach").input_ids == [49406, 320, 3240, 525, 320, 2117, 49407]


def test_it_makes_the_picture_that_was_asked_for(pipe):
    """The colours of the backgrounds are far apart, so that means tell them from each other."""
    prompts = ["a fox in the night", "a fox in the snow", "a fox in a meadow"]
    pictures = pipe(
        prompts,
        height=128,
        width=128,
        num_inference_steps=15,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).images
    night, snow, meadow = pictures
    assert pictures.shape == (3, 3, 128, 128)
    assert night.mean() < 0.4 < snow.mean()
    corners = meadow[:, -32:, :24].mean((1, 2))
    assert corners[1] > corners[0] and corners[1] > corners[2]


def test_conversion_keeps_every_weight_under_a_name_of_its_own():
    state = convert.to_ldm(MODEL)
    for part, prefix in convert.PREFIXES.items():
        config = config_of(part)
        weights = weights_of(part)
        assert sum(name.startswith(prefix) for name in state) == len(weights)
        for name, weight in weights.items():
            new = state[prefix + convert.NAMERS[part](name, config)]
            assert torch.equal(new.flatten(), weight.flatten()), name


def test_the_converted_files_name_each_other(checkpoint):
    config = json.loads(checkpoint.with_suffix(".yaml").read_text("utf-8"))
    params = config["model"]["params"]
    clip = Path(params["cond_stage_config"]["params"]["version"])
    assert params["parameterization"] == "v"
    assert {f.name for f in clip.iterdir()} >= {"vocab.json", "merges.txt", "config.json"}


def test_ldms_own_unet_computes_the_same(pipe, checkpoint):
    module = pytest.importorskip(
        "ldm.modules.diffusionmodules.openaimodel", reason="needs stable-diffusion-sdkit"
    )
    config = json.loads(checkpoint.with_suffix(".yaml").read_text("utf-8"))
    unet = module.UNetModel(**config["model"]["params"]["unet_config"]["params"]).eval()
    prefix = convert.PREFIXES["unet"]
    state = safetensors.load_file(checkpoint)
    unet.load_state_dict(
        {k.removeprefix(prefix): v.float() for k, v in state.items() if k.startswith(prefix)}
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 16, 24, generator=generator)
    context = torch.randn(2, 77, config_of("unet")["cross_attention_dim"], generator=generator)
    steps = torch.tensor([10, 700])
    with torch.no_grad():
        torch.testing.assert_close(
            unet(x, steps, context), pipe.unet(x, steps, context).sample, atol=1e-4, rtol=1e-3
        )

"""Run by the WebUI at start: makes sure einops is there, and nothing else."""

import launch

# 0.3.0 is the first release with the repeat and rearrange that hosts use; no upper bound and no
# upgrade, so a version that the host pinned stays as it is
if not launch.is_installed("einops"):
    try:
        launch.run_pip("install einops", "einops for ToDo")
    except Exception as error:
        print(
            f"ToDo: einops could not be installed ({error}); install it by hand: pip install einops"
        )

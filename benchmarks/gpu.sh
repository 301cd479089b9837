#!/usr/bin/env bash
# All that docs/measurements/gpu.md needs, in eight minutes on one GPU: a pass of 20 steps of SD 1.x
# and SDXL at three sizes, dense, by each preset and by ToMe; the calls' kernels; what the hint would
# have promised beside both; tests/gpu. Run in the repository's root, with PYTHON naming a Python that
# has torch for this GPU and requirements/demo.txt, bench.txt and test.txt.
#
#     benchmarks/gpu.sh [FOLDER FOR RESULTS]
set -uo pipefail
python=${PYTHON:-python3} out=${1:-artifacts/gpu}
common=(--device cuda --rounds 2 --sizes 1024 1536 2048 --architectures "SD 1.x" SDXL)
mkdir -p "$out"
began=$SECONDS

# seconds that are left of eight minutes, but for those at the end that the next parts need
left() { echo $((480 - (SECONDS - began) - $1)); }

timeout "$(left 160)" "$python" -m benchmarks "${common[@]}" --parts calibration passes report \
    --methods dense "ToDo paper" "ToDo close" "ToDo balanced" "ToDo fast" "ToMe 0.75" \
    --minutes 4.5 --out "$out/passes"
timeout "$(left 100)" "$python" -m benchmarks "${common[@]}" --parts calibration unet report --clock kernels \
    --minutes 1 --out "$out/calls" --methods dense "ToDo paper" "ToDo balanced" "ToDo fast"
timeout "$(left 5)" "$python" -m pytest tests/gpu -q -p no:cacheprovider 2>&1 | tee "$out/tests.txt"
echo "took $((SECONDS - began)) s"

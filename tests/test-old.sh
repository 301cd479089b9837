#!/usr/bin/env bash
# The unit tests on A1111's own ground: Python 3.10 and torch 2.1.2. Arguments go to pytest.
#
# The Python is SD_WEBUI_PYTHON where that is a WebUI's own with this torch, which is then read and
# not changed; else a Python 3.10 of the machine, for which torch is downloaded (two minutes, 5 GB).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv310

is_webuis() {
    "$1" -c 'import sys, torch; sys.exit(sys.version_info[:2] != (3, 10) or torch.__version__.split("+")[0] != "2.1.2")' 2>/dev/null
}

python_310() {
    local candidate
    for candidate in "${OLD_PYTHON:-}" python3.10 "$HOME"/.pyenv/versions/3.10.*/bin/python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

set_up() {
    local base
    if [ -n "${SD_WEBUI_PYTHON:-}" ] && is_webuis "$SD_WEBUI_PYTHON"; then
        echo "test-old: with the torch of SD_WEBUI_PYTHON, $SD_WEBUI_PYTHON"
        "$SD_WEBUI_PYTHON" -m venv --clear "$venv"
        "$SD_WEBUI_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
            > "$venv/lib/python3.10/site-packages/webui.pth"
    else
        base=$(python_310)
        if [ -z "$base" ]; then
            echo "test-old: NOT RUN: no Python 3.10 here (OLD_PYTHON names one)"
            exit 0
        fi
        echo "test-old: setting up $base with torch 2.1.2"
        "$base" -m venv --clear "$venv"
    fi
    local install=("$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check)
    "${install[@]}" -r requirements/test-old.txt
    # it names pins of its own that pip complains about, and none of them is needed
    "${install[@]}" --no-deps -r requirements/test-no-deps.txt
    touch "$venv/.ready"
}

if [ ! "$venv/.ready" -nt requirements/test-old.txt ]; then
    set_up
fi
"$venv/bin/python" -m pytest tests/unit "$@"

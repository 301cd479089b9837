// The live hint below the sliders: what will be pooled at the chosen size, and how much work is left.
// The rule here is lib_todo/plan.py's and lib_todo/cost.py's; tests/unit/test_hint.py runs both over
// the same cases. The table of architectures comes with the page, from the hint's own element.
(function (root) {
    "use strict";

    const PIXELS_PER_LATENT = 8;
    const NUMBERS = ["factor", "deep_factor", "threshold", "start", "end"];

    function autoFactor(tokens, threshold) {
        return Math.max(1, Math.floor(Math.sqrt(tokens) / threshold + 0.5));
    }

    function layerFactor(grid, largest, settings) {
        const tokens = grid[0] * grid[1];
        if (tokens <= settings.threshold ** 2) return 1;
        const isLargest = tokens >= largest[0] * largest[1];
        const wanted = isLargest ? settings.factor : settings.deep_factor;
        return wanted || autoFactor(tokens, settings.threshold);
    }

    function pooledGrid(grid, factor) {
        if (Number.isInteger(factor)) return grid.map((side) => Math.ceil(side / factor));
        return grid.map((side) => Math.max(1, Math.floor(side / factor + 0.5)));
    }

    function levelGrid(latent, downscale) {
        let grid = latent;
        for (; downscale > 1; downscale /= 2) grid = grid.map((side) => Math.ceil(side / 2));
        return grid;
    }

    function attentionFlops(queries, keys, channels) {
        return 4 * channels * (queries * channels + keys * channels + queries * keys);
    }

    // What each level of an architecture costs in one pass: grids, factor, dense and pooled operations.
    function layerCosts(levels, width, height, settings) {
        const latent = [height, width].map((side) => Math.floor(side / PIXELS_PER_LATENT));
        const grids = levels.map((level) => levelGrid(latent, level.downscale));
        return levels.map((level, index) => {
            const grid = grids[index];
            const factor = layerFactor(grid, grids[0], settings);
            const pooled = pooledGrid(grid, factor);
            const tokens = grid[0] * grid[1];
            const keys = pooled[0] * pooled[1];
            return {
                grid, factor, pooled,
                dense: level.layers * attentionFlops(tokens, tokens, level.channels),
                left: level.layers * attentionFlops(tokens, keys, level.channels),
            };
        });
    }

    function workLeft(costs) {
        const sum = (key) => costs.reduce((total, cost) => total + cost[key], 0);
        return sum("left") / sum("dense");
    }

    // The size of the hires pass, as the host works it out; null without hires fix.
    function hiresSize(width, height, hires) {
        if (!hires.enabled) return null;
        const {scale, x, y} = hires;
        if (!x && !y) return [Math.floor(width * scale), Math.floor(height * scale)];
        if (!y) return [x, Math.floor((x * height) / width)];
        if (!x) return [Math.floor((y * width) / height), y];
        return [x, y];
    }

    function sides(grid) {
        return `${grid[1]}×${grid[0]}`;
    }

    // One line for one architecture and pass, for people.
    function describe(name, levels, size, settings) {
        const costs = layerCosts(levels, size[0], size[1], settings);
        const pooled = costs.filter((cost) => cost.factor > 1);
        const where = `${name} at ${size[0]}×${size[1]}`;
        if (!pooled.length) {
            const limit = `${settings.threshold}×${settings.threshold} tokens`;
            if (costs[0].grid[0] * costs[0].grid[1] <= settings.threshold ** 2) {
                return `${where}: nothing to pool, no layer has more than ${limit}`;
            }
            return settings.factor === 0
                ? `${where}: nothing to pool, no layer has many more than ${limit}`
                : `${where}: nothing is pooled by a factor of 1`;
        }
        const grids = pooled.map((c) => `${sides(c.grid)} → ${sides(c.pooled)} tokens (by ${c.factor})`);
        const percent = Math.max(1, Math.round(100 * workLeft(costs)));
        return `${where}: ${grids.join(", ")}; about ${percent}% of the self-attention work is left`;
    }

    // Why the generation will be refused with an error; null if it will not. The number boxes keep
    // every other value within its bounds.
    function refusal(settings) {
        const tooSmall = [settings.factor, settings.deep_factor].some((factor) => factor > 0 && factor < 1);
        if (tooSmall) return "A factor must be 0 (automatic) or at least 1";
        return settings.start > settings.end ? "The start must be no greater than the end" : null;
    }

    // All lines of the hint for a tab's state.
    function hintLines(architectures, state) {
        const {settings} = state;
        const refused = refusal(settings);
        if (refused) return [refused];
        const hires = hiresSize(state.width, state.height, state.hires);
        const passes = [["first", [state.width, state.height]], ["hires", hires]];
        const wanted = passes.filter(([name, size]) => size && ["both", name].includes(settings.passes));
        if (!wanted.length) return ["Nothing is pooled: hires fix is off, and only its pass is chosen"];
        if (settings.start === settings.end) return ["Nothing is pooled: the start is the end"];
        return wanted.flatMap(([, size]) =>
            Object.entries(architectures).map(([name, levels]) => describe(name, levels, size, settings)));
    }

    // Everything below reads the page; a missing element gives null and an empty hint.

    function field(id, selector) {
        const element = root.gradioApp().querySelector(`#${id} ${selector}`);
        return element || null;
    }

    function number(id) {
        const input = field(id, "input[type=number]");
        const value = input ? Number.parseFloat(input.value) : Number.NaN;
        return Number.isFinite(value) ? value : null;
    }

    function checked(id) {
        const box = field(id, "input[type=checkbox]");
        return Boolean(box && box.checked);
    }

    function readSettings(tab) {
        const settings = Object.fromEntries(NUMBERS.map((name) => [name, number(`script_${tab}_todo_${name}`)]));
        const passes = field(`script_${tab}_todo_passes`, "input");
        settings.passes = passes && passes.value;
        return Object.values(settings).includes(null) || !passes ? null : settings;
    }

    // "Resize by" works from the picture, whose size the host writes as "512x384" into its own line;
    // the outcome beside it lags behind a scale that is typed.
    function readSize(tab) {
        const by = root.gradioApp().querySelector("#img2img_tab_resize_by");
        if (tab === "img2img" && by && by.style.display === "block") {
            const shown = field("img2img_scale_resolution_preview", ".resolution");
            const match = shown ? /^(\d+)x(\d+)$/.exec(shown.textContent.trim()) : null;
            const scale = number("img2img_scale");
            return match && scale ? [1, 2].map((side) => Math.floor(match[side] * scale)) : null;
        }
        const size = [number(`${tab}_width`), number(`${tab}_height`)];
        return size.includes(null) ? null : size;
    }

    function readHires(tab) {
        if (tab !== "txt2img") return {enabled: false};
        return {
            enabled: checked("txt2img_hr-checkbox"),
            scale: number("txt2img_hr_scale") ?? 1,
            x: number("txt2img_hr_resize_x") ?? 0,
            y: number("txt2img_hr_resize_y") ?? 0,
        };
    }

    function refresh(tab) {
        const hint = field(`script_${tab}_todo_hint`, ".todo-hint");
        if (!hint || !hint.offsetParent) return;
        const settings = readSettings(tab);
        const size = readSize(tab);
        let lines = [];
        if (settings && size) {
            const state = {width: size[0], height: size[1], hires: readHires(tab), settings};
            lines = hintLines(JSON.parse(hint.dataset.architectures), state);
        }
        const text = lines.join("\n");
        if (hint.textContent === text) return;
        hint.textContent = text;
    }

    function refreshAll() {
        ["txt2img", "img2img"].forEach(refresh);
    }

    if (typeof module !== "undefined" && module.exports) {
        module.exports = {layerFactor, pooledGrid, layerCosts, workLeft, hiresSize, hintLines};
        return;
    }
    root.onUiLoaded(() => {
        root.gradioApp().addEventListener("input", refreshAll);
        root.gradioApp().addEventListener("change", refreshAll);
        // paste, the swap button and other scripts set values without any event
        setInterval(refreshAll, 500);
    });
})(typeof window === "undefined" ? globalThis : window);

// The accordion's live hint: asks the server what will be pooled and shows its answer.
// The rule is on the server only (lib_todo/plan.py). If the route is missing, nothing is shown.
(function (root) {
    "use strict";

    // a second copy of the extension's folder loads this file again
    if (root.todoHintRuns) return;
    root.todoHintRuns = true;

    const CLOCK_MS = 500;
    // another checkpoint changes the answer without changing a control
    const ASK_AGAIN_MS = 4000;
    const TABS = ["txt2img", "img2img", "control"];
    const asked = {};

    function field(id, selector) {
        return root.gradioApp().querySelector(`#${id} ${selector}`);
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

    // The value of a control of any kind; undefined if the page has no such control.
    function shown(id) {
        if (field(id, "input[type=checkbox]")) return checked(id);
        if (field(id, "input[type=number]")) return number(id);
        const radio = field(id, "input[type=radio]");
        const input = radio ? field(id, "input:checked") : field(id, "input");
        return input ? input.value : undefined;
    }

    // With "Resize by" the size follows from the picture's, which the host shows as "512x384". The
    // resulting size that it shows next to it lags behind while a scale is typed.
    function readSize(tab) {
        const by = root.gradioApp().querySelector("#img2img_tab_resize_by");
        if (tab === "img2img" && by && by.style.display === "block") {
            const resolution = field("img2img_scale_resolution_preview", ".resolution");
            const match = resolution ? /^(\d+)x(\d+)$/.exec(resolution.textContent.trim()) : null;
            const scale = number("img2img_scale");
            return match && scale ? [1, 2].map((side) => Math.floor(match[side] * scale)) : null;
        }
        // SD.Next's Control tab
        const sides = tab === "control" ? "control_before_resize" : tab;
        const size = [number(`${sides}_width`), number(`${sides}_height`)];
        return size.includes(null) ? null : size;
    }

    // The number of steps; 0 if the page does not tell.
    function readSteps(tab) {
        // SD.Next counts those of img2img otherwise
        if (tab !== "txt2img" && field(`${tab}_enable_hr`, "input")) return 0;
        return Math.round(number(`${tab}_steps`) ?? 0);
    }

    // SD.Next's second pass: "Latent" upscalers and "Force HiRes" run it; without a mode and an
    // upscaler it keeps the size.
    function readRefinePass(tab) {
        const upscaler = shown(`${tab}_resize_name`) ?? "None";
        const enlarges = shown(`${tab}_resize_mode`) !== "None" && upscaler !== "None";
        const runs = upscaler.startsWith("Latent") || checked(`${tab}_hr_force`);
        const sampler = shown(`${tab}_sampling_alt`) ?? "";
        return {
            enabled: checked(`${tab}_enable_hr`) && runs,
            scale: (enlarges && number(`${tab}_scale`)) || 1,
            x: (enlarges && number(`${tab}_resize_width`)) || 0,
            y: (enlarges && number(`${tab}_resize_height`)) || 0,
            sampler: sampler === "Same as primary" ? "" : sampler,
        };
    }

    function readHires(tab) {
        if (field(`${tab}_enable_hr`, "input")) return readRefinePass(tab);
        if (tab !== "txt2img") return {enabled: false};
        return {
            enabled: checked("txt2img_hr-checkbox"),
            scale: number("txt2img_hr_scale") ?? 1,
            x: number("txt2img_hr_resize_x") ?? 0,
            y: number("txt2img_hr_resize_y") ?? 0,
            checkpoint: shown("hr_checkpoint") ?? "",
            sampler: shown("hr_sampler") ?? "",
            scheduler: shown("hr_scheduler") ?? "",
            steps: Math.round(number("txt2img_hires_steps") || readSteps(tab)),
            strength: number("txt2img_denoising_strength"),
        };
    }

    // The tab's state for the route, in JSON; null if the page lacks something.
    function readState(tab, names) {
        const size = readSize(tab);
        const values = {};
        for (const name of names) values[name] = shown(`script_${tab}_todo_${name}`);
        if (!size || Object.values(values).includes(undefined)) return null;
        const [width, height] = size;
        const hires = readHires(tab);
        return JSON.stringify({
            width,
            height,
            hires,
            sampler: shown(`${tab}_sampling`) ?? "",
            scheduler: shown(`${tab}_scheduler`) ?? "",
            steps: readSteps(tab),
            strength: tab === "img2img" ? number("img2img_denoising_strength") : null,
            images: Math.round(number(`${tab}_batch_size`) ?? 1),
            values,
        });
    }

    async function ask(route, state) {
        try {
            const answer = await fetch(route, {
                method: "POST",
                headers: {"Content-Type": "application/json"},
                body: state,
            });
            return answer.ok ? (await answer.json()).lines.join("\n") : "";
        } catch {
            return "";
        }
    }

    async function refresh(tab) {
        const hint = field(`script_${tab}_todo_hint`, ".todo-hint");
        if (!hint || !hint.offsetParent) return;
        const state = readState(tab, hint.dataset.names.split(" "));
        const measured = root.gradioApp().querySelector(`#script_${tab}_todo_measure`);
        const question = `${state} ${measured && measured.textContent}`;
        const last = asked[tab];
        if (last && last.question === question && Date.now() - last.time < ASK_AGAIN_MS) return;
        const now = {question, time: Date.now()};
        asked[tab] = now;
        const text = state ? await ask(`.${hint.dataset.route}`, state) : "";
        // a later question has been asked meanwhile
        if (asked[tab] !== now || hint.textContent === text) return;
        hint.textContent = text;
    }

    function refreshAll() {
        TABS.forEach(refresh);
    }

    // Until its box was clicked once, the host ticks an accordion's box when it is opened, so nobody
    // could look at the settings without switching ToDo on. A synthetic click event makes the
    // host's handler believe that it was clicked, without ticking it. Ticking opens the accordion.
    function openWithoutTicking(tab) {
        const id = `script_${tab}_todo_enabled`;
        const box = root.gradioApp().querySelector(`#${id}-visible-checkbox`);
        const label = field(id, ".label-wrap");
        if (!box || !label) return;
        box.dispatchEvent(new Event("click"));
        box.addEventListener("input", () => {
            if (box.checked && !label.classList.contains("open")) label.click();
        });
    }

    root.onUiLoaded(() => {
        TABS.forEach(openWithoutTicking);
        root.gradioApp().addEventListener("input", refreshAll);
        root.gradioApp().addEventListener("change", refreshAll);
        // pasting, the swap button and other scripts change values without an event
        setInterval(refreshAll, CLOCK_MS);
    });
})(window);

// The text under the node ToDo: the node grows with it, and no text of an earlier run stays.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const TEXT = "$$node-text-preview";
const FONT = "12px Inter, Arial, sans-serif";
const LINE = 16;
// left and right of the text, and above and below it
const BESIDE = 52;
const AROUND = 36;

function nodes() {
  const graphs = [app.rootGraph, ...app.rootGraph.subgraphs.values()];
  return graphs.flatMap((graph) => graph.nodes).filter((node) => node.type === "ToDo");
}

function textOf(node) {
  return node.widgets?.find((widget) => widget.name === TEXT);
}

function clear(node) {
  const widget = textOf(node);
  if (!widget) return;
  node.removeWidget(widget);
  node.setSize([node.size[0], node.computeSize()[1]]);
}

function fit(node) {
  const widget = textOf(node);
  if (!widget) return;
  const context = app.canvas.ctx;
  context.save();
  context.font = FONT;
  // it breaks anywhere, not only between words
  const room = node.size[0] - BESIDE;
  const rows = String(widget.value)
    .split("\n")
    .map((line) => Math.max(1, Math.ceil(context.measureText(line).width / room)));
  context.restore();
  const height = AROUND + LINE * rows.reduce((sum, count) => sum + count, 0);
  widget.options.getMinHeight = () => height;
  node.setSize([node.size[0], node.computeSize()[1]]);
}

app.registerExtension({
  name: "ToDo.text",
  setup() {
    // the page adds the text by a listener of its own, which may come after this one
    api.addEventListener("progress_text", () => setTimeout(() => nodes().forEach(fit)));
    // what was not computed anew keeps its text; a node that is bypassed is not among it
    api.addEventListener("execution_cached", ({ detail }) => {
      const kept = new Set(detail.nodes.map((id) => String(id).split(":").pop()));
      nodes().filter((node) => !kept.has(String(node.id))).forEach(clear);
    });
    for (const end of ["execution_interrupted", "execution_error"])
      api.addEventListener(end, () => nodes().forEach(clear));
  },
});

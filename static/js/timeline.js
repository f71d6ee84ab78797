/* Figures: a Plotly figure from JSON, drawn with the colours of the theme, and its table for screen readers.
   Colours are token names ("$origin-model"); Plotly knows no var(), so a probe resolves them.
   Labels come from hosts and agents: <b> and <br> pass, everything else is shown as text. */

const probe = document.body.appendChild(Object.assign(document.createElement("i"), { hidden: false, className: "vh" }));
const ink = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
const COLOUR = /colou?r/i;
const LABEL = new Set(["text", "hovertext", "hovertemplate", "ticktext", "name", "customdata", "title", "y", "x", "label"]);

function harmless(text) {
  return text.replace(/&(?![a-z#0-9]+;)/gi, "&amp;").replace(/<(?!\/?b>|br>)/gi, "&lt;");
}

function dress(value, key = "") {
  if (Array.isArray(value)) return value.map((item) => dress(item, key));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, dress(item, name)]));
  if (typeof value !== "string") return value;
  if (COLOUR.test(key) && value.startsWith("$")) return ink(value.slice(1));
  return LABEL.has(key) ? harmless(value) : value;
}

const axes = (layout, letter) => Object.keys(layout).filter((name) => new RegExp(`^${letter}axis\\d*$`).test(name));

/* Names of the lanes stand left, where Plotly would put tick labels to the right. */
function names(layout) {
  return axes(layout, "y").filter((name) => layout[name].ticktext?.length === 1).map((name) => ({
    xref: "paper", yref: "paper", x: 0, xshift: -120, xanchor: "left", yanchor: "middle", align: "left", showarrow: false,
    y: (layout[name].domain[0] + layout[name].domain[1]) / 2, text: layout[name].ticktext[0],
    font: { size: 12, color: ink("text-2") },
  }));
}

/* A hairline above each lane. */
function rules(layout) {
  return axes(layout, "y").filter((name) => layout[name].domain).map((name) => ({
    type: "line", layer: "below", xref: "paper", yref: "paper", x0: -0.5, x1: 1, y0: layout[name].domain[1], y1: layout[name].domain[1],
    line: { color: ink("line-1"), width: 1 },
  }));
}

function frame(own) {
  const axis = { gridcolor: ink("chart-grid"), linecolor: ink("line-2"), zeroline: false };
  const layout = {
    ...own,
    paper_bgcolor: ink("surface-pane"), plot_bgcolor: ink("surface-pane"),
    font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: ink("chart-axis") },
    hoverlabel: { bgcolor: ink("surface-overlay"), bordercolor: ink("line-2"), font: { color: ink("text-1"), size: 11 }, align: "left" },
    margin: { l: 136, r: 16, t: 8, b: 28 }, hovermode: "closest", showlegend: false, dragmode: "pan", barcornerradius: 1.5,
    annotations: [...(own.annotations ?? []), ...names(own)], shapes: [...rules(own), ...(own.shapes ?? [])],
  };
  for (const name of axes(layout, "y")) layout[name] = { ...axis, showline: false, showticklabels: layout[name].ticktext?.length !== 1, ...layout[name] };
  layout.xaxis = { ...axis, anchor: "free", position: 0, showline: true, tickformat: "%H:%M:%S", hoverformat: "%H:%M:%S.%L", ...layout.xaxis };
  return layout;
}

/* Words in a bar are read on its colour, and cut to its length: Plotly would let them run over the next one. */
const CHARACTER = 6;

function legible(trace, range, width) {
  if (trace.type !== "bar" || !trace.base) return trace;
  const [from, to] = range.map((moment) => Date.parse(`${moment.replace(" ", "T")}Z`));
  const strong = ["$origin-model", "$chart-foreign"].includes(trace.marker?.color);
  const base = trace.base.map((moment) => Math.max(from, Date.parse(`${moment.replace(" ", "T")}Z`)));
  const ends = trace.base.map((moment, at) => Math.min(to, Date.parse(`${moment.replace(" ", "T")}Z`) + trace.x[at]));
  const text = trace.text?.map((words, at) => {
    const room = Math.floor(((ends[at] - base[at]) / (to - from)) * width / CHARACTER) - 1;
    return room < 4 ? "" : words.length <= room ? words : `${words.slice(0, room - 1)}…`;
  });
  return {
    ...trace, text, base: base.map((moment) => new Date(moment).toISOString().replace("T", " ").slice(0, 23)),
    x: trace.x.map((length, at) => Math.max(ends[at] - base[at], Math.min(length, (to - from) / 400))),
    insidetextfont: { size: 10, color: strong ? "$surface-pane" : "$text-1" },
  };
}

const figures = new Map();

async function draw(plot) {
  const answer = await fetch(plot.dataset.src, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) { fail(plot); return; }
  figures.set(plot, await answer.json());
  paint(plot);
}

function paint(plot) {
  const figure = figures.get(plot);
  if (!figure || !plot.isConnected) { figures.delete(plot); return; }
  plot.querySelector(".wait")?.remove();
  const width = plot.clientWidth - 152;
  const bars = (trace) => (figure.layout.xaxis?.range ? legible(trace, figure.layout.xaxis.range, width) : trace);
  window.Plotly.react(plot, dress(figure.data.map(bars)), frame(dress(figure.layout)), { displayModeBar: false, responsive: true, doubleClick: "reset", scrollZoom: false });
  table(plot, figure.table);
}

function table(plot, rows) {
  const target = document.getElementById(plot.dataset.table ?? "");
  if (!target || !rows) return;
  const line = (cells, tag) => {
    const row = document.createElement("tr");
    cells.forEach((cell) => { const item = document.createElement(tag); item.textContent = cell ?? "–"; row.append(item); });
    return row;
  };
  target.querySelector("thead").replaceChildren(line(rows.head, "th"));
  target.querySelector("tbody").replaceChildren(...rows.rows.map((cells) => line(cells, "td")));
}

function fail(plot) {
  const piece = document.getElementById("t-fail").content.cloneNode(true);
  piece.querySelector('[data-slot="title"]').textContent = "Figure not loaded";
  piece.querySelector('[data-slot="text"]').textContent = "The facts below are complete. Reload to draw it.";
  piece.querySelector("[data-dismiss]").remove();
  if (!figures.has(plot)) plot.replaceChildren(piece);
}

const all = () => document.querySelectorAll("[data-plot]");
let soon = 0;
document.addEventListener("feed", ({ detail: entry }) => {
  const touched = [...all()].filter((plot) => entry.topics.some((topic) => plot.dataset.plotTopic?.split(/\s+/).includes(topic)));
  if (!touched.length) return;
  clearTimeout(soon);
  soon = setTimeout(() => touched.forEach(draw), 400);
});
document.addEventListener("themechange", () => all().forEach(paint));
let still = 0;
window.addEventListener("resize", () => { clearTimeout(still); still = setTimeout(() => all().forEach(paint), 200); });
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-window]");
  const plot = button && document.getElementById(button.closest("[data-plot-for]").dataset.plotFor);
  if (!plot) return;
  button.parentElement.querySelectorAll("[data-window]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  const url = new URL(plot.dataset.src, location.href);
  url.searchParams.set("window", button.dataset.window);
  plot.dataset.src = url.pathname + url.search;
  draw(plot);
});
document.addEventListener("change", (event) => {
  const plot = event.target.matches("select[data-plot-host]") && document.getElementById(event.target.dataset.plotHost);
  if (!plot) return;
  const url = new URL(plot.dataset.src, location.href);
  url.searchParams.set("host", event.target.value);
  plot.dataset.src = url.pathname + url.search;
  draw(plot);
});
document.addEventListener("htmx:afterSettle", () => all().forEach((plot) => { if (!figures.has(plot)) draw(plot); }));
all().forEach(draw);

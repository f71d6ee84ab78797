/* Figures: a Plotly figure from JSON, drawn with the colours of the theme, and its table for screen readers.
   Colours are token names ("$origin-model"); Plotly knows no var(), so a probe resolves them.
   Labels come from hosts and agents: <b> and <br> pass, everything else is shown as text. */

const probe = document.body.appendChild(Object.assign(document.createElement("i"), { hidden: false, className: "vh" }));
const ink = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
const COLOUR = /colou?r/i;
const LABEL = new Set(["text", "hovertext", "hovertemplate", "ticktext", "name", "customdata", "y", "x", "label"]);

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

const MARGIN = { l: 0, r: 16, t: 0, b: 28 };
const axes = (layout, letter) => Object.keys(layout).filter((name) => new RegExp(`^${letter}axis\\d*$`).test(name));

/* Names of the lanes stand left of the figure, in a column that stays while it scrolls. */
function names(plot, layout) {
  const column = plot.parentElement.querySelector(".lanenames");
  if (!column) return;
  const lanes = axes(layout, "y").map((name) => layout[name]).sort((one, other) => other.domain[1] - one.domain[1]);
  const tall = layout.height - MARGIN.t - MARGIN.b;
  column.replaceChildren(...lanes.map(({ domain, title }) => {
    const item = document.createElement("div");
    const [name, note] = title.text.split("<br>");
    item.style.height = `${Math.round((domain[1] - domain[0]) * tall)}px`;
    item.append(name, Object.assign(document.createElement("small"), { textContent: note ?? "", title: note ?? "" }));
    return item;
  }));
}

/* A hairline above each lane. */
function rules(layout) {
  return axes(layout, "y").filter((name) => layout[name].domain?.[1] < 1).map((name) => ({
    type: "line", layer: "below", xref: "paper", yref: "paper", x0: 0, x1: 1, y0: layout[name].domain[1], y1: layout[name].domain[1],
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
    margin: MARGIN, hovermode: "closest", showlegend: false, dragmode: FINGER.matches ? false : "pan", barcornerradius: 1.5,
    shapes: [...rules(own), ...(own.shapes ?? [])],
  };
  for (const name of axes(layout, "y")) layout[name] = { ...axis, showline: false, showticklabels: false, ...layout[name], title: undefined };
  layout.xaxis = { ...axis, anchor: "free", position: 0, showline: true, tickformat: "%H:%M:%S", fixedrange: FINGER.matches, hoverformat: "%H:%M:%S.%L", ...layout.xaxis };
  return layout;
}

/* A finger scrolls the page and the figure; only a mouse pans the time. */
const FINGER = matchMedia("(pointer: coarse)");

/* Words in a bar are read on its colour and cut to its length; where that is too short they stand beside it,
   if nothing else is there. Plotly would let them run over the next one. */
const CHARACTER = 6.05;
const mono = { family: getComputedStyle(document.documentElement).getPropertyValue("--font-mono"), size: 10 };
const millis = (moment) => Date.parse(`${moment.replace(" ", "T")}Z`);
const cut = (words, room) => (words.length <= room ? words : room < 4 ? "" : `${words.slice(0, room - 1)}…`);

function scale(range, width) {
  const [from, to] = range.map(millis);
  return { from, to, px: (moment) => ((moment - from) / (to - from)) * width, least: (to - from) / 400 };
}

/* How far it is, in each row of an axis, to the next bar on the right or to the line that says now. */
function rooms({ data, layout }, { from, px }, width) {
  const line = layout.shapes?.find((shape) => shape.line.color === "$accent");
  const now = line ? px(millis(line.x0)) : width;
  const starts = {};
  for (const trace of data) {
    if (trace.type !== "bar" || !trace.base || trace.marker.color === "$ok") continue; // a band is written over
    trace.base.forEach((moment, at) => (starts[`${trace.yaxis} ${trace.y[at]}`] ??= []).push(px(Math.max(from, millis(moment)))));
  }
  for (const row of Object.values(starts)) row.sort((one, other) => one - other);
  return (trace, at, start, end) => {
    const next = starts[`${trace.yaxis} ${trace.y[at]}`]?.find((other) => other > start) ?? width;
    return Math.min(next, end < now - 3 ? now : width) - end;
  };
}

function legible(trace, time, room) {
  const strong = ["$origin-model", "$chart-foreign"].includes(trace.marker?.color) && trace.marker.opacity === 1;
  const base = trace.base.map((moment) => Math.max(time.from, millis(moment)));
  const ends = trace.base.map((moment, at) => Math.min(time.to, millis(moment) + trace.x[at]));
  const inside = ends.map((end, at) => Math.floor((time.px(end) - time.px(base[at]) - 8) / CHARACTER));
  const outside = ends.map((end, at) => Math.floor((room(trace, at, time.px(base[at]), time.px(end)) - 8) / CHARACTER));
  const fits = trace.text.map((words, at) => !trace.marker.pattern && (inside[at] >= Math.min(words.length, 12) || inside[at] >= outside[at])); // no words on the hatch
  const said = new Set(); // the same word beside every bar would say nothing
  const beyond = (words, room) => {
    if (said.has(words) || room < Math.min(words.length, 12)) return "";
    said.add(words);
    return cut(words, Math.min(room, 32));
  };
  return {
    ...trace,
    text: trace.text.map((words, at) => (fits[at] ? cut(words, inside[at]) : beyond(words, outside[at]))),
    textposition: fits.map((well) => (well ? "inside" : "outside")),
    base: base.map((moment) => new Date(moment).toISOString().replace("T", " ").slice(0, 23)),
    x: trace.x.map((length, at) => Math.max(ends[at] - base[at], Math.min(length, time.least))),
    insidetextfont: { ...mono, color: strong ? "$surface-pane" : "$text-1" },
    outsidetextfont: { ...mono, color: "$text-2" },
  };
}

/* Words beside a mark: on the side it asks for, else on the other, else none. */
function beside(trace, time, width) {
  const at = trace.x.map((moment) => time.px(millis(moment)));
  let taken = -16;
  const wanted = trace.textposition.endsWith("left") ? ["left", "right"] : ["right", "left"];
  const near = trace.mode === "text" ? 2 : 10;
  const text = [];
  const sides = at.map((x, place) => {
    const words = cut(trace.text[place], 28);
    const size = words.length * CHARACTER + near + 6;
    const next = trace.mode === "text" ? Infinity : (at.find((other) => other > x + 1) ?? width) - 8;
    const free = { left: x - size > taken, right: x > taken && x + size < Math.min(next, width) };
    const side = words && wanted.find((name) => free[name] && (name === "right" || trace.mode !== "text"));
    text.push(side ? words : "");
    taken = Math.max(taken, side === "right" ? x + size : x + near);
    return `middle ${side || "right"}`;
  });
  return { ...trace, text, textposition: sides, textfont: { ...trace.textfont, ...mono } };
}

function fitted(figure, width) {
  if (!figure.layout.xaxis?.range) return figure.data;
  const time = scale(figure.layout.xaxis.range, width);
  const room = rooms(figure, time, width);
  return figure.data.map((trace) => {
    if (trace.type === "bar" && trace.base) return legible(trace, time, room);
    return trace.text && trace.mode?.includes("text") && !trace.stackgroup ? beside(trace, time, width) : trace;
  });
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
  names(plot, figure.layout);
  const data = fitted(figure, plot.clientWidth - MARGIN.r);
  window.Plotly.react(plot, dress(data), frame(dress(figure.layout)), { displayModeBar: false, responsive: true, doubleClick: "reset", scrollZoom: false });
  table(plot, figure.table);
  bring(plot, figure.layout);
}

/* A figure wider than its box opens where something happened: at the joined call, else at the newest. */
const brought = new WeakSet();

function bring(plot, layout) {
  const box = plot.parentElement;
  if (brought.has(plot) || box.scrollWidth <= box.clientWidth) return;
  brought.add(plot);
  const [from, to] = layout.xaxis.range.map(millis);
  const thread = layout.shapes?.find((shape) => shape.line.color === "$origin-model");
  const share = thread ? (millis(thread.x0) - from) / (to - from) : 1;
  box.scrollLeft = thread ? Math.max(0, share * plot.clientWidth - 120) : box.scrollWidth;
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

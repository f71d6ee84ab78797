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
    margin: MARGIN, hovermode: "closest", showlegend: false, dragmode: FINGER.matches ? false : "pan", barcornerradius: own.barcornerradius ?? 1.5,
    shapes: [...rules(own), ...(own.shapes ?? [])],
  };
  const fine = [{ dtickrange: [null, 1000], value: "%H:%M:%S.%L" }, { dtickrange: [1000, 86400000], value: "%H:%M:%S" }, { dtickrange: [86400000, null], value: "%d %b" }];
  for (const name of axes(layout, "y")) layout[name] = { ...axis, showline: false, showticklabels: false, ...layout[name], title: undefined };
  layout.xaxis = { ...axis, anchor: "free", position: 0, showline: true, tickformatstops: fine, fixedrange: FINGER.matches, hoverformat: "%H:%M:%S.%L", ...layout.xaxis };
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

const asking = new WeakMap();

async function draw(plot) {
  asking.get(plot)?.abort(); // whoever zooms on does not wait for where they were
  const asked = new AbortController();
  asking.set(plot, asked);
  const figure = await fetch(plot.dataset.src, { headers: { Accept: "application/json" }, signal: asked.signal })
    .then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  if (asked.signal.aborted) return;
  if (!figure) { fail(plot); return; }
  figures.set(plot, figure);
  paint(plot);
}

function paint(plot) {
  const figure = figures.get(plot);
  if (!figure || !plot.isConnected) { figures.delete(plot); return; }
  plot.querySelector(".wait")?.remove();
  names(plot, figure.layout);
  const data = fitted(figure, plot.clientWidth - MARGIN.r);
  window.Plotly.react(plot, dress(data), frame(dress(figure.layout)), { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false });
  follow(plot);
  table(plot);
  bring(plot, figure.layout);
  plot.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
}

/* A figure wider than its box opens where something happened: at the joined call, else at the newest, and not
   in the time to come. */
const brought = new WeakSet();

function bring(plot, layout) {
  const box = plot.parentElement;
  if (brought.has(plot) || box.scrollWidth <= box.clientWidth) return;
  brought.add(plot);
  const [from, to] = layout.xaxis.range.map(millis);
  const of = (color) => layout.shapes?.find((shape) => shape.line.color === color);
  const share = (shape) => (millis(shape.x0) - from) / (to - from) * plot.clientWidth;
  const thread = of("$origin-model"), now = of("$accent");
  if (thread) box.scrollLeft = Math.max(0, share(thread) - 120);
  else box.scrollLeft = now ? Math.max(0, share(now) + 40 - box.clientWidth) : box.scrollWidth;
}

/* ── zoom: the server is asked for what lies in the stretch that is looked at ── */
const STEPS = { in: [0.25, 0.75], out: [-0.5, 1.5], earlier: [-0.5, 0.5], later: [0.5, 1.5] };
const range = (plot) => figures.get(plot)?.layout.xaxis.range.map(millis);

function ask(plot, query) {
  const url = new URL(plot.dataset.src, location.href);
  Object.entries(query).forEach(([name, value]) => (value === null ? url.searchParams.delete(name) : url.searchParams.set(name, value)));
  plot.dataset.src = url.pathname + url.search;
  const whole = !url.searchParams.has("from");
  document.querySelectorAll(`[data-plot-for="${plot.id}"] [data-window]`).forEach((button) => {
    button.setAttribute("aria-pressed", String(whole && button.dataset.window === url.searchParams.get("window")));
  });
  return draw(plot);
}

const zoom = (plot, from, to) => ask(plot, { from: Math.max(0, Math.floor(from)), to: Math.ceil(to) });
const whole = (plot) => ask(plot, { from: null, to: null });

/* `low` and `high` are shares of what is looked at now. */
function step(plot, [low, high]) {
  const seen = range(plot);
  if (seen) zoom(plot, seen[0] + low * (seen[1] - seen[0]), seen[0] + high * (seen[1] - seen[0]));
}

function about(plot, moment, factor) {
  const [from, to] = range(plot);
  zoom(plot, moment - (moment - from) * factor, moment + (to - moment) * factor);
}

const followed = new WeakSet();
let turned = 0;

function follow(plot) {
  if (followed.has(plot)) return;
  followed.add(plot);
  plot.on("plotly_relayout", (change) => {
    const low = change["xaxis.range[0]"], high = change["xaxis.range[1]"];
    if (low !== undefined) zoom(plot, at(low), at(high));
  });
  plot.on("plotly_doubleclick", () => whole(plot));
  plot.on("plotly_hover", () => plot.classList.add("pointing"));
  plot.on("plotly_unhover", () => plot.classList.remove("pointing"));
  plot.on("plotly_click", ({ points: [point] }) => {
    if (point.customdata) document.dispatchEvent(new CustomEvent("evidence", { detail: point.customdata }));
    else about(plot, at(point.base ?? point.x), 0.25); // several in one: nearer
  });
  plot.addEventListener("wheel", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !range(plot)) return;
    event.preventDefault();
    turned += event.deltaY;
    const share = Math.min(1, Math.max(0, (event.clientX - plot.getBoundingClientRect().left) / (plot.clientWidth - MARGIN.r)));
    clearTimeout(plot.turning);
    plot.turning = setTimeout(() => {
      const [from, to] = range(plot);
      about(plot, from + share * (to - from), 1.0015 ** turned);
      turned = 0;
    }, 60);
  }, { passive: false });
}

/* Plotly says a moment as text, without its zeros at the end, or in milliseconds. */
const at = (moment) => (typeof moment === "number" ? moment : Date.parse(`${moment.replace(" ", "T")}${moment.length > 10 ? "" : "T00:00"}Z`));

/* The table is made when somebody opens it: hundreds of lines would slow each step of a zoom. */
function table(plot) {
  const target = document.getElementById(plot.dataset.table ?? "");
  const rows = figures.get(plot)?.table;
  if (!rows || !target?.closest("details").open) return;
  const line = (cells, tag, ref) => {
    const row = document.createElement("tr");
    cells.forEach((cell, place) => {
      const item = row.appendChild(document.createElement(tag));
      const inner = ref && place === Math.min(2, cells.length - 2) ? item.appendChild(Object.assign(document.createElement("button"), { type: "button", className: "linklike" })) : item;
      if (inner !== item) inner.dataset.ref = ref;
      inner.textContent = cell ?? "–";
    });
    return row;
  };
  target.querySelector("thead").replaceChildren(line(rows.head, "th"));
  target.querySelector("tbody").replaceChildren(...rows.rows.map((cells, place) => line(cells, "td", rows.refs?.[place])));
}

document.addEventListener("toggle", ({ target }) => {
  const opened = target.matches("details.figtable[open]") && target.querySelector("table").id;
  all().forEach((plot) => { if (opened && plot.dataset.table === opened) table(plot); });
}, true);

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
  ask(plot, { window: button.dataset.window, from: null, to: null });
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  const plot = button && document.getElementById(button.closest("[data-plot-for]").dataset.plotFor);
  if (plot) step(plot, STEPS[button.dataset.zoom]);
});
document.addEventListener("change", (event) => {
  const plot = event.target.matches("select[data-plot-host]") && document.getElementById(event.target.dataset.plotHost);
  if (!plot) return;
  ask(plot, { host: event.target.value });
});
document.addEventListener("htmx:afterSettle", () => all().forEach((plot) => { if (!figures.has(plot)) draw(plot); }));
all().forEach(draw);

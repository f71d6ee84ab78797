/* The feed: what changed, in order, and whether this page is still true.
   A socket carries "something new on topic T"; panels and rows are then fetched, so a missed ring costs nothing.
   Sends {"subscribe": [topics], "cursor": n}; receives {"entries": […], "cursor": n} and {"beat": server ms}.
   Tells the page by events on document: "feed" for each entry, "livechange" when the state moves. */

const LIMIT = { stale: 12000, offline: 30000, first: 250, longest: 8000 };
const topics = new Set(document.body.dataset.topics.split(/[\s,]+/).filter(Boolean));
const light = document.getElementById("live");
const banner = document.getElementById("banner");
let cursor = Number(document.body.dataset.cursor) || 0;
let socket = null;
let wait = LIMIT.first;
let heard = Date.now();
let ahead = Infinity; // smallest client minus server seen: the clocks' difference
let lag = null;
let state = "connecting";

function topicsOfPage() {
  document.querySelectorAll("[data-topic]").forEach((panel) => panel.dataset.topic.split(/\s+/).forEach((name) => topics.add(name)));
  return [...topics];
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/feed/`);
  socket.addEventListener("open", subscribe);
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", again);
}

function subscribe() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ subscribe: topicsOfPage(), cursor }));
}

function again() {
  socket = null;
  setTimeout(connect, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, LIMIT.longest);
  judge();
}

function receive(message) {
  heard = Date.now();
  wait = LIMIT.first;
  if (message.beat) measure(Number(message.beat));
  if (message.entries) {
    message.entries.forEach(deliver);
    const last = message.entries.at(-1);
    if (last?.at) measure(typeof last.at === "number" ? last.at : Date.parse(last.at));
  }
  if (message.cursor) cursor = Math.max(cursor, message.cursor);
  judge();
}

function measure(sent) {
  const apart = Date.now() - sent;
  ahead = Math.min(ahead, apart);
  lag = Math.max(0, apart - ahead);
}

function deliver(entry) {
  if (entry.id <= cursor && entry.id) return;
  cursor = Math.max(cursor, entry.id || 0);
  document.dispatchEvent(new CustomEvent("feed", { detail: entry }));
  entry.topics.forEach(ring);
}

/* ── panels: one request at a time each, and never under a person who types ── */
const due = new Set();

function ring(topic) {
  document.querySelectorAll(`[data-topic~="${CSS.escape(topic)}"]`).forEach((panel) => due.add(panel));
  refresh();
}

function refresh() {
  for (const panel of due) {
    if (!panel.isConnected) due.delete(panel);
    else if (!panel.classList.contains("htmx-request") && !typing(panel)) {
      due.delete(panel);
      window.htmx?.trigger(panel, "refresh");
    }
  }
}

function typing(panel) {
  const held = document.activeElement;
  return panel.contains(held) && held.matches("input:not([type=radio],[type=checkbox]), textarea, select");
}

document.addEventListener("htmx:afterSettle", () => setTimeout(refresh));
document.addEventListener("htmx:afterSwap", () => {
  const before = topics.size;
  if (topicsOfPage().length > before) subscribe();
});
document.addEventListener("focusout", () => setTimeout(refresh));

/* ── the state, in one word and a number ── */
const WORD = { live: "Live", stale: "Stale", offline: "Offline", connecting: "Connecting" };

function judge() {
  const silent = Date.now() - heard;
  const open = socket?.readyState === WebSocket.OPEN;
  let next = open && silent < LIMIT.stale ? "live" : silent < LIMIT.offline ? "stale" : "offline";
  if (!open && state === "connecting" && silent < 3000) next = "connecting";
  if (!open && state === "live" && silent < 1500) next = "live"; // a short break that heals is no news
  if (next !== state) show(next);
  const number = light.querySelector("[data-lag]");
  number.textContent = next === "live" ? (lag === null ? "" : `${Math.round(lag).toLocaleString("en")} ms`) : next === "connecting" ? "" : span(silent);
  banner.querySelectorAll('[data-slot="lag"]').forEach((slot) => { slot.textContent = span(silent); });
}

function show(next) {
  state = next;
  light.dataset.state = next;
  light.querySelector("[data-word]").textContent = WORD[next];
  banner.querySelector(":scope > [data-kind=stale], :scope > [data-kind=offline]")?.remove();
  if (next === "stale" || next === "offline") {
    banner.append(document.getElementById(`t-${next}`).content.cloneNode(true));
    banner.querySelectorAll('[data-slot="at"]').forEach((slot) => { slot.textContent = new Date(heard).toISOString().slice(11, 19); });
  }
  document.dispatchEvent(new CustomEvent("livechange", { detail: next }));
}

function span(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

banner.addEventListener("click", (event) => {
  if (event.target.closest("[data-reload]")) location.reload();
  if (event.target.closest("[data-retry]")) { wait = LIMIT.first; if (socket) socket.close(); else connect(); }
});
window.addEventListener("online", () => { if (!socket) connect(); });
setInterval(judge, 1000);
connect();

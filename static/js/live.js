/* The feed: what changed, in order, and whether this page is still true.
   A socket carries "something new on topic T"; panels and rows are then fetched, so a missed ring costs nothing.
   Says {"subscribe": [topics], "cursor": n} and {"ping": t}; hears entries, beats, pongs, resync (apps/feed/consumers.py).
   Tells the page by events on document: "feed" for each entry, "livechange" when the state moves. */

const LIMIT = { beat: 6000, offline: 20000, first: 250, longest: 8000, grace: 1500 };
const CLOSED = { signedOut: 4401, forbidden: 4403, bad: 4400 };
const KNOWN = /^(queue|fleet|audit|(incident|run|order):[1-9]\d{0,17})$/;
const light = document.getElementById("live");
const banner = document.getElementById("banner");
let cursor = Number(document.body.dataset.cursor) || null;
let topics = [];
let socket = null;
let wait = LIMIT.first;
let heard = Date.now();
let linked = true;
let serverLag = null;
let trip = 0;
let state = "connecting";

function topicsOfPage() {
  const named = [document.body.dataset.topics, ...[...document.querySelectorAll("[data-topic]")].map((panel) => panel.dataset.topic)];
  const found = [...new Set(named.join(" ").split(/\s+/))].filter((name) => KNOWN.test(name));
  return found.length ? found.slice(0, 20) : ["queue"];
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/feed/`);
  socket.addEventListener("open", subscribe);
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => again(event.code));
}

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function subscribe() {
  topics = topicsOfPage();
  say({ subscribe: topics, cursor });
  say({ ping: performance.now() });
}

function again(code) {
  socket = null;
  if (code === CLOSED.signedOut) { location.reload(); return; }
  if (code !== CLOSED.forbidden && code !== CLOSED.bad) {
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LIMIT.longest);
  }
  judge();
}

function receive(message) {
  heard = Date.now();
  wait = LIMIT.first;
  if (message.link !== undefined) linked = message.link;
  if (message.pong !== undefined) trip = (performance.now() - message.pong) / 2;
  if (message.lag_ms !== undefined) serverLag = message.lag_ms;
  if (message.resync) renew();
  message.entries?.forEach(deliver);
  if (message.cursor !== undefined) cursor = message.cursor;
  judge();
}

function deliver(entry) {
  document.dispatchEvent(new CustomEvent("feed", { detail: entry }));
  entry.topics.forEach(ring);
}

/* Entries were left out: the page is made anew as soon as nobody is in the middle of something. */
function renew() {
  const busy = document.getElementById("modal")?.open || document.activeElement?.matches("input, textarea, select");
  if (busy) setTimeout(renew, 2000);
  else location.reload();
}

/* ── panels: the first ring at once, the next after a rest, and never under a person who types.
   Known by id: an answer may put a new element in the place of the old one while the next ring waits. ── */
const due = new Set();
const ready = new Map();

function ring(topic) {
  let now = false;
  document.querySelectorAll(`[data-topic~="${CSS.escape(topic)}"]`).forEach((panel) => {
    due.add(panel.id);
    now ||= !("later" in panel.dataset); // figures about rows let the rows go first
  });
  if (now) refresh();
}

function refresh() {
  for (const name of due) {
    const panel = document.getElementById(name);
    if (!panel) due.delete(name);
    else if (!panel.classList.contains("htmx-request") && !typing(panel) && (ready.get(name) ?? 0) <= performance.now()) {
      due.delete(name);
      ready.set(name, performance.now() + Number(panel.dataset.rest ?? 400));
      window.htmx?.trigger(panel, "refresh");
    }
  }
}

function typing(panel) {
  const held = document.activeElement;
  return panel.contains(held) && held.matches("input:not([type=radio],[type=checkbox]), textarea, select");
}

setInterval(refresh, 100);
document.addEventListener("htmx:afterSettle", refresh);
document.addEventListener("htmx:afterSwap", () => {
  if (topicsOfPage().some((name) => !topics.includes(name))) subscribe();
});
document.addEventListener("htmx:afterRequest", (event) => {
  // What a person did shows at once even while the feed is away.
  if (state !== "live" && event.detail.successful && event.detail.requestConfig.verb !== "get") topicsOfPage().forEach(ring);
});

/* ── the state, in one word and a number ── */
const WORD = { live: "Live", stale: "Stale", offline: "Offline", connecting: "Connecting" };

function judge() {
  const silent = Date.now() - heard;
  const open = socket?.readyState === WebSocket.OPEN;
  let next = silent >= LIMIT.offline ? "offline" : "stale";
  if (open && linked && silent < LIMIT.beat) next = "live";
  else if (state === "connecting" && silent < LIMIT.beat) next = "connecting";
  else if (state === "live" && linked && silent < LIMIT.grace) next = "live"; // a short break that heals is no news
  if (next !== state) show(next);
  const behind = linked ? silent : Math.max(silent, serverLag ?? 0);
  const shown = { live: serverLag === null ? "" : `${Math.max(1, Math.round(serverLag + trip)).toLocaleString("en")} ms`, connecting: "" };
  light.querySelector("[data-lag]").textContent = shown[next] ?? span(behind);
  banner.querySelectorAll('[data-slot="lag"]').forEach((slot) => { slot.textContent = span(behind); });
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
setInterval(judge, 500);
setInterval(() => say({ ping: performance.now() }), 5000);
connect();

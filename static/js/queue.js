/* The queue: rows stay still. A changed row is replaced where it stands; a new one waits behind the pill while
   a person is at the list (pointer, focus, selection, a row they chose, Hold) and else goes to its place. */

const list = document.getElementById("rows");
const pill = document.getElementById("pill");
const bulk = document.getElementById("bulk");
const hold = document.getElementById("hold");
const peek = document.getElementById("peek");
const waiting = new Map();
const wanted = new Set();
let loading = false;
let held = false;
let pointer = false;

const rows = () => [...list.querySelectorAll(".row[data-id]")];
const row = (id) => list.querySelector(`.row[data-id="${CSS.escape(String(id))}"]`);
const current = () => list.querySelector('.row[aria-current="true"]');
const checked = () => rows().filter((item) => item.querySelector("input")?.checked);
const busy = () => held || pointer || list.dataset.chosen || checked().length > 0 || list.contains(document.activeElement) || list.scrollTop > 8;

/* ── what the feed says ── */
document.addEventListener("feed", ({ detail: entry }) => {
  const id = incidentOf(entry);
  if (id) { wanted.add(id); load(); }
});

function incidentOf(entry) {
  const [kind, id] = entry.subject;
  return kind === "incident" ? id : null;
}

async function load() {
  if (loading || !wanted.size) return;
  loading = true;
  const began = performance.now();
  const ids = [...wanted].slice(0, 100);
  ids.forEach((id) => wanted.delete(id));
  try {
    const answer = await fetch(`${list.dataset.rowsUrl}?ids=${ids.join(",")}`, { headers: { "HX-Request": "true" } });
    if (answer.ok) take(await answer.text());
  } finally {
    const rest = Math.min(2000, Math.max(50, 2 * (performance.now() - began))); // a flood is taken in larger steps
    setTimeout(() => { loading = false; load(); }, rest);
  }
}

function take(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  fresh.querySelectorAll(".row[data-id]").forEach((item) => {
    const old = row(item.dataset.id);
    if (old) replace(old, item);
    else if (belongs(item)) { waiting.set(item.dataset.id, item); }
  });
  if (!busy()) release();
  paint();
}

/* A page filtered to one state shows new ones of that state alone. */
const belongs = (item) => (list.dataset.state ? item.dataset.state === list.dataset.state : item.dataset.group !== "closed");

function replace(old, item) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (old.querySelector("input")?.checked) { item.querySelector("input").checked = true; item.dataset.checked = ""; }
  if (old.hasAttribute("aria-current")) item.setAttribute("aria-current", "true");
  item.tabIndex = old.tabIndex;
  item.dataset.moved = "";
  old.replaceWith(item);
  if (focused === old) item.focus({ preventScroll: true });
  else if (focused) item.querySelector(focused.matches("input") ? "input" : "a")?.focus({ preventScroll: true });
  window.htmx?.process(item);
}

function release() {
  const next = [...waiting.values()];
  waiting.clear();
  next.forEach(place);
  document.getElementById("queue-empty")?.remove();
  paint();
}

/* By urgency within its group: level first, then the newest. */
function place(item) {
  const head = document.getElementById(`group-${item.dataset.group}`) ?? list.querySelector(".group");
  if (head) head.hidden = false;
  let before = head ? head.nextElementSibling : list.firstElementChild;
  const weight = (entry) => Number(entry.dataset.rank) * 1e12 + Number(entry.dataset.id);
  while (before?.matches(".row") && weight(before) > weight(item)) before = before.nextElementSibling;
  item.dataset.moved = "";
  list.insertBefore(item, before);
  window.htmx?.process(item);
}

function paint() {
  const count = waiting.size;
  pill.hidden = count === 0;
  pill.querySelector("[data-count]").textContent = `${count} new`;
  const chosen = checked();
  bulk.hidden = chosen.length === 0;
  bulk.querySelector("[data-count]").textContent = `${chosen.length} selected`;
  rows().forEach((item) => item.toggleAttribute("data-checked", !!item.querySelector("input")?.checked));
}

/* ── choosing and peeking ── */
function choose(item, { scroll = true } = {}) {
  if (!item) return;
  rows().forEach((other) => { other.removeAttribute("aria-current"); other.tabIndex = -1; });
  item.setAttribute("aria-current", "true");
  item.tabIndex = 0;
  list.dataset.chosen = "true";
  if (scroll) item.scrollIntoView({ block: "nearest" });
}

async function look(item) {
  if (!item || !peek?.checkVisibility()) return;
  const slow = setTimeout(() => peek.replaceChildren(document.getElementById("t-bones").content.cloneNode(true)), 200);
  await window.htmx.ajax("GET", item.dataset.peek, { target: "#peek", swap: "innerHTML" });
  clearTimeout(slow);
}

let soon = 0;
function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  choose(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]);
  current().focus({ preventScroll: true });
  clearTimeout(soon);
  soon = setTimeout(() => look(current()), 120);
}

function clear() {
  const chosen = checked();
  if (chosen.length) chosen.forEach((item) => { item.querySelector("input").checked = false; });
  else {
    delete list.dataset.chosen;
    if (list.contains(document.activeElement)) document.activeElement.blur();
  }
  if (!busy()) release();
  paint();
}

list.addEventListener("click", (event) => {
  const item = event.target.closest(".row");
  const link = event.target.closest("a");
  const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey;
  if (!item || event.target.closest("button, input, kbd") || (link && (!phone.matches || elsewhere))) return;
  event.preventDefault();
  choose(item, { scroll: false });
  if (phone.matches) enter(item);
  else look(item);
});

/* ── on a phone, and where a pane beside the list would leave no room for titles, the peek is a page of its own: the back button leads out of it ── */
const phone = matchMedia("(max-width: 860px)");
const behind = () => document.querySelectorAll(".queue, .rail");

function enter(item) {
  history.pushState({ peek: item.dataset.id }, "");
  document.body.dataset.peek = "open";
  behind().forEach((part) => { part.inert = true; });
  look(item).then(() => peek.querySelector("[data-back]")?.focus());
}

function leave() {
  if (document.body.dataset.peek !== "open") return;
  delete document.body.dataset.peek;
  behind().forEach((part) => { part.inert = false; });
  current()?.focus({ preventScroll: true });
}

window.addEventListener("popstate", leave);
phone.addEventListener("change", () => { if (!phone.matches) leave(); });
peek?.addEventListener("click", (event) => { if (event.target.closest("[data-back]")) history.back(); });
list.addEventListener("change", paint);
list.addEventListener("pointerenter", (event) => { pointer = event.pointerType === "mouse"; });
list.addEventListener("pointerleave", () => { pointer = false; });
pill.addEventListener("click", release);
hold?.addEventListener("click", () => {
  held = !held;
  hold.setAttribute("aria-pressed", String(held));
  if (!held && !busy()) release();
});

/* ── keys and acts ── */
document.addEventListener("key", ({ detail: key }) => {
  const item = current();
  if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === ".") release();
  else if (key === "Escape" && document.body.dataset.peek === "open") history.back();
  else if (key === "Escape") clear();
  else if (key === "Enter") item?.querySelector("a")?.click();
  else if (key === " " && item) { if (phone.matches) enter(item); else look(item); }
  else if (key === "x" && item) { const box = item.querySelector("input"); box.checked = !box.checked; paint(); }
  else if (key === "1") act("take");
  else if (key === "a" && item?.dataset.annotate) window.htmx.ajax("GET", item.dataset.annotate, { target: "#modal", swap: "innerHTML" });
  else if (key === "c" && item?.dataset.contain) window.htmx.ajax("GET", item.dataset.contain, { target: "#modal", swap: "innerHTML" });
});

function act(name, extra = {}) {
  const ids = (checked().length ? checked() : [current()].filter(Boolean)).map((item) => item.dataset.id);
  if (!ids.length || !list.dataset.actUrl) return;
  window.htmx.ajax("POST", list.dataset.actUrl, { values: { act: name, ids: ids.join(","), ...extra }, swap: "none" });
}

bulk.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.act) act(button.dataset.act);
  if (button?.hasAttribute("data-clear")) clear();
});
paint();

/* Ages and elapsed times stay true without asking the server. */

const STEPS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];

function age(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [size, unit] = STEPS.find(([step]) => whole >= step) ?? [1, "s"];
  return `${Math.floor(whole / size)}${unit}`;
}

/* `data-since` counts in tenths until `data-until` is set; an order's clock. */
function elapsed(item) {
  const end = item.dataset.until ? Date.parse(item.dataset.until) : Date.now();
  const seconds = Math.max(0, (end - Date.parse(item.dataset.since)) / 1000);
  return seconds < 100 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/* A respawn watch fills as it runs; only a receipt says that it ended. */
function watch(item) {
  const share = Math.min(1, Math.max(0, (Date.now() - Date.parse(item.dataset.watchFrom)) / 1000 / Number(item.dataset.watchFor)));
  item.querySelector("rect")?.setAttribute("width", `${Math.round(share * 100)}%`);
  const words = item.querySelector("[data-words]");
  if (words) words.textContent = `${(share * Number(item.dataset.watchFor)).toFixed(1)} / ${item.dataset.watchFor} s`;
}

function set(item, text) {
  if (item.textContent !== text) item.textContent = text;
}

setInterval(() => {
  document.querySelectorAll("time[data-age]").forEach((item) => set(item, age((Date.now() - Date.parse(item.dateTime)) / 1000)));
}, 1000);
setInterval(() => {
  document.querySelectorAll("[data-since]").forEach((item) => set(item, elapsed(item)));
  document.querySelectorAll("[data-watch-from]").forEach(watch);
}, 100);

/* Single keys, the same in list and page. They rest while a person types, in a dialog, or when turned off.
   Kill has none. Tells by a "key" event on document; links and buttons may carry data-key. */

const off = document.body.dataset.keys === "off";
const typing = (target) => target.closest?.("input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]");
const own = (target, key) => (key === "Enter" || key === " ") && target.closest?.("a, button, summary, label, [role=tab], input");

document.addEventListener("keydown", (event) => {
  const palette = (event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k";
  if (palette) { event.preventDefault(); document.getElementById("search")?.focus(); return; }
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.key === "Escape" && event.target.id === "search") { event.target.blur(); return; }
  if (typing(event.target) || document.getElementById("modal")?.open || own(event.target, event.key)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (off && key.length === 1) return;
  if (act(key)) event.preventDefault();
});

function act(key) {
  if (key === "/") { document.getElementById("search")?.focus(); return true; }
  if (key === "?") { document.querySelector("[data-help]")?.click(); return true; }
  const list = document.getElementById("rows");
  const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((item) => item.checkVisibility());
  if (target && !list?.querySelector('[aria-current="true"]')) {
    if (target.matches("input, textarea")) target.focus();
    else target.click();
    return true;
  }
  document.dispatchEvent(new CustomEvent("key", { detail: key }));
  return Boolean(list) && ["j", "k", " ", ".", "x"].includes(key);
}

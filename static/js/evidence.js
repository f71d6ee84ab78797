/* What a bar, a mark or a line stands for: its place on this page, else its facts in a dialog.
   Asked by a click on `data-ref`, or by the event "evidence" (a figure). A link stays a link for a new tab. */

const KNOWN = /^(alert|call|process|connection|change|note|order):([1-9]\d{0,18})$/;
const FACTS = new Set(["alert", "call", "process", "connection"]);

function show(ref) {
  const [, kind, number] = KNOWN.exec(ref) ?? [];
  const place = kind && document.querySelector(`main [data-about="${ref}"]`);
  if (place) reveal(place);
  else if (FACTS.has(kind)) window.htmx.ajax("GET", `/facts/${kind}/${number}/`, { target: "#modal", swap: "innerHTML" });
  else if (kind === "order") location.assign(`/orders/${number}/`);
}

function reveal(place) {
  const panel = place.closest('[role="tabpanel"]');
  if (panel?.hidden) document.getElementById(panel.getAttribute("aria-labelledby")).click();
  if (place.matches("details")) place.open = true;
  const held = place.matches("details") ? place.querySelector("summary") : place;
  if (held === place) place.tabIndex = -1;
  held.focus({ preventScroll: true });
  place.scrollIntoView({ block: "center" });
  place.classList.remove("pointed");
  requestAnimationFrame(() => place.classList.add("pointed"));
}

document.addEventListener("evidence", ({ detail }) => show(String(detail)));
document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-ref]");
  if (!asked || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(asked.dataset.ref);
});

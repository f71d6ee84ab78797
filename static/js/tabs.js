/* Tabs as assistive technology expects them: arrows move, the chosen panel shows, the address keeps it. */

function select(tab, focus) {
  tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]').forEach((other) => {
    const on = other === tab;
    other.setAttribute("aria-selected", String(on));
    other.tabIndex = on ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !on;
  });
  if (focus) tab.focus();
  history.replaceState(null, "", `#${tab.id}`);
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (tab) select(tab, false);
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.('[role="tab"]');
  if (!tab) return;
  const all = [...tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]')];
  const at = all.indexOf(tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  select(all[(to + all.length) % all.length], true);
});

const named = location.hash && document.querySelector(`${CSS.escape(location.hash).replace(/^\\#/, "#")}[role="tab"]`);
if (named) select(named, false);

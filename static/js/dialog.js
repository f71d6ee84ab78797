/* Dialogs: what lands in #modal opens as a modal (the browser keeps the focus inside and the rest inert);
   closing gives the focus back. In the containment dialog the act chosen and the typed name decide whether it is armed. */

const modal = document.getElementById("modal");
let opener = null;

function open() {
  if (modal.open || !modal.firstElementChild) return;
  opener = document.activeElement;
  modal.showModal();
  (modal.querySelector("[autofocus]") ?? modal.querySelector("input:checked, textarea, input, button"))?.focus();
  arm();
}

document.addEventListener("htmx:afterSwap", (event) => { if (event.target === modal) { open(); arm(); } });
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-help]")) {
    modal.replaceChildren(document.getElementById("t-help").content.cloneNode(true));
    open();
  }
  if (event.target.closest("#modal [data-close]")) modal.close();
});
// A form that was taken and has nothing more to show closes its dialog.
modal.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (requestConfig.verb === "post" && xhr.status === 204 && !xhr.getResponseHeader("HX-Redirect")) modal.close();
});
modal.addEventListener("close", () => {
  modal.replaceChildren();
  if (opener?.isConnected) opener.focus();
});

/* ── armed or safe ── */
function arm() {
  const form = modal.querySelector("form[data-run]");
  if (!form) return;
  const act = form.querySelector("[name=action]:checked")?.value ?? "";
  form.dataset.act = act.toLowerCase();
  const reason = form.querySelector("[name=reason]").value.trim();
  const typed = form.querySelector("[name=typed_name]");
  typed.required = act === "KILL";
  const armed = reason !== "" && (act !== "KILL" || typed.value === form.dataset.run);
  form.toggleAttribute("data-armed", armed);
  const hold = form.querySelector(".hold");
  hold.setAttribute("aria-disabled", String(!armed));
  if (!hold.dataset.hold) hold.querySelector("small").textContent = hold.dataset.how;
  form.querySelector(".notkill[type=submit]").disabled = act === "KILL";
  form.querySelectorAll("[data-when]").forEach((part) => { part.hidden = part.dataset.when !== act; });
}

modal.addEventListener("input", arm);
modal.addEventListener("change", arm);
// A kill goes out by the held button alone. The ordinary button would be pressed by Enter in any field,
// hidden or not, so it is disabled too.
modal.addEventListener("submit", (event) => {
  if (event.target.dataset.act !== "kill" || event.target.dataset.held) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

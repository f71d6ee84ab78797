/* Short answers: what happened, and when something did not, what is kept and what to do.
   The server says {"toast": {"text": …, "undo": {url, act, seconds} or missing}} in HX-Trigger; refusals and silence are said here. */

const place = document.getElementById("toasts");
const SAID = {
  403: ["Not allowed", "Your role does not allow this. Nothing was changed."],
  404: ["Gone", "This is no longer there. Nothing was changed."],
  409: ["Changed by someone else", "It moved since you opened it. Nothing was changed; reload to see it."],
  429: ["Too many requests", "Nothing was changed. Try again in a minute."],
};

function put(id, slots, stay) {
  const piece = document.getElementById(id)?.content.cloneNode(true).firstElementChild;
  if (!piece) return;
  Object.entries(slots).forEach(([name, text]) => { piece.querySelector(`[data-slot="${name}"]`).textContent = text; });
  place.append(piece);
  if (!stay) setTimeout(() => piece.remove(), 6000);
  return piece;
}

/* An act that can be taken back says so for as long as the server allows it. */
function said({ text, value, undo }) {
  const piece = put("t-toast", { text: text ?? value ?? "" }, Boolean(undo));
  const button = piece?.querySelector("[data-undo]");
  if (!undo || !button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    piece.remove();
    window.htmx.ajax("POST", undo.url, { values: { act: undo.act }, swap: "none" });
  });
  setTimeout(() => piece.remove(), undo.seconds * 1000);
}

document.addEventListener("toast", (event) => said(event.detail));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) { location.reload(); return; }
  if (event.detail.xhr.getResponseHeader("HX-Trigger")?.includes('"toast"')) return; // the server said it better
  const [title, text] = SAID[status] ?? [`Not done, answer ${status}`, "Nothing was changed by this page. What you wrote is kept here."];
  put("t-fail", { title, text }, true);
});
document.addEventListener("htmx:sendError", () => put("t-fail", { title: "No answer", text: "The server did not answer. What you wrote is kept here." }, true));
place?.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());

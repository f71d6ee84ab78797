/* Hold to kill: 1.5 s with the pointer, Enter or Space. The equal path: press Enter, wait 5 s, press Enter again.
   Release or Esc stops, and nothing is sent. */

const HOLD = 1500;
const APART = 5000;
const WINDOW = 15000;
let button = null;
let began = 0;
let timer = 0;
let tick = 0;
let firstPress = 0;

const note = () => button.querySelector("small");
const armed = () => button.closest("form").hasAttribute("data-armed");

function start(target, at) {
  if (button && began) return;
  button = target;
  if (!armed()) return say(button.dataset.unarmed);
  began = at;
  button.dataset.hold = "on";
  timer = setTimeout(send, HOLD);
  tick = setInterval(() => say(`${Math.max(0, (HOLD - (performance.now() - began)) / 1000).toFixed(1)} s left`), 100);
}

/* Long enough is long enough: a busy page may run the timer late, but the press was as long as it was. */
function stop(event) {
  if (!began) return;
  clearTimeout(timer);
  if (event?.type.endsWith("up") && event.timeStamp - began >= HOLD) { send(); return; }
  clearInterval(tick);
  began = 0;
  delete button.dataset.hold;
  say(button.dataset.how);
}

function say(text) {
  if (text) note().textContent = text;
}

function send() {
  clearInterval(tick);
  began = 0;
  firstPress = 0;
  say("Requested");
  const form = button.closest("form");
  form.dataset.held = "true";
  button.setAttribute("aria-disabled", "true");
  form.requestSubmit();
}

/* The equal path for people who cannot hold. */
function pressed(target) {
  const now = performance.now();
  button = target;
  if (!armed()) return;
  if (firstPress && now - firstPress >= APART && now - firstPress <= WINDOW) return send();
  firstPress = now;
  button.dataset.hold = "wait";
  say("Wait 5 s, then press Enter again");
  setTimeout(() => { if (firstPress === now) say("Press Enter now"); }, APART);
  setTimeout(() => { if (firstPress === now) cancel(); }, WINDOW);
}

function cancel() {
  firstPress = 0;
  stop();
  if (button?.isConnected) { delete button.dataset.hold; say(button.dataset.how); }
}

/* An order that did not get through is said so, and the button is a button again. */
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest?.("form[data-held]");
  if (!form || event.detail.successful) return;
  delete form.dataset.held;
  if (button?.isConnected) { button.setAttribute("aria-disabled", "false"); say("Not sent. Hold to try again"); }
});

const held = (event) => event.target.closest?.(".hold");
document.addEventListener("pointerdown", (event) => { if (event.button === 0 && held(event)) start(held(event), event.timeStamp); });
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, stop, true);
// Pressing the button takes the focus from the field before it: only the button's own loss of it counts.
document.addEventListener("blur", (event) => { if (held(event)) stop(); }, true);
window.addEventListener("blur", stop);
document.addEventListener("pointerout", (event) => { if (began && held(event) && !button.contains(event.relatedTarget)) stop(); });
document.addEventListener("contextmenu", (event) => { if (held(event)) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && (began || firstPress)) { event.preventDefault(); cancel(); return; }
  const target = held(event);
  if (!target || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  if (!event.repeat) start(target, event.timeStamp);
});
document.addEventListener("keyup", (event) => {
  const target = held(event);
  if (!target || !began) return;
  const short = event.timeStamp - began < HOLD / 2;
  stop(event);
  if (event.key === "Enter" && short) pressed(target);
});

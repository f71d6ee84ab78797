/* The theme: shown at once, kept by the server, told to the figures. */

const root = document.documentElement;
const tell = () => document.dispatchEvent(new CustomEvent("themechange"));

document.addEventListener("change", (event) => {
  if (event.target.name !== "theme") return;
  if (event.target.value) root.dataset.theme = event.target.value;
  else delete root.dataset.theme;
  tell();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);

/* A menu closes when a person looks elsewhere. */
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

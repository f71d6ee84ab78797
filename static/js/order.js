/* The order page: panels and clocks are kept by live.js and ages.js. What is left to do here is to say the verdict
   aloud when it changes, and only then, because the panel itself is replaced with every receipt; and to draw a host's
   new result as soon as its commit rings, while the panel with the proof is on its way. */

const aloud = document.getElementById("say-verdict");

function say() {
  const words = document.querySelector(".verdict h2")?.textContent.trim();
  if (words && words !== aloud.textContent) aloud.textContent = words;
}

function draw({ detail: entry }) {
  if (entry.kind !== "order.moved" || !entry.topics.includes(document.body.dataset.topics)) return;
  const tile = document.getElementById(`target-${Number(entry.detail.host)}`)?.querySelector(".tile");
  const drawn = document.getElementById("t-tiles").content.querySelector(`[data-stage="${CSS.escape(entry.detail.stage)}"] .tile`);
  if (tile && drawn) tile.replaceWith(drawn.cloneNode(true));
}

document.addEventListener("feed", draw);
document.addEventListener("htmx:afterSettle", say);
say();

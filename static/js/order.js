/* The order page: panels and clocks are kept by live.js and ages.js. What is left to do here is to say the verdict
   aloud when it changes, and only then: the panel itself is replaced with every receipt. */

const aloud = document.getElementById("say-verdict");

function say() {
  const words = document.querySelector(".verdict h2")?.textContent.trim();
  if (words && words !== aloud.textContent) aloud.textContent = words;
}

document.addEventListener("htmx:afterSettle", say);
say();

/* Words that are cut to their room are told in full, where a pointer or the focus comes to them. */

const CUT = ".cut, .token code, .crumb .id, .thread li > span:first-child";

function tell({ target }) {
  const item = target.closest?.(CUT);
  if (!item || (item.title && !("cut" in item.dataset))) return;
  const cut = item.scrollWidth > item.clientWidth || item.scrollHeight > item.clientHeight + 1;
  if (cut) { item.title = item.textContent.trim(); item.dataset.cut = ""; } else if ("cut" in item.dataset) item.removeAttribute("title");
}

document.addEventListener("pointerover", tell);
document.addEventListener("focusin", tell);

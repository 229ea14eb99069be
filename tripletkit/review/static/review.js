"use strict";
// Keys press what carries them; what is typed into a field is no key. A row with the focus comes before the first row.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const key = CSS.escape(event.key);
  const row = event.target.closest("[data-row]");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") return toRow(event, row);
  const found = (row && row.querySelector(`[data-key="${key}"]`)) || document.querySelector(`main [data-key="${key}"]`);
  if (!found) return;
  event.preventDefault();
  found.click();
});
// The next or the previous row of a list gets the focus.
function toRow(event, row) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const next = rows[row ? rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1) : 0];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
// A page that htmx put in place begins at its top, and its content has the focus, so that Tab goes on from there.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.boosted || event.target === document.body) {
    window.scrollTo(0, 0);
    const main = document.getElementById("main");
    if (main) main.focus({ preventScroll: true });
  }
});
// A refusal or an error is a page of its own, and is shown.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400) event.detail.shouldSwap = true;
});
document.addEventListener("htmx:sendError", () => {
  const told = document.createElement("p");
  told.setAttribute("role", "alert");
  told.className = "alert";
  told.textContent = "The server does not answer, so this was not kept. Start `tripletkit review` again: all earlier verdicts are there.";
  document.getElementById("main").prepend(told);
});

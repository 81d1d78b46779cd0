// Keys: "/" to the search, "g" and a letter to a page, "?" for help. Never while somebody types.

const CHORD_MS = 1200;

export function start() {
  const help = document.getElementById("help");
  const button = document.getElementById("keyboard");
  let chord = -Infinity; // when "g" was pressed
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (performance.now() - chord < CHORD_MS) {
      chord = -Infinity;
      const link = document.querySelector(`.rail a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
    } else if (event.key === "g") {
      chord = performance.now();
    } else if (event.key === "/") {
      const search = document.getElementById("search");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "?") {
      event.preventDefault();
      help.showModal();
    }
  });
}

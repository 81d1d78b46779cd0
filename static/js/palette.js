// The command palette: Ctrl K or ⌘ K, type, Enter. The server knows what there is; what the page itself offers comes first.

const PAUSE_MS = 80;

let dialog, input, list, says;
let chosen = 0;
let asked = null; // AbortController of the question under way
let timer = 0;

export function start() {
  dialog = document.getElementById("palette");
  const button = document.getElementById("find");
  if (!dialog || !button) return;
  input = document.getElementById("palette-input");
  list = document.getElementById("palette-list");
  says = document.getElementById("palette-says");
  button.hidden = false;
  button.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  });
  input.addEventListener("keydown", keys);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

function open() {
  if (document.querySelector("dialog[open]")) return;
  input.value = "";
  dialog.showModal();
  input.focus();
  ask();
}

function keys(event) {
  if (event.key === "Escape") { // a search field would only be emptied by it
    event.preventDefault();
    input.blur(); // else the next key would still be typed into it
    return dialog.close();
  }
  const options = [...list.children];
  const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, Home: event.ctrlKey ? 0 : undefined, End: event.ctrlKey ? options.length - 1 : undefined }[event.key];
  if (to !== undefined && options.length) {
    event.preventDefault();
    choose((to + options.length) % options.length);
  } else if (event.key === "Enter" && options[chosen]) {
    event.preventDefault();
    location.assign(options[chosen].dataset.href);
  }
}

async function ask() {
  const wanted = input.value.trim();
  asked?.abort();
  const mine = asked = new AbortController();
  try {
    const address = `${dialog.dataset.find}?q=${encodeURIComponent(wanted)}`;
    const response = await fetch(address, { signal: mine.signal, credentials: "same-origin", redirect: "error" });
    if (!response.ok) throw new Error(String(response.status));
    const { items, more } = await response.json();
    show([...here(wanted), ...items]);
    if (more) says.textContent = `… and ${more.toLocaleString("en")} more: type more of the name.`;
  } catch (error) {
    if (error.name === "AbortError") return;
    show(here(wanted));
    says.textContent = "The server does not answer; this is what the page itself offers.";
  }
}

/** Buttons beside the heading: what can be done with what is looked at. */
function here(wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return [...document.querySelectorAll(".head .actions a")]
    .map((link) => ({ label: link.textContent.trim(), kind: "here", href: link.getAttribute("href") }))
    .filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)));
}

function show(items) {
  list.replaceChildren(...items.map((item, i) => {
    const option = document.createElement("li");
    option.role = "option";
    option.id = `found-${i}`;
    option.dataset.href = item.href;
    const label = document.createElement("span");
    label.textContent = item.label;
    const kind = document.createElement("span");
    kind.className = "kind";
    kind.textContent = item.kind;
    option.append(label, kind);
    option.addEventListener("pointermove", () => choose(i));
    option.addEventListener("click", () => location.assign(item.href));
    return option;
  }));
  says.textContent = items.length ? "" : "Nothing of that name.";
  choose(0);
}

function choose(index) {
  list.children[chosen]?.setAttribute("aria-selected", "false");
  chosen = index;
  const option = list.children[chosen];
  if (!option) return input.removeAttribute("aria-activedescendant");
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", option.id);
}

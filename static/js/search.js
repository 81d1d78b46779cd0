// A list follows what is typed: each pause in typing shows another view of the same page, still a link.

import { show } from "./live.js";

const PAUSE_MS = 150;

export function start() {
  const input = document.getElementById("search");
  if (!input) return;
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const url = new URL(location.href);
      url.searchParams.delete("page");
      if (input.value.trim()) url.searchParams.set("q", input.value.trim());
      else url.searchParams.delete("q");
      show(url.pathname + url.search);
    }, PAUSE_MS);
  });
}

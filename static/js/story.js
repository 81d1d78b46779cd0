// Story mode: steps by keys without leaving full screen. → ← step, space does what the step asks for, f is full screen.

import { show } from "./live.js";

export function start() {
  const stage = document.querySelector("[data-story]");
  if (!stage) return;
  stage.addEventListener("click", (event) => {
    const link = event.target.closest(".steps a, a[rel=start]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.rel === "next" || link.rel === "prev") move(link.rel === "next" ? 1 : -1);
    else go(link);
  });
  stage.addEventListener("submit", act);
  document.addEventListener("keydown", keys);
  const button = document.getElementById("full-screen");
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", fullScreen);
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, dialog, summary")) return;
  if (event.key === " " && event.target.closest("a, button")) return; // it presses that
  const doing = { ArrowRight: next, PageDown: next, ArrowLeft: back, PageUp: back, " ": main, f: fullScreen }[event.key];
  if (!doing) return;
  event.preventDefault();
  doing();
}

const next = () => move(1);
const back = () => move(-1);

/** From the address, which is ahead of the picture: two quick presses are two steps. */
function move(by) {
  const links = document.querySelectorAll(".steps ol a");
  const now = Number(new URLSearchParams(location.search).get("step")) || 1;
  go(links[Math.min(Math.max(now + by, 1), links.length) - 1]);
}

/** Do what the step asks for, once what it waits for is seen; where it asks for nothing, go on. */
function main() {
  const button = document.querySelector("#caption [data-main]");
  if (!button?.offsetParent) return next();
  if (!button.disabled && !("waits" in button.dataset)) button.click();
}

function go(link) {
  const url = new URL(link.href);
  document.getElementById("story-says").textContent = "";
  show(url.pathname + url.search);
}

/** Start, pull or stop without leaving the page; what came of it is said below. */
async function act(event) {
  event.preventDefault();
  const says = document.getElementById("story-says");
  const { submitter, target } = event;
  if (submitter) submitter.disabled = true;
  says.textContent = "…";
  try {
    const response = await fetch(target.action, { method: "POST", body: new FormData(target), headers: { Accept: "application/json" }, credentials: "same-origin" });
    says.textContent = (await response.json()).says ?? "";
  } catch {
    says.textContent = "The dashboard does not answer.";
  }
  if (submitter) submitter.disabled = false;
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

// Starts everything that a page needs. Deferred, as modules are: the document and Plotly are there.

import { start as charts } from "./charts.js";
import { start as estimate } from "./estimate.js";
import { start as forms } from "./forms.js";
import { start as keyboard } from "./keyboard.js";
import { start as knobs } from "./knobs.js";
import { start as live } from "./live.js";
import { start as palette } from "./palette.js";
import { start as search } from "./search.js";
import { start as story } from "./story.js";

charts(Number(document.body.dataset.asOf) || Date.now());
live();
search();
story();
forms();
estimate();
keyboard();
knobs();
palette();
theme();
document.querySelector(".rail nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

function theme() {
  const button = document.getElementById("theme");
  const order = ["system", "light", "dark"];
  const name = () => { button.querySelector("span").textContent = `Theme: ${window.streamlabTheme.current()}`; };
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = (order.indexOf(window.streamlabTheme.current()) + 1) % order.length;
    window.streamlabTheme.choose(order[next]);
    name();
  });
  name();
}

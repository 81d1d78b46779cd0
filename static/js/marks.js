// What happened, on the time axis of every chart: the list in #marks is the source, so that it can be read and heard too.

const COLOURS = { rebalance: "--chart-2", reset: "--warn", replay: "--chart-5", settings: "--chart-3", topic: "--chart-6", group: "--chart-4", alert: "--bad", experiment: "--chart-0" };
const SYMBOLS = { rebalance: "diamond", reset: "triangle-left", replay: "triangle-right", settings: "square", topic: "star", group: "hexagon", alert: "octagon", experiment: "cross" };
const COLOUR_ELSE = "--ink-3";
const WORD_TAKES = 0.09; // of the axis

/** What the list says, within a time: `[{at, kind, word, text, href}]`. */
function marks(from, until) {
  return [...document.querySelectorAll("#marks [data-mark-at]")]
    .map((item) => ({
      at: Number(item.dataset.markAt),
      kind: item.dataset.markKind,
      word: item.querySelector(".word")?.textContent ?? "",
      text: `${item.querySelector("a, .word").textContent}: ${item.querySelector(".what").textContent}`,
      href: item.querySelector("a")?.getAttribute("href") ?? "",
    }))
    .filter(({ at }) => at >= from && at <= until);
}

/** Plotly reads text as markup. */
function plain(text) {
  return text.replaceAll("<", "‹").replaceAll("&", "＆");
}

/** The words beside the marks: "" where the next mark is too near. */
function words(found, takes) {
  const times = found.map(({ at }) => at);
  return found.map(({ at, word }) => (times.some((other) => other > at && other - at < takes) ? "" : word));
}

/** A trace of marks along the upper edge: none where the page has no list. `told`: with their words, as nobody hovers. */
export function markTrace(from, until, highest, token, big, told) {
  const found = marks(from, until);
  if (!found.length) return [];
  const takes = (until - from) * WORD_TAKES;
  const written = told ? words(found, takes) : [];
  return [{
    type: "scatter",
    mode: told ? "text+markers" : "markers",
    name: "",
    x: found.map(({ at }) => at),
    y: found.map(() => highest * 1.02),
    customdata: found.map(({ href }) => href),
    text: written.map((word) => ` ${plain(word)} `),
    textposition: found.map(({ at }) => (until - at < takes ? "middle left" : "middle right")),
    textfont: { color: token("--ink-2"), size: 11 * big },
    hovertext: found.map(({ text }) => plain(text)),
    marker: {
      size: 9 * big,
      symbol: found.map(({ kind }) => SYMBOLS[kind] ?? "circle"),
      color: found.map(({ kind }) => token(COLOURS[kind] ?? COLOUR_ELSE)),
    },
    hovertemplate: "%{hovertext}<extra></extra>",
    cliponaxis: false,
  }];
}

/** A thin line through the chart for each mark. */
export function markShapes(from, until, token, big) {
  return marks(from, until).map(({ at, kind }) => ({
    type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 0.97, layer: "below",
    line: { color: token(COLOURS[kind] ?? COLOUR_ELSE), width: big, dash: "dot" },
  }));
}

/** A click on a mark leads to what it speaks of; one beside it, to the dashboard as it was then. */
export function follow(element) {
  const wind = element.closest("[data-wind]")?.dataset.wind;
  if (wind === undefined) return;
  element.on("plotly_click", ({ points, event }) => {
    const near = points.find((point) => typeof point.customdata === "string" && aimedAt(element, point, event));
    if (near?.customdata) location.assign(near.customdata);
    else if (points.length) location.assign(`${wind}?at=${stamp(points[0].x)}`);
  });
}

/** Whether the pointer is on the mark, not only beside it in the same column. */
function aimedAt(element, point, event) {
  const plot = element.querySelector(".nsewdrag")?.getBoundingClientRect();
  if (!plot || !event) return true;
  return event.clientY - plot.top < plot.height / 4;
}

function stamp(x) {
  const text = typeof x === "number" ? new Date(x).toISOString() : `${String(x).replace(" ", "T")}`;
  return encodeURIComponent(text.slice(0, 19));
}

// The only place that speaks to Plotly. Keeps 15 minutes of points a chart, draws at most once a second, and only
// charts that can be seen. Colours come from the tokens in tokens.css.

import { outline, withGaps } from "./gaps.js";
import { follow, markShapes, markTrace } from "./marks.js";

const DASHES = ["solid", "6px,2px", "2px,2px", "8px,2px,2px,2px", "10px,3px", "4px,3px", "solid", "solid"];
const SUFFIXES = { s: " s", B: "B", "B/s": "B", "% of one core": " %" };
const STEPS_S = [60, 120, 300, 600, 1200, 3600, 7200, 14_400, 28_800, 43_200, 86_400];
const SHORTEST_MS = 120_000;
const CONFIG = {
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  responsive: true,
  displayModeBar: false,
  doubleClick: "reset",
};

const charts = new Map();

class Chart {
  constructor(element, spec) {
    this.element = element;
    this.spec = spec;
    this.seen = false;
    this.dirty = true;
    this.asOf = 0;
    this.told = element.closest("[data-story]") !== null;
    this.load(spec);
  }

  /** Replace everything: {lines, t, y}. */
  load({ lines, t, y, step_ms }) {
    this.spec.lines = lines;
    this.spec.step_ms = step_ms ?? 1000;
    this.columns = lines.map((_, i) => ({ t: [...(t[i] ?? t[0] ?? [])], y: [...(y[i] ?? [])] }));
    this.dirty = true;
  }

  /** Add newer points, and forget what left the window. */
  append({ lines, t, y }) {
    if (lines.join("\n") !== this.spec.lines.join("\n")) return false;
    this.columns.forEach((column, i) => {
      const times = t[i] ?? t[0] ?? [];
      const last = column.t.at(-1) ?? 0;
      times.forEach((at, k) => {
        if (at <= last) return;
        column.t.push(at);
        column.y.push(y[i][k]);
      });
    });
    this.dirty = true;
    return true;
  }

  prune(asOf) {
    this.asOf = Math.max(this.asOf, asOf);
    const from = this.asOf - this.spec.window_ms;
    for (const column of this.columns) {
      let old = 0;
      while (old < column.t.length && column.t[old] < from) old += 1;
      column.t.splice(0, old);
      column.y.splice(0, old);
    }
  }

  draw() {
    if (!this.seen || !this.dirty || !window.Plotly || document.hidden) return;
    this.dirty = false;
    window.Plotly.react(this.element, this.traces(), this.layout(), CONFIG);
    if (this.followed) return;
    this.followed = true;
    follow(this.element);
  }

  traces() {
    const marks = markTrace(this.from(), this.asOf, this.highest(), token, this.big, this.told);
    return [...(this.spec.bars ? this.bars() : this.linesOf()), ...marks];
  }

  bars() {
    return this.columns.map((column, i) => ({
      type: "bar",
      name: this.spec.lines[i],
      x: column.t.map((at) => at + this.spec.step_ms / 2),
      y: column.y,
      width: this.spec.step_ms * 0.86,
      marker: { color: token(`--chart-${i % 8}`) },
      hovertemplate: `%{y:,} ${this.spec.unit}<extra>%{fullData.name}</extra>`,
    }));
  }

  linesOf() {
    return this.columns.flatMap((column, i) => {
      const label = this.spec.lines[i];
      const colour = token(`--chart-${i % 8}`);
      const { x, y } = withGaps(column, this.spec.step_ms);
      const line = {
        type: "scatter",
        mode: "lines",
        name: label.replaceAll("<", "‹").replaceAll("&", "＆"), // Plotly reads names as markup
        x,
        y,
        line: { color: colour, width: 1.75 * this.big, dash: DASHES[i % 8] },
        connectgaps: false,
        hovertemplate: `%{y:,.4~g} ${this.spec.unit}<extra>%{fullData.name}</extra>`,
      };
      if (!this.spec.area) return [line];
      const area = { type: "scatter", mode: "lines", ...outline(column, this.spec.step_ms), line: { width: 0 }, fill: "tozeroy", fillcolor: faint(colour), hoverinfo: "skip" };
      return [area, line];
    });
  }

  /** Left end of the axis: a young chart grows to the whole window; on the history page all of them do so together. */
  from() {
    const together = this.element.closest("[data-wind]") ? [...charts.values()].filter(({ spec }) => !spec.bars) : [this];
    const first = Math.min(this.asOf - SHORTEST_MS, ...together.flatMap(({ columns }) => columns.map(({ t }) => t[0] ?? Infinity)));
    return Math.max(this.asOf - this.spec.window_ms, first);
  }

  highest() {
    let highest = this.spec.floor;
    const totals = new Map(); // bars stand on each other
    for (const { t, y } of this.columns) {
      y.forEach((value, k) => {
        if (value === null) return;
        const reached = this.spec.bars ? (totals.get(t[k]) ?? 0) + value : value;
        totals.set(t[k], reached);
        if (reached > highest) highest = reached;
      });
    }
    return highest;
  }

  /** How much larger than on a usual screen: as the text of the page; in a story, to be seen from the back of a room. */
  get big() {
    return this.told ? Math.min(Math.max(innerWidth / 1200, 1.4), 4) : parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  }

  layout() {
    const from = this.from();
    const highest = this.highest();
    const days = this.spec.window_ms > 86_400_000;
    const axis = {
      gridcolor: token("--line"),
      linecolor: token("--line-strong"),
      zeroline: false,
      tickfont: { size: 11 * this.big, color: token("--ink-3") },
      automargin: false,
    };
    const clear = { ticks: "outside", ticklen: 6 * this.big, tickcolor: "rgba(0,0,0,0)" }; // a mark at the left edge stands beside the numbers
    return {
      uirevision: "keep",
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: '"Geist", system-ui, sans-serif', size: 12 * this.big, color: token("--ink-2") },
      margin: { l: 52 * this.big, r: 12 * this.big, t: 8 * this.big, b: 28 * this.big },
      showlegend: false,
      hovermode: "x unified",
      barmode: "stack",
      shapes: markShapes(from, this.asOf, token, this.big),
      hoverlabel: { bgcolor: token("--surface"), bordercolor: token("--line-strong"), font: { color: token("--ink"), size: 12 * this.big } },
      xaxis: {
        ...axis,
        type: "date",
        range: [from, this.asOf],
        showgrid: false,
        tickformatstops: [
          { dtickrange: [null, 59_999], value: "%H:%M:%S" },
          { dtickrange: [60_000, days ? 80_000_000 : null], value: days ? "%b %-d %H:%M" : "%H:%M" },
          { dtickrange: [80_000_000, null], value: "%b %-d" },
        ],
        hoverformat: this.spec.window_ms >= 86_400_000 ? "%b %-d %H:%M UTC" : "%H:%M:%S UTC",
        tickangle: 0, // rather fewer than slanted ones
        nticks: Math.min(6, Math.max(2, Math.floor(this.element.clientWidth / (80 * this.big)))),
        fixedrange: false,
      },
      yaxis: { ...axis, ...clear, range: [0, highest * 1.08], tickformat: highest < 10 ? "~g" : "~s", ticksuffix: SUFFIXES[this.spec.unit] ?? "", nticks: 5, ...(this.spec.unit === "s" ? spelled(highest) : {}), fixedrange: true, showline: false },
      dragmode: "zoom",
    };
  }

  table() {
    const target = document.querySelector(`[data-table="${CSS.escape(this.spec.id)}"]`);
    if (!target?.closest("details")?.open) return;
    target.replaceChildren(tableOf(this));
  }

  free() {
    window.Plotly?.purge(this.element);
  }
}

/** One row a minute, or a step where that is longer, the newest first: what the chart shows, for those who cannot see it. */
function tableOf(chart) {
  const rows = new Map();
  const days = chart.spec.window_ms >= 86_400_000;
  chart.columns.forEach(({ t, y }, line) => {
    t.forEach((at, i) => {
      const minute = new Date(at).toISOString().slice(days ? 5 : 11, 16).replace("T", " ");
      if (!rows.has(minute)) rows.set(minute, chart.columns.map(() => null));
      if (y[i] !== null) rows.get(minute)[line] = y[i];
    });
  });
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const text of ["Minute (UTC)", ...chart.spec.lines.map((label) => `${label}, ${chart.spec.unit}`)]) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = text;
    if (head.cells.length) th.className = "n";
    head.append(th);
  }
  const body = table.createTBody();
  for (const [minute, values] of [...rows].reverse()) {
    const row = body.insertRow();
    row.insertCell().textContent = minute;
    for (const value of values) {
      const cell = row.insertCell();
      cell.className = "n";
      cell.textContent = value === null ? "—" : value.toLocaleString("en");
    }
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  scroll.role = "region";
  scroll.ariaLabel = `Data of ${chart.spec.title}, the last value of each minute`;
  scroll.append(table);
  return scroll;
}

/** Ticks of an axis in seconds that reaches beyond two minutes: nobody reads "2k s". Nothing for a shorter one. */
function spelled(highest) {
  if (highest <= 120) return {};
  const step = STEPS_S.find((length) => highest / length <= 5) ?? 86_400 * Math.ceil(highest / 86_400 / 5);
  const tickvals = Array.from({ length: Math.floor((highest * 1.08) / step) + 1 }, (_, i) => i * step);
  const [size, unit] = step >= 86_400 ? [86_400, "d"] : step >= 3600 ? [3600, "h"] : [60, "min"];
  return { tickmode: "array", tickvals, ticktext: tickvals.map((at) => (at ? `${at / size} ${unit}` : "0")) };
}

// Tokens are light-dark() pairs; a probe makes the browser say which colour holds now.
const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);
const colours = new Map();

function token(name) {
  if (!colours.has(name)) {
    probe.style.color = `var(${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}

function faint(rgb) {
  return rgb.replace(/^rgb\((.*)\)$/, "rgba($1, 0.10)");
}

function retheme() {
  colours.clear();
  for (const chart of charts.values()) {
    chart.dirty = true;
    chart.draw();
  }
}

/** Find the charts of the page and draw what the server sent along. */
export function start(asOf) {
  const data = document.getElementById("chart-data");
  if (!data) return;
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = charts.get(target.dataset.chart);
      if (!chart) continue;
      chart.seen = isIntersecting;
      chart.draw();
    }
  }, { rootMargin: "100px" });
  for (const spec of JSON.parse(data.textContent)) {
    const element = document.querySelector(`[data-chart="${CSS.escape(spec.id)}"]`);
    if (!element) continue;
    const chart = new Chart(element, spec);
    chart.prune(asOf);
    charts.set(spec.id, chart);
    watcher.observe(element);
    document.querySelector(`[data-table="${CSS.escape(spec.id)}"]`)?.closest("details").addEventListener("toggle", () => chart.table());
  }
  window.addEventListener("themechange", retheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", retheme);
  document.addEventListener("visibilitychange", () => charts.forEach((chart) => chart.draw()));
  window.addEventListener("pagehide", (event) => { if (!event.persisted) charts.forEach((chart) => chart.free()); });
}

/** Take in a frame's points. False when a line came or went, so that only a full frame would do. */
export function update(series, full, asOf) {
  let fits = true;
  for (const [id, points] of Object.entries(series ?? {})) {
    const chart = charts.get(id);
    if (!chart) continue;
    if (full || chart.spec.bars) chart.load(points);
    else fits = chart.append(points) && fits;
    chart.prune(asOf);
    chart.dirty = true;
    chart.draw();
    chart.table();
  }
  return fits;
}

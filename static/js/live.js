// The live feed: subscribes to this page's key, hands frames on, and says how the connection is.
// WebSocket first; where that cannot be had, the same frames by polling. Backs off, pauses in a hidden tab, catches up.

import { patch } from "./patch.js";
import { update } from "./charts.js";

const STALE_MS = 5000;
const HIDDEN_GRACE_MS = 5000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15000];
const FAILURES_BEFORE_POLLING = 2;
const POLL_MS = 2000;
const SIGNED_OUT = 4401;
const NO_SUCH_PAGE = 4404;
const FRAME_TYPE = "application/vnd.streamlab.frame+json";

const body = document.body;
const connection = document.getElementById("connection");
const asOfElement = document.getElementById("as-of");

let key = body.dataset.liveKey;
let asOf = Number(body.dataset.asOf) || 0;
let seq = 0;
let lastFrameAt = asOf ? performance.now() : -Infinity;
let socket = null;
let attempts = 0; // in a row without a frame
let inTurn = Promise.resolve(); // frames are shown as they came, however long one takes to unpack
let everOpened = false;
let polling = false;
let retryTimer = 0;
let hiddenTimer = 0;
let paused = false;
let ended = false;

export function start() {
  if (!key) return; // a form: nothing on it moves
  document.addEventListener("visibilitychange", visibility);
  window.addEventListener("online", () => { attempts = 0; connect(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  setInterval(judge, 1000);
  connect();
}

/** Show another view of the same page without loading it: an address that differs in its query. */
export function show(newKey) {
  key = newKey;
  seq = 0;
  history.replaceState(null, "", newKey);
  if (socket?.readyState === WebSocket.OPEN) say({ subscribe: key });
  else if (polling) poll();
}

function say(message) {
  socket.send(JSON.stringify(message));
}

function connect() {
  clearTimeout(retryTimer);
  if (ended || paused || (socket && socket.readyState <= WebSocket.OPEN)) return;
  if (!window.DecompressionStream) return startPolling();
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const mine = socket = new WebSocket(`${scheme}//${location.host}/ws/live/`);
  mine.onopen = () => {
    everOpened = true;
    seq = 0;
    say({ subscribe: key });
  };
  mine.onmessage = (event) => {
    const frame = unpacked(event.data);
    inTurn = inTurn.then(async () => take(mine, await frame)).catch(reportError);
  };
  mine.onclose = (event) => {
    if (mine !== socket) return;
    socket = null;
    if (event.code === SIGNED_OUT) return signedOut();
    if (event.code === NO_SUCH_PAGE) return end("bad", "This page is gone");
    if (paused || ended) return;
    attempts += 1;
    if (!everOpened && attempts >= FAILURES_BEFORE_POLLING) startPolling();
    const wait = BACKOFF_MS[Math.min(attempts - 1, BACKOFF_MS.length - 1)];
    retryTimer = setTimeout(connect, wait * (0.75 + Math.random() / 2));
    judge();
  };
}

/** Frames are gzipped JSON. */
function unpacked(blob) {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function take(from, frame) {
  if (from !== socket) return;
  attempts = 0;
  stopPolling();
  receive(frame);
}

function receive(frame) {
  if (frame.key !== undefined && frame.key !== key) return; // of the view that was left
  if (!frame.full && frame.prev !== undefined && frame.prev !== seq) return say({ resync: true });
  seq = frame.seq ?? 0;
  asOf = frame.as_of;
  lastFrameAt = performance.now();
  if (frame.gone) return end("bad", frame.gone);
  if (document.querySelector("[data-unavailable]")) return location.reload();
  for (const [id, html] of Object.entries(frame.html)) {
    const element = document.getElementById(id);
    if (element) patch(element, html);
  }
  if (!update(frame.series, frame.full, asOf) && socket?.readyState === WebSocket.OPEN) say({ resync: true });
  asOfElement.textContent = `${new Date(asOf).toISOString().slice(11, 19)} UTC`;
  judge();
}

/** Say how the connection is: in a word, with a mark, and fade the page when its figures are old. */
function judge() {
  if (ended) return;
  const silent = performance.now() - lastFrameAt > STALE_MS;
  const since = asOf ? ` since ${new Date(asOf).toISOString().slice(11, 19)}` : "";
  const open = socket?.readyState === WebSocket.OPEN;
  if (paused) tell("idle", "Paused");
  else if (!silent && polling) tell("ok", "Live, by polling");
  else if (!silent && open) tell("ok", "Live");
  else if (!silent) tell("note", attempts ? "Reconnecting" : "Connecting");
  else if (open || polling) tell("warn", `Stale${since}`);
  else tell("warn", `Reconnecting, stale${since}`);
  body.classList.toggle("faded", silent && !paused && asOf > 0);
}

function tell(tone, words) {
  const word = connection.querySelector(".word");
  if (word.textContent !== words) word.textContent = words;
  connection.className = tone;
}

function end(tone, words) {
  ended = true;
  stopPolling();
  tell(tone, words);
  body.classList.add("faded");
  socket?.close();
}

function signedOut() {
  end("bad", "Signed out");
  location.assign(`/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`);
}

function visibility() {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(pause, HIDDEN_GRACE_MS);
  } else if (paused) {
    paused = false;
    attempts = 0;
    connect();
    judge();
  }
}

function pause() {
  paused = true;
  clearTimeout(retryTimer);
  stopPolling();
  socket?.close();
  judge();
}

function startPolling() {
  if (polling) return;
  polling = true;
  poll();
}

function stopPolling() {
  polling = false;
}

async function poll() {
  if (!polling) return;
  try {
    const headers = { Accept: FRAME_TYPE };
    if (seq) headers["X-Since-Ms"] = String(asOf);
    const response = await fetch(key, { headers, redirect: "manual", credentials: "same-origin" });
    if (response.type === "opaqueredirect") return signedOut();
    if (response.status === 404) return end("bad", "This page is gone");
    if (response.ok && polling) receive({ ...(await response.json()), seq: 1 });
  } catch { /* judge() tells */ }
  if (polling) setTimeout(poll, POLL_MS);
}

// The page: what is selected (it is in the URL), what is asked how often, and the line to the daemon.

import { api, line, repeat, serverNow, withSince } from "./api.js";
import { clearDevice, pointInView, qualityOf, showDevice, showPanel, showValues } from "./device.js";
import { $, setAge, setText, tick } from "./dom.js";
import { reveal, search, select, showFleet } from "./fleet.js";
import { showSetpoint } from "./setpoint.js";
import { clearTrend, extendTrend, loadTrend } from "./trend.js";

const FLEET_MS = 5000;
const VALUES_MS = 3000;
const TREND_MS = 300000; // in between, new values are added as they come
const STATUS_MS = 15000;
let trouble = ""; // of the line, as it was said last
let storage = ""; // what is wrong with it
const STORAGE = {
  away: "Storage degraded: the database is away. Values are live; new readings wait in the journal, plots may be old.",
  other: "Storage degraded: new readings cannot be kept at this moment; devices keep theirs.",
};
let at = { id: null, point: "" }; // from the URL: #id/point
let device = null, points = [], values = new Map(), looked = null;

const askFleet = repeat(FLEET_MS, async (signal) => {
  if (!$("fleet").offsetParent) return; // not on the screen
  const devices = [];
  let next = "";
  do {
    const page = await api(`/devices${next && `?cursor=${encodeURIComponent(next)}`}`, { signal });
    devices.push(...page.devices.map(withSince));
    next = page.next ?? "";
  } while (next);
  showFleet(at.id, devices);
});

const askDevice = repeat(VALUES_MS, async (signal) => {
  if (!at.id) return;
  const path = `/devices/${encodeURIComponent(at.id)}`;
  const wanted = [api(path, { signal }), api(`${path}/values?watch=1`, { signal })];
  if (!points.length) wanted.push(api(`${path}/points`, { signal }));
  try {
    const [news, read, map] = await Promise.all(wanted);
    device = withSince({ ...news, connected: read.connected });
    values = new Map(read.values.map((value) => [value.point, withSince(value)]));
    points = map?.points ?? points;
  } catch (problem) {
    if (problem.status === 404) setText($("name"), "There is no such device.");
    throw problem;
  }
  show();
});

const askTrend = repeat(TREND_MS, async (signal) => {
  if (looked) await loadTrend(device, looked, signal);
}, TREND_MS);

const askStatus = repeat(STATUS_MS, async (signal) => {
  const { state, since } = (await api("/status", { signal })).storage;
  storage = state === "ok" ? "" : STORAGE[state] ?? STORAGE.other;
  if (storage) storage += ` Since ${new Date(since).toLocaleString()}.`;
});

function show() {
  const before = looked;
  looked = pointInView(points, at.point) ?? null;
  showDevice(device);
  showValues(device, points, values, looked);
  const value = looked && values.get(looked.point);
  showPanel(device, looked, value);
  if (!looked) return;
  showSetpoint(device, looked, value);
  if (looked !== before) {
    clearTrend();
    askTrend();
  }
  if (value) {
    const good = qualityOf(value, device) === "good";
    extendTrend(device, looked, good ? Date.parse(value.time) : serverNow(), good ? value.value : null);
  }
}

/** The URL's hash says what is looked at; nothing else remembers it. */
function follow() {
  const [id = "", point = ""] = location.hash.slice(1).split("/");
  const before = at.id;
  at = { id, point };
  document.body.className = id ? "one" : "all";
  $("device").hidden = !id;
  select(id);
  if (id === before) return device && show();
  leave();
  scrollTo(0, 0);
  reveal(id || before);
  if (id && !$("fleet").offsetParent) $("device").focus();
}

function leave() {
  device = looked = null;
  points = [];
  clearDevice();
  clearTrend();
  document.title = "SMOK";
  askDevice();
  askFleet();
  askStatus();
}

/** Once a second: ages grow, and a line that is lost is said on top. */
function everySecond() {
  $("notice").hidden = !line.trouble && !storage;
  setText($("notice-text"), line.trouble || storage);
  $("last-answer").hidden = line.answeredAt === null || !line.trouble;
  setAge($("last-answer").firstElementChild, line.answeredAt);
  if (line.trouble !== trouble) {
    trouble = line.trouble;
    if (device) show();
    showFleet(at.id);
  }
  tick();
}

$("search").addEventListener("input", search);
$("skip").addEventListener("click", () => (at.id ? $("device") : $("devices").querySelector("a"))?.focus());
addEventListener("hashchange", follow);
addEventListener("settled", askDevice);
setInterval(everySecond, 1000);
follow();

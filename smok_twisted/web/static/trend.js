// The last 24 hours of one point. What was not read is a gap, shaded and never drawn across.

import { Problem, api, serverNow } from "./api.js";
import { $, h, setText } from "./dom.js";
import { statesOf, valueText } from "./text.js";

const SPAN_MS = 24 * 3600 * 1000;
let library; // the promise of uPlot, asked for when the first trend is wanted
let chart = null;
let shown = null; // { key, point, time, value, low, high }

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href: "/static/uPlot.min.css" }));
    const onerror = () => reject(new Problem(0, "uPlot could not be loaded"));
    document.head.append(h("script", { src: "/static/uPlot.iife.js", onload: resolve, onerror }));
  }).catch((problem) => {
    library = undefined;
    throw problem;
  });
  return library;
}

export function clearTrend() {
  chart?.destroy();
  chart = shown = null;
  setText($("readout"), "");
}

/** Ask for the history of a point and draw it. */
export async function loadTrend(device, point, signal) {
  $("trend").hidden = point.type === "STRING";
  if (point.type === "STRING") return;
  if (!shown) setText($("readout"), "Loading the last 24 hours…");
  const to = serverNow();
  const time = (ms) => new Date(ms).toISOString();
  const query = new URLSearchParams({ point: point.point, from: time(to - SPAN_MS), to: time(to) });
  const asked = Promise.all([api(`/devices/${device.id}/series?${query}`, { signal }), loadLibrary()]);
  const [series] = await asked.catch((problem) => {
    const text = `The last 24 hours cannot be shown: ${problem.message}.`;
    if (!shown && !signal.aborted) setText($("readout"), text);
    throw problem;
  });
  if (!signal.aborted) draw(device, point, series);
}

function draw(device, point, series) {
  shown = {
    key: `${device.id}/${point.point}`,
    point,
    time: series.time,
    value: series.value.map(toNumber),
    low: series.min?.map(toNumber),
    high: series.max?.map(toNumber),
  };
  chart?.destroy();
  chart = new uPlot(options(point), data(), $("plot"));
  showReadout();
}

const toNumber = (value) => (value === null ? null : Number(value));

/** A value that was just read goes on at the right end; null is the start of a gap. */
export function extendTrend(device, point, time, value) {
  if (shown?.key !== `${device.id}/${point.point}`) return;
  const last = shown.time.length - 1;
  if (!(time > (shown.time[last] ?? 0)) || (value === null && shown.value[last] === null)) return;
  shown.time.push(time);
  for (const column of [shown.value, shown.low, shown.high]) column?.push(toNumber(value));
  chart.setData(data());
  showReadout();
}

function data() {
  return shown.low ? [shown.time, shown.value, shown.low, shown.high] : [shown.time, shown.value];
}

function options(point) {
  const edge = { stroke: "transparent", points: { show: false } };
  const stepped = statesOf(point) || point.access !== "r";
  return {
    width: $("plot").clientWidth,
    height: $("plot").clientHeight,
    ms: 1,
    legend: { show: false },
    cursor: { y: false, drag: { x: false } },
    scales: { x: { range: () => [serverNow() - SPAN_MS, serverNow()] } },
    series: [
      {},
      {
        stroke: () => colour("--accent"),
        width: 1.5,
        paths: stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { fill: () => colour("--accent"), size: 4 },
      },
      ...(shown.low ? [edge, edge] : []),
    ],
    bands: shown.low ? [{ series: [3, 2], fill: () => colour("--band") }] : [],
    axes: [axis({ values: (_, times) => times.map(clock), space: 64, size: 28 }), axis(valueAxis(point))],
    hooks: { drawClear: [shadeGaps], setCursor: [showReadout] },
  };
}

function axis(more) {
  const line = { stroke: () => colour("--line"), width: 1 };
  return { stroke: () => colour("--muted"), font: "12px system-ui", grid: line, ticks: line, ...more };
}

function valueAxis(point) {
  const states = statesOf(point);
  const size = (_, labels) => 20 + 7.5 * Math.max(0, ...(labels ?? []).map((label) => label.length));
  const text = (number) => String(number).replace("-", "−");
  if (!states) return { size, values: (_, numbers) => numbers.map(text) };
  const numbers = Object.keys(states).map(Number);
  return { size, splits: () => numbers, values: () => numbers.map((number) => states[number]) };
}

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name);

/** "14:00", and at midnight the day: "23 Nov". */
function clock(ms) {
  const time = new Date(ms);
  if (time.getHours() || time.getMinutes()) return time.toLocaleTimeString("en-GB").slice(0, 5);
  return time.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/** [from, to] of every stretch without values, in ms. */
function gaps() {
  const found = [];
  let from = serverNow() - SPAN_MS;
  let open = true;
  shown.time.forEach((time, i) => {
    if (shown.value[i] === null) open = true;
    else {
      if (open) found.push([from, time]);
      open = false;
      from = time;
    }
  });
  return open ? [...found, [from, serverNow()]] : found;
}

function shadeGaps(plot) {
  const { left, top, width, height } = plot.bbox;
  plot.ctx.fillStyle = colour("--gap");
  for (const [from, to] of gaps()) {
    const start = Math.max(left, plot.valToPos(from, "x", true));
    plot.ctx.fillRect(start, top, Math.min(left + width, plot.valToPos(to, "x", true)) - start, height);
  }
}

/** One line of text above the plot: the moment under the pointer, or what the whole day was. */
function showReadout() {
  const { point, time, value } = shown;
  const i = chart?.cursor.idx;
  if (i != null) {
    const text = value[i] === null ? "not read" : valueText(value[i], point);
    return setText($("readout"), `${new Date(time[i]).toLocaleTimeString("en-GB")}  ${text}`);
  }
  setText($("readout"), `Last 24 hours: ${summary(point, value.filter((one) => one !== null))}`);
}

function summary(point, read) {
  if (!read.length) return "nothing was read.";
  if (statesOf(point)) {
    const changes = read.filter((one, i) => i && one !== read[i - 1]).length;
    return changes === 1 ? "1 change." : `${changes} changes.`;
  }
  const [low, high] = [shown.low ?? read, shown.high ?? read].map((all) => all.filter((one) => one !== null));
  const least = low.reduce((a, b) => Math.min(a, b));
  const most = high.reduce((a, b) => Math.max(a, b));
  return `lowest ${valueText(least, point)}, highest ${valueText(most, point)}.`;
}

new ResizeObserver(([{ contentRect: { width, height } }]) => {
  if (width) chart?.setSize({ width, height });
}).observe($("plot"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart?.redraw());

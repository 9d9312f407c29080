// One device: how it is, its values, and the panel of the point that is looked at.

import { line } from "./api.js";
import { $, arrange, h, setAge, setMark, setText } from "./dom.js";
import { NOTHING_YET, faultText, markOf, numberText, stateOf, valueText } from "./text.js";

const wide = matchMedia("(min-width: 1100px)"); // as in smok.css: room for the panel beside the values
const rows = new Map(); // point name -> its row and the parts that change
const contact = h("time");

/** A value is not current when its device, or the daemon, cannot be heard. */
export function qualityOf(value, device) {
  if (!value) return NOTHING_YET;
  return value.quality === "good" && (!device.connected || line.trouble) ? "stale" : value.quality;
}

/** The point to look at: the one in the URL, or the first where the panel has a place of its own. */
export function pointInView(points, name) {
  return points.find((point) => point.point === name) ?? (wide.matches ? points[0] : undefined);
}

export function clearDevice() {
  rows.clear();
  for (const id of ["name", "state", "about", "values"]) $(id).replaceChildren();
  setText($("name"), "Loading…");
  $("panel").hidden = true;
}

export function showDevice(device) {
  const state = stateOf(device, !line.trouble);
  setText($("name"), device.name);
  setText($("about"), [device.site, device.model, device.link, device.id].filter(Boolean).join(" · "));
  setAge(contact, device.since, device.last_contact);
  setMark($("state"), state.mark, device.since === null ? state.word : `${state.word}, last contact `);
  if (device.since !== null) $("state").append(contact, " ago");
  document.title = `${device.name} - SMOK`;
}

/** `values` by point name. */
export function showValues(device, points, values, selected) {
  for (const point of points) fillRow(rowOf(device, point), device, point, values.get(point.point), selected);
  arrange($("values"), points.map((point) => rows.get(point.point).row));
}

function rowOf(device, point) {
  if (!rows.has(point.point)) {
    const parts = { title: h("b"), state: h("span"), value: h("span"), age: h("time") };
    parts.value.className = "value";
    const link = h("a", {}, ...Object.values(parts));
    rows.set(point.point, { ...parts, link, row: h("li", {}, link) });
  }
  return rows.get(point.point);
}

function fillRow(row, device, point, value, selected) {
  const quality = qualityOf(value, device);
  const open = point === selected;
  setText(row.title, point.title || point.point);
  showValue(row.value, point, value);
  setMark(row.state, markOf(quality), quality);
  row.age.hidden = !value;
  if (value) setAge(row.age, value.since, value.time);
  row.link.href = open && !wide.matches ? `#${device.id}` : `#${device.id}/${point.point}`;
  row.link.ariaCurrent = open ? "true" : null;
  row.link.className = `${markOf(quality)} ${point.access.includes("w") ? "settable" : ""}`;
}

function showValue(node, point, value) {
  const text = valueText(value?.value, point);
  if (node.textContent === text) return;
  const number = numberText(value?.value, point);
  node.replaceChildren(h("strong", {}, number), h("small", {}, text.slice(number.length)));
}

export function showPanel(device, point, value) {
  $("panel").hidden = !point;
  if (!point) return;
  const quality = qualityOf(value, device);
  setText($("point-title"), point.title || point.point);
  showValue($("point-value"), point, value);
  $("point-value").className = `value ${markOf(quality)}`;
  setText($("point-note"), faultText(quality));
  place(rows.get(point.point).row);
}

/** The panel stands beside the values, or opens below its row when the screen is narrow. */
function place(row) {
  const home = wide.matches ? $("device") : row;
  if ($("panel").parentNode === home) return;
  home.append($("panel"));
  if (!wide.matches) row.scrollIntoView({ block: "nearest" });
}

wide.addEventListener("change", () => dispatchEvent(new Event("hashchange")));

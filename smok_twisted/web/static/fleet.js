// The list of all devices: trouble first, the age of the last contact always in sight.

import { line } from "./api.js";
import { $, arrange, h, setAge, setMark, setText } from "./dom.js";
import { stateOf } from "./text.js";

const SEARCH_FROM = 9; // devices; fewer are seen at a glance
const rows = new Map(); // device id -> its row and the parts that change
const byName = new Intl.Collator("en", { numeric: true }).compare;
let devices = null; // not known yet

/** Show these devices, or the known ones anew; `selected` is the id in the URL. */
export function showFleet(selected, news = devices) {
  if (!news) return;
  const first = devices === null;
  devices = news.map((device) => ({ ...device, state: stateOf(device, !line.trouble) })).sort(byTrouble);
  for (const id of rows.keys()) if (!devices.some((device) => device.id === id)) rows.delete(id);
  for (const device of devices) fill(rowOf(device.id), device);
  $("empty").hidden = devices.length > 0;
  $("search-box").hidden = devices.length < SEARCH_FROM && !$("search").value;
  search();
  select(selected);
  if (first) reveal(selected);
}

/** Newest loss first: a site that is off for the season does not hide the one that dropped just now. */
function byTrouble(a, b) {
  return a.state.rank - b.state.rank || (a.state.rank === 0 && a.age - b.age) || byName(a.name, b.name);
}

function rowOf(id) {
  if (!rows.has(id)) {
    const [site, model] = ["site", "model"].map((name) => h("span", { className: `quiet ${name}` }));
    const parts = { name: h("b"), site, model, state: h("span"), age: h("time") };
    const link = h("a", { href: `#${id}` }, ...Object.values(parts));
    rows.set(id, { ...parts, link, row: h("li", {}, link) });
  }
  return rows.get(id);
}

function fill(row, device) {
  setText(row.name, device.name);
  setText(row.site, device.site ?? "");
  setText(row.model, device.model ?? "");
  setMark(row.state, device.state.mark, device.state.word);
  setAge(row.age, device.since, device.last_contact);
  row.link.className = device.state.rank < 2 ? "trouble" : "";
}

export function select(id) {
  for (const [key, { link }] of rows) link.ariaCurrent = key === id ? "true" : null;
}

/** Bring a device's row into sight. */
export function reveal(id) {
  rows.get(id)?.row.scrollIntoView({ block: "nearest" });
}

export function search() {
  const words = $("search").value.toLowerCase().split(/\s+/);
  const found = devices.filter((device) => {
    const text = `${device.name} ${device.site ?? ""} ${device.model ?? ""} ${device.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  arrange($("devices"), found.map((device) => rows.get(device.id).row));
  setText($("count"), countText(found.length));
}

function countText(shown) {
  const away = devices.filter((device) => device.state.rank === 0).length;
  const parts = [devices.length === 1 ? "1 device" : `${devices.length} devices`];
  if (away) parts.push(`${away} not connected`);
  if (shown < devices.length) parts.push(`${shown} found`);
  return parts.join(", ");
}

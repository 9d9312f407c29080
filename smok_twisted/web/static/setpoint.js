// A change of a setpoint: chosen, confirmed by the operator, sent, and settled by a read-back.

import { api, line } from "./api.js";
import { $, h, setAge, setMark } from "./dom.js";
import { numberText, outcomeText, resolutionOf, statesOf, stepOf, valueText } from "./text.js";

const SETTLED = ["confirmed", "refused", "expired", "unknown"];
const WAIT_SECONDS = 20;
const GIVE_UP_MS = 90000;
const under = new Set(); // "device/point" of the changes that are under way
let target = null; // { device, point, value, field } of the form on the page

const keyOf = ({ device, point }) => `${device.id}/${point.point}`;

/** Called with every new value: the form of the same point keeps what the operator has typed. */
export function showSetpoint(device, point, value) {
  const writable = point.access.includes("w");
  $("setpoint").hidden = !writable || !device.may_write;
  $("no-write").hidden = !writable || device.may_write;
  if (!writable) return;
  if (!device.may_write) return sayHowToAllow(device);
  const same = target && keyOf(target) === keyOf({ device, point });
  target = { device, point, value, field: same ? target.field : makeField(point) };
  if (target.field.value === "" && !target.field.touched && value) setField(value.value);
  const reachable = device.connected && !line.trouble;
  $("setpoint").firstElementChild.disabled = !reachable || under.has(keyOf(target));
  $("limits").textContent = reachable ? limitsText(point) : "Not connected: nothing can be sent now.";
}

function sayHowToAllow({ name }) {
  const quoted = /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  const command = h("code", {}, `smok device set ${quoted} --may-write`);
  $("no-write").replaceChildren("Writing is not allowed for this device. This allows it: ", command);
}

function limitsText(point) {
  if (statesOf(point) || point.min == null || point.max == null) return "";
  const step = valueText(resolutionOf(point), point);
  return `${numberText(point.min, point)} to ${valueText(point.max, point)}, in steps of ${step}`;
}

function makeField(point) {
  const states = statesOf(point);
  const field = states ? stateField(states) : point.type === "STRING" ? h("input") : numberField(point);
  Object.assign(field, { id: "wanted", required: true, oninput: () => (field.touched = true) });
  field.setAttribute("aria-describedby", "limits");
  const stepper = field.type === "number" ? [stepButton(point, -1), field, stepButton(point, +1)] : [field];
  $("field").replaceChildren(...stepper);
  return field;
}

function stateField(states) {
  const choices = Object.entries(states).map(([value, name]) => h("option", { value }, name));
  return h("select", {}, h("option", { value: "" }), ...choices);
}

function numberField(point) {
  const { min, max } = point;
  return h("input", { type: "number", min: min ?? "", max: max ?? "", step: resolutionOf(point) });
}

function stepButton(point, sign) {
  const step = stepOf(point);
  const label = `${sign > 0 ? "+" : "−"}${Number(step.toPrecision(6))}`;
  return h("button", { type: "button", onclick: () => stepBy(step * sign) }, label);
}

function stepBy(step) {
  const { point, field } = target;
  const next = (Number(field.value) || 0) + step;
  setField(Math.min(point.max ?? next, Math.max(point.min ?? next, next)));
  field.touched = true;
}

function setField(value) {
  const { point, field } = target;
  if (value === null) return;
  if (field.type === "number") field.value = value.toFixed(point.precision ?? 0);
  else field.value = statesOf(point) ? Number(value) : value;
}

function wanted() {
  const { point, field } = target;
  if (point.type === "STRING") return field.value;
  return point.type === "BOOL" ? field.value === "1" : Number(field.value);
}

$("setpoint").addEventListener("submit", (event) => {
  event.preventDefault();
  const { device, point, value } = target;
  const order = { device, point, before: value?.value ?? null, after: wanted() };
  $("confirm-device").textContent = [device.name, device.site].filter(Boolean).join(", ");
  $("confirm-point").textContent = point.title || point.point;
  $("confirm-old").textContent = valueText(order.before, point);
  if (value) $("confirm-old").append(" (read ", ageNode(value), " ago)");
  $("confirm-new").textContent = valueText(order.after, point);
  $("confirm-write").textContent = `Write ${valueText(order.after, point)}`;
  $("confirm").returnValue = "";
  $("confirm").onclose = () => $("confirm").returnValue === "write" && write(order);
  $("confirm").showModal();
});

function ageNode(value) {
  const node = h("time");
  setAge(node, value.since, value.time);
  return node;
}

async function write(order) {
  const tell = outcomeOf(order);
  under.add(keyOf(order));
  $("setpoint").firstElementChild.disabled = true;
  tell("wait", "sent, reading back…");
  tell(...(await settle(order)));
  under.delete(keyOf(order));
  dispatchEvent(new Event("settled"));
}

/** Send once, never again; then ask until the outcome is known. Returns [mark, sentence]. */
async function settle({ device, point, after }) {
  const commands = `/devices/${device.id}/commands`;
  const giveUp = Date.now() + GIVE_UP_MS;
  try {
    const headers = { Prefer: `wait=${WAIT_SECONDS}`, "Idempotency-Key": randomKey() };
    const signal = AbortSignal.timeout(2 * WAIT_SECONDS * 1000);
    const body = { point: point.point, value: after };
    let command = await api(commands, { method: "POST", headers, signal, body });
    while (!SETTLED.includes(command.state) && Date.now() < giveUp) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      command = await api(`${commands}/${command.id}`).catch(() => command);
    }
    return outcomeText(command, point);
  } catch (problem) {
    const known = problem.status >= 400 && problem.status < 500;
    return outcomeText({ state: known ? "refused" : "unknown", error: problem.message }, point);
  }
}

/** Not crypto.randomUUID: that exists only on https and localhost. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join("-");
}

/** A line at the foot of the page that stays until the operator puts it away. */
function outcomeOf({ device, point, before, after }) {
  const change = `${valueText(before, point)} → ${valueText(after, point)}`;
  const what = `${device.name}: ${point.title || point.point}, ${change}`;
  const state = h("p");
  const close = h("button", { type: "button", ariaLabel: `Put away: ${what}` }, "×");
  const row = h("li", {}, h("div", {}, h("p", {}, what), state), close);
  close.onclick = () => row.remove();
  $("outcomes").append(row);
  return (mark, sentence) => setMark(state, mark, sentence);
}

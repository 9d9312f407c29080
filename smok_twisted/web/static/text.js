// Words for values, ages and states. Nothing here touches the page or the network.

const FAULTS = {
  timeout: "the unit did not answer",
  crc: "the answer arrived damaged",
  "wrong-reply": "the answer does not fit the question",
  "bus-down": "the device cannot reach its serial line",
  unauthenticated: "came over a link that proves nothing",
  "exception-1": "the unit does not know this function",
  "exception-2": "the unit has no such register",
  "exception-3": "the unit does not take this value",
  "exception-4": "the unit failed",
  "exception-6": "the unit is busy",
  "exception-10": "the unit cannot be reached",
  "exception-11": "the unit did not answer its gateway",
};
const SILENT_SECONDS = 300; // a connected device sends something at least every 240 s
const NO_VALUE = "–";
export const NOTHING_YET = "no value yet";

/** "12 s", "4 min", "5 h", "3 d". */
export function ageText(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** The names of a point's states by number, or null: { 0: "summer", 1: "winter" }. */
export function statesOf(point) {
  if (point.states && Object.keys(point.states).length) return point.states;
  return point.type === "BOOL" ? { 0: "off", 1: "on" } : null;
}

/** "60.0", "winter": a value without its unit. */
export function numberText(value, point) {
  if (value === null || value === undefined) return NO_VALUE;
  const states = statesOf(point);
  if (states) return states[Number(value)] ?? `state ${Number(value)}`;
  if (typeof value !== "number") return String(value);
  return (point.precision == null ? String(value) : value.toFixed(point.precision)).replace("-", "−");
}

/** "60.0 °C" */
export function valueText(value, point) {
  const text = numberText(value, point);
  return point.unit && text !== NO_VALUE ? `${text}\u00a0${point.unit}` : text;
}

/** What a quality means, as half a sentence; empty when all is well. */
export function faultText(quality) {
  return FAULTS[quality] ?? (quality.startsWith("exception-") ? "the unit refused to answer" : "");
}

/** The class of a quality's mark: calm, warn or bad. */
export function markOf(quality) {
  if (quality === "good") return "calm";
  return ["stale", "unauthenticated", NOTHING_YET].includes(quality) ? "warn" : "bad";
}

/** A device's state, worst first by rank; `heard` is false while the daemon cannot be asked. */
export function stateOf(device, heard) {
  if (device.age == null) return { rank: 2, mark: "calm", word: "never seen" };
  if (!device.connected) return { rank: 0, mark: "off", word: "not connected" };
  if (device.age > SILENT_SECONDS) return { rank: 1, mark: "warn", word: "silent" };
  if (!heard) return { rank: 3, mark: "warn", word: "was connected" };
  return { rank: 3, mark: "calm", word: "connected" };
}

/** The smallest difference that a point's value can show. */
export function resolutionOf(point) {
  return Number(`1e-${point.precision ?? 0}`);
}

/** A handy step for the buttons: 1, 2 or 5 times a power of ten, near a hundredth of the range. */
export function stepOf(point) {
  const resolution = resolutionOf(point);
  const wide = (point.max - point.min) / 100;
  if (!(wide > resolution)) return resolution;
  const power = 10 ** Math.floor(Math.log10(wide));
  return power * [5, 2, 1].find((n) => n * power <= wide * 1.000001);
}

/** How a command ended: [mark, sentence]. */
export function outcomeText(command, point) {
  const because = command.error || "no reason was given";
  switch (command.state) {
    case "confirmed":
      if (command.read_back == null) return ["done", "accepted by the device; this point is not read back"];
      return ["done", `confirmed by read-back: ${valueText(command.read_back, point)}`];
    case "refused": return ["bad", `refused: ${because}`];
    case "expired": return ["warn", `expired, nothing was written: ${because}`];
    default: return ["warn", `outcome unknown: ${because}; look at the value before you try again`];
  }
}

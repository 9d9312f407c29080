// The few verbs with which the page is built. Text only ever becomes text, never markup.

import { ageText } from "./text.js";

export const $ = (id) => document.getElementById(id);

/** A new element with properties and children (elements or strings). */
export function h(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make `nodes` the children of `parent`, moving as few as possible and keeping the focus. */
export function arrange(parent, nodes) {
  const focused = document.activeElement;
  nodes.forEach((node, i) => {
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

/** A mark with its word: the shape says what the colour says. */
export function setMark(node, mark, word) {
  if (node.className === `state ${mark}` && node.textContent === word) return;
  node.className = `state ${mark}`;
  node.replaceChildren(h("i", { className: `mark ${mark}` }), word);
}

/** Let a <time> show how long ago `since` (ms, null: never) is; from here on it ticks by itself. */
export function setAge(node, since, time) {
  node.since = since;
  if (time && node.dateTime !== time) {
    node.dateTime = time;
    node.title = new Date(time).toLocaleString();
  }
  showAge(node);
}

function showAge(node) {
  if (node.since === undefined) return;
  setText(node, node.since === null ? "never" : ageText((Date.now() - node.since) / 1000));
}

/** Called once a second: every age on the page grows. */
export function tick() {
  for (const node of document.getElementsByTagName("time")) showAge(node);
}

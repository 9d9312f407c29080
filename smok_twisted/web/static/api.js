// Questions to the daemon, and what is known about the line to it.

const GIVE_UP_MS = 30000;
const SIGN_IN = "Not signed in. Open the sign-in link that the daemon printed at its start.";
const SUPERSEDED = "superseded";
const SLOW_LINE = 4; // wait at least this many times as long as the last answer took

/** What the daemon, or the line to it, said instead of an answer. `status` 0: no answer at all. */
export class Problem extends Error {
  constructor(status, text, retrySeconds = 0) {
    super(text);
    Object.assign(this, { status, retrySeconds });
  }
}

/** The line to the daemon: when it last answered, why it does not now, and how far this clock is off. */
export const line = { answeredAt: null, trouble: "", clockOffMs: 0 };

export const serverNow = () => Date.now() + line.clockOffMs;

/** One question; the decoded answer, or a Problem. */
export async function api(path, { signal = AbortSignal.timeout(GIVE_UP_MS), body, ...options } = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (body) Object.assign(headers, { "Content-Type": "application/json", "X-SMOK": "1" });
  try {
    const answer = await fetch(`/api/v1${path}`, {
      cache: "no-store", ...options, headers, signal, body: body && JSON.stringify(body),
    });
    const content = await answer.json().catch((error) => {
      if (answer.ok) throw error;
      return {};
    });
    noteAnswer(answer, content);
    if (answer.ok) return content;
    throw problemOf(answer, content);
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (signal.reason === SUPERSEDED) throw SUPERSEDED;
    line.trouble ||= "No answer from the server.";
    throw new Problem(0, "the server did not answer");
  }
}

function problemOf(answer, content) {
  const text = content.detail || content.title || `the server answered ${answer.status}`;
  return new Problem(answer.status, text, Number(answer.headers.get("Retry-After")) || 0);
}

function noteAnswer(answer, content) {
  line.trouble = "";
  if (answer.status === 401) line.trouble = SIGN_IN;
  if (answer.status >= 500) line.trouble = `The server cannot answer: ${content.title || answer.status}.`;
  if (line.trouble) return;
  line.answeredAt = Date.now();
  const date = Date.parse(answer.headers.get("Date"));
  if (date) line.clockOffMs = date - Date.now();
}

/** When something was, in ms: from its age on arrival, so that a wrong clock here does no harm. */
export function withSince(thing) {
  return { ...thing, since: thing.age == null ? null : Date.now() - thing.age * 1000 };
}

/**
 * Ask again and again while the tab is visible; returns the function that asks at once.
 * `ask(signal)` is given up after `giveUpMs` and when it is asked anew; it may throw a Problem.
 */
export function repeat(pauseMs, ask, giveUpMs = GIVE_UP_MS) {
  let timer, current;
  async function run() {
    clearTimeout(timer);
    current?.abort(SUPERSEDED);
    if (document.hidden) return;
    const mine = (current = new AbortController());
    const deadline = setTimeout(() => mine.abort(), giveUpMs);
    const began = Date.now();
    let pause = pauseMs;
    try {
      await ask(mine.signal);
    } catch (problem) {
      if (problem !== SUPERSEDED && !(problem instanceof Problem)) throw problem;
      const least = problem.status === 401 ? GIVE_UP_MS : (problem.retrySeconds ?? 0) * 1000;
      pause = Math.max(Math.min(pauseMs, GIVE_UP_MS), least);
    } finally {
      clearTimeout(deadline);
      if (mine === current) timer = setTimeout(run, Math.max(pause, SLOW_LINE * (Date.now() - began)));
    }
  }
  document.addEventListener("visibilitychange", run);
  return run;
}

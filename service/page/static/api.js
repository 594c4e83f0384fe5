/** Calls of the public API. The key is in this module's memory and nowhere else. */

let token = null;
let asked = null; // whoever asks for a key, while somebody is asked

/** A call that was refused: RFC 9457, by `code`. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `answered ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
  }
}

export const hasKey = () => token !== null;
export const keyFrame = () => (token === null ? null : { op: "auth", token });

/** Take a key; null forgets it. */
export function useKey(given) {
  token = given || null;
}

/** Have `ask()` called when the service wants a key; it resolves when one was given. */
export function onKeyWanted(ask) {
  asked = ask;
}

/** Ask for a key. */
export const wantKey = () => asked?.();

/** Call and return the answer's JSON; raises Problem, or TypeError when nothing answers. */
export async function call(method, path, body, options = {}) {
  const response = await send(method, path, body, options);
  return response.status === 204 ? null : response.json();
}

/** Call and hand each line of the answer to `take` as it comes. */
export async function callLines(method, path, body, take, options = {}) {
  const response = await send(method, path, body, { ...options, accept: "application/x-ndjson" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line));
    if (done) break;
  }
  if (rest) take(JSON.parse(rest));
}

async function send(method, path, body, { signal, accept = "application/json", once = false }) {
  const headers = { Accept: accept };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (once) headers["Idempotency-Key"] = `"${newName()}"`;
  const content = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(path, { method, headers, body: content, signal, cache: "no-store" });
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  if (response.status === 401) wantKey();
  throw new Problem(response.status, told);
}

function newName() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What went wrong, in words for a person. */
export function reason(error) {
  if (error instanceof Problem) {
    if (error.code === "missing_scope") return `This key may not see this: ${error.message}.`;
    return `${error.message} (${error.code || error.status})`;
  }
  return "The service does not answer.";
}

// Talking with the server: requests, the outbox that retries them, and the stream of what comes back.

const TIMEOUT = 20_000;

export class Refused extends Error {
  // status 0: the server wasn't reached. `reason`: {zh, en} or null. `wait`: seconds to wait.
  constructor(status, reason = null, wait = 0) {
    super(`refused: ${status}`);
    Object.assign(this, { status, reason, wait });
  }

  get temporary() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

function refused(status, text, wait) {
  let reason = null;
  try {
    reason = JSON.parse(text).error.message;
  } catch {
    // a proxy's own page
  }
  return new Refused(status, reason, Number(wait) || 0);
}

async function call(path, options = {}) {
  let response, text;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT), ...options });
    text = await response.text();
  } catch {
    throw new Refused(0);
  }
  if (!response.ok) throw refused(response.status, text, response.headers.get("Retry-After"));
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(0); // a captive portal's page, with status 200
  }
}

export const history = () => call("api/history", { cache: "no-store" });
export const reset = () => call("api/session/reset", { method: "POST" });
const post = (message) => call("api/messages", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(message),
});

// XMLHttpRequest, because fetch can't tell how much of a body has gone.
export function upload(file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file, file.name || "file");
    request.open("POST", "api/uploads");
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress(event.loaded / event.total); };
    request.onerror = request.onabort = () => reject(new Refused(0));
    request.onload = () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(refused(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// ── outbox ──────────────────────────────────────────────────────────────────────────────────────

const KEPT = "teller.outbox";
const TRIES = 5;

// Messages on their way, in order, each under one id however often it is tried: the server knows an id
// it has seen. They are kept in the tab until accepted, so a reload in between loses none.
export class Outbox {
  #queue = [];
  #failed = new Map();
  #running = false;

  constructor({ state, renew, pause = 1000 }) {
    Object.assign(this, { state, renew, pause });
  }

  // What an earlier load of this tab left unsent; whoever takes it adds it again.
  takeKept() {
    try {
      const items = JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
      sessionStorage.removeItem(KEPT);
      return items;
    } catch {
      return [];
    }
  }

  // item: {id, message: what is posted, …: what its page wants back after a reload}
  add(item) {
    this.#queue.push(item);
    this.#keep();
    this.state(item.id, "sending");
    this.#run();
  }

  retry(id) {
    const item = this.#failed.get(id);
    if (!item) return;
    this.#failed.delete(id);
    this.add(item);
  }

  // Forget what failed.
  drop(id) {
    this.#failed.delete(id);
    this.#keep();
  }

  clear() {
    this.#queue = [];
    this.#failed.clear();
    this.#keep();
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    while (this.#queue.length) {
      const item = this.#queue[0];
      const error = await this.#deliver(item);
      if (this.#queue[0] !== item) continue; // the outbox was cleared meanwhile
      this.#queue.shift();
      if (error) this.#failed.set(item.id, item);
      this.#keep();
      this.state(item.id, error ? "failed" : "sent", error?.reason);
    }
    this.#running = false;
  }

  async #deliver({ id, message }) {
    for (let attempt = 0; ; attempt += 1) {
      if (!navigator.onLine) {
        this.state(id, "offline");
        await online();
      }
      try {
        await post(message);
        return null;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 401 && attempt === 0) {
          await this.renew().catch(() => {});
          continue;
        }
        if (!error.temporary || attempt + 1 >= TRIES) return error;
        this.state(id, "waiting");
        const seconds = Math.max(error.wait, Math.min(2 ** attempt, 15));
        await Promise.race([sleep(seconds * this.pause * (0.8 + 0.4 * Math.random())), comesOnline()]);
      }
    }
  }

  #keep() {
    try {
      const unsent = [...this.#failed.values(), ...this.#queue];
      if (unsent.length) sessionStorage.setItem(KEPT, JSON.stringify(unsent));
      else sessionStorage.removeItem(KEPT);
    } catch {
      // storage is full or forbidden: then a reload forgets what wasn't sent
    }
  }
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const comesOnline = () => new Promise((resolve) => { addEventListener("online", resolve, { once: true }); });
const online = () => (navigator.onLine ? Promise.resolve() : comesOnline());

// ── stream ──────────────────────────────────────────────────────────────────────────────────────

// EventSource reconnects by itself with its last id, except after an HTTP refusal: then this does.
export class Stream {
  #source = null;
  #timer = 0;
  #last = 0;
  #failures = 0;

  // on: {message(line), draft(draft), typing(), open(), lost(), refused()}
  constructor(on) {
    this.on = on;
  }

  open(after) {
    this.close();
    this.#last = after;
    const source = new EventSource(`api/stream?after=${after}`);
    this.#source = source;
    source.onopen = () => {
      this.#failures = 0;
      this.on.open();
    };
    source.addEventListener("message", (event) => {
      this.#last = Math.max(this.#last, Number(event.lastEventId) || 0);
      this.on.message(JSON.parse(event.data));
    });
    source.addEventListener("draft", (event) => this.on.draft(JSON.parse(event.data)));
    source.addEventListener("typing", () => this.on.typing());
    source.onerror = () => {
      this.on.lost();
      if (source.readyState !== EventSource.CLOSED) return;
      this.#failures += 1;
      this.on.refused();
      this.#timer = setTimeout(() => this.open(this.#last), Math.min(1000 * 2 ** this.#failures, 30_000));
    };
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }
}

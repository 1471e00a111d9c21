// The page put together.

import * as api from "./api.js";
import { Composer, Tray } from "./composer.js";
import { el } from "./format.js";
import { langOf, language, local, localise, setLanguage, t } from "./strings.js";
import { Log } from "./view.js";

const $ = (id) => document.getElementById(id);
const config = JSON.parse($("config").textContent);
const limits = { upload: config.uploadLimit, body: config.bodyLimit, attachments: config.attachmentLimit };
// A phone's keyboard should come when it is asked for, not whenever a button was pressed.
const hasKeyboard = matchMedia("(pointer: fine)").matches;
const otherTabs = new BroadcastChannel("teller");

const votes = new Map(); // id of a vote on its way → what takes it back
const outbox = new api.Outbox({
  state: (id, state, reason) => (votes.has(id) ? voted(id, state) : log.state(id, state, reason)),
  renew: async () => {
    await api.reset();
    stream.open(0);
  },
});
const log = new Log({
  scroll: $("scroll"),
  log: $("log"),
  newer: $("newer"),
  press: (button) => say({ button: { value: button.value, label: button.label } }),
  vote,
  retry: (id) => outbox.retry(id),
});
const tray = new Tray({ list: $("tray"), refused: $("refused"), picker: $("file"), drop: $("drop"), input: $("input"), limits });
new Composer({ form: $("composer"), input: $("input"), button: $("send"), tray, limits, send: say });

const stream = new api.Stream({
  message: (line) => {
    log.add(line);
    welcome();
    if (document.hidden) unread(true);
  },
  draft: (draft) => log.draft(draft),
  typing: () => log.typing(),
  open: () => lost(false),
  lost: () => lost(true),
  refused: () => api.history().catch((error) => { if (error.status === 401) location.reload(); }),
});

// ── saying something ────────────────────────────────────────────────────────────────────────────

function say({ text = "", button = null, attachments = [] }) {
  const id = uuid();
  const message = { id, language: language() };
  if (text) message.text = text;
  if (button) message.button = button;
  if (attachments.length) message.attachments = attachments.map((file) => file.ref);
  showOwn(message, attachments);
  outbox.add({ id, message, files: attachments.map(({ ref, mime, name, size }) => ({ ref, mime, name, size })) });
  if (button && hasKeyboard) $("input").focus();
}

// A vote is sent like anything else, but it is nothing that was said: no line of its own.
function vote(button, takeBack) {
  const id = uuid();
  votes.set(id, takeBack);
  outbox.add({ id, message: { id, language: language(), button }, files: [], quiet: true });
}

function voted(id, state) {
  if (state === "failed") {
    votes.get(id)();
    outbox.drop(id);
  }
  if (state === "failed" || state === "sent") votes.delete(id);
}

// The customer's own line, before the server has it.
function showOwn(message, attachments) {
  const parts = attachments.map(({ ref, mime, name, size, url }) => ({
    type: mime.startsWith("image/") ? "image" : mime.startsWith("audio/") ? "voice" : "file",
    ref, name, size, preview: url, url: `api/uploads/${encodeURIComponent(ref)}`,
  }));
  const text = message.button?.label || message.button?.value || message.text;
  if (text) parts.unshift({ type: "text", text });
  const line = { id: message.id, role: "customer", at: new Date().toISOString(), parts, value: message.button?.value };
  log.add(line);
  otherTabs.postMessage({ said: { ...line, parts: parts.map((part) => ({ ...part, preview: undefined })) } });
  welcome();
  log.toEnd();
}

// crypto.randomUUID is missing where a page came by plain http from elsewhere than localhost.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// ── the frame around the conversation ───────────────────────────────────────────────────────────

function welcome() {
  $("welcome").hidden = !log.empty;
}

function suggest() {
  $("suggestions").replaceChildren(...config.suggestions.map((suggestion) => {
    const button = el("button", { type: "button" }, local(suggestion));
    button.addEventListener("click", () => say({ text: local(suggestion) }));
    return el("li", {}, button);
  }));
}

function speak() {
  document.documentElement.lang = langOf(language());
  localise(document.body);
  $("bank").textContent = local(config.bank);
  $("greeting").textContent = local(config.greeting);
  $("language").textContent = t("language.short");
  $("language").setAttribute("aria-label", t("language"));
  $("language").title = t("language");
  $("language").lang = langOf(language() === "zh" ? "en" : "zh");
  suggest();
  tray.localise();
  banner();
  unread(false);
}

function unread(yes) {
  document.title = `${yes ? "● " : ""}${local(config.bank)} · ${t("title")}`;
}

let trouble = "";
let lostTimer = 0;

function banner() {
  const said = navigator.onLine ? trouble : "offline";
  $("banner").hidden = !said;
  $("banner").textContent = said ? t(said) : "";
}

// A short break mends itself; it is said only when it lasts.
function lost(yes) {
  clearTimeout(lostTimer);
  if (yes) {
    lostTimer = setTimeout(() => { trouble = "reconnecting"; banner(); }, 2500);
  } else {
    trouble = "";
    banner();
  }
}

$("language").addEventListener("click", () => {
  setLanguage(language() === "zh" ? "en" : "zh");
  speak();
});
$("reset").addEventListener("click", () => (log.empty ? $("input").focus() : $("ask").showModal()));
$("ask").addEventListener("close", async () => {
  if ($("ask").returnValue !== "yes") return;
  $("ask").returnValue = "";
  try {
    await api.reset();
  } catch {
    tray.say("reset.failed");
    return;
  }
  outbox.clear();
  otherTabs.postMessage({ reset: true });
  location.reload();
});
otherTabs.addEventListener("message", ({ data }) => {
  if (data.said) {
    log.add(data.said);
    welcome();
  } else if (data.reset) {
    outbox.clear();
    location.reload();
  }
});
addEventListener("online", banner);
addEventListener("offline", banner);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) unread(false); });

// ── beginning ───────────────────────────────────────────────────────────────────────────────────

async function begin() {
  speak();
  let past;
  for (let wait = 1000; !past; wait = Math.min(wait * 2, 15_000)) {
    try {
      past = await api.history();
    } catch (error) {
      if (error.status === 401) await api.reset().catch(() => {});
      trouble = "history.failed";
      banner();
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }
  trouble = "";
  banner();
  past.lines.forEach((line) => log.add(line));
  for (const item of outbox.takeKept()) {
    if (log.has(item.id)) continue;
    if (item.quiet) votes.set(item.id, () => {});
    else showOwn(item.message, item.files);
    outbox.add(item);
  }
  welcome();
  if (!log.empty) log.toEnd();
  stream.open(past.last);
  document.body.classList.add("ready");
  if (hasKeyboard) $("input").focus();
}

begin();

// The conversation as it is seen: lines, the growing draft, the typing dots, days, and where it is
// scrolled to.

import { anchor, el, formatInline, formatText, icon, safeUrl } from "./format.js";
import { langOf, local, localise, size } from "./strings.js";

const DRAFT_SECONDS = 45; // a draft that stops growing was given up
const TYPING_SECONDS = 20;

// ── parts of a message ──────────────────────────────────────────────────────────────────────────

const PARTS = {
  text: (part) => el("div.text", {}, formatText(part.text)),
  image: (part) => {
    const alt = part.alt || part.name || "";
    const image = el("img", { src: part.preview ?? part.url, alt, "data-t-label": alt ? null : "picture" });
    return el("a.picture", { href: part.url, target: "_blank", rel: "noopener" }, image);
  },
  file: (part) => download(part, "file"),
  voice: (part) => el("div.voice", {}, el("audio", { controls: true, preload: "metadata", src: part.url, "data-t-label": "voice" })),
  location: (part) => el("p.text", {}, part.label || `${part.latitude}, ${part.longitude}`),
  sticker: (part) => el("p.sticker", {}, part.emoji || "🙂"),
};

function download(part, kind) {
  return el(
    "a.download", { href: part.url, download: part.name || true },
    icon(kind),
    el("span.name", { dir: "auto" }, part.name || part.ref),
    part.size ? el("span.size", {}, size(part.size)) : null,
  );
}

function choices(buttons, line, press) {
  const made = buttons.map((button) => {
    const node = el("button.choice", { type: "button", "data-value": button.value }, button.label);
    node.addEventListener("click", () => press(button, line));
    return node;
  });
  return el("div.choices", { role: "group" }, ...made);
}

// 👍 and 👎: small, beside the time; the one that was pressed stays so until the other is.
function votes(part, vote) {
  const made = [["up", "👍"], ["down", "👎"]].map(([name, label]) => {
    const node = el("button.vote", { type: "button", "aria-pressed": "false", "data-t-label": `vote.${name}` }, label);
    node.addEventListener("click", () => {
      if (node.getAttribute("aria-pressed") === "true") return;
      const before = made.find((other) => other.getAttribute("aria-pressed") === "true");
      const show = (chosen) => made.forEach((other) => other.setAttribute("aria-pressed", String(other === chosen)));
      show(node);
      vote({ value: part[name], label }, () => {
        if (node.getAttribute("aria-pressed") === "true") show(before); // unless the other was pressed meanwhile
      });
    });
    return node;
  });
  return el("span.votes", { role: "group", "data-t-label": "votes" }, ...made);
}

function card(part, line, press) {
  const url = safeUrl(part.uri ?? "");
  return el(
    "section.card", {},
    el("h3", { dir: "auto" }, part.title),
    part.fields?.length ? el("dl", {}, ...part.fields.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)])) : null,
    part.text ? el("div.text", {}, formatText(part.text)) : null,
    url ? anchor(url, el("span", { "data-t": "open" }), icon("link")) : null,
    part.buttons?.length ? choices(part.buttons, line, press) : null,
  );
}

// What is quoted of a source, the words that answer marked. Places count code points, JavaScript UTF-16.
function excerpt(text, mark) {
  const points = [...text];
  const [start, end] = mark ?? [0, 0];
  if (!(start >= 0 && start < end && end <= points.length)) return formatText(text);
  const piece = (from, to) => formatInline(document.createDocumentFragment(), points.slice(from, to).join(""));
  return el("p", { dir: "auto" }, piece(0, start), el("mark", {}, piece(start, end)), piece(end));
}

function sources(part) {
  const made = part.citations.map((citation) => {
    const url = safeUrl(citation.uri ?? "");
    return el("li", {}, el(
      "details", {},
      el("summary", {}, icon("source"), el("span", { dir: "auto" }, citation.title), icon("down")),
      el("div.excerpt", {},
        citation.excerpt ? excerpt(citation.excerpt, citation.mark) : null,
        url ? anchor(url, el("span", { "data-t": "sources.open" }), icon("link")) : null),
    ));
  });
  return el("div.sources", {}, el("p.label", { "data-t": "sources" }), el("ul", {}, ...made));
}

// ── one line ────────────────────────────────────────────────────────────────────────────────────

function lineNode(line, press, vote) {
  const kind = line.kind && line.kind !== "answer" ? line.kind : null;
  const bubble = el("div.bubble", { lang: langOf(line.language) || null });
  const under = [];
  let voting = null;
  if (kind) bubble.append(el("p.kind", {}, icon(kind === "digest" ? "notice" : kind), el("span", { "data-t": `kind.${kind}` })));
  for (const part of line.parts) {
    if (part.type === "sources") {
      if (part.citations.length) under.push(sources(part));
    } else if (part.type === "buttons") {
      if (part.prompt) bubble.append(PARTS.text({ text: part.prompt }));
      under.push(choices(part.choices, line, press));
    } else if (part.type === "votes") {
      voting = votes(part, vote);
    } else if (part.type === "card") {
      bubble.append(card(part, line, press));
    } else {
      bubble.append(PARTS[part.type]?.(part) ?? "");
    }
  }
  return shell(line.role, kind, line.id, [
    line.role === "staff" ? el("p.person", { "data-t": "staff" }) : null,
    bubble,
    ...under,
    el("p.meta", {}, el("time", { datetime: line.at, "data-time": true }), voting),
  ]);
}

function shell(role, kind, id, children) {
  const avatar = role === "customer" ? null : el("span.avatar", { "aria-hidden": "true" });
  if (role === "staff") avatar.append(icon("person"));
  const body = el("div.body", {}, el("span.sr", { "data-t": `from.${role}` }), ...children);
  const node = el(`article.line.${role}${kind ? `.${kind}` : ""}`, { "data-id": id }, avatar, body);
  return localise(node);
}

// ── the log ─────────────────────────────────────────────────────────────────────────────────────

export class Log {
  #lines = new Map(); // id → node, of all that is final
  #drafts = new Map(); // key → {node, text, sequence, timer}
  #typing = null;
  #lastDay = "";
  #pinned = true;

  constructor({ scroll, log, newer, press, vote, retry }) {
    Object.assign(this, { scroll, log, newer, press, vote, retry });
    scroll.addEventListener("scroll", () => {
      this.#pinned = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
      if (this.#pinned) newer.hidden = true;
    }, { passive: true });
    // Growth of any kind, pictures that load and the keyboard's coming included, keeps the end in view.
    const observer = new ResizeObserver(() => { if (this.#pinned && !this.empty) this.toEnd(); });
    observer.observe(scroll);
    observer.observe(log);
    newer.addEventListener("click", () => {
      this.toEnd();
      scroll.focus({ preventScroll: true });
    });
  }

  get empty() {
    return this.#lines.size === 0;
  }

  has(id) {
    return this.#lines.has(id);
  }

  toEnd() {
    this.#pinned = true;
    this.newer.hidden = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  // Show a line once; it takes the place of the draft with its id.
  add(line) {
    if (this.#lines.has(line.id)) return;
    const node = lineNode(line, this.press, this.vote);
    this.#lines.set(line.id, node);
    const draft = this.#drafts.get(line.id);
    if (draft) {
      clearTimeout(draft.timer);
      this.#drafts.delete(line.id);
      node.classList.add("settled");
      // A new node, so that a screen reader reads the finished answer and not its pieces.
      draft.node.replaceWith(node);
    } else {
      this.#day(line.at);
      this.#place(node);
    }
    if (line.role === "customer") this.#settleChoices(line);
    else this.#stopTyping();
  }

  draft({ key, text, sequence }) {
    if (this.#lines.has(key)) return;
    let draft = this.#drafts.get(key);
    if (draft && sequence <= draft.sequence) return;
    if (!draft) {
      this.#stopTyping();
      const bubble = el("div.bubble");
      const node = shell("bot", "draft", key, [bubble]);
      node.setAttribute("aria-live", "off");
      node.setAttribute("aria-busy", "true");
      draft = { node, bubble, timer: 0 };
      this.#drafts.set(key, draft);
      this.#place(node);
    }
    draft.sequence = sequence;
    draft.bubble.replaceChildren(el("div.text", {}, formatText(text)));
    clearTimeout(draft.timer);
    draft.timer = setTimeout(() => this.#giveUp(key), DRAFT_SECONDS * 1000);
  }

  #giveUp(key) {
    this.#drafts.get(key)?.node.remove();
    this.#drafts.delete(key);
  }

  typing() {
    if (this.#drafts.size) return;
    if (!this.#typing) {
      const dots = el("div.bubble.dots", { role: "img", "data-t-label": "typing" }, el("i"), el("i"), el("i"));
      this.#typing = { node: shell("bot", "typing", "", [dots]) };
      this.#typing.node.querySelector(".sr").remove();
    }
    clearTimeout(this.#typing.timer);
    this.#typing.timer = setTimeout(() => this.#stopTyping(), TYPING_SECONDS * 1000);
    this.log.append(this.#typing.node);
  }

  #stopTyping() {
    clearTimeout(this.#typing?.timer);
    this.#typing?.node.remove();
    this.#typing = null;
  }

  // The state of one of the customer's own lines: sending, waiting, sent or failed.
  state(id, state, reason = null) {
    const node = this.#lines.get(id);
    if (!node) return;
    const meta = node.querySelector(".meta");
    node.dataset.state = state;
    // Heard only when something is to be done about it.
    meta.setAttribute("aria-live", state === "failed" ? "assertive" : "off");
    meta.querySelectorAll(".state, .again").forEach((old) => old.remove());
    const said = el("span.state", { "data-t": `state.${state}` });
    meta.append(el("span.state", {}, state === "sent" ? icon("check") : null, said));
    if (reason) meta.append(el("span.state.reason", {}, local(reason)));
    if (state === "failed") {
      const again = el("button.again", { type: "button" }, icon("retry"), el("span", { "data-t": "retry" }));
      again.addEventListener("click", () => this.retry(id));
      meta.append(again);
    }
    localise(meta);
  }

  // Choices are for now: what the customer says next takes them away, and marks the one that was taken.
  #settleChoices(line) {
    for (const button of this.log.querySelectorAll(".choice:not([disabled])")) {
      button.disabled = true;
      if (line.value !== undefined && button.dataset.value === line.value) button.classList.add("taken");
    }
  }

  #place(node) {
    if (this.#typing?.node.isConnected) this.#typing.node.before(node);
    else this.log.append(node);
    if (!this.#pinned && !node.matches(".customer")) this.newer.hidden = false;
  }

  #day(at) {
    const day = new Date(at).toDateString();
    if (day === this.#lastDay) return;
    this.#lastDay = day;
    this.#place(localise(el("p.day", {}, el("time", { datetime: at, "data-day": at }))));
  }
}

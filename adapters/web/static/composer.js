// Where the customer writes: the text box, and the tray of files that go with the next message.

import { Refused, upload } from "./api.js";
import { el, icon } from "./format.js";
import { local, localise, size, t } from "./strings.js";

export class Composer {
  #tray;

  // send({text, attachments}) is called with what the customer wants to say.
  constructor({ form, input, button, tray, send, limits }) {
    Object.assign(this, { form, input, button, send, limits });
    this.#tray = tray;
    tray.changed = () => this.#refresh();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener("keydown", (event) => {
      // While an input method composes, Enter picks a candidate. (229: Safari's last Enter of one.)
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener("input", () => this.#refresh());
    this.#refresh();
  }

  #refresh() {
    // Older browsers lack field-sizing; the height follows the text by hand.
    if (!CSS.supports("field-sizing", "content")) {
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
    }
    const something = this.input.value.trim() || this.#tray.count;
    this.button.setAttribute("aria-disabled", String(!something || this.#tray.busy));
  }

  #submit() {
    const text = this.input.value.trim();
    if (this.#tray.busy) {
      this.#tray.say("uploading.wait");
      return;
    }
    if (!text && !this.#tray.count) return;
    // The rest of the message's JSON is small beside 4 KB.
    if (new TextEncoder().encode(JSON.stringify(text)).length > this.limits.body - 4096) {
      this.#tray.say("text.large", { limit: size(this.limits.body) });
      return;
    }
    this.input.value = "";
    this.send({ text, attachments: this.#tray.take() });
    this.#refresh();
    this.input.focus();
  }
}

export class Tray {
  #files = new Map(); // <li> → {file, ref?, mime?, size?, name, url?, abort}
  changed = () => {};

  constructor({ list, refused, picker, drop, input, limits }) {
    Object.assign(this, { list, refused, drop, input, limits });
    picker.addEventListener("change", () => {
      this.add(picker.files);
      picker.value = "";
      input.focus();
    });
    input.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.add(event.clipboardData.files);
    });
    this.#acceptDrops();
  }

  get count() {
    return this.#files.size;
  }

  get busy() {
    return [...this.#files.values()].some((item) => !item.ref);
  }

  #acceptDrops() {
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.drop.hidden = false;
    });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) this.drop.hidden = true; });
    addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.drop.hidden = true;
      this.add(event.dataTransfer.files);
      this.input.focus();
    });
  }

  add(files) {
    this.#hush();
    for (const file of files) {
      if (this.count >= this.limits.attachments) {
        this.say("upload.many", { limit: this.limits.attachments });
        return;
      }
      if (file.size > this.limits.upload) {
        this.say("upload.large", { name: file.name, limit: size(this.limits.upload) });
        continue;
      }
      this.#start(file);
    }
  }

  async #start(file) {
    const item = { name: file.name || t("picture"), size: file.size, abort: new AbortController() };
    const picture = /^image\/(png|jpeg|webp|gif)$/.test(file.type);
    if (picture) item.url = URL.createObjectURL(file);
    const bar = el("progress", { max: 1, value: 0, "data-t-label": "uploading", "data-values": JSON.stringify({ name: item.name }) });
    const remove = el("button", { type: "button", "data-t-label": "remove", "data-values": JSON.stringify({ name: item.name }) }, icon("close"));
    const node = localise(el(
      "li", {},
      picture ? el("img", { src: item.url, alt: "" }) : el("span.sheet", {}, icon(file.type.startsWith("audio/") ? "audio" : "file")),
      el("span.name", { dir: "auto" }, item.name),
      el("span.size", {}, size(file.size)),
      bar,
      remove,
    ));
    remove.addEventListener("click", () => {
      item.abort.abort();
      this.#remove(node);
      this.input.focus();
    });
    this.#files.set(node, item);
    this.list.append(node);
    this.#refresh();
    try {
      Object.assign(item, await upload(file, (share) => { bar.value = share; }, item.abort.signal));
      bar.remove();
      node.classList.add("ready");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (item.abort.signal.aborted) return;
      this.#remove(node);
      if (error.reason) this.say("upload.refused", { name: item.name, reason: error.reason });
      else this.say("upload.failed", { name: item.name });
    }
    this.#refresh();
  }

  #remove(node) {
    const item = this.#files.get(node);
    if (item?.url) URL.revokeObjectURL(item.url);
    this.#files.delete(node);
    node.remove();
    this.#refresh();
  }

  #refresh() {
    this.list.hidden = !this.#files.size;
    this.changed();
  }

  // The uploaded files, which now belong to a message.
  take() {
    const items = [...this.#files.values()];
    this.#files.clear();
    this.list.replaceChildren();
    this.#hush();
    this.#refresh();
    return items;
  }

  say(key, values = {}) {
    this.#said = () => {
      const reason = values.reason ? { reason: local(values.reason) } : {};
      this.refused.textContent = t(key, { ...values, ...reason });
    };
    this.refused.hidden = false;
    this.#said();
  }

  #said = () => {};

  #hush() {
    this.refused.hidden = true;
    this.refused.textContent = "";
    this.#said = () => {};
  }

  localise() {
    this.#said();
  }
}

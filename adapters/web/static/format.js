// Text as the page lays it out: paragraphs, lists, bold and links, built as nodes and never as markup.

// Elements are made here and nowhere else: el("p.note", {dir: "auto"}, "text", child, …)
export function el(spec, attributes = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "i");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// The URL if it may be followed (http and https only), else null.
export function safeUrl(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

const NUMBERED = /^\s*(?:(\d{1,2})(?:[、．)）]\s*|\.(?!\d)\s*)|[(（](\d{1,2})[)）]\s*)(?=\S)/;
const BULLETED = /^\s*(?:[•·●▪◦]\s*|[-*–—]\s+)(?=\S)/;
const INLINE = /\*\*(?=\S)([^*\n]+?)\*\*|(https?:\/\/[^\s<>"“”‘’，。；：！？、（）《》【】]+)/g;
const TRAILING = /[.,;:!?)\]}'"]+$/;

export function formatText(text) {
  const root = document.createDocumentFragment();
  for (const block of text.replace(/\r\n?/g, "\n").split(/\n[ \t]*\n+/)) {
    if (block.trim()) formatBlock(root, block.replace(/^\n+|\s+$/g, "").split("\n"));
  }
  return root;
}

function formatBlock(root, lines) {
  let open = null; // the paragraph or list that the next line may continue
  for (const line of lines) {
    const numbered = NUMBERED.exec(line);
    const bulleted = numbered ? null : BULLETED.exec(line);
    const tag = numbered ? "OL" : bulleted ? "UL" : "P";
    if (open?.tagName !== tag) {
      open = el(tag.toLowerCase(), { dir: "auto" });
      root.append(open);
    } else if (tag === "P") {
      open.append(el("br"));
    }
    if (tag === "P") {
      formatInline(open, line);
      continue;
    }
    const item = el("li", { dir: "auto", value: numbered && (numbered[1] ?? numbered[2]) });
    formatInline(item, line.slice((numbered ?? bulleted)[0].length));
    open.append(item);
  }
}

// Appends text, its bold words and links made nodes, and returns the parent.
export function formatInline(parent, text) {
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, bold, link] = match;
    parent.append(text.slice(done, match.index));
    done = match.index + whole.length;
    if (bold !== undefined) {
      parent.append(el("strong", {}, bold));
      continue;
    }
    const tail = TRAILING.exec(link)?.[0] ?? "";
    const shown = link.slice(0, link.length - tail.length);
    const url = safeUrl(shown);
    parent.append(url ? anchor(url, ...breakable(shown)) : shown, tail);
  }
  parent.append(text.slice(done));
  return parent;
}

// An address with places to break at; without them the full stop after it may begin a line.
function breakable(address) {
  return address.split(/(?<=[^/]\/|[?&=])(?!\/)/).flatMap((piece) => [piece, el("wbr")]).slice(0, -1);
}

export function anchor(url, ...children) {
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

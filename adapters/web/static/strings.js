// Everything the page itself says, in both languages, and the language it says it in.
// An element names its string: data-t (text), data-t-label (aria-label and tooltip),
// data-t-title (tooltip), data-t-placeholder; times carry data-time or data-day.

const STRINGS = {
  zh: {
    "title": "在线客服", "skip": "跳到输入框", "conversation": "对话", "language": "Switch to English",
    "language.short": "EN", "reset": "新对话", "reset.title": "开始新对话？",
    "reset.text": "当前对话将不再显示，新的对话从头开始。", "reset.yes": "开始新对话", "cancel": "取消",
    "reset.failed": "暂时无法开始新对话，请稍后再试。",
    "welcome": "中文、英文都可以直接问，需要时为您转人工。",
    "suggestions": "大家常问", "write": "输入您的问题", "send": "发送", "attach": "添加图片或文件",
    "attachments": "待发送的文件", "advice": "请勿发送密码、验证码。银行不会向您索要。",
    "newer": "有新消息", "drop": "松开即可添加文件",
    "from.customer": "您说：", "from.bot": "客服说：", "from.staff": "人工客服说：",
    "staff": "人工客服", "typing": "正在输入…",
    "votes": "这个回答有帮助吗？", "vote.up": "有帮助", "vote.down": "没有帮助",
    "kind.warning": "风险提示", "kind.confirmation": "请您确认", "kind.notice": "通知", "kind.digest": "简报",
    "sources": "来源", "sources.open": "查看原文", "open": "打开链接",
    "picture": "图片", "voice": "语音", "location": "位置", "file": "文件", "download": "下载",
    "state.sending": "发送中…", "state.waiting": "网络繁忙，正在重新发送…", "state.offline": "联网后自动发送", "state.sent": "已发送",
    "state.failed": "未发送", "retry": "重试", "remove": "移除 {name}", "uploading": "正在上传 {name}",
    "uploading.wait": "文件还在上传，请稍候。",
    "upload.large": "“{name}”太大，最大可上传 {limit}。", "upload.many": "一次最多可带 {limit} 个文件。",
    "upload.refused": "“{name}”：{reason}", "upload.failed": "“{name}”上传失败，请检查网络后重新添加。",
    "text.large": "消息太长（最多约 {limit}），请分几条发送。",
    "offline": "网络已断开，恢复后会自动发送。", "reconnecting": "连接中断，正在重新连接…",
    "history.failed": "暂时无法读取之前的对话，正在重试…", "today": "今天", "yesterday": "昨天",
    "ready": "已添加 {name}",
  },
  en: {
    "title": "Online help", "skip": "Skip to the message box", "conversation": "Conversation",
    "language": "切换到中文", "language.short": "中文", "reset": "New chat", "reset.title": "Start a new chat?",
    "reset.text": "This conversation will no longer be shown, and a new one begins.",
    "reset.yes": "Start new chat", "cancel": "Cancel",
    "reset.failed": "A new chat can't be started just now. Please try again shortly.",
    "welcome": "Just ask, in Chinese or English. A member of our staff will join whenever one is needed.",
    "suggestions": "Often asked", "write": "Type your question", "send": "Send", "attach": "Add a picture or file",
    "attachments": "Files to send",
    "advice": "Never share passwords or one-time codes here. We won't ask for them.",
    "newer": "New messages", "drop": "Drop to add the file",
    "from.customer": "You said:", "from.bot": "The assistant said:", "from.staff": "Our staff said:",
    "staff": "Bank staff", "typing": "Typing…",
    "votes": "Did this answer help?", "vote.up": "It helped", "vote.down": "It didn't help",
    "kind.warning": "Risk warning", "kind.confirmation": "Please confirm", "kind.notice": "Notice",
    "kind.digest": "Digest",
    "sources": "Sources", "sources.open": "Open the original", "open": "Open link",
    "picture": "Picture", "voice": "Voice message", "location": "Location", "file": "File", "download": "Download",
    "state.sending": "Sending…", "state.waiting": "Busy; sending again…", "state.offline": "Will be sent once online",
    "state.sent": "Sent",
    "state.failed": "Not sent", "retry": "Retry", "remove": "Remove {name}", "uploading": "Uploading {name}",
    "uploading.wait": "A file is still uploading. One moment, please.",
    "upload.large": "“{name}” is too large: {limit} at most.",
    "upload.many": "At most {limit} files can go with one message.",
    "upload.refused": "“{name}”: {reason}",
    "upload.failed": "“{name}” could not be uploaded. Please check your connection and add it again.",
    "text.large": "The message is too long (about {limit} at most). Please send it in several parts.",
    "offline": "You are offline. Messages will be sent once you are back.",
    "reconnecting": "Connection lost. Reconnecting…",
    "history.failed": "Earlier messages can't be read just now. Trying again…",
    "today": "Today", "yesterday": "Yesterday", "ready": "{name} added",
  },
};

const LANG = { zh: "zh-Hans", en: "en" };
const LOCALE = { zh: "zh-CN", en: "en-GB" };
const KEPT = "teller.language";

let current = kept() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function kept() {
  try {
    const value = localStorage.getItem(KEPT);
    return value in STRINGS ? value : null;
  } catch {
    return null; // storage is forbidden: the choice lasts as long as the page
  }
}

export const language = () => current;
export const langOf = (code) => LANG[code] ?? "";

export function setLanguage(code) {
  current = code;
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // as above
  }
}

export function t(key, values = {}) {
  return STRINGS[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// The part for the current language of a {zh, en} that came from the server.
export const local = (both) => both[current];

export function size(bytes) {
  for (const [unit, factor] of [["MB", 2 ** 20], ["KB", 2 ** 10]]) {
    if (bytes >= factor) return `${+(bytes / factor).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

function day(at) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  const days = Math.round((midnight(new Date()) - midnight(at)) / 86_400_000);
  if (days === 0) return t("today");
  if (days === 1) return t("yesterday");
  return at.toLocaleDateString(LOCALE[current], { year: "numeric", month: "long", day: "numeric" });
}

// Say everything under `root` in the current language.
export function localise(root) {
  const each = (name, act) => {
    if (root.matches?.(`[${name}]`)) act(root);
    root.querySelectorAll(`[${name}]`).forEach(act);
  };
  const values = (el) => (el.dataset.values ? JSON.parse(el.dataset.values) : {});
  each("data-t", (el) => { el.textContent = t(el.dataset.t, values(el)); });
  each("data-t-label", (el) => {
    const label = t(el.dataset.tLabel, values(el));
    el.setAttribute("aria-label", label);
    if (el.matches("button")) el.title = label;
  });
  each("data-t-title", (el) => { el.title = t(el.dataset.tTitle); });
  each("data-t-placeholder", (el) => { el.placeholder = t(el.dataset.tPlaceholder); });
  each("data-time", (el) => {
    const at = new Date(el.dateTime);
    el.textContent = at.toLocaleTimeString(LOCALE[current], { hour: "2-digit", minute: "2-digit", hour12: false });
    el.title = at.toLocaleString(LOCALE[current]);
  });
  each("data-day", (el) => { el.textContent = day(new Date(el.dataset.day)); });
  return root;
}

// The console's script: local times, and a board that renews itself without moving focus.
const age = (at) => {
  const seconds = Math.max(0, Math.floor((Date.now() - at) / 1000));
  if (seconds >= 86400) return `${Math.floor(seconds / 86400)} d`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};
const local = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    if ("age" in time.dataset) time.textContent = age(at);
    else if ("clock" in time.dataset) time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    else time.textContent = at.toLocaleString();
  }
};
local(document);
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// The only way from text to HTML; its name stands in the header of each page, and nobody makes another.
const policy = globalThis.trustedTypes?.createPolicy("shop", { createHTML: (text) => text });

// A board is read anew when the server says that orders changed, and every 15 s without a word.
const board = document.querySelector("[data-live]");
if (board) {
  const state = document.querySelector("#live-state");
  const news = document.querySelector("#live-news"), told = document.querySelector("#live-told");
  const parsed = async (answer) => {
    const text = await answer.text();
    return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  };
  const html = (path, options) => fetch(path, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10000), ...options });
  let source, timer, seen = new Date(), begun = 0, asked = 0, answered = 0;

  // Somebody fills in its form: it stays as it is until it is let go.
  const held = (card) => card.querySelector("details[open]") || card.matches(":has(select:focus, input:focus)");

  const mark = (card) => {
    if (card.querySelector(".stale")) return;
    const note = Object.assign(document.createElement("p"), { className: "stale bad", textContent: "This order has changed meanwhile." });
    note.setAttribute("role", "status");
    card.prepend(note);
  };
  const version = (card) => parseInt(card.dataset.key, 10);

  // Only what changed is touched, so that nothing else loses focus, place or an open list.
  const reconcile = (list, next) => {
    const wanted = [...next.children];
    const ids = new Set(wanted.map((card) => card.id));
    for (const card of [...list.children]) {
      if (ids.has(card.id)) continue;
      if (held(card)) mark(card);
      else card.remove();
    }
    let at = list.firstElementChild;
    for (const card of wanted) {
      const old = document.getElementById(card.id);
      if (!old || old.parentNode !== list) {
        // Held in another column: it comes here once it is let go.
        if (!old) list.insertBefore(card, at);
        continue;
      }
      if (old === at) at = at.nextElementSibling;
      else if (!held(old)) list.insertBefore(old, at);
      if (old.dataset.key === card.dataset.key) continue;
      if (!held(old)) old.replaceWith(card);
      else if (version(old) !== version(card)) mark(old);
    }
  };
  const apply = (next) => {
    const focused = document.activeElement?.id, card = document.activeElement?.closest?.(".ticket")?.id;
    const before = new Set([...board.querySelectorAll("[data-new]")].map((card) => card.id));
    const fresh = [...next.querySelectorAll("[data-new]")].filter((card) => !before.has(card.id)).length;
    for (const part of board.querySelectorAll("[data-part]")) {
      const other = next.querySelector(`[data-part="${part.dataset.part}"]`);
      if (part.innerHTML !== other.innerHTML) part.replaceChildren(...other.childNodes);
    }
    const columns = [...board.querySelectorAll(".board > section")];
    const others = [...next.querySelectorAll(".board > section")];
    // Cards that leave a column first, so that their ids are free.
    columns.forEach((column, index) => {
      const ids = new Set([...others[index].querySelectorAll(".ticket")].map((card) => card.id));
      for (const card of column.querySelectorAll(".ticket")) if (!ids.has(card.id) && !held(card)) card.remove();
    });
    columns.forEach((column, index) => {
      column.querySelector("h2").textContent = others[index].querySelector("h2").textContent;
      column.querySelector(":scope > p")?.remove();
      const none = others[index].querySelector(":scope > p");
      reconcile(column.querySelector("ol"), others[index].querySelector("ol"));
      if (none) column.append(none);
    });
    local(board);
    if (focused && document.activeElement === document.body) {
      const place = document.getElementById(focused) ?? document.getElementById(card)?.querySelector("button");
      place?.focus({ preventScroll: true });
    }
    if (fresh) {
      news.textContent = fresh === 1 ? "1 new order" : `${fresh} new orders`;
      if (chimes) chime();
    }
  };
  const renew = async () => {
    clearTimeout(timer);
    timer = setTimeout(renew, 15000);
    begun = performance.now();
    const turn = ++asked;
    try {
      const answer = await html(location.href);
      if (answer.redirected && new URL(answer.url).pathname === "/login") {
        const link = Object.assign(document.createElement("a"), { href: "/login", textContent: "log in again" });
        state.replaceChildren("You are logged out, or your key was revoked: ", link);
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const next = (await parsed(answer)).querySelector("[data-live]");
      // A later question was answered before: what this one tells is older.
      if (turn < answered) return;
      answered = turn;
      seen = new Date();
      state.textContent = "";
      if (next) apply(next);
    } catch {
      if (turn < answered) return;
      state.textContent = `Cut off: as of ${seen.toLocaleTimeString()}; trying again.`;
      clearTimeout(timer);
      timer = setTimeout(renew, 2000);
    }
  };
  const open = () => {
    close();
    source = new EventSource("/orders/events");
    let waiting;
    // In a rush twice a second, and never put off by more news.
    const soon = (wait) => {
      waiting ??= setTimeout(() => { waiting = undefined; renew(); }, Math.max(wait, begun + 500 - performance.now()));
    };
    source.onmessage = () => soon(50);
    source.onerror = () => {
      soon(500);
      // Refused rather than cut off: the browser does not try again by itself.
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => document.visibilityState === "visible" && open(), 5000);
    };
  };
  const close = () => { source?.close(); source = undefined; };
  const look = () => (document.visibilityState === "visible" ? (open(), renew()) : close());
  setInterval(() => document.querySelectorAll("time[data-age]").forEach((time) => (time.textContent = age(new Date(time.dateTime)))), 1000);
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && look());
  board.addEventListener("toggle", (event) => event.target.open || renew(), true);
  look();

  // A press keeps the place on the page; without this script the browser loads the page anew.
  board.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target, button = event.submitter;
    button.disabled = true;
    told.textContent = "";
    try {
      const answer = await html(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const banner = (await parsed(answer)).querySelector(".banner[role]");
      const text = banner?.textContent ?? "";
      if (answer.ok) for (const details of form.closest(".ticket").querySelectorAll("details")) details.open = false;
      document.querySelector(".banner[role]")?.remove();
      await renew();
      if (!answer.ok || answer.url.includes("done=faster")) told.textContent = text;
      else news.textContent = text;
    } catch {
      told.textContent = "The server did not answer. Once it does, the card shows whether this was done.";
    }
    button.disabled = false;
  });

  // Off until it is asked for: a sound, and a screen that stays awake.
  let chimes = false, audio, lock;
  const chime = () => {
    const tone = audio.createOscillator(), volume = audio.createGain();
    tone.frequency.value = 880;
    volume.gain.setValueAtTime(0.2, audio.currentTime);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.6);
    tone.connect(volume).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.6);
  };
  // The browser lets go of the screen when the page is hidden.
  const wake = async () => {
    if (!chimes) return lock?.release();
    if (document.visibilityState === "visible") lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
  };
  document.addEventListener("visibilitychange", wake);
  const button = document.querySelector("#chime");
  button.hidden = false;
  button.addEventListener("click", () => {
    chimes = !chimes;
    audio ??= new AudioContext();
    button.setAttribute("aria-pressed", String(chimes));
    if (chimes) chime();
    wake();
  });

  // Off until they are asked for: single keys get in the way of speech input.
  const keys = document.querySelector("#keys"), help = document.querySelector("#keys-help");
  let listens = localStorage.getItem("keys") === "on";
  const show = () => { keys.setAttribute("aria-pressed", String(listens)); help.hidden = !listens; };
  keys.hidden = false;
  show();
  keys.addEventListener("click", () => {
    listens = !listens;
    localStorage.setItem("keys", listens ? "on" : "off");
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (!listens || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
    const cards = [...board.querySelectorAll(".ticket")];
    const now = cards.indexOf(document.activeElement.closest(".ticket"));
    const column = "123".indexOf(event.key);
    const step = { j: 1, k: -1 }[event.key];
    const card = column >= 0 ? board.querySelector(`.board > section:nth-child(${column + 1}) .ticket`)
      : step ? cards[Math.min(Math.max(now + step, 0), cards.length - 1)] : undefined;
    (card?.querySelector("form.main button") ?? card?.querySelector(".code"))?.focus();
  });
}

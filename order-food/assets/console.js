// The console's script: local times, and pages that renew themselves without moving focus.
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

// A board is read anew when the server says that orders changed, and every 15 s without a word.
const board = document.querySelector("[data-live]");
if (board) {
  const state = document.querySelector("#live-state");
  let source, timer, seen = new Date();
  const busy = () => board.querySelector("details[open]") || board.querySelector("input:focus, select:focus");
  const renew = async () => {
    clearTimeout(timer);
    timer = setTimeout(renew, 15000);
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-live]");
      seen = new Date();
      if (state) state.textContent = "";
      if (!next || busy()) return;
      const focused = document.activeElement?.id;
      const before = new Set([...board.querySelectorAll("[data-new]")].map((card) => card.dataset.new));
      const fresh = [...next.querySelectorAll("[data-new]")].filter((card) => !before.has(card.dataset.new)).length;
      board.replaceChildren(...next.childNodes);
      local(board);
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      const told = document.querySelector("#live-news");
      if (told && fresh) told.textContent = fresh === 1 ? "1 new order" : `${fresh} new orders`;
      if (fresh && chimes) chime();
    } catch {
      if (state) state.textContent = `Cut off: as of ${seen.toLocaleTimeString()}; trying again.`;
    }
  };
  const open = () => {
    close();
    source = new EventSource("/orders/events");
    let waiting;
    source.onmessage = () => { clearTimeout(waiting); waiting = setTimeout(renew, 50); };
  };
  const close = () => { source?.close(); source = undefined; };
  const look = () => (document.visibilityState === "visible" ? (open(), renew()) : close());
  setInterval(() => document.querySelectorAll("time[data-age]").forEach((time) => (time.textContent = age(new Date(time.dateTime)))), 1000);
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && look());
  look();

  // Off until it is asked for: a sound, and a screen that stays awake.
  let chimes = false, audio;
  const chime = () => {
    const tone = audio.createOscillator(), volume = audio.createGain();
    tone.frequency.value = 880;
    volume.gain.setValueAtTime(0.2, audio.currentTime);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.6);
    tone.connect(volume).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.6);
  };
  const button = document.querySelector("#chime");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      chimes = !chimes;
      audio ??= new AudioContext();
      button.setAttribute("aria-pressed", String(chimes));
      navigator.wakeLock?.request("screen").catch(() => {});
    });
  }
}

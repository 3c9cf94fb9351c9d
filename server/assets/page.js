// What a page gains with a script: it stays up to date, keeps a selection over pages, and obeys the keyboard.
// Everything works without it, as links and forms.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  // The server writes times in the zone of this cookie.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes("fieldpool-zone=" + zone)) {
    document.cookie = "fieldpool-zone=" + zone + "; path=/; max-age=31536000; samesite=lax";
  }

  const byId = (id) => document.getElementById(id);

  // Live: an event says that something has changed; the page asks for itself again, at most once a second.
  const SPACING_MS = 1000;
  function listen() {
    const mark = byId("live");
    if (!mark) return;
    let since = null, waiting = false, last = 0;
    const show = () => {
      mark.hidden = false;
      mark.classList.toggle("stale", since !== null);
      mark.textContent = since === null ? mark.dataset.on : mark.dataset.off.replace("{time}", since);
    };
    const refresh = () => {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        last = Date.now();
        const main = byId("main");
        // Nothing is taken from under somebody's hands: an open form or choice is refreshed when it is left.
        if (main.matches(":has(:focus:is(textarea, select, .edit input))")) {
          main.addEventListener("focusout", refresh, { once: true });
          return;
        }
        main.dispatchEvent(new CustomEvent("live"));
      }, Math.max(0, last + SPACING_MS - Date.now()));
    };
    // One stream for each page that is looked at: a browser has few connections to a server, and a hidden page needs none.
    let source = null, met = false;
    const connect = () => {
      source = new EventSource("/events");
      source.addEventListener("hello", (event) => {
        // What came between the page's reading and this was not told to it; nor what a gap has swallowed.
        if (met || event.data !== byId("main").dataset.seen) refresh();
        met = true;
        since = null;
        show();
        root.dataset.live = "on";
      });
      source.addEventListener("customers", refresh);
      source.addEventListener("error", () => {
        if (since === null) since = new Date().toLocaleTimeString(root.lang, { hour: "2-digit", minute: "2-digit" });
        root.dataset.live = "off";
        show();
        // Refused for good, as when the session is over: the page asks once, and is sent to sign in; else it tries later.
        if (source.readyState === EventSource.CLOSED) {
          refresh();
          setTimeout(() => { if (source?.readyState === EventSource.CLOSED && !document.hidden) connect(); }, 5000);
        }
      });
    };
    const leave = () => { source?.close(); source = null; };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) leave(); else if (!source) connect();
    });
    addEventListener("pagehide", leave);
    addEventListener("pageshow", (event) => { if (event.persisted && !source) connect(); });
    if (!document.hidden) connect();
    // A phone that syncs without news changes only this page.
    if (location.pathname === "/devices") setInterval(refresh, 15000);
  }

  // Selection: kept for the filter it belongs to, over pages and refreshes.
  const chosen = {
    key: () => "chosen?" + (byId("list")?.dataset.key ?? ""),
    read() {
      try { return new Set(JSON.parse(sessionStorage.getItem(this.key()) || "[]")); } catch { return new Set(); }
    },
    write(ids) {
      try { sessionStorage.setItem(this.key(), JSON.stringify([...ids])); } catch { /* private mode: this page only */ }
    },
  };
  const ticks = () => [...document.querySelectorAll("#list input[name=customer]")];
  function paint() {
    const list = byId("list");
    if (!list || !byId("bulk")) return;
    const ids = chosen.read();
    for (const tick of ticks()) tick.checked = ids.has(tick.value);
    const all = byId("tick-all"), here = ticks().filter((tick) => tick.checked).length;
    all.checked = here > 0 && here === ticks().length;
    all.indeterminate = here > 0 && !all.checked;
    const text = byId("chosen");
    text.textContent = text.dataset.text.replace("{n}", ids.size);
    byId("assign-some").disabled = ids.size === 0;
    byId("forget").hidden = ids.size === 0;
  }
  function choose(ticked) {
    const ids = chosen.read();
    for (const tick of ticked) {
      if (tick.checked) ids.add(tick.value); else ids.delete(tick.value);
    }
    chosen.write(ids);
    paint();
  }
  document.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") {
      const all = ticks();
      for (const tick of all) tick.checked = event.target.checked;
      choose(all);
    } else if (event.target.name === "customer") choose([event.target]);
  });
  document.addEventListener("click", (event) => {
    if (event.target.id === "forget") { chosen.write(new Set()); paint(); }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id === "list") {
      const here = new Set(ticks().map((tick) => tick.value));
      for (const id of chosen.read()) {
        if (here.has(id)) continue;
        const field = document.createElement("input");
        Object.assign(field, { type: "hidden", name: "customer", value: id });
        form.append(field);
      }
    } else if (form.action.endsWith("/customers/assign/confirm")) {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith("chosen?")) sessionStorage.removeItem(key);
    } else if (form.matches("[action='/sign-out']")) sessionStorage.clear();
  });

  // The keyboard.
  let row = -1, go = false;
  const rows = () => [...document.querySelectorAll("tr[id^='c-'], tr[id^='d-']")];
  function move(by) {
    const all = rows();
    if (!all.length) return;
    row = Math.max(0, Math.min(all.length - 1, row + by));
    all.forEach((one, index) => one.classList.toggle("here", index === row));
    (all[row].querySelector("a, summary") ?? all[row]).focus({ preventScroll: true });
    all[row].scrollIntoView({ block: "nearest" });
  }
  const keys = {
    "/": () => byId("q")?.focus(),
    "?": () => byId("keys")?.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: () => rows()[row]?.querySelector("input[type=checkbox]")?.click(),
    g: () => { go = true; setTimeout(() => { go = false; }, 1200); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.matches("textarea, select, input:not([type=checkbox])")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (go) {
      go = false;
      const link = document.querySelector(`a[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); return; }
    }
    const does = keys[event.key];
    if (does) { event.preventDefault(); does(); }
  });

  document.addEventListener("DOMContentLoaded", () => {
    listen();
    paint();
    const server = byId("server");
    if (server) server.textContent = location.origin;
  });
  document.addEventListener("htmx:after:swap", () => {
    paint();
    const server = byId("server");
    if (server) server.textContent = location.origin;
  });
})();

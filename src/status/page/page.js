// Replaces the main part of the page by a fresh one every 10 s. What the reader has opened, chosen or focused stays.
"use strict";
const EVERY = 10000;
const main = document.getElementById("main");
const fresh = document.getElementById("fresh");
const news = document.getElementById("news");

// What cannot be told apart by an id is told apart by its place.
function place(element, kind) {
  return Array.from(main.querySelectorAll(kind)).indexOf(element);
}

function remember() {
  const focused = main.contains(document.activeElement) ? document.activeElement : null;
  const group = (radio) => Array.from(main.querySelectorAll(`input[name="${radio.name}"]`));
  return {
    open: Array.from(main.querySelectorAll("details")).map((details) => details.open),
    // A cursor on the newest value stays on the newest.
    chosen: Array.from(main.querySelectorAll("input:checked")).filter((radio) => radio !== group(radio).pop()).map((radio) => radio.id),
    focused: focused && { id: focused.id, kind: focused.localName, place: place(focused, focused.localName) },
  };
}

function restore({ open, chosen, focused }) {
  main.querySelectorAll("details").forEach((details, index) => { details.open = open[index] || false; });
  chosen.forEach((id) => { const radio = document.getElementById(id); if (radio) radio.checked = true; });
  if (!focused) return;
  const again = (focused.id && document.getElementById(focused.id)) || main.querySelectorAll(focused.kind)[focused.place];
  if (again) again.focus({ preventScroll: true });
}

async function refresh() {
  // Somebody is copying a command.
  if (document.hidden || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = document.title;
    const kept = remember();
    main.replaceChildren(...page.getElementById("main").childNodes);
    restore(kept);
    const times = "body > header time, body > footer time";
    const newer = Array.from(page.querySelectorAll(times));
    document.querySelectorAll(times).forEach((time, index) => { if (newer[index]) time.replaceWith(newer[index]); });
    document.title = page.title;
    if (before !== page.title) news.textContent = page.title;
    fresh.textContent = "figures are renewed every 10 s";
  } catch {
    fresh.textContent = "no answer from arkmeter: these figures are old";
  }
}

fresh.textContent = "figures are renewed every 10 s";
setInterval(refresh, EVERY);

// A visit: the photographs of a tab with their own looks and masks, and the result's size, which are
// kept in this browser for the next one.

import { maskOf } from "./mask.js";
import { newIdentifier } from "./service.js";
import { inTable, tabOf } from "./store.js";

const KEY = "visits"; // [{ tab, look, size, current, entries: [{ id, name, bytes, look, mask, outside }] }]
const MAX_TABS = 3;
const MAX_BYTES = 200e6; // of the photographs of all tabs, as words_en.js says
const SOON = 400; // ms

const photographOf = (id) => `photograph ${id}`; // the key of its file
const bytesOf = ({ entries }) => entries.reduce((sum, { bytes }) => sum + bytes, 0);
const idsOf = (visits) => visits.flatMap(({ entries }) => entries.map(({ id }) => id));

/** The entries that there is room for: the current one before the others. */
export function fitting(entries, current) {
  let room = MAX_BYTES;
  const taken = [current, ...entries].filter((entry, i) => {
    if ((i && entry === current) || entry.blob.size > room) return false;
    room -= entry.blob.size;
    return true;
  });
  return entries.filter((entry) => taken.includes(entry));
}

/** The latest visits that there is room for. */
function latest(visits) {
  let room = MAX_BYTES;
  return visits.slice(0, MAX_TABS).filter((visit) => {
    room -= bytesOf(visit);
    return room >= 0;
  });
}

async function described({ entries, current, look, size }) {
  const kept = fitting(entries, current);
  for (const entry of kept) entry.id ??= newIdentifier();
  return {
    tab: tabOf(), look, size, current: kept.indexOf(current),
    entries: await Promise.all(kept.map(async ({ id, name, blob, look: own, mask }) => (
      { id, name, bytes: blob.size, look: own, mask: await mask.current?.png(), outside: mask.outside }))),
  };
}

export class VisitKeeper {
  #visit;
  #timer = 0;
  #turn = 0; // of `keep` and `stop`
  #isOn = false; // not before a photograph is opened, nor after all was forgotten

  /** @param visit () -> { entries, current, look, size }: the queue's, the look of all, the field. */
  constructor(visit) {
    this.#visit = visit;
    window.addEventListener("pagehide", () => this.#timer && this.keep());
  }

  /** Something has changed: keep it soon. */
  changed() {
    if (!this.#isOn) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.keep(), SOON);
  }

  /** Keep the visit, and go on with that. */
  async keep() {
    this.stop();
    this.#isOn = true;
    const turn = this.#turn;
    const given = this.#visit();
    const visit = await described(given);
    if (turn !== this.#turn) return; // forgotten in the meantime, or a later one is kept
    await inTable("readwrite", (table) => {
      const request = table.get(KEY);
      request.onsuccess = () => {
        const before = request.result ?? [];
        const after = latest([visit, ...before.filter(({ tab }) => tab !== visit.tab)]);
        const [old, ids] = [idsOf(before), idsOf(after)];
        for (const { id, blob } of given.entries) {
          if (ids.includes(id) && !old.includes(id)) table.put(blob, photographOf(id));
        }
        for (const id of old) if (!ids.includes(id)) table.delete(photographOf(id));
        table.delete("photographs"); // of versions before 1.0
        table.put(after, KEY);
      };
      return () => true;
    });
  }

  /** Keep nothing until `keep` is called. */
  stop() {
    this.#isOn = false;
    this.#turn++;
    clearTimeout(this.#timer);
    this.#timer = 0;
  }
}

/** What this tab had, else the latest visit of another one; null if there is none. */
export async function keptVisit() {
  const visits = await inTable("readonly", (table) => {
    const found = [];
    table.get(KEY).onsuccess = ({ target }) => {
      const all = target.result ?? [];
      const visit = all.find(({ tab }) => tab === tabOf()) ?? all[0];
      if (!visit) return;
      found.push(visit);
      for (const entry of visit.entries) {
        table.get(photographOf(entry.id)).onsuccess = (event) => { entry.blob = event.target.result; };
      }
    };
    return () => found;
  });
  if (!visits?.length) return null;
  const [{ tab, entries, ...visit }] = visits;
  const isMine = tab === tabOf(); // two tabs with one file would delete each other's
  const opened = entries.map(async ({ id, mask, ...entry }) => (
    { ...entry, id: isMine ? id : undefined, mask: mask && await maskOf(mask).catch(() => null) }));
  return { ...visit, entries: await Promise.all(opened) };
}

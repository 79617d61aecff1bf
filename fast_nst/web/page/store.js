// What is kept in this browser between visits: photographs, their looks, and saved looks. A browser
// that keeps nothing, as in private windows, is no error.

const NAME = "fast_nst";
const TABLE = "kept";
const TAB = "fast_nst.tab"; // in sessionStorage

let database;

function opened() {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return database;
}

/** Run `act(table)`, which returns a function of the result; undefined where nothing is kept. */
export async function inTable(mode, act) {
  try {
    const transaction = (await opened()).transaction(TABLE, mode);
    const result = act(transaction.objectStore(TABLE));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    return result();
  } catch {
    return undefined;
  }
}

/**
 * What is kept under a key: "look", "saved" [{ name, look }], "film" (see film.js), or "training"
 * (see training.js). For the others see visit.js.
 */
export const kept = (key) => inTable("readonly", (table) => {
  const request = table.get(key);
  return () => request.result;
});

export const keep = (key, value) => changeKept(key, () => value);

/**
 * Change what is kept under a key, also while another tab does.
 *
 * @param change (value) -> the new one.
 * @returns The new value; undefined where the browser keeps nothing.
 */
export const changeKept = (key, change) => inTable("readwrite", (table) => {
  let changed;
  const request = table.get(key);
  request.onsuccess = () => {
    changed = change(request.result);
    table.put(changed, key);
  };
  return () => changed;
});

/** A number of this tab, the same after a reload. */
export function tabOf() {
  try {
    sessionStorage[TAB] ??= crypto.getRandomValues(new Uint32Array(1))[0];
    return sessionStorage[TAB];
  } catch {
    return ""; // storage is switched off
  }
}

/** Delete everything. */
export const forget = () => inTable("readwrite", (table) => {
  table.clear();
  return () => true;
});

/** A choice that needs no forgetting, such as the language; null where there is none. */
export function preference(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage is switched off
  }
}

export function setPreference(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // It is chosen again on the next visit.
  }
}

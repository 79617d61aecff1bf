// What is kept in this browser between visits: the photograph, its look, and saved looks. A browser
// that keeps nothing, as in private windows, is no error.

const NAME = "fast_nst";
const TABLE = "kept";

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

async function inTable(mode, act) {
  try {
    const table = (await opened()).transaction(TABLE, mode).objectStore(TABLE);
    return await new Promise((resolve, reject) => {
      const request = act(table);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch {
    return undefined;
  }
}

/**
 * What is kept under a key: "photograph" { blob, name }, "look", "saved" [{ name, look }],
 * "film" (see film.js), or "training" (see training.js). */
export const kept = (key) => inTable("readonly", (table) => table.get(key));

export const keep = (key, value) => inTable("readwrite", (table) => table.put(value, key));

/** Delete everything. */
export const forget = () => inTable("readwrite", (table) => table.clear());

// Runtime and models: their addresses change with their content, so that they are loaded once and
// kept for visits without a network. service_worker.js deletes those of older versions.

const CACHE = `fast_nst ${new URL("./", self.location).pathname} kept`;

/** The kept response, or that of the network, which is kept if it is ok. */
export async function fetchKept(address) {
  const cache = await opened();
  const kept = await cache?.match(address);
  if (kept) return kept;
  const response = await fetch(address);
  // Without a copy, such as on a full disk, the page works with a network.
  if (response.ok) await cache?.put(address, response.clone()).catch(() => {});
  return response;
}

/** Keep a file that something else has loaded, such as a module. */
export async function keep(address) {
  const cache = await opened();
  if (cache && !await cache.match(address)) await cache.add(address).catch(() => {});
}

/** Load a file again when it is next wanted. */
export async function forget(address) {
  await (await opened())?.delete(address);
}

/** The cache; undefined where the browser has none: on http, or with storage blocked. */
async function opened() {
  try {
    return await self.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

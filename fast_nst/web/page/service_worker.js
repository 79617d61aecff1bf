// The service worker: the page without a network, and new versions only when the visitor wants them.
// Files of two versions never meet: a new one takes over when no other tab runs the old one, and what
// an open page may still need is kept.
// fast_nst/web/offline.py puts three constants before it: VERSION, FILES (path -> hash) and LAZY,
// those of the files that are kept once they are used.

const SCOPE = new URL("./", self.location);
const PREFIX = `fast_nst ${SCOPE.pathname} `; // an origin can have several pages
const SHELL = `${PREFIX}shell ${VERSION}`;
const KEPT = `${PREFIX}kept`; // see kept_files.js
const CONFIG = "config.json";
const MARK = 'name="application-name" content="fast_nst"'; // in index.html
const PATIENCE = 3000; // ms, after which a network that does not answer counts as none

const addressOf = (path) => new URL(path === "index.html" ? "./" : path, SCOPE).href;

/** A file of this version from the network; fails if it is of another version. */
const fetched = (path) => (
  fetch(addressOf(path), { cache: "no-cache", integrity: FILES[path] }));

const inShell = (path) => caches.match(addressOf(path), { cacheName: SHELL });

/** A response with the headers for wasm threads, which static hosts do not send. */
function isolated(response) {
  const { body, status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(body, { status, statusText, headers });
}

async function installed() {
  const cache = await caches.open(SHELL);
  const paths = Object.keys(FILES).filter((path) => !LAZY.includes(path));
  await Promise.all(paths.map(async (path) => cache.put(addressOf(path), await fetched(path))));
  if (!await newConfig()) throw new Error("the configuration is of another version");
}

async function activated() {
  for (const name of await caches.keys()) {
    if (name.startsWith(`${PREFIX}shell `) && name !== SHELL) await caches.delete(name);
  }
  await purge();
  await self.clients.claim(); // the first visit, too, goes on with the files of its version
}

/** The path of a file of the page; null for other addresses. */
function pathOf(url) {
  const { origin, pathname } = new URL(url);
  if (origin !== SCOPE.origin || !pathname.startsWith(SCOPE.pathname)) return null;
  return pathname.slice(SCOPE.pathname.length) || "index.html";
}

/** Whether the page is open in one tab at most, whichever its version. */
async function isAlone() {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter(({ url }) => pathOf(url) in FILES).length < 2;
}

/** Delete kept models and runtime files that the configuration does not list. */
async function purge() {
  const response = await inShell(CONFIG);
  if (!response || !await isAlone()) return;
  const current = new Set((await response.json()).paths.map(addressOf));
  const kept = await caches.open(KEPT);
  for (const { url } of await kept.keys()) if (!current.has(url)) await kept.delete(url);
}

/** Take over from the old version, unless it runs in another tab; the answer is whether. */
async function takeOver(port) {
  const can = await isAlone();
  port.postMessage(can);
  if (can) self.skipWaiting();
}

/** The page; another application may have its address by now, such as another port 8000. */
async function page(request) {
  const kept = await inShell("index.html");
  if (!kept) return fetch(request);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE) });
    if (response.status >= 500) return isolated(kept); // such as a proxy whose service has ended
    if (!response.ok) return response; // such as a redirect to log in
    if ((await response.clone().text()).includes(MARK)) return isolated(kept);
    await Promise.all([caches.delete(SHELL), caches.delete(KEPT), self.registration.unregister()]);
    return response;
  } catch {
    return isolated(kept);
  }
}

/** The configuration of the network, which may list new styles; null if it is of another version. */
async function newConfig() {
  const address = addressOf(CONFIG);
  const response = await fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
  if ((await response.clone().json()).shell !== VERSION) return null;
  await (await caches.open(SHELL)).put(address, response.clone());
  return response;
}

async function config(request) {
  const kept = await inShell(CONFIG);
  if (!kept) return fetch(request);
  const response = await newConfig().catch(() => null);
  if (response) await purge();
  return isolated(response ?? kept);
}

async function file(request, path) {
  const kept = await inShell(path);
  if (kept) return isolated(kept);
  if (!LAZY.includes(path) || !await caches.has(SHELL)) return isolated(await fetch(request));
  const response = await fetched(path);
  await (await caches.open(SHELL)).put(request, response.clone());
  return isolated(response);
}

async function runtime(request) {
  const kept = await caches.match(request.url, { cacheName: KEPT });
  return isolated(kept ?? await fetch(request));
}

/** What answers a request; null leaves it to the network, such as those of the API. */
function answer(request) {
  const path = pathOf(request.url);
  if (request.method !== "GET" || path === null) return null;
  if (path === "index.html") return page(request);
  if (path === CONFIG) return config(request);
  if (path in FILES) return file(request, path);
  return path.startsWith("runtime/") ? runtime(request) : null;
}

self.addEventListener("install", (event) => event.waitUntil(installed()));
self.addEventListener("activate", (event) => event.waitUntil(activated()));
self.addEventListener("fetch", (event) => {
  const response = answer(event.request);
  if (response) event.respondWith(response);
});
self.addEventListener("message", (event) => event.waitUntil(takeOver(event.ports[0])));

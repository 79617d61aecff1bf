// Registers the service worker, with which the page works offline.

/**
 * Make the page available offline.
 *
 * @param onUpdate Called when a new version is ready, with a function that loads it. Until that is
 *   called, the page keeps running in its version.
 */
export async function install(onUpdate) {
  if (!("serviceWorker" in navigator)) return; // such as on http
  const { serviceWorker } = navigator;
  let isReloading = false;
  let registration;
  try {
    registration = await serviceWorker.register("service_worker.js", { updateViaCache: "none" });
  } catch {
    return; // storage may be blocked: the page works as long as there is a network
  }

  function offer() {
    const { active, waiting } = registration;
    if (!active || !waiting) return; // the first version takes over by itself
    onUpdate(() => {
      isReloading = true;
      waiting.addEventListener("statechange", () => {
        if (waiting.state === "activated") location.reload();
      });
      waiting.postMessage({ activate: true });
    });
  }

  serviceWorker.addEventListener("controllerchange", () => {
    if (!isReloading) onUpdate(() => location.reload()); // it was loaded in another tab
  });
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", offer);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) registration.update().catch(() => {}); // offline
  });
  offer();
}

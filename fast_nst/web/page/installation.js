// Registers the service worker, with which the page works offline.

/**
 * Make the page available offline.
 *
 * @param onUpdate Called when a new version is ready, with `load`, which loads it and resolves to
 *   true, or to false while another tab runs the old version. Until then, the page keeps running in
 *   its version.
 */
export async function install(onUpdate) {
  let registration;
  try {
    registration = await navigator.serviceWorker.register("service_worker.js", { updateViaCache: "none" });
  } catch {
    // On http there is none, and storage may be blocked: the page works as long as there is a network.
  }
  if (!registration) return; // as some browsers do that block it
  const { serviceWorker } = navigator;
  let isOld = Boolean(serviceWorker.controller); // a page without one gets its own version

  function offer() {
    const { active, waiting } = registration;
    if (!active || !waiting) return; // the first version takes over by itself
    onUpdate(() => {
      isOld = true;
      const { port1, port2 } = new MessageChannel();
      waiting.postMessage("take over", [port2]);
      return new Promise((resolve) => {
        port1.onmessage = ({ data }) => resolve(data);
      });
    });
  }

  serviceWorker.addEventListener("controllerchange", () => {
    if (isOld) location.reload();
    isOld = true;
  });
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", offer);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) registration.update().catch(() => {}); // offline
  });
  offer();
}

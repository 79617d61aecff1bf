// Photographs that come to the queue, and those that it had on the last visit.

import { History } from "./look.js";
import { fetchSample } from "./photo.js";
import { MAX_FILES } from "./queue.js";
import { loadFirst, loadPhoto, queue, state, styleNamed } from "./studio.js";
import { say } from "./words.js";

const byId = (id) => document.getElementById(id);

export async function loadFiles(files) {
  const entries = files.map((file) => queue.entryOf({ blob: file, name: file.name }));
  const taken = queue.with(entries).slice(0, MAX_FILES);
  await loadFirst(entries.filter((entry) => taken.includes(entry)), taken);
  if (queue.with(entries).length > MAX_FILES) byId("photo-note").textContent = say("tooManyFiles", { most: MAX_FILES });
}

/** What cropping begins with: the photograph as it was opened. */
export const uncropped = () => queue.current.original ?? state.photo;

/** Put a part of the current photograph in its place. */
export async function replacePhoto({ blob, name }) {
  const { current, entries } = queue;
  const { look, history: own, mask } = current;
  const entry = Object.assign(queue.entryOf({ blob, name }), { look, history: own, original: uncropped() });
  const cropped = entries.map((other) => (other === current ? entry : other));
  const photo = await loadPhoto(name, () => blob, entry, cropped);
  if (photo && mask.region) byId("photo-note").textContent = say("maskDropped");
}

export const loadSample = (path) => (
  loadPhoto(path.split("/").pop(), (signal) => fetchSample(path, signal)));

const isWhole = (look) => Boolean(look?.styles.every(({ name }) => styleNamed(name)));

/**
 * Go on with the last visit.
 *
 * @param visit That of `keptVisit`.
 * @param asked The look that the address asks for, which is that of the photograph shown; or null.
 * @returns Whether a photograph was opened.
 */
export async function resume(visit, asked) {
  const entries = visit.entries.filter(({ blob }) => blob).map((kept) => {
    const entry = queue.entryOf(kept);
    entry.id = kept.id;
    if (isWhole(kept.look)) entry.look = kept.look;
    if (kept.mask) entry.mask.add(kept.mask);
    if (styleNamed(kept.outside)) entry.mask.outside = kept.outside;
    return entry;
  });
  const first = entries.find((_, i) => i === visit.current) ?? entries[0];
  if (!first) return false;
  if (first.look && asked) first.look = asked;
  if (first.look && isWhole(visit.look)) state.look = visit.look;
  for (const entry of entries) entry.history = entry.look && new History(entry.look);
  byId("size").value = visit.size;
  return Boolean(await loadFirst([first, ...entries.filter((entry) => entry !== first)], entries));
}

// Titles and names of the styles that are trained on the page.

const MAX_NAME = 60; // characters, as in models/own_styles.py

/** A style's name, as the service makes it of a title: "" without letters and digits. */
export function nameOf(title) {
  const name = title.normalize("NFKC").toLowerCase().replaceAll(/[^\p{L}\p{N}_]+/gu, "_");
  const ends = /^_+|_+$/g;
  return [...name.replaceAll(ends, "")].slice(0, MAX_NAME).join("").replaceAll(ends, "");
}

/** The style of the same name as this title would give; undefined if it is free. */
export const styleOf = (title, styles) => styles.find(({ name }) => name === nameOf(title));

/** The title, numbered if a style has its name. */
export function freeTitle(title, styles) {
  let free = title;
  for (let number = 2; styleOf(free, styles); number++) free = `${title} ${number}`;
  return free;
}

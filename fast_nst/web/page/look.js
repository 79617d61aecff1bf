// Looks: how a photograph is painted, in the terms of the page's controls, and their history.
// { styles: [{ name, share }], strength, detail, strokes, colors }, where strokes is the base-2
// logarithm of the stroke size's factor. Looks are never changed, only replaced.

import { hundredths } from "./numeric.js";

const MAX_STYLES = 3;
const KEPT = 100; // looks that can be undone

/** The look of one style as trained. */
export function plainLook(name, detail) {
  return { styles: [{ name, share: 1 }], strength: 1, detail, strokes: 0, colors: false };
}

/** Shares that sum to 1, in hundredths. */
export function normalized(shares) {
  const sum = shares.reduce((total, share) => total + share, 0);
  const found = shares.map((share) => hundredths(share / sum));
  found[0] = hundredths(1 - found.slice(1).reduce((total, share) => total + share, 0));
  return found;
}

/** The factor on the stroke size. */
export function strokeScaleOf(look) {
  return hundredths(2 ** look.strokes);
}

/** The look as a part of an address. */
export function toAddress(look) {
  const query = new URLSearchParams();
  const isBlend = look.styles.length > 1;
  for (const { name, share } of look.styles) query.append("style", isBlend ? `${name}:${share}` : name);
  query.set("strength", look.strength);
  query.set("detail", look.detail);
  if (look.strokes) query.set("strokes", look.strokes);
  if (look.colors) query.set("colors", 1);
  return query.toString().replaceAll("%3A", ":");
}

/**
 * The look of an address; what it does not say, or says wrongly, is that of `fallback`.
 *
 * @param names A Set of the styles that exist.
 * @returns { look, unknown }: null if the address has none; and a style that does not exist, or "".
 */
export function fromAddress(text, fallback, names) {
  const query = new URLSearchParams(text.replace(/^#/, ""));
  if (!query.has("style")) return { look: null, unknown: "" };
  let unknown = "";
  const styles = new Map();
  for (const given of query.getAll("style").slice(0, MAX_STYLES)) {
    // A name may end like a share.
    const parts = names.has(given) ? null : /^(.*):([\d.]+)$/s.exec(given);
    const [, name, share] = parts ?? ["", given, 1];
    if (!names.has(name)) unknown ||= name;
    else if (Number(share) > 0 && Number(share) < 1e6) styles.set(name, Number(share));
  }
  if (!styles.size) return { look: null, unknown };
  const number = (name, least, most) => {
    const value = Number(query.get(name) ?? NaN);
    return value >= least && value <= most ? value : fallback[name];
  };
  const shares = normalized([...styles.values()]);
  return {
    unknown,
    look: {
      styles: [...styles.keys()].map((name, i) => ({ name, share: shares[i] })),
      strength: number("strength", 0, 1.5),
      detail: number("detail", 0, 1),
      strokes: number("strokes", -2, 2),
      colors: query.get("colors") === "1",
    },
  };
}

export function isSameLook(one, other) {
  return toAddress(one) === toAddress(other);
}

/** The look without a style; with `fallback` instead, if it has no other one. */
export function withoutStyle(look, gone, fallback) {
  const left = look.styles.filter(({ name }) => name !== gone);
  if (left.length === look.styles.length) return look;
  if (!left.length) return { ...look, styles: [{ name: fallback, share: 1 }] };
  const shares = normalized(left.map(({ share }) => share));
  return { ...look, styles: left.map(({ name }, i) => ({ name, share: shares[i] })) };
}

/** Looks that can be undone and redone. */
export class History {
  #looks;
  #place = 0;

  constructor(look) {
    this.#looks = [look];
  }

  get canUndo() {
    return this.#place > 0;
  }

  get canRedo() {
    return this.#place < this.#looks.length - 1;
  }

  /** Add a look after the current one; what was undone is dropped. */
  add(look) {
    if (isSameLook(look, this.#looks[this.#place])) return;
    this.#looks = [...this.#looks.slice(0, this.#place + 1), look].slice(-KEPT);
    this.#place = this.#looks.length - 1;
  }

  /** Change all looks; those that become the same as the one before are dropped. */
  change(by) {
    const looks = this.#looks.map(by);
    const isKept = looks.map((look, i) => !i || !isSameLook(look, looks[i - 1]));
    this.#place = isKept.slice(1, this.#place + 1).filter(Boolean).length;
    this.#looks = looks.filter((_, i) => isKept[i]);
  }

  undo() {
    if (this.canUndo) this.#place--;
    return this.#looks[this.#place];
  }

  redo() {
    if (this.canRedo) this.#place++;
    return this.#looks[this.#place];
  }
}

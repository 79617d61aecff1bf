// Looks as paint options; see stylizers.js.

import { strokeScaleOf } from "./look.js";

const styleIn = (styles, name) => styles.find((style) => style.name === name);

/**
 * A look as paint options.
 *
 * @param styles Those of config.json.
 * @param outside The style outside of a mask, if there is one.
 */
export function paintOptions(look, styles, outside = "") {
  const names = [...look.styles.map(({ name }) => name), outside].filter(Boolean);
  const isMixed = names.every((name) => styleIn(styles, name).mixes);
  return {
    styles: look.styles,
    strength: isMixed ? look.strength : Math.min(look.strength, 1),
    detail: look.detail,
    strokeScale: strokeScaleOf(look),
    keepColors: look.colors,
    size: null,
  };
}

/** The same for the camera: without detail, and with the styles' fast models if all have one. */
export function cameraOptions(look, styles) {
  const options = { ...paintOptions(look, styles), detail: 0 };
  const live = options.styles.map(({ name }) => styleIn(styles, name).live);
  if (!live.every(Boolean)) return options;
  return { ...options, styles: options.styles.map(({ share }, i) => ({ name: live[i], share })) };
}

/** Paint options with one style instead of those that they have. */
export function withStyle(options, name) {
  return { ...options, styles: [{ name, share: 1 }] };
}

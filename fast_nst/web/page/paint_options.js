// Looks as paint options; see stylizers.js.

import { strokeScaleOf } from "./look.js";
import { clamp, hundredths } from "./numeric.js";

const PREVIEW = 1024; // longer side, in px

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

/**
 * Longer sides of the result and of the preview, in px.
 *
 * @param settings { stylizer, size, isSame }: what paints, the size asked for or null, and whether
 *   strokes have the size of the preview's.
 */
export function sidesOf(photo, { stylizer, size }) {
  const most = stylizer.maxSide(photo);
  const result = size ?? most;
  return { result, preview: Math.min(PREVIEW, result, most), mask: Math.min(PREVIEW, most) };
}

/** The same for the result: at its own size, with strokes scaled as in the preview. */
export function resultOptions(photo, look, region, settings, config) {
  const { result, preview } = sidesOf(photo, settings);
  const [least, most] = config.stroke_scale;
  const factor = settings.isSame ? result / preview : 1;
  const scale = hundredths(strokeScaleOf(look) * factor);
  return {
    ...paintOptions(look, config.styles, region?.outside),
    strokeScale: clamp(scale, least, most),
    size: settings.size || result < photo.longer ? result : null,
    region,
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

/** Styles without one of them, which may be the camera's model of others. */
export function withoutModel(styles, gone) {
  return styles.filter(({ name }) => name !== gone)
    .map((style) => (style.live === gone ? { ...style, live: "" } : style));
}

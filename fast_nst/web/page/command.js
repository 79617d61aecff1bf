// The command that paints what the page does, safe to paste into a shell whatever a style is called.

/** A word as a POSIX shell takes it literally. */
export function quoted(word) {
  return /^[\w.,:=/+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * @param look As painters take it.
 * @param usual The detail that the command has by itself.
 * @param isNamed (name) -> whether --style finds it; another one is a file, in the folder at hand.
 * @param format Of the painting, as its file's suffix.
 */
export function commandOf(look, { usual, isNamed, format }) {
  const parts = ["fast-nst infer PHOTO"];
  for (const { name, share } of look.styles) {
    const isShared = look.styles.length > 1;
    if (isNamed(name)) {
      // What follows the last colon is a share, and what begins with a dash a flag.
      const word = quoted(isShared || name.includes(":") ? `${name}:${share}` : name);
      parts.push(name.startsWith("-") ? `--style=${word}` : `--style ${word}`);
    } else {
      parts.push(`-m ${quoted(`./${name}.onnx${isShared ? `:${share}` : ""}`)}`);
    }
  }
  if (look.strength !== 1) parts.push(`--strength ${look.strength}`);
  if (look.detail !== usual) parts.push(`--detail ${look.detail}`);
  if (look.strokeScale !== 1) parts.push(`--stroke-scale ${look.strokeScale}`);
  if (look.keepColors) parts.push("--keep-colors");
  if (look.size) parts.push(`--size ${look.size}`);
  return [...parts, `-o painting.${format}`].join(" ");
}

/** What its reader puts in, and where it is run. */
export function hintOf(look, isNamed) {
  const files = look.styles.filter(({ name }) => !isNamed(name)).map(({ name }) => `${name}.onnx`);
  const place = files.length ? ` Run it in the folder of ${files.join(" and ")}.` : "";
  return `PHOTO stands for your photograph's file.${place}`;
}

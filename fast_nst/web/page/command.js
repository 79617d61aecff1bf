// The command that gives the page's result, quoted for a POSIX shell.

import { say } from "./words.js";

/** Quote a word for a POSIX shell. */
export function shellQuote(word) {
  return /^[\w.,:=/+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * @param options The paint options; see stylizers.js.
 * @param defaultDetail The command's default for --detail.
 * @param isNamed (name) -> whether --style finds it; if not, it is a file in the working directory.
 * @param format The suffix of the result's file.
 * @param command The command, and what it paints.
 */
export function commandFor(options, { defaultDetail, isNamed, format, command = "infer PHOTO" }) {
  const parts = [`fast-nst ${command}`];
  for (const { name, share } of options.styles) {
    const isShared = options.styles.length > 1;
    if (isNamed(name)) {
      // The command would take the end after a colon for a share, and a leading dash for a flag.
      const word = shellQuote(isShared || name.includes(":") ? `${name}:${share}` : name);
      parts.push(name.startsWith("-") ? `--style=${word}` : `--style ${word}`);
    } else {
      parts.push(`-m ${shellQuote(`./${name}.onnx${isShared ? `:${share}` : ""}`)}`);
    }
  }
  if (options.strength !== 1) parts.push(`--strength ${options.strength}`);
  if (options.detail !== defaultDetail) parts.push(`--detail ${options.detail}`);
  if (options.strokeScale !== 1) parts.push(`--stroke-scale ${options.strokeScale}`);
  if (options.keepColors) parts.push("--keep-colors");
  if (options.size) parts.push(`--size ${options.size}`);
  if (options.region) parts.push("--mask MASK.png");
  const outside = options.region?.outside;
  if (outside) {
    const word = shellQuote(isNamed(outside) ? outside : `./${outside}.onnx`);
    parts.push(outside.startsWith("-") && isNamed(outside) ? `--outside=${word}` : `--outside ${word}`);
  }
  return [...parts, `-o painting.${format}`].join(" ");
}

/** Show the command that gives a result, and how to use it. */
export function showCommand(options, { detail, styles }, format) {
  const isNamed = (name) => styles.find((style) => style.name === name).named;
  document.getElementById("line").textContent = commandFor(options, { defaultDetail: detail, isNamed, format });
  document.getElementById("line-hint").textContent = hintFor(options, isNamed);
}

function hintFor(options, isNamed) {
  const names = [...options.styles.map(({ name }) => name), options.region?.outside];
  const files = names.filter((name) => name && !isNamed(name)).map((name) => `${name}.onnx`);
  const hint = say(options.region ? "commandHintMask" : "commandHint");
  return files.length ? `${hint} ${say("commandFolder", { files: files.join(say("and")) })}` : hint;
}

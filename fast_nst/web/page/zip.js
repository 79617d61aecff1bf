// Zip archives of files that are compressed already: stored, without compression.
// APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central header), 4.3.16 (end).

import { UserError, say } from "./words.js";

const VERSION = 20;
const UTF8 = 1 << 11; // flag: names are UTF-8
const HEADERS = 30 + 46; // bytes, local and central, without the name
const END = 22; // bytes
const MAX_BYTES = 0xffffffff; // sizes and offsets have four bytes

const CRC = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Little-endian numbers: pairs of a value and its size in bytes. */
function packed(...fields) {
  const bytes = [];
  for (const [value, size] of fields) {
    for (let i = 0; i < size; i++) bytes.push(Math.floor(value / 256 ** i) % 256);
  }
  return Uint8Array.from(bytes);
}

/**
 * A zip archive.
 *
 * @param files { name, blob } of each; of equal names, the later ones get a number.
 * @throws {UserError} It would have over 4 GB.
 */
export async function zipped(files) {
  const named = withUniqueNames(files).map(({ name, blob }) => ({ title: new TextEncoder().encode(name), blob }));
  const sizes = named.map(({ title, blob }) => HEADERS + 2 * title.length + blob.size);
  if (sizes.reduce((total, size) => total + size, END) > MAX_BYTES) throw new UserError(say("zipTooLarge"));
  const parts = [];
  const entries = [];
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  let offset = 0;
  for (const { title, blob } of named) {
    const sum = crc32(new Uint8Array(await blob.arrayBuffer()));
    const common = [
      [VERSION, 2], [UTF8, 2], [0, 2], [time, 2], [date, 2], [sum, 4], [blob.size, 4], [blob.size, 4],
      [title.length, 2], [0, 2],
    ];
    const head = packed([0x04034b50, 4], ...common);
    parts.push(head, title, blob);
    entries.push(packed([0x02014b50, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), title);
    offset += head.length + title.length + blob.size;
  }
  const count = entries.length / 2;
  const size = entries.reduce((total, entry) => total + entry.length, 0);
  const end = packed([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

function withUniqueNames(files) {
  const taken = new Set();
  return files.map(({ name, blob }) => {
    const [, stem, suffix] = /^(.*?)(\.[^.]*)?$/s.exec(name);
    let unique = name;
    for (let number = 2; taken.has(unique); number++) unique = `${stem}-${number}${suffix ?? ""}`;
    taken.add(unique);
    return { name: unique, blob };
  });
}

// Texts for the clipboard.

import { say } from "./words.js";

/** Copy a text; `status` tells whether that was allowed. */
export async function copyText(text, status) {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = say("copied");
  } catch {
    status.textContent = say("copyByHand");
  }
}

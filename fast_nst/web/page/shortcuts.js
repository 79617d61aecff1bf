// Keyboard shortcuts, and the list of them.

import { ARROWS } from "./numeric.js";
import { preference, setPreference } from "./store.js";
import { say } from "./words.js";

const KEYS = [
  ["O", "keyOpen"], ["J", "keyNext"], ["K", "keyPrevious"], ["B", "keyPhotograph"], ["M", "keyMask"],
  ["+ − 0 1", "keyZoom"], ["Ctrl+Z  Ctrl+Shift+Z", "keyUndo"], ["D", "keyDownload"], ["?", "keyHelp"],
];

const OFF = "fast_nst.shortcuts"; // in localStorage, if they are off
const byId = (id) => document.getElementById(id);

/** Whether a key is part of what is typed or chosen there. */
function takesKeys(element) {
  return element.matches?.("select, textarea, input:not([type=range], [type=radio], [type=checkbox], [type=file])");
}

/**
 * Listen for shortcuts.
 *
 * @param actions open, next, previous, hold(isHeld), mask, zoomIn, zoomOut, fit, full, undo, redo,
 *   download, and pan(horizontal, vertical) -> whether it did something.
 */
export function listenForKeys(actions) {
  const dialog = byId("help-dialog");
  const isOn = byId("shortcuts-on");
  isOn.checked = preference(OFF) === null;
  isOn.addEventListener("change", () => setPreference(OFF, isOn.checked ? null : "off"));
  const list = () => byId("shortcut-list").replaceChildren(...KEYS.flatMap(([keys, word]) => {
    const term = Object.assign(document.createElement("dt"), { textContent: keys });
    const text = Object.assign(document.createElement("dd"), { textContent: say(word) });
    return [term, text];
  }));
  const help = () => {
    list();
    dialog.showModal();
  };
  byId("help").addEventListener("click", help);
  const single = {
    o: actions.open, j: actions.next, k: actions.previous, d: actions.download, m: actions.mask,
    "?": help,
    "+": actions.zoomIn, "=": actions.zoomIn, "-": actions.zoomOut, 0: actions.fit, 1: actions.full,
  };
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("dialog") || takesKeys(event.target)) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && !event.altKey && "zy".includes(key)) {
      event.preventDefault();
      if (key === "y" || event.shiftKey) actions.redo();
      else actions.undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !isOn.checked) return;
    const isControl = event.target.matches?.("input, [role=slider]");
    if (event.key in ARROWS && !isControl) {
      if (actions.pan(...ARROWS[event.key])) event.preventDefault();
    } else if (key === "b") {
      actions.hold(true);
    } else if (key in single) {
      event.preventDefault();
      single[key]();
    }
  });
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "b" && actions.hold(false));
  window.addEventListener("blur", () => actions.hold(false));
}

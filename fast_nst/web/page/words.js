// The page's words, in the visitor's language. English stands in for what is not translated.

import { preference, setPreference } from "./store.js";
import english from "./words_en.js";

const TRANSLATIONS = { de: "./words_de.js", fr: "./words_fr.js" };
export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français" };
const CHOICE = "fast_nst.language"; // in localStorage

let words = english;

/** The words of a key, with {name} replaced by its value. */
export function say(key, values = {}) {
  const text = words[key] ?? english[key];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Seconds that are left, in words that change once a minute: screen readers read each change. */
export function timeLeft(seconds) {
  const minutes = Math.round(seconds / 60);
  return minutes ? say("minutesLeft", { minutes }) : say("underMinute");
}

/** Load the words of a language. */
export async function speak(language) {
  words = language === "en" ? english : (await import(TRANSLATIONS[language])).default;
  document.documentElement.lang = language;
}

/** The language that was chosen on an earlier visit, else the browser's first that is known. */
export function preferredLanguage() {
  const wanted = [preference(CHOICE), ...navigator.languages].map((name) => name?.slice(0, 2));
  return wanted.find((name) => name in LANGUAGES) ?? "en";
}

export const keepLanguage = (language) => setPreference(CHOICE, language);

/** Fill in elements with data-word (text), data-label (aria-label and tooltip), data-placeholder. */
export function fillWords(root = document) {
  for (const element of root.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
    if (element.matches("button")) element.title = say(element.dataset.label);
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) {
    element.placeholder = say(element.dataset.placeholder);
  }
}

/** Text with a capital letter and a full stop. */
export function sentence(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(words) ? words : `${words}.`;
}

/** An error whose message is for the visitor. */
export class UserError extends Error {}

/** An error's message for the visitor. */
export function messageOf(error) {
  return error instanceof UserError ? error.message : sentence(say("unexpected", { reason: error.message }));
}

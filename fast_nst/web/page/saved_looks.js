// Looks that the visitor has saved by name.

import { changeKept, kept } from "./store.js";
import { say } from "./words.js";

const byId = (id) => document.getElementById(id);

export class SavedLooks {
  #saved = []; // { name, look }
  #onChoose;

  /**
   * @param current () -> the look to save, and a name to propose for it.
   * @param onChoose Called with a saved look.
   */
  constructor({ current, onChoose }) {
    this.#onChoose = onChoose;
    byId("save-look").addEventListener("click", () => {
      const { look, proposal } = current();
      const name = prompt(say("nameOfLook"), proposal)?.trim();
      if (name) this.#save(name, look);
    });
  }

  async load() {
    this.#saved = (await kept("saved")) ?? [];
    this.#show();
  }

  clear() {
    this.#saved = [];
    this.#show();
  }

  async #save(name, look) {
    const isKept = await this.#change((saved) => (
      [...saved.filter((other) => other.name !== name), { name, look }]));
    byId("look-status").textContent = say(isKept ? "lookSaved" : "notKept", { name });
  }

  async #change(change) {
    const saved = await changeKept("saved", (found = []) => change(found));
    if (saved) this.#saved = saved;
    this.#show();
    return Boolean(saved);
  }

  #show() {
    byId("saved-looks").replaceChildren(...this.#saved.map(({ name, look }) => {
      const item = document.createElement("li");
      const choose = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      choose.addEventListener("click", () => this.#onChoose(look));
      const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
      remove.setAttribute("aria-label", say("removeLook", { name }));
      remove.addEventListener("click", () => {
        this.#change((saved) => saved.filter((other) => other.name !== name));
        byId("save-look").focus();
      });
      item.append(choose, remove);
      return item;
    }));
  }
}

// The controls of a look.

import { BlendPad } from "./blend_pad.js";
import { normalized, strokeScaleOf } from "./look.js";
import { hundredths } from "./numeric.js";
import { say } from "./words.js";

const byId = (id) => document.getElementById(id);

export class LookPanel {
  #config;
  #style; // name
  #shares = [1 / 3, 1 / 3, 1 / 3];
  #pad;

  /**
   * @param config The page's config.json, whose `styles` may grow.
   * @param onInput Called while a control moves.
   * @param onChange Called once it has moved.
   */
  constructor(config, { onInput, onChange }) {
    this.#config = config;
    byId("strength").max = config.most_strength;
    for (const id of ["strength", "detail", "strokes", "share"]) {
      byId(id).addEventListener("input", onInput);
      byId(id).addEventListener("change", onChange);
    }
    for (const id of ["colors", "second", "third"]) byId(id).addEventListener("change", onChange);
    this.#pad = new BlendPad({
      onInput: (shares) => {
        this.#shares = shares;
        onInput();
      },
      onChange,
    });
    this.fill();
  }

  /** Fill the lists of styles. */
  fill() {
    for (const id of ["second", "third"]) {
      const options = this.#config.styles.filter(({ mixes }) => mixes)
        .map(({ name, title }) => new Option(title, name));
      byId(id).replaceChildren(new Option(say("noBlend"), ""), ...options);
    }
  }

  /** Choose the style to which the others are added; these stay as they are. */
  choose(name) {
    this.#style = name;
    this.#update();
  }

  get look() {
    return {
      styles: this.#styles(),
      strength: byId("strength").valueAsNumber,
      detail: byId("detail").valueAsNumber,
      strokes: byId("strokes").valueAsNumber,
      colors: byId("colors").checked,
    };
  }

  set look(look) {
    const [first, second, third] = look.styles;
    this.#style = first.name;
    byId("second").value = second?.name ?? "";
    byId("third").value = third?.name ?? "";
    if (third) this.#shares = look.styles.map(({ share }) => share);
    else if (second) byId("share").value = 100 * second.share;
    byId("strength").max = this.#config.most_strength;
    for (const name of ["strength", "detail", "strokes"]) byId(name).value = look[name];
    byId("colors").checked = look.colors;
    this.#update();
  }

  #styles() {
    const others = [byId("second").value, byId("third").value].filter(Boolean);
    const names = [this.#style, ...others];
    let shares = [1];
    if (names.length === 2) {
      const share = hundredths(byId("share").valueAsNumber / 100);
      shares = [hundredths(1 - share), share];
    } else if (names.length === 3) {
      shares = normalized(this.#shares);
    }
    return names.map((name, i) => ({ name, share: shares[i] }));
  }

  #named(name) {
    return this.#config.styles.find((style) => style.name === name);
  }

  /** Update what depends on the controls: texts, and which styles blend with the chosen one. */
  refresh() {
    this.#update();
  }

  #update() {
    const style = this.#named(this.#style);
    const strength = byId("strength");
    strength.max = style.mixes ? this.#config.most_strength : 1;
    byId("strength-value").textContent = strength.valueAsNumber.toFixed(2);
    byId("detail-value").textContent = byId("detail").valueAsNumber.toFixed(2);
    byId("mix-hint").hidden = style.mixes;
    this.#limit(byId("second"), style, []);
    this.#limit(byId("third"), style, [byId("second").value]);
    const count = this.#styles().length;
    byId("third-label").hidden = count === 1;
    byId("share-label").hidden = count !== 2;
    byId("pad-section").hidden = count !== 3;
    const factor = strokeScaleOf(this.look);
    byId("strokes-value").textContent = `${factor} ×`;
    byId("strokes").setAttribute("aria-valuetext", say("strokesText", { factor }));
    byId("share-value").textContent = `${byId("share").value} %`;
    if (count === 3) this.#describePad();
  }

  #describePad() {
    this.#pad.show(this.#shares);
    const styles = this.#styles();
    const [one, two, three] = styles.map(({ name }) => this.#named(name).title);
    const [first, second, third] = styles.map(({ share }) => Math.round(100 * share));
    const text = say("padText", { one, two, three, first, second, third });
    this.#pad.describe(text, styles[0].share);
    byId("pad-value").textContent = text;
  }

  /** Offer the styles that blend with the chosen one: another one of the same network. */
  #limit(select, style, taken) {
    select.disabled = !style.mixes;
    for (const option of select.options) {
      const other = this.#named(option.value);
      const isOffered = !other || (style.mixes && other.name !== style.name
        && other.network === style.network && !taken.includes(other.name));
      option.hidden = option.disabled = !isOffered;
    }
    const isEmptied = select.id === "third" && !byId("second").value;
    if (select.selectedOptions[0]?.disabled || isEmptied || !style.mixes) select.value = "";
  }
}

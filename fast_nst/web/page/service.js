// Questions to the service whose answers are JSON, and jobs of it that are asked for their state.

import { UserError, say, sentence } from "./words.js";

const LONGEST = 30_000; // ms between two questions while the service does not answer

/** The error for an answer that is not a success: its status is in `status`. */
export function refusal(status, answer) {
  const text = sentence(answer?.error ?? say("serviceStatus", { status }));
  return Object.assign(new UserError(text), { status });
}

/** A new identifier of a job. */
export const newIdentifier = () => (
  Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-"));

/** The answer to a request; null if it is empty. */
export async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new UserError(say("noResponse"));
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response.status, answer);
  return answer;
}

/** Asks for the state of a job until it is stopped: less and less often while there is no answer. */
export class Poller {
  #every;
  #ask;
  #onAnswer;
  #onError;
  #delay;
  #timer = 0;
  #turn = 0; // an answer to a question of an earlier turn is dropped

  /**
   * @param every ms between two questions.
   * @param ask () -> the state.
   * @param onAnswer Called with the state.
   * @param onError Called with the error, when there is none.
   */
  constructor({ every, ask: question, onAnswer, onError }) {
    this.#every = every;
    this.#ask = question;
    this.#onAnswer = onAnswer;
    this.#onError = onError;
  }

  /** Ask now, and then again and again. */
  start() {
    this.stop();
    this.#delay = this.#every;
    this.#poll(this.#turn);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#turn++;
  }

  async #poll(turn) {
    let report;
    try {
      const answer = await this.#ask();
      this.#delay = this.#every;
      report = () => this.#onAnswer(answer);
    } catch (error) {
      this.#delay = Math.min(2 * this.#delay, LONGEST);
      report = () => this.#onError(error);
    }
    if (turn !== this.#turn) return;
    this.#timer = setTimeout(() => this.#poll(turn), this.#delay);
    report(); // which may stop this
  }
}

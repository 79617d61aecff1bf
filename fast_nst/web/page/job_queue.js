// The order of jobs, and which results are still wanted.

/** Runs one job at a time: of each kind only the latest, and idle jobs in between. */
export class JobQueue {
  #next = new Map(); // kind -> job
  #idle = [];
  #isBusy = false; // runs jobs of #next
  #isIdling = false; // runs jobs of #idle

  /** Run a job as soon as the current one is done; it replaces a waiting one of its kind. */
  runNext(kind, job) {
    this.#next.delete(kind);
    this.#next.set(kind, job);
    this.#run();
  }

  /** Run a job when no other one waits, such as that of a thumbnail. */
  runIdle(job) {
    this.#idle.push(job);
    this.#runAllIdle();
  }

  /** Drop the idle jobs that have not begun. */
  clearIdle() {
    this.#idle.length = 0;
  }

  async #run() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#next.size) {
      const [[kind, job]] = this.#next;
      this.#next.delete(kind);
      await settled(job);
    }
    this.#isBusy = false;
    this.#runAllIdle();
  }

  async #runAllIdle() {
    if (this.#isIdling) return;
    this.#isIdling = true;
    while (!this.#isBusy && this.#idle.length) await settled(this.#idle.shift());
    this.#isIdling = false;
  }
}

/** Run a job; an error is reported, and the queue goes on. */
async function settled(job) {
  try {
    await job();
  } catch (error) {
    reportError(error);
  }
}

/** Requests of which only the latest counts: the signals of earlier ones are aborted. */
export class Latest {
  #controller = new AbortController();

  /** The signal of the latest request. */
  get signal() {
    return this.#controller.signal;
  }

  /** Abort the latest request, and return the signal of a new one. */
  next() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.signal;
  }
}

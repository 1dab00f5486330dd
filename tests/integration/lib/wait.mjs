// SPDX-License-Identifier: Apache-2.0
// Waiting for conditions, never for time to pass: each wait ends as soon as what
// it waits for is so, and fails with its name when it never is.
import { setTimeout as pause } from "node:timers/promises";

export const PATIENCE_MS = 20_000;

// Asks again until ask() gives something true, and gives that.
export async function until(what, ask, patienceMs = PATIENCE_MS) {
	const end = Date.now() + patienceMs;
	let last;

	for (;;) {
		try {
			const answer = await ask();
			if (answer)
				return answer;
			last = undefined;
		} catch (error) {
			last = error;
		}
		if (Date.now() > end) {
			throw new Error(`waited ${patienceMs} ms for ${what}`
				+ (last ? `: ${last.message}` : ""),
				{ cause: last });
		}
		await pause(20);
	}
}

// A promise that must settle in time.
export async function within(what, promise, patienceMs = PATIENCE_MS) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(
			`waited ${patienceMs} ms for ${what}`)), patienceMs);
		// One that nobody awaits any more must not hold the process up.
		timer.unref();
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

// A mailbox: put() from callbacks, take() in the order of arrival.
export class Mailbox {
	#kept = [];
	#takers = [];

	put(value) {
		const taker = this.#takers.shift();
		if (taker)
			taker(value);
		else
			this.#kept.push(value);
	}

	take(what, patienceMs) {
		if (this.#kept.length > 0)
			return Promise.resolve(this.#kept.shift());
		let taker;
		const taken = new Promise((resolve) => {
			taker = resolve;
			this.#takers.push(taker);
		});
		// Who has given up takes nothing from who still waits.
		return within(what, taken, patienceMs).finally(() => {
			this.#takers = this.#takers.filter((one) => one !== taker);
		});
	}

	get waiting() { return this.#kept.length; }
}

// SPDX-License-Identifier: Apache-2.0
// A real program under test: started in a process group of its own, its output
// kept line by line, stopped with SIGTERM, and held to leaving no report of a
// sanitizer behind. Whatever is still running when the test process ends is
// killed with it.
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { PATIENCE_MS, within } from "./wait.mjs";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)),
	"../../..");
export const BUILD = path.resolve(ROOT, process.env.ASSAY_BUILD ?? "build/asan");

const REPORT = /ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|Assertion .* failed/;
const running = new Set();
const reserved = new Set();

process.on("exit", () => {
	for (const file of reserved)
		fs.rmSync(file, { force: true });
	for (const program of running)
		program.signalGroup("SIGKILL");
});

export async function freePort() {
	for (;;) {
		const port = await unusedPort();
		if (reserve(port))
			return port;
	}
}

function unusedPort() {
	return new Promise((resolve, reject) => {
		const server = net.createServer();
		server.on("error", reject);
		server.listen({ port: 0, host: "127.0.0.1" }, () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}

// Our programs share a port with whoever else asks for it (SO_REUSEPORT), so two
// test files that were given the same one would get each other's connections.
// A file of that name is taken for as long as the process lives.
function reserve(port) {
	const file = path.join(os.tmpdir(), `assay-port-${port}`);
	try {
		fs.writeFileSync(file, `${process.pid}`, { flag: "wx" });
	} catch (error) {
		if (error.code !== "EEXIST")
			throw error;
		if (!isLeftOver(file))
			return false;
		fs.writeFileSync(file, `${process.pid}`);
	}
	reserved.add(file);
	return true;
}

function isLeftOver(file) {
	try {
		process.kill(Number(fs.readFileSync(file, "utf8")), 0);
		return false;
	} catch (error) {
		return error.code === "ESRCH" || error.code === "ENOENT";
	}
}

export class Program {
	#waiting = new Set();

	constructor(name, command, args, { env, cwd, uid, gid, log } = {}) {
		this.name = name;
		this.lines = [];
		this.log = log;
		this.child = spawn(command, args, { cwd, uid, gid,
			detached: true, stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env,
				ASAN_OPTIONS: "abort_on_error=0:detect_leaks=1:quarantine_size_mb=8",
				UBSAN_OPTIONS: "print_stacktrace=1",
				...env } });
		running.add(this);
		this.ended = new Promise((resolve) => {
			this.child.once("error", (error) => {
				this.#line(`${name}: ${error.message}`);
				running.delete(this);
				resolve({ code: -1, signal: null });
			});
			this.child.once("close", (code, signal) => {
				running.delete(this);
				this.exit = { code, signal };
				for (const one of this.#waiting)
					one.ended();
				resolve(this.exit);
			});
		});
		for (const stream of [this.child.stdout, this.child.stderr]) {
			readline.createInterface({ input: stream })
				.on("line", (line) => this.#line(line));
		}
	}

	#line(line) {
		this.lines.push(line);
		if (this.log)
			fs.appendFileSync(this.log, `${line}\n`);
		for (const one of this.#waiting)
			one.line(line);
	}

	get pid() { return this.child.pid; }
	get isRunning() { return running.has(this); }

	// The first line that matches, from line number `after` on; those to come
	// are waited for.
	async line(pattern, { after = 0, patienceMs = PATIENCE_MS } = {}) {
		const matches = (line) => (typeof pattern === "string"
			? line.includes(pattern) : pattern.test(line));
		const old = this.lines.slice(after).find(matches);
		if (old !== undefined)
			return old;
		let one;
		const seen = new Promise((resolve, reject) => {
			one = {
				line: (line) => matches(line) && resolve(line),
				ended: () => reject(new Error(`${this.name} ended`
					+ ` before it said ${pattern}:\n`
					+ this.lines.slice(-20).join("\n"))),
			};
			if (this.exit)
				one.ended();
			this.#waiting.add(one);
		});
		try {
			return await within(`${this.name} to say ${pattern}`, seen,
				patienceMs);
		} catch (error) {
			error.message += `\n${this.lines.slice(-20).join("\n")}`;
			throw error;
		} finally {
			this.#waiting.delete(one);
		}
	}

	signalGroup(signal) {
		try {
			process.kill(-this.child.pid, signal);
		} catch {
			// It has ended already.
		}
	}

	async kill() {
		this.signalGroup("SIGKILL");
		await this.ended;
	}

	async stop(signal = "SIGTERM") {
		if (this.isRunning) {
			this.child.kill(signal);
			try {
				await within(`${this.name} to stop`, this.ended);
			} catch (error) {
				await this.kill();
				throw error;
			}
		}
		this.inspect();
	}

	// Throws when a sanitizer or an assertion has spoken.
	inspect() {
		const at = this.lines.findIndex((line) => REPORT.test(line));
		if (at >= 0) {
			throw new Error(`${this.name}:\n`
				+ this.lines.slice(at, at + 40).join("\n"));
		}
	}
}

// Runs a command to its end; gives its standard output.
export async function run(command, args, options = {}) {
	const child = spawn(command, args, { cwd: options.cwd,
		uid: options.uid, gid: options.gid,
		env: { ...process.env, ...options.env },
		stdio: [options.input === undefined ? "ignore" : "pipe",
			"pipe", "pipe"] });
	const out = [], err = [];

	child.stdout.on("data", (part) => out.push(part));
	child.stderr.on("data", (part) => err.push(part));
	if (options.input !== undefined)
		child.stdin.end(options.input);
	const code = await new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", resolve);
	});
	const errors = Buffer.concat(err).toString();
	if (code !== (options.status ?? 0)) {
		throw new Error(`${command} ${args.join(" ")}: status ${code}\n`
			+ errors);
	}
	return options.status === undefined ? Buffer.concat(out).toString()
		: errors;
}

// SPDX-License-Identifier: Apache-2.0
// A TDX platform under a test root: quotes, collateral, and a folder laid out
// like configfs-tsm, with FIFOs where the kernel has attributes. The bindings are
// computed here from docs/tunnel.md alone.
import { createHash, X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { BUILD, run } from "./program.mjs";

const { O_NONBLOCK, O_RDWR, O_WRONLY } = fs.constants;
const FORGE = path.join(BUILD, "tests/forge");

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

// Members sorted, no white space: the form that digests are over.
export function canonical(value) {
	if (Array.isArray(value))
		return `[${value.map(canonical).join(",")}]`;
	if (value !== null && typeof value === "object") {
		return `{${Object.keys(value).sort().map((name) =>
			`${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
	}
	return JSON.stringify(value);
}

export const statementDigest = (statement) => {
	const { evidence, ...rest } = statement;
	return sha256(canonical(rest));
};

export const spkiOf = (certificate) => new X509Certificate(certificate)
	.publicKey.export({ type: "spki", format: "der" });

// SHA-512(nonce ‖ DID ‖ SPKI ‖ SHA-256 of the statement ‖ signing key)
export function reportData({ nonce, did, spki, statement, key }) {
	const hash = createHash("sha512");
	for (const part of [Buffer.from(nonce, "hex"), did, spki,
		statementDigest(statement), key ?? ""])
		hash.update(part);
	return hash.digest();
}

// The last report that came through a pipe; null: none has.
function newest(pipe) {
	const bytes = Buffer.alloc(4096);
	try {
		const length = fs.readSync(pipe, bytes);
		return length >= 64 ? bytes.subarray(length - 64, length) : null;
	} catch (error) {
		if (error.code !== "EAGAIN")
			throw error;
		return null;
	}
}

// A pipe that somebody has begun to read, else null.
function readerOf(name) {
	try {
		return fs.openSync(name, O_WRONLY | O_NONBLOCK);
	} catch (error) {
		if (error.code !== "ENXIO")
			throw error;
		return null;
	}
}

// Writes to a reader, who may be gone, and lets go of it.
function hand(reader, bytes) {
	try {
		fs.writeSync(reader, bytes);
	} catch (error) {
		if (error.code !== "EPIPE")
			throw error;
	} finally {
		fs.closeSync(reader);
	}
}

export class TdxPlatform {
	static async make(folder, ...words) {
		const self = new this();
		self.folder = folder;
		await run(FORGE, ["new", folder, ...words]);
		self.root = path.join(folder, "root.pem");
		self.collateral = path.join(folder, "collateral");
		self.words = [];
		return self;
	}

	// The gateway's settings under which this platform is trusted.
	get settings() {
		return { "attestation.folder": this.collateral,
			"attestation.test_root": this.root,
			"attestation.pcs_url": "" };
	}

	async quote(report, ...words) {
		const hex = await run(FORGE, ["quote", this.folder,
			report.toString("hex"), ...words]);
		return Buffer.from(hex.trim(), "hex").toString("base64");
	}

	async publish(...words) {
		await run(FORGE, ["collateral", this.folder, ...words]);
	}

	// The bundle for what stands in `facts`; `said` differs where a test lies.
	async evidence(facts, ...words) {
		return { binding: "assay", nonce: facts.nonce,
			...(facts.address ? { signing_address: facts.address } : {}),
			items: [{ kind: "tdx",
				quote: await this.quote(reportData(facts), ...words) }] };
	}

	// A folder like /sys/kernel/config/tsm/report; quotes carry this.words.
	async serveTsm(provider = "tdx_guest") {
		this.tsm = path.join(this.folder, `tsm-${provider}`);
		const entry = path.join(this.tsm, "assay");
		fs.mkdirSync(entry, { recursive: true });
		fs.writeFileSync(path.join(entry, "provider"), `${provider}\n`);
		fs.writeFileSync(path.join(entry, "generation"), "1\n");
		for (const name of ["inblob", "outblob"])
			await run("mkfifo", [path.join(entry, name)]);
		this.inblob = path.join(entry, "inblob");
		this.serving = this.#serve(path.join(entry, "outblob"));
		return this.tsm;
	}

	// What the platform's TEE says to a question through configfs-tsm.
	answer(report) { return this.quote(report, ...this.words); }

	// Who asks may end before it takes its answer: the next one's question
	// counts then, so nothing here waits for one who is gone.
	async #serve(outblob) {
		const inblob = fs.openSync(this.inblob, O_RDWR | O_NONBLOCK);
		let report = null;
		for (; !this.stopped; await pause(5)) {
			report = newest(inblob) ?? report;
			const reader = report && readerOf(outblob);
			if (!reader)
				continue;
			report = newest(inblob) ?? report;
			const quote = await this.answer(report);
			report = null;
			hand(reader, Buffer.from(quote, "base64"));
		}
		fs.closeSync(inblob);
	}

	async close() {
		this.stopped = true;
		await this.serving;
	}
}

// SPDX-License-Identifier: Apache-2.0
// Promise: other verifiers, run on the same TDX quotes and signed messages,
// say what we say, status and advisories included; each case in which one says
// something else is listed here, with who is right and why. A difference that
// is not listed fails, and so does a listed one that is no more.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { QuoteVerifier } from "@phala/dcap-qvl";
import { initSync, js_verify as verifyInWasm } from "@phala/dcap-qvl-web";
import { getAddress, verifyMessage } from "ethers";
import { BUILD, ROOT } from "./lib/program.mjs";

const VECTORS = path.resolve(ROOT, process.env.ASSAY_VECTORS ??
	"../shared/vectors");
const RUNNER = path.join(BUILD, "tests/vectors");
const REAL = "tdx/cases.json";
const SYNTHETIC = "tdx/synthetic/cases.json";
const SIGNED = "eip191/cases.json";

// they: what the other says where we say something else.
const OF_JAVASCRIPT = [
	{ right: "we", they: "accept UpToDate -",
	  why: "it checks neither signature nor issuer nor time of a"
		+ " revocation list, and takes one that it cannot read for an"
		+ " empty one: who holds the list back undoes a revocation",
	  cases: [[REAL, "v4-b0c06f-collateral-expired"],
		[SYNTHETIC, "pckcrl-expired"], [SYNTHETIC, "rootcrl-expired"],
		[SYNTHETIC, "pckcrl-signature"], [SYNTHETIC, "pckcrl-garbage"],
		[SYNTHETIC, "pckcrl-empty"]] },
	{ right: "we", they: "accept UpToDate -",
	  why: "it knows no TDX module identity: neither the level of the"
		+ " module, nor who signed it, nor its attributes",
	  cases: [[SYNTHETIC, "module-outofdate"],
		[SYNTHETIC, "module-below-all"],
		[SYNTHETIC, "module-unknown-version"],
		[SYNTHETIC, "mrsignerseam-nonzero"],
		[SYNTHETIC, "seamattributes-nonzero"]] },
	{ right: "we", they: "accept UpToDate -",
	  why: "it does not look at the vendor of the quoting enclave",
	  cases: [[SYNTHETIC, "qe-vendor"]] },
	{ right: "we", they: "accept UpToDate -",
	  why: "the certification data of a TDX quote is wrapped in type 6;"
		+ " it does not look at the outer type",
	  cases: [[SYNTHETIC, "outer-type-5"]] },
	{ right: "we", they: "reject QE report hash mismatch",
	  why: "authentication data may have any length; it hashes 32 bytes",
	  cases: [[SYNTHETIC, "auth-data-empty"],
		[SYNTHETIC, "auth-data-64"]] },
	{ right: "both",
	  they: "accept ConfigurationAndSWHardeningNeeded"
		+ " INTEL-SA-00289,INTEL-SA-00615",
	  why: "it verifies quotes of SGX enclaves as well; for us they are no"
		+ " evidence of a TD",
	  cases: [[REAL, "sgx-v3"]] },
];
// Its root cannot be set, so it sees the real quotes only.
const OF_WASM = [
	{ right: "we", they: "accept UpToDate -",
	  why: "it does not compare the issue date of TCB info with the time",
	  cases: [[REAL, "v4-b0c06f-collateral-not-yet"]] },
	{ right: "we", they: "reject Failed to decode quote",
	  why: "it reads no quote of version 5",
	  cases: [[REAL, "v5-td15"]] },
	{ right: "both",
	  they: "accept ConfigurationAndSWHardeningNeeded"
		+ " INTEL-SA-00289,INTEL-SA-00615",
	  why: "as the JavaScript build",
	  cases: [[REAL, "sgx-v3"]] },
];
const OF_ETHERS = [
	{ right: "both", they: "reject",
	  why: "services send the signature without 0x, too; its bytes are the"
		+ " same, and ethers is a library for texts with it",
	  cases: [[SIGNED, "no-0x"]] },
];

const missing = [VECTORS, RUNNER].find((file) => !fs.existsSync(file));
const options = { skip: missing && `no ${path.basename(missing)}` };
const verdicts = new Map();

const bytes = (file) => fs.readFileSync(path.join(VECTORS, file));
const cases = (index) => JSON.parse(bytes(index));
const seconds = (c) => Math.floor(Date.parse(c.verify_at) / 1000);
const accepted = (status, advisories) => `accept ${status} `
	+ ([...advisories].sort().join() || "-");

// "show INDEX ID CODE CHECK STATUS ADVISORIES # why", one line a case.
function judge() {
	const out = execFileSync(RUNNER, [VECTORS], { encoding: "utf8",
		env: { ...process.env, VECTORS_SHOW: "1" },
		maxBuffer: 64 << 20 });
	for (const line of out.split("\n")) {
		const [word, index, id, code, check, status, advisories] =
			line.split(" ");
		if (word !== "show")
			continue;
		verdicts.set(`${index} ${id}`, code !== "ok"
			? `reject ${code} by ${check}`
			: accepted(status, advisories.split(",")));
	}
}

function javascript(c) {
	const root = new X509Certificate(bytes(c.root)).raw;
	try {
		const seen = QuoteVerifier.newWithRootCa(root).verify(
			bytes(c.quote), JSON.parse(bytes(c.collateral)),
			seconds(c));
		return accepted(seen.status, seen.advisory_ids);
	} catch (error) {
		return `reject ${error.message}`;
	}
}

function wasm(c) {
	try {
		const seen = verifyInWasm(bytes(c.quote),
			JSON.parse(bytes(c.collateral)), BigInt(seconds(c)));
		return accepted(seen.status, seen.advisory_ids);
	} catch (error) {
		return `reject ${error.message ?? error}`;
	}
}

function ethers(c) {
	try {
		return verifyMessage(Buffer.from(c.message_hex, "hex"),
			c.signature) === getAddress(c.address)
			? "accept" : "reject";
	} catch {
		return "reject";
	}
}

// Refusals agree whatever their reasons are called.
function differ(we, they) {
	return we.startsWith("reject") ? !they.startsWith("reject")
		: we !== they;
}

function compare(indices, they, list) {
	const wanted = new Map(list.flatMap((one) => one.cases.map(
		([index, id]) => [`${index} ${id}`, one])));
	const count = { agree: 0, listed: 0 };

	for (const index of indices) {
		for (const c of cases(index)) {
			const name = `${index} ${c.id}`;
			const ours = verdicts.get(name);
			const theirs = they(c);
			assert.ok(ours, `${name}: no verdict of ours`);
			if (!differ(ours, theirs)) {
				assert.ok(!wanted.has(name),
					`${name}: listed, but both say ${ours}`);
				count.agree++;
				continue;
			}
			assert.ok(wanted.has(name), `${name}: we say ${ours},`
				+ ` they say ${theirs}`);
			assert.ok(theirs.startsWith(wanted.get(name).they),
				`${name}: listed as ${wanted.get(name).they},`
				+ ` they say ${theirs}`);
			count.listed++;
			wanted.delete(name);
		}
	}
	assert.deepEqual([...wanted.keys()], [], "listed, but not seen");
	return count;
}

before(() => {
	if (!missing)
		judge();
});

test("TDX quotes are judged as dcap-qvl (JavaScript) judges them", options,
	(t) => {
		const { agree, listed } = compare([REAL, SYNTHETIC], javascript,
			OF_JAVASCRIPT);
		t.diagnostic(`${agree} agree, ${listed} differ as listed`);
		assert.ok(agree >= 70);
	});

test("real TDX quotes are judged as dcap-qvl (WebAssembly) judges them",
	options, (t) => {
		initSync({ module: fs.readFileSync(path.join(path.dirname(
			fileURLToPath(import.meta.resolve(
				"@phala/dcap-qvl-web"))),
		"dcap-qvl-web_bg.wasm")) });
		const { agree, listed } = compare([REAL], wasm, OF_WASM);
		t.diagnostic(`${agree} agree, ${listed} differ as listed`);
		assert.ok(agree >= 15);
	});

test("signed messages are judged as ethers judges them", options, (t) => {
	for (const [name, verdict] of verdicts) {
		if (name.startsWith(SIGNED))
			verdicts.set(name, verdict.split(" ")[0]);
	}
	const { agree, listed } = compare([SIGNED], ethers, OF_ETHERS);
	t.diagnostic(`${agree} agree, ${listed} differ as listed`);
	assert.ok(agree >= 20);
});

test("every listed difference says who is right, and why", () => {
	for (const one of [...OF_JAVASCRIPT, ...OF_WASM, ...OF_ETHERS]) {
		assert.match(one.right, /^(we|they|both)$/);
		assert.ok(one.why.length > 10 && one.cases.length > 0);
	}
});

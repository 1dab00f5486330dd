// SPDX-License-Identifier: Apache-2.0
// Promise: other verifiers, run on the same TDX quotes and signed messages,
// say what we say, status and advisories included, or differ by a rule that is
// written here with who is right and why. A rule speaks about our check and
// about the evidence, never about a case by name, so it holds in any folder of
// vectors (ASSAY_VECTORS). Where a case says what is expected and the rule says
// that we are right, both must agree. A difference without a rule fails, but
// in a folder of somebody else's it is only told if the case is with us; in our
// own folder each rule explains exactly as many cases as are written here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
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
const OWN = process.env.ASSAY_VECTORS === undefined;
const INTEL_ROOT = "anchors/intel-sgx-root-ca.pem";

const refusedBy = (...checks) => ({ we }) => checks.includes(we.check);
const accepts = /^accept /;
// A module with a version of its own: byte 1 of TEE_TCB_SVN.
const versioned = ({ quote }) => quote.svn[1] > 0;
// The status of a level that is reached first, greatest version first.
const statusOf = (levels, svn) => [...levels]
	.sort((a, b) => b.tcb.isvsvn - a.tcb.isvsvn)
	.find((l) => svn >= l.tcb.isvsvn)?.tcbStatus;
const hex2 = (n) => n.toString(16).padStart(2, "0").toUpperCase();

function moduleStatus({ quote, tcbInfo }) {
	const module = tcbInfo.tdxModuleIdentities?.find(
		(m) => m.id.toUpperCase() === `TDX_${hex2(quote.svn[1])}`);
	return module && statusOf(module.tcbLevels, quote.svn[0]);
}

const rank = (l) => [...l.tcb.sgxtcbcomponents.map((c) => c.svn),
	l.tcb.pcesvn, ...l.tcb.tdxtcbcomponents.map((c) => c.svn)]
	.map((n) => n.toString().padStart(5, "0")).join();
const unsorted = ({ tcbInfo }) => tcbInfo.tcbLevels.some((l, i, all) =>
	i > 0 && rank(all[i - 1]) < rank(l));

const SGX = { right: "both", they: accepts, seen: 1,
	why: "it verifies quotes of SGX enclaves as well; for us they are no"
		+ " evidence of a TD",
	rule: ({ we }) => /SGX enclave/.test(we.why) };
// they: what the other says where we say something else; rule: which evidence
// that is; seen: how often in our own folder.
const OF_JAVASCRIPT = [
	{ right: "we", they: accepts, seen: 6,
	  why: "it checks neither signature nor issuer nor time of a"
		+ " revocation list, and takes one that it cannot read for an"
		+ " empty one: who holds the list back undoes a revocation",
	  rule: refusedBy("tdx.pck_crl", "tdx.root_crl", "tdx.pck_crl_time",
		  "tdx.root_crl_time", "tdx.pck_crl_chain",
		  "tdx.pck_crl_signer", "tdx.revocation_lists") },
	{ right: "we", they: accepts, seen: 4,
	  why: "it knows no TDX module identity: neither the level of the"
		+ " module, nor who signed it, nor its attributes",
	  rule: refusedBy("tdx.module_known", "tdx.module_level",
		  "tdx.module_signer", "tdx.module_attributes",
		  "tdx.module_running") },
	{ right: "we", they: accepts, seen: 1,
	  why: "a module that is out of date or revoked does not count for"
		+ " it, nor do the module's advisories",
	  rule: (x) => versioned(x)
		&& ["OutOfDate", "Revoked"].includes(moduleStatus(x))
		&& (x.we.status !== "-" || x.we.check === "tdx.tcb_revoked") },
	{ right: "we", they: /^(accept |reject No matching TCB level)/, seen: 0,
	  why: "it counts the module's own version bytes among the platform's"
		+ " also where the module has levels of its own",
	  rule: (x) => x.we.accepted && versioned(x)
		&& x.tcbInfo.tcbLevels.some(({ tcb }) => [0, 1].some((i) =>
			x.quote.svn[i] < tcb.tdxtcbcomponents[i].svn)) },
	{ right: "we", they: accepts, seen: 0,
	  why: "it takes the first level of the file that fits, whatever the"
		+ " order of the file",
	  rule: (x) => unsorted(x) && x.we.status !== "-" },
	{ right: "we", they: accepts, seen: 0,
	  why: "of two statuses it keeps the worse; out of date and in need of"
		+ " configuration is worse than either",
	  rule: (x) => x.we.status === "OutOfDateConfigurationNeeded"
		&& statusOf(x.qeIdentity.tcbLevels, x.quote.qeSvn)
			=== "OutOfDate" },
	{ right: "we", they: accepts, seen: 0,
	  why: "it does not compare the PCE id with that of the TCB info",
	  rule: refusedBy("tdx.pceid") },
	{ right: "we", they: accepts, seen: 0,
	  why: "it lets any certificate below the root sign TCB info and QE"
		+ " identity, that of a platform, too",
	  rule: refusedBy("tdx.tcb_info_chain", "tdx.tcb_info_signer",
		  "tdx.qe_identity_chain", "tdx.qe_identity_signer") },
	{ right: "we", they: accepts, seen: 0,
	  why: "of a JSON member that stands twice it takes the last",
	  rule: ({ we }) => /repeated name/.test(we.why) },
	{ right: "we", they: accepts, seen: 0,
	  why: "it does not look at the second half of the quoting enclave's"
		+ " report data",
	  rule: refusedBy("tdx.qe_report_data_tail") },
	{ right: "we", they: accepts, seen: 1,
	  why: "it does not look at the vendor of the quoting enclave",
	  rule: refusedBy("tdx.qe_vendor") },
	{ right: "we", they: accepts, seen: 1,
	  why: "the certification data of a TDX quote is wrapped in type 6;"
		+ " it does not look at the outer type",
	  rule: ({ we }) => /outer certification data type/.test(we.why) },
	{ right: "we", they: /^reject QE report hash mismatch/, seen: 2,
	  why: "authentication data may have any length; it hashes 32 bytes",
	  rule: (x) => x.we.accepted && x.quote.authLength !== 32 },
	SGX,
];
// Its root cannot be set, so it sees the real quotes only.
const OF_WASM = [
	{ right: "we", they: accepts, seen: 1,
	  why: "it does not compare the issue date of TCB info with the time",
	  rule: ({ we }) => we.code === "not_yet_valid"
		&& /^tdx\.(tcb_info|qe_identity)_time$/.test(we.check) },
	{ right: "we", they: /^reject Failed to decode quote/, seen: 1,
	  why: "it reads no quote of version 5",
	  rule: (x) => x.quote.version === 5 },
	SGX,
];
const OF_ETHERS = [
	{ right: "both", they: /^reject/, seen: 1,
	  why: "services send the signature without 0x, too; its bytes are the"
		+ " same, and ethers is a library for texts with it",
	  rule: (x) => x.we.accepted && !x.c.signature.startsWith("0x") },
];

const missing = [VECTORS, RUNNER].find((file) => !fs.existsSync(file));
const options = { skip: missing && `no ${path.basename(missing)}` };
const verdicts = new Map();

const bytes = (file) => fs.readFileSync(path.join(VECTORS, file));
const seconds = (c) => Math.floor(Date.parse(c.verify_at) / 1000);
const accepted = (status, advisories) => `accept ${status} `
	+ ([...advisories].sort().join() || "-");

// Every index below a folder, by its path from the vectors' root.
function indices(folder) {
	return fs.readdirSync(path.join(VECTORS, folder),
		{ recursive: true })
		.filter((name) => path.basename(name) === "cases.json")
		.map((name) => path.posix.join(folder, name)).sort();
}

function cases(index) {
	const document = JSON.parse(bytes(index));
	return Array.isArray(document) ? document : document.cases;
}

// "show INDEX ID CODE CHECK STATUS ADVISORIES # why", one line a case.
function judge() {
	const run = spawnSync(RUNNER, [VECTORS], { encoding: "utf8",
		env: { ...process.env, VECTORS_SHOW: "1" },
		maxBuffer: 64 << 20 });
	for (const line of run.stdout.split("\n")) {
		const [words, why] = line.split(" # ");
		const [word, index, id, code, check, status, advisories] =
			words.split(" ");
		if (word !== "show")
			continue;
		verdicts.set(`${index} ${id}`, { code, check, status, why,
			accepted: code === "ok",
			said: code === "ok"
				? accepted(status, advisories.split(","))
				: `reject ${code} by ${check}` });
	}
}

// What the rules ask about; a quote too broken for that has no rule.
function quoteOf(file) {
	const b = bytes(file);
	const version = b.readUInt16LE(0);
	const body = version === 5 ? 54 : 48;
	const end = body + (version === 5 ? b.readUInt32LE(50) : 584);
	const certified = end + 4 + 64 + 64 + 6;
	return { version, svn: [...b.subarray(body, body + 16)],
		qeSvn: b.readUInt16LE(certified + 258),
		authLength: b.readUInt16LE(certified + 384 + 64) };
}

function evidence(c) {
	const bundle = JSON.parse(bytes(c.collateral));
	return { quote: quoteOf(c.quote),
		tcbInfo: JSON.parse(bundle.tcb_info),
		qeIdentity: JSON.parse(bundle.qe_identity) };
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

// Whether the case itself says what we say; undefined where it says nothing.
function isWithUs(c, we) {
	if (c.expect !== "accept" && c.expect !== "reject")
		return undefined;
	if (!we.accepted || c.expect === "reject")
		return c.expect === "reject" && !we.accepted;
	return c.status === undefined || we.status === c.status;
}

function ruleFor(rules, x, theirs) {
	return rules.find((one) => {
		try {
			return one.they.test(theirs) && one.rule(x);
		} catch {
			return false;
		}
	});
}

function compare(list, they, rules, look) {
	const count = { agree: 0, ruled: 0, told: [] };
	const seen = new Map(rules.map((one) => [one, 0]));

	for (const { name, c } of list) {
		const we = verdicts.get(name);
		const theirs = they(c);
		assert.ok(we, `${name}: no verdict of ours`);
		if (!differ(we.said, theirs)) {
			count.agree++;
			continue;
		}
		let x = { we, c };
		try {
			x = { ...x, ...look?.(c) };
		} catch {
			// Broken evidence: rules about our check still hold.
		}
		const line = `${name}: we say ${we.said} (${we.why ?? ""}),`
			+ ` they say ${theirs}`;
		const one = ruleFor(rules, x, theirs);
		if (one) {
			assert.notEqual(isWithUs(c, we), false,
				`${line}; a rule says "${one.why}", but the`
				+ " case is not with us");
			seen.set(one, seen.get(one) + 1);
			count.ruled++;
			continue;
		}
		assert.ok(!OWN && isWithUs(c, we), `${line}; no rule says why`);
		count.told.push(line);
	}
	if (OWN) {
		for (const [one, times] of seen)
			assert.equal(times, one.seen, `"${one.why}"`);
	}
	return count;
}

function tell(t, { agree, ruled, told }) {
	t.diagnostic(`${agree} agree, ${ruled} differ by a rule,`
		+ ` ${told.length} without one`);
	told.forEach((line) => t.diagnostic(line));
}

const listOf = (folder, wanted) => indices(folder).flatMap((index) =>
	cases(index).filter(wanted).map((c) => ({ name: `${index} ${c.id}`, c })));
const judged = (c) => c.quote && c.collateral && c.root && c.verify_at
	&& c.expect !== "parse-only"
	&& [c.quote, c.collateral, c.root].every((file) =>
		fs.existsSync(path.join(VECTORS, file)));

before(() => {
	if (!missing)
		judge();
});

test("TDX quotes are judged as dcap-qvl (JavaScript) judges them", options,
	(t) => {
		const count = compare(listOf("tdx", judged), javascript,
			OF_JAVASCRIPT, evidence);
		tell(t, count);
		assert.ok(count.agree > count.ruled + count.told.length);
	});

test("real TDX quotes are judged as dcap-qvl (WebAssembly) judges them",
	options, (t) => {
		initSync({ module: fs.readFileSync(path.join(path.dirname(
			fileURLToPath(import.meta.resolve(
				"@phala/dcap-qvl-web"))),
		"dcap-qvl-web_bg.wasm")) });
		const count = compare(listOf("tdx", (c) => judged(c)
			&& c.root === INTEL_ROOT), wasm, OF_WASM, evidence);
		tell(t, count);
		assert.ok(count.agree > count.ruled + count.told.length);
	});

test("signed messages are judged as ethers judges them", options, (t) => {
	for (const [name, verdict] of verdicts) {
		if (name.startsWith("eip191/"))
			verdict.said = verdict.said.split(" ")[0];
	}
	const count = compare(listOf("eip191", (c) => c.message_hex !== undefined),
		ethers, OF_ETHERS);
	tell(t, count);
	assert.ok(count.agree > count.ruled + count.told.length);
});

// A rule that took whatever it is given would make every comparison hold.
test("a difference without its rule is none that we explain", () => {
	const we = { accepted: true, code: "ok", check: "-", status: "UpToDate",
		why: "", said: "accept UpToDate -" };
	const x = { we, c: { signature: "0x00" },
		quote: { version: 4, svn: [5, 1, 3], qeSvn: 6, authLength: 32 },
		tcbInfo: { tcbLevels: [], tdxModuleIdentities: [{ id: "TDX_01",
			tcbLevels: [{ tcb: { isvsvn: 5 },
				tcbStatus: "UpToDate" }] }] },
		qeIdentity: { tcbLevels: [] } };

	for (const rules of [OF_JAVASCRIPT, OF_WASM, OF_ETHERS]) {
		for (const theirs of ["accept OutOfDate X", "reject anything"]) {
			assert.equal(ruleFor(rules, x, theirs), undefined);
			assert.equal(ruleFor(rules, { ...x, we: { ...we,
				accepted: false, code: "tampered", status: "-",
				check: "tdx.quote_signature" } }, theirs),
			undefined);
		}
	}
});

test("every rule says who is right, and why", () => {
	for (const one of [...OF_JAVASCRIPT, ...OF_WASM, ...OF_ETHERS]) {
		assert.match(one.right, /^(we|they|both)$/);
		assert.ok(one.why.length > 10 && one.seen >= 0);
	}
});

// SPDX-License-Identifier: Apache-2.0
// Promise: anybody can judge a report again, offline, and the exit status says
// what came of it: 0 verified, 1 failed, 2 a mistake in the call, 3 no
// trustworthy verdict. Real recorded evidence, the real program.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Wallet } from "ethers";
import { Postgres } from "./lib/postgres.mjs";
import { BUILD, ROOT } from "./lib/program.mjs";

const VECTORS = path.resolve(ROOT, process.env.ASSAY_VECTORS ??
	"../shared/vectors");
const CLIENT = path.join(BUILD, "assay");
const REPORT = path.join(VECTORS, "services/venice-20260610.json");
const TCB = "tdx/collateral/90c06f-20260610_014855.json";
const AT = ["--at", "2026-06-10T02:00:00Z"];
const MODEL = "Qwen/Qwen3.5-122B-A10B";
const WORDS = ["asserted", "refuted", "unknown"];

const missing = [CLIENT, REPORT, path.join(VECTORS, TCB)]
	.find((file) => !fs.existsSync(file));
const skip = missing && `no ${path.basename(missing)}`;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "assay-verify-"));
const file = (name) => path.join(folder, name);
const collateral = ["--collateral", file("collateral")];

function assay(...args) {
	const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=1" };
	delete env.ASSAY_DATABASE_URL;
	const { status, stdout, stderr } = spawnSync(CLIENT, args,
		{ encoding: "utf8", env, maxBuffer: 64 << 20 });
	assert.doesNotMatch(stderr, /AddressSanitizer|LeakSanitizer|runtime error/);
	return { status, stdout, stderr };
}

function judged(...args) {
	const { status, stdout } = assay(...args, "--json");
	return { status, ...JSON.parse(stdout) };
}

const read = (name) => JSON.parse(
	fs.readFileSync(path.join(VECTORS, name), "utf8"));
const write = (name, value) => {
	fs.writeFileSync(file(name), typeof value === "string" ? value
		: JSON.stringify(value));
	return file(name);
};
const verify = (report, ...more) => judged("verify", report, "--policy",
	file("policy.json"), ...AT, ...collateral, ...more);
const flipped = (hex, at) => hex.slice(0, at) +
	(parseInt(hex[at], 16) ^ 1).toString(16) + hex.slice(at + 1);

before(() => {
	if (skip)
		return;
	fs.mkdirSync(file("collateral/tdx/tcb"), { recursive: true });
	fs.copyFileSync(path.join(VECTORS, TCB),
		file("collateral/tdx/tcb/90c06f000000"));
	const made = assay("policy", "init", REPORT, "--out",
		file("policy.json"), ...AT, ...collateral, "--allow-no-rim",
		"--no-revocation", "--pin-signing-address");
	assert.equal(made.status, 0, made.stderr);
	assert.match(made.stdout, /pinned from this report/);
	assert.match(made.stdout, /nvidia\.gpus: 8/);
	assert.match(made.stdout, /signing_addresses: \["0x6525e128/);
});

after(() => fs.rmSync(folder, { recursive: true, force: true }));

test("a sound report is verified, with every check by name", { skip }, () => {
	const { nonce } = read("near/reports.json")
		.find(({ id }) => id === "venice-20260610");
	const answer = verify(REPORT, "--nonce", nonce);
	const [node] = answer.nodes;

	assert.equal(answer.status, 0);
	assert.equal(answer.verdict, "verified");
	assert.equal(answer.nodes.length, 1);
	assert.deepEqual([node.outcome, node.code, node.failed],
		["verified", "ok", null]);
	assert.equal(node.renew_by, "2026-06-10T03:00:00Z");
	assert.equal(node.status, "UpToDate");
	assert.match(answer.policy.digest, /^[0-9a-f]{64}$/);
	assert.ok(answer.not_proven.length > 0);
	for (const check of node.checks) {
		assert.match(check.name, /^[a-z]+\.[a-z0-9_]+$/);
		assert.ok(WORDS.includes(check.result));
		assert.deepEqual(Object.keys(check), ["name", "subject", "result",
			"source", "code", "seen", "wanted"]);
	}
	for (const name of ["tdx.quote_signature", "nvidia.signature",
		"dstack.registers", "binding.report_data",
		"evidence.signing_address"])
		assert.ok(node.checks.some((check) => check.name === name &&
			check.result === "asserted"), name);
});

test("people get a table, in plain text where there is no terminal",
	{ skip }, () => {
		const { status, stdout } = assay("verify", REPORT, "--policy",
			file("policy.json"), ...AT, ...collateral);

		assert.equal(status, 0);
		assert.ok(!stdout.includes("\x1b"));
		assert.match(stdout, /^check +result +source +seen +wanted$/m);
		assert.match(stdout, /^binding\.freshness +unknown /m);
		assert.match(stdout, /^node: verified \(ok\)$/m);
		assert.match(stdout, /renew by: 2026-06-10T03:00:00Z/);
		assert.match(stdout, /^This does not prove:$/m);
	});

test("one byte changed fails for its reason", { skip }, () => {
	const changes = [
		["quote", "tampered", (o) => {
			o.intel_quote = flipped(o.intel_quote, 2 * (48 + 136));
		}],
		["nonce", "nonce_mismatch", (o) => {
			o.request_nonce = flipped(o.request_nonce, 0);
		}],
		["address", "binding_mismatch", (o) => {
			o.signing_address = flipped(o.signing_address, 41);
		}],
		["compose", "mismatch", (o) => {
			o.info.tcb_info.app_compose += " ";
		}],
	];

	for (const [name, code, change] of changes) {
		const report = JSON.parse(fs.readFileSync(REPORT, "utf8"));
		change(report);
		const answer = verify(write(`${name}.json`, report));
		assert.equal(answer.status, 1, name);
		assert.equal(answer.verdict, "failed", name);
		assert.equal(answer.nodes[0].code, code, name);
		assert.ok(answer.nodes[0].why.length > 0, name);
	}
	assert.equal(verify(write("half.json",
		fs.readFileSync(REPORT, "utf8").slice(0, 1000))).status, 1);
	assert.equal(verify(REPORT, "--nonce", "ab".repeat(32)).nodes[0].code,
		"nonce_mismatch");
});

test("without what is needed there is no trustworthy verdict", { skip }, () => {
	const call = (...args) => assay("verify", REPORT, ...AT, ...args);
	const policy = ["--policy", file("policy.json")];

	assert.equal(call(...policy).status, 3);
	assert.match(call(...policy).stdout, /node: error \(missing\)/);
	assert.equal(call("--policy", file("none.json"), ...collateral).status, 3);
	const bad = call("--policy", write("bad.json", { version: 1 }),
		...collateral);
	assert.equal(bad.status, 3);
	assert.match(bad.stderr, /policy: no require/);
	assert.equal(assay("verify", file("none.json"), ...policy).status, 3);
	// Past its collateral's time, and beyond the certificates' at last.
	assert.equal(verify(REPORT, "--at", "2026-09-01T00:00:00Z").status, 3);
});

test("a mistake in the call is told as one", { skip }, () => {
	const policy = ["--policy", file("policy.json")];

	assert.equal(assay("verify").status, 2);
	assert.match(assay("verify", REPORT).stderr, /which policy\?/);
	assert.equal(assay("verify", REPORT).status, 2);
	assert.equal(assay("verify", REPORT, ...policy, "--at", "soon").status, 2);
	assert.equal(assay("verify", REPORT, ...policy, "--nonce", "xy").status, 2);
	assert.equal(assay("verify", REPORT, ...policy, "--node", "model 3")
		.status, 2);
	assert.equal(assay("policy", "init", REPORT, "--version", "0").status, 2);
});

test("policy init pins nothing that is not sound", { skip }, () => {
	const report = JSON.parse(fs.readFileSync(REPORT, "utf8"));
	report.intel_quote = flipped(report.intel_quote, 2 * (48 + 136));
	const init = (...args) => assay("policy", "init", ...args, ...AT,
		"--allow-no-rim", "--no-revocation");
	const refused = init(write("forged.json", report), "--out",
		file("never.json"), ...collateral);

	assert.equal(refused.status, 1);
	assert.match(refused.stderr, /no policy was written/);
	assert.ok(!fs.existsSync(file("never.json")));
	assert.equal(init(REPORT).status, 3);
	assert.match(init(REPORT, "--out", file("policy.json"), ...collateral)
		.stderr, /not written over/);
	assert.equal(assay("policy", "check", file("policy.json")).status, 0);
	assert.equal(assay("policy", "check", write("bad.json", { version: 1 }))
		.status, 1);
});

test("firmware of an SNP platform may not become older", { skip }, () => {
	const bytes = (name) => fs.readFileSync(path.join(VECTORS, name));
	const chain = bytes("anchors/amd-genoa-vcek-chain.pem").toString()
		.match(/-----BEGIN[^-]*-----[^-]*/g)
		.map((block) => block.replace(/-----[^-]*-----|\s/g, ""));
	const report = write("snp.json", { binding: "assay",
		nonce: "00".repeat(32), items: [{ kind: "snp",
			report: bytes("snp/reports/genoa-v3-tinfoil.bin")
				.toString("base64"),
			certificates: [bytes("snp/certs/genoa-v3-tinfoil.der")
				.toString("base64"), ...chain] }] });
	const at = ["--at", "2026-06-29T02:13:00Z"];
	const made = assay("policy", "init", report, ...at, "--out",
		file("snp-policy.json"), "--no-revocation");
	assert.equal(made.status, 0, made.stderr);
	const policy = JSON.parse(fs.readFileSync(file("snp-policy.json")));
	const tcb = { bootloader: 10, tee: 0, snp: 23, microcode: 84 };
	assert.deepEqual(policy.snp.products, ["Genoa"]);
	assert.deepEqual(policy.snp.min_tcb, { Genoa: tcb });
	assert.deepEqual(policy.snp.min_launch_tcb, { Genoa: tcb });
	assert.match(made.stdout, /snp\.min_tcb/);

	const by = (change) => {
		Object.assign(policy.snp, change);
		return judged("verify", report, ...at, "--policy",
			write("snp-policy.json", policy)).nodes[0];
	};
	assert.equal(by({}).outcome, "verified");
	assert.equal(by({ min_tcb: { Genoa: { ...tcb, snp: 24 } } }).failed,
		"snp.policy_tcb");
	assert.equal(by({ min_tcb: { Genoa: { snp: 22 } },
		min_launch_tcb: { Genoa: { microcode: 85 } } }).failed,
	"snp.policy_launch_tcb");
	assert.equal(by({ min_launch_tcb: { Genoa: { microcode: 84 } } }).outcome,
		"verified");
});

test("one exchange is held against its signature", { skip }, () => {
	const one = read("near/chat-signatures.json")[0];
	const signature = (change) => write("signature.json", { text: one.text,
		signature: one.signature, signing_address: one.signing_address,
		signing_algo: one.signing_algo, ...change });
	const exchange = (change, ...more) => judged("verify", "exchange",
		"--request", path.join(VECTORS, one.request), "--response",
		path.join(VECTORS, one.response), "--signature",
		signature(change), "--policy", file("policy.json"), ...more);
	const sound = exchange({}, "--model", MODEL);

	assert.equal(sound.status, 0);
	assert.equal(sound.verdict, "verified");
	assert.ok(sound.not_proven.some((line) => /which model/.test(line)));
	assert.equal(exchange({}, "--model", "another").nodes[0].failed,
		"exchange.model");
	assert.equal(exchange({ text: one.text.replace(":2974", ":2975") })
		.nodes[0].failed, "exchange.signature");
	assert.equal(exchange({ signature: "0x00" }).status, 1);
	const other = exchange({}, "--response", path.join(VECTORS, one.request));
	assert.equal(other.status, 1);
	assert.equal(other.nodes[0].failed, "exchange.response");
	// Whose signature it must be is the operator's to say.
	const unpinned = exchange({}, "--policy", write("open.json", { version: 1,
		require: ["cpu"], tdx: { any_workload: true } }));
	assert.equal(unpinned.status, 3);
	assert.equal(unpinned.nodes[0].failed, "exchange.signer_pinned");
});

test("a report and an exchange with its worker are one verdict", { skip },
	() => {
		const one = read("near/chat-signatures.json")[0];
		const joined = (change, ...more) => verify(REPORT, "--request",
			path.join(VECTORS, one.request), "--response",
			path.join(VECTORS, one.response), "--signature",
			write("signature.json", { ...one, ...change }), ...more);
		const sound = joined({}, "--model", MODEL);

		assert.equal(sound.status, 0);
		assert.equal(sound.nodes.length, 1);
		const address = sound.nodes[0].checks.find(({ name }) =>
			name === "exchange.signing_address");
		assert.deepEqual([address.result, address.source, address.seen],
			["asserted", "hardware-proven", one.signing_address]);
		assert.equal(joined({}, "--model", "another").nodes[0].failed,
			"exchange.model");
		assert.equal(joined({}, "--response", path.join(VECTORS,
			one.request)).nodes[0].failed, "exchange.response");
		// A sound signature of a worker that this report does not show.
		const wallet = Wallet.createRandom();
		const strange = joined({ signature: wallet.signMessageSync(one.text),
			signing_address: wallet.address });
		assert.equal(strange.status, 1);
		assert.deepEqual(strange.nodes.map(({ node }) => node),
			["node", "exchange"]);
		assert.equal(strange.nodes[1].failed, "exchange.signing_address");
		assert.equal(assay("verify", REPORT, "--policy", file("policy.json"),
			"--request", REPORT, "--response", REPORT, "--signature", REPORT,
			"--id", "chatcmpl-1").status, 2);
	});

test("a TLS key that the evidence binds is held to the connection's",
	{ skip }, () => {
		const report = path.join(VECTORS, "near/report-cloud-20260610.json");
		fs.copyFileSync(path.join(VECTORS,
			"tdx/collateral/b0c06f-20260610_014855.json"),
		file("collateral/tdx/tcb/b0c06f000000"));
		const made = assay("policy", "init", report, "--node", "gateway",
			"--out", file("gateway.json"), ...AT, ...collateral);
		assert.equal(made.status, 0, made.stderr);
		assert.match(made.stdout, /TCB status is OutOfDate/);
		assert.equal(assay("policy", "init", report, ...AT, ...collateral)
			.status, 2);

		const gateway = (...more) => judged("verify", report, "--policy",
			file("gateway.json"), "--node", "gateway", ...AT,
			...collateral, ...more);
		const result = ({ nodes: [{ checks }] }) => checks.find(({ name }) =>
			name === "binding.tls_connection")?.result;
		const alone = gateway();
		assert.equal(alone.status, 0);
		assert.equal(result(alone), "unknown");
		const own = gateway("--tls-certificate", write("own.pem",
			JSON.parse(fs.readFileSync(report)).tls_certificate));
		assert.equal(own.status, 0);
		assert.equal(result(own), undefined);
		const another = gateway("--tls-certificate", path.join(VECTORS,
			"anchors/intel-sgx-root-ca.pem"));
		assert.equal(another.status, 1);
		assert.equal(another.nodes[0].code, "binding_mismatch");
		// All nodes are judged unless one is named: the worst one counts.
		const all = judged("verify", report, "--policy",
			file("gateway.json"), ...AT, ...collateral);
		assert.equal(all.status, 1);
		assert.deepEqual(all.nodes.map(({ node }) => node),
			["gateway", "model 0"]);
	});

test("collateral of the caller's own goes before the report's", { skip },
	() => {
		const plain = { ...read("services/venice-20260610.json") };
		const body = fs.readFileSync(path.join(VECTORS, TCB));
		const carried = (bytes) => write("carried.json", {
			gateway_attestation: null, model_attestations: [plain],
			collateral: { "tdx/tcb/90c06f000000": {
				base64: bytes.toString("base64"),
				fetched_at: "2999-01-01T00:00:00Z" } } });
		const alone = (report, ...more) => judged("verify", report,
			"--policy", file("policy.json"), ...AT, ...more);
		const age = ({ nodes: [{ checks }] }) => checks.find(({ name }) =>
			name === "report.collateral_age")?.result;

		const own = alone(carried(body));
		assert.equal(own.verdict, "verified");
		assert.equal(age(own), "unknown");
		// What the report brings is not looked at where the caller has some.
		const rotten = Buffer.from("{}");
		assert.notEqual(alone(carried(rotten)).status, 0);
		const mine = alone(carried(rotten), ...collateral);
		assert.equal(mine.verdict, "verified");
		assert.equal(age(mine), undefined);
	});

test("the active policy and kept collateral judge alike", { skip }, async () => {
	const postgres = await Postgres.start();
	const database = ["--database", postgres.url()];

	try {
		assert.equal(assay("migrate", ...database).status, 0);
		assert.equal(assay("verify", REPORT, ...database).status, 3);
		const set = assay("policy", "set", file("policy.json"), ...database,
			"--json");
		assert.equal(set.status, 0, set.stderr);
		assert.equal(JSON.parse(set.stdout).active, true);
		const shown = JSON.parse(assay("policy", "show", ...database,
			"--json").stdout);
		assert.equal(shown.version, 1);
		assert.equal(shown.document.nvidia.gpus, 8);
		const body = fs.readFileSync(path.join(VECTORS, TCB)).toString("hex");
		await postgres.query(`insert into assay.collateral values (
			'tdx/tcb/90c06f000000', decode('${body}', 'hex'), 'test',
			'2026-06-10T01:48:55Z')`);
		const answer = judged("verify", REPORT, ...AT, ...database);
		assert.equal(answer.verdict, "verified");
		assert.equal(answer.policy.source, "active policy");
		assert.equal(answer.policy.digest, shown.digest);
		// A verdict of the past is repeated with what was held then.
		await postgres.query("update assay.collateral set body = '{}',"
			+ " fetched_at = '2026-06-11T00:00:00Z'");
		assert.equal(judged("verify", REPORT, ...AT, ...database).verdict,
			"verified");
		assert.equal(judged("verify", REPORT, "--at",
			"2026-06-11T00:00:01Z", ...database).verdict, "error");

		const policy = JSON.parse(fs.readFileSync(file("policy.json")));
		policy.nvidia.gpus = 7;
		const changed = assay("policy", "set", write("seven.json", policy),
			...database);
		assert.equal(changed.status, 1);
		assert.match(changed.stderr, /stored already and says something else/);
		assert.equal(judged("verify", REPORT, ...AT, ...database).status, 0);
		policy.version = 2;
		assert.equal(assay("policy", "set", write("seven.json", policy),
			...database).status, 0);
		const refused = judged("verify", REPORT, ...AT, ...database);
		assert.equal(refused.status, 1);
		assert.equal(refused.nodes[0].failed, "nvidia.count");
		const list = JSON.parse(assay("policy", "list", ...database,
			"--json").stdout);
		assert.deepEqual(list.map(({ version, active }) =>
			[version, active]), [[2, true], [1, false]]);
		assert.equal(assay("policy", "none", ...database).status, 0);
		assert.equal(assay("policy", "show", ...database).status, 1);
		assert.equal(assay("policy", "show", "1", ...database).status, 0);
		assert.equal(assay("verify", REPORT, ...database).status, 3);
	} finally {
		await postgres.close();
	}
});

// SPDX-License-Identifier: Apache-2.0
// Promise: each kind of evidence opens the verified tier when it is right, and
// when it is not it is refused for exactly its reason: end to end, from the
// daemon's sources (configfs-tsm, NVML, dstack's agent, all simulated) or a
// provider that lies, with collateral fetched from the makers' services.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { Assay, BUILD, run, until } from "./harness.mjs";
import { SnpPlatform, appItem, bundle, dstackLog, gpuItem, mdaItem, nrasItem,
	serveDstack, serveNvml, snpItem } from "./lib/machine.mjs";
import { Makers } from "./lib/makers.mjs";
import { metric, prover, verdictIs } from "./lib/prover.mjs";
import { TdxPlatform, reportData, spkiOf } from "./lib/tdx.mjs";

const MODEL = "lovelace:sealed";
const MRTD = "ab".repeat(48);
const MEASUREMENT = "cd".repeat(48);
const ZERO48 = "00".repeat(48);
let assay, platform, makers, key, file, version = 0;

async function policy(document) {
	const path = assay.path(`policy-${++version}.json`);
	fs.writeFileSync(path, JSON.stringify({ version, ...document }));
	return assay.cli("policy", "set", path);
}

async function restart(more = {}) {
	await assay.gateway.stop();
	await assay.startGateway({ ...platform.settings, ...makers.settings,
		// Hellos come often, so that a daemon's evidence is ever new.
		"tunnel.reprobe_least": "1s", "tunnel.reprobe_most": "2s",
		"attestation.refresh": "2s", ...more });
}

before(async () => {
	assay = await Assay.start();
	platform = await TdxPlatform.make(assay.path("platform"));
	assay.closers.push(() => platform.close());
	makers = await Makers.start(platform.folder);
	assay.closers.push(() => makers.close());
	await restart();
	await assay.workspace("sealed");
	await assay.workspace("buyers");
	file = await assay.pretend(MODEL, { tasks: ["chat"] });
	key = await assay.key("buyers");
});
after(() => assay?.close());

const ask = (did) => assay.chat(key, MODEL,
	{ options: { verified: true, only: [did] } });

async function opens(did) {
	await verdictIs(assay, did, "ok");
	await until("the tier", async () => (await ask(did)).status === 200);
}

async function closes(did, reason, check) {
	await verdictIs(assay, did, reason, check);
	await until("the refusal", async () => {
		const answer = await ask(did);
		assert.equal(answer.code, "no_verified_provider");
		const { not_in_only: others, ...rejected } =
			answer.json.error.metadata.rejected;
		assert.deepEqual(rejected, { [reason]: 1 });
		return true;
	});
}

// A node whose evidence is `make`'s, held to one reason.
async function judged(reason, make, check) {
	const node = await prover(assay, "sealed", MODEL, file, make);
	try {
		await (reason === "ok" ? opens(node.did)
			: closes(node.did, reason, check));
	} finally {
		await node.close();
	}
}

// The daemon with these sources of evidence.
async function daemon(settings) {
	const runtime = await assay.scriptedRuntime();
	return assay.daemon("sealed", runtime, [[MODEL, file, ["chat"]]],
		{ settings });
}

async function published(kind, reason, did, check) {
	await platform.publish(kind);
	await closes(did, reason, check);
	await platform.publish("sound");
	await opens(did);
}

const elsewhere = (facts) => ({ ...facts,
	spki: spkiOf(fs.readFileSync(assay.serverLeaf.certificate)) });
const earlier = (facts) => ({ ...facts, nonce: "11".repeat(32) });
const otherwise = (facts) => ({ ...facts,
	statement: { ...facts.statement, models: [] } });
const lies = { "another nonce": earlier, "another tunnel": elsewhere,
	"another statement": otherwise };

describe("SEV-SNP", () => {
	const snp = { measurement: [MEASUREMENT] };
	let node, tsm;

	before(async () => {
		await policy({ require: ["cpu"], snp });
		tsm = new SnpPlatform();
		Object.assign(tsm, { folder: platform.folder, words: [] });
		assay.closers.push(() => tsm.close());
		node = await daemon({ "evidence.tsm":
			await tsm.serveTsm("sev_guest") });
	});
	after(() => node?.program.stop());

	test("from the daemon's configfs-tsm, by AMD's published key",
		async () => {
			await opens(node.did);
			for (const what of [/\/vcek\/v1\/Genoa\/(5a){64}/,
				/Genoa\/cert_chain$/, /Genoa\/crl$/])
				assert.ok(makers.asks(what).length > 0);
		});

	test("in debug mode", async () => {
		tsm.words = ["debug"];
		await closes(node.did, "debug", "snp.debug");
		tsm.words = [];
		await opens(node.did);
	});

	test("another measurement is refused, and told to operators",
		async () => {
			const other = "ee".repeat(48);
			tsm.words = [`measurement=${other}`];
			await closes(node.did, "not_accepted",
				"snp.policy_measurement");
			tsm.words = [];
			await opens(node.did);
			// A refused report proves no measurement; one that is accepted
			// does, and the change is an event.
			await policy({ require: ["cpu"],
				snp: { measurement: [MEASUREMENT, other] } });
			tsm.words = [`measurement=${other}`];
			const changes = () => assay.postgres.query("select"
				+ " measurement_before, measurement_after from"
				+ " operator.measurement_change where did ="
				+ ` '${node.did}' order by judged_at`);
			await until("the event", async () =>
				(await changes()).length > 0);
			assert.deepEqual((await changes())[0], [MEASUREMENT, other]);
			tsm.words = [];
			await policy({ require: ["cpu"], snp });
			await opens(node.did);
		});

	test("below the floor", async () => {
		await policy({ require: ["cpu"], snp: { ...snp,
			min_tcb: { Genoa: { bootloader: 10 } } } });
		await closes(node.did, "not_accepted", "snp.policy_tcb");
		await policy({ require: ["cpu"], snp });
		await opens(node.did);
	});

	test("with a revoked key", () => published("revoked", "revoked",
		node.did));
	test("by a list past its update", () => published("stale", "stale",
		node.did));

	for (const [what, lie] of Object.entries(lies)) {
		test(`for ${what}`, () => judged("binding_mismatch",
			async (facts) => bundle(facts,
				await snpItem(platform, lie(facts)))));
	}
});

describe("an NVIDIA machine with TDX", () => {
	const tdx = { mrtd: [MRTD] };
	const both = { require: ["cpu", "gpu"], tdx };
	let node;

	const cpu = async (facts) => ({ kind: "tdx",
		quote: await platform.quote(reportData(facts)) });
	const with_ = (more) => async (facts) => bundle(facts, await cpu(facts),
		await gpuItem(platform, more.nonce ?? facts.nonce, more));

	before(async () => {
		await policy({ ...both, nvidia: { gpus: 2 } });
		platform.words = [];
		node = await daemon({ "evidence.tsm": await platform.serveTsm(),
			"evidence.nvml": serveNvml(platform) });
	});
	after(() => node?.program.stop());

	test("from the daemon's configfs-tsm and NVML", async () => {
		await opens(node.did);
		for (const what of [/\/crl\/l1-root\.crl/, /\/crl\/l2-gh100\.crl/,
			/\/crl-corim\/l1-corim$/,
			/\/rim\/NV_GPU_DRIVER_GH100_550\.1/, /\/rim\/NV_GPU_VBIOS_/])
			assert.ok(makers.asks(what).length > 0, String(what));
	});

	test("with changed firmware", async () => {
		platform.gpuWords("measured");
		await closes(node.did, "measurement_mismatch",
			"nvidia.measurements");
		platform.gpuWords();
		await opens(node.did);
	});

	test("below the floor", async () => {
		await policy({ ...both, nvidia: { drivers: ["570.1"] } });
		await closes(node.did, "not_accepted", "nvidia.driver");
		await policy({ ...both, nvidia: { gpus: 8 } });
		await closes(node.did, "not_accepted", "nvidia.count");
		await policy({ ...both, nvidia: { gpus: 2 } });
		await opens(node.did);
	});

	test("with a revoked device, or processor", () => published("revoked",
		"revoked", node.did));
	test("by manifests whose signer was revoked", () => published("recalled",
		"revoked", node.did, "nvidia.driver_rim"));
	test("by lists past their update", () => published("stale", "stale",
		node.did));

	test("with reports for another nonce", () => judged("nonce_mismatch",
		with_({ nonce: "11".repeat(32) }), "nvidia.nonce"));
	test("with one device twice", () => judged("mismatch",
		with_({ devices: [0, 0] }), "nvidia.distinct"));
	test("without its GPUs", () => judged("missing", async (facts) =>
		bundle(facts, await cpu(facts)), "evidence.gpu_present"));
	test("without its CPU", () => judged("missing", async (facts) =>
		bundle(facts, await gpuItem(platform, facts.nonce)),
	"evidence.cpu_present"));

	test("with a second opinion, where the policy wants one", async () => {
		await policy({ ...both, nvidia: { gpus: 2 }, nras: {} });
		const second = (more) => async (facts) => bundle(facts,
			await cpu(facts), await gpuItem(platform, facts.nonce),
			nrasItem(platform, more.nonce ?? facts.nonce, more));
		await closes(node.did, "missing", "evidence.nras_present");
		await judged("ok", second({}));
		assert.ok(makers.asks(/jwks\.json/).length > 0);
		await judged("measurement_mismatch", second({ overall: false }),
			"nras.result");
		await judged("nonce_mismatch", second({ nonce: "11".repeat(32) }),
			"nras.nonce");
		await judged("expired", second({ age: 7200 }), "nras.time");
	});

	test("costs the chains once", async () => {
		// Nothing may be fetched anew meanwhile: what is kept is of
		// these very lists.
		await policy({ ...both, nvidia: { gpus: 2 } });
		await restart({ "attestation.refresh": "12h" });
		const chains = (how) => metric(assay,
			"assay_verdict_chains_total", { kind: "tdx+gpu", how });
		const verdicts = (least) => until("verdicts", async () => {
			const good = await metric(assay, "assay_verdicts_total",
				{ kind: "tdx+gpu", code: "ok" });
			return good >= least && good;
		}, 60_000); // the daemon dials again in its own time
		await verdicts(1);
		const full = await chains("full"), kept = await chains("kept");
		const first = await verdicts(1);
		assert.ok(full >= 3, `${full}`);
		// Each later one leans on Intel's collateral and the chain of each
		// device as they were verified.
		await verdicts(first + 3);
		assert.equal(await chains("full"), full);
		assert.ok(await chains("kept") >= kept + 9);
		assert.ok(await metric(assay, "assay_verdict_cpu_seconds_count",
			{ kind: "tdx+gpu" }) >= 4);
	});
});

describe("dstack", () => {
	const compose = JSON.stringify({ name: "app",
		docker_compose_file: "services: {}\n" });
	const log = dstackLog(compose);
	const tdx = { mrtd: [MRTD], rtmr0: [ZERO48], rtmr1: [ZERO48],
		rtmr2: [ZERO48] };
	const hashes = [log.events[1].event_payload];
	let node, agent;

	before(async () => {
		await policy({ require: ["cpu"], tdx,
			dstack: { compose_hashes: hashes } });
		agent = await serveDstack(platform, compose);
		assay.closers.push(() => agent.close());
		node = await daemon({ "evidence.dstack": agent.socket });
	});
	after(() => node?.program.stop());

	async function spoilt(spoil, reason, check) {
		const before = { ...agent };
		Object.assign(agent, spoil);
		await closes(node.did, reason, check);
		Object.assign(agent, before);
		await opens(node.did);
	}

	test("from the daemon's socket", () => opens(node.did));

	test("with another document than was measured", () => spoilt(
		{ compose: compose.replace("app", "pap") }, "mismatch",
		"dstack.compose"));

	test("with a forged payload beside its digest", () => spoilt({
		forge: (events) => events.map((one) =>
			one.event === "app-id"
				? { ...one, event_payload: "33".repeat(20) } : one) },
	"tampered", "dstack.event_log"));

	test("with an event left out", () => spoilt({
		forge: (events) => events.slice(1) }, "mismatch",
	"dstack.registers"));

	test("with another application", () => {
		const other = compose.replace("app", "bot");
		return spoilt({ compose: other, measured: other },
			"not_accepted", "dstack.compose_hash");
	});

	test("in debug mode", () => spoilt({ words: ["debug"] }, "debug",
		"tdx.td_debug"));
});

// Any service that answers anybody's nonce in the form `dstack` would do.
describe("the quote of another's service, handed on", () => {
	const address = "5a".repeat(20);
	const handedOn = async (facts) => ({ binding: "dstack",
		nonce: facts.nonce, signing_address: `0x${address}`,
		items: [{ kind: "tdx", quote: await platform.quote(Buffer.from(
			address + "00".repeat(12) + facts.nonce, "hex")) }] });

	test("does not open the tier", async () => {
		await policy({ require: ["cpu"], tdx: { mrtd: [MRTD] } });
		await judged("binding_mismatch", handedOn, "binding.form");
	});
	test("does where the policy names its form", async () => {
		await policy({ require: ["cpu"], tdx: { mrtd: [MRTD] },
			bindings: ["assay", "dstack"] });
		await judged("ok", handedOn);
	});
});

describe("an Apple device", () => {
	const apple = { serials: ["SYN1"], apps: ["TEAM000001.org.example.agent"] };
	const mda = (lie = (facts) => facts, ...words) => async (facts) =>
		bundle(facts, await mdaItem(platform, lie(facts).spki, ...words));
	const app = (lie = (facts) => facts, ...words) => async (facts) =>
		bundle(facts, await appItem(platform, lie(facts).nonce, ...words));

	before(() => policy({ require: ["device"], apple }));

	test("by its management statement", () => judged("ok", mda()));
	test("by its app's key", () => judged("ok", app()));
	test("with a statement for another tunnel", () => judged(
		"nonce_mismatch", mda(elsewhere), "apple_mda.freshness"));
	test("with System Integrity Protection off", () => judged(
		"not_accepted", mda(undefined, "sip-off"), "apple_mda.sip"));
	test("of another serial number", () => judged("not_accepted",
		mda(undefined, "serial=SYN10"), "apple_mda.serial"));
	test("with an app's key for another nonce", () => judged(
		"nonce_mismatch", app(earlier), "app_attest.nonce"));
	test("with a development key", () => judged("not_accepted",
		app(undefined, "develop"), "app_attest.environment"));
	// Nothing of a device's statement covers the address that it names.
	test("binds no key for private exchanges", async () => {
		const address = `0x${"5a".repeat(20)}`;
		const node = await prover(assay, "sealed", MODEL, file,
			async (facts) => ({ ...await mda()(facts),
				signing_address: address }));
		await opens(node.did);
		const seen = node.requests.length;
		const reply = await fetch(
			`${assay.url}/v1/private/chat/completions`, {
				method: "POST",
				headers: { authorization: `Bearer ${key}`,
					"content-type": "application/json",
					"x-assay-options": `{"only":["${node.did}"]}` },
				body: JSON.stringify({ model: MODEL, messages: [
					{ role: "user", content: "secret" }] }) });
		const { error } = await reply.json();
		assert.equal(error.code, "no_verified_provider");
		assert.equal(error.metadata.rejected.unbound_key, 1);
		assert.equal(node.requests.length, seen);
		const rows = await assay.postgres.query("select count(*) from"
			+ ` assay.attestation_verdict where did = '${node.did}'`
			+ " and signing_address is not null");
		assert.equal(Number(rows[0][0]), 0);
		await node.close();
	});
	test("is no TEE", async () => {
		await policy({ require: ["cpu"], tdx: { mrtd: [MRTD] }, apple });
		await judged("missing", mda(), "evidence.cpu_present");
	});
});

describe("what is kept of a verdict", () => {
	test("lets a third party repeat it at its time", async () => {
		const document = { require: ["cpu"], tdx: { mrtd: [MRTD] } };
		await policy(document);
		const node = await prover(assay, "sealed", MODEL, file,
			(facts) => platform.evidence(facts));
		await opens(node.did);
		await node.close();
		const [[row, judgedAt, code]] = await assay.postgres.query(
			"select json_build_object('evidence', evidence, 'bound', bound),"
			+ " to_char(judged_at at time zone 'utc',"
			+ " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), reason"
			+ " from assay.attestation_verdict"
			+ ` where did = '${node.did}' and reason = 'ok'`
			+ " order by judged_at limit 1");
		const report = typeof row === "string" ? JSON.parse(row) : row;
		const kept = await assay.call("/v1/aci/verify", { key,
			json: { report, policy: { version: 1, ...document } } });
		assert.equal(kept.json.code, code, kept.text);
		// The released command line trusts no test root: it comes to the
		// same checks, and stops at the root.
		const path = assay.path("kept.json");
		const policyFile = assay.path("kept-policy.json");
		fs.writeFileSync(path, JSON.stringify(report));
		fs.writeFileSync(policyFile, JSON.stringify({ version: 1,
			...document }));
		await run(`${BUILD}/assay`, ["verify", path, "--policy",
			policyFile, "--collateral", platform.collateral, "--at",
			judgedAt, "--json"], { status: 3 });
	});
});

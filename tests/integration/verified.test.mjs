// SPDX-License-Identifier: Apache-2.0
// Promise: `options.verified` reaches only providers whose hardware evidence holds
// now, for this tunnel and this statement; every other one is refused for its own
// reason, and a change of policy takes effect within two seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { Assay, BUILD, fileEntry, run, statementOf, until }
	from "./harness.mjs";
import { Mailbox } from "./lib/wait.mjs";
import { TdxPlatform, reportData, spkiOf, statementDigest } from "./lib/tdx.mjs";

const MODEL = "lovelace:sealed";
let assay, platform, key, file, version = 0;

const MRTD = "ab".repeat(48);

async function policy(more = {}, tdx = {}) {
	const path = assay.path(`policy-${++version}.json`);
	fs.writeFileSync(path, JSON.stringify({ version, require: ["cpu"],
		tdx: { mrtd: [MRTD], ...tdx }, ...more }));
	return assay.cli("policy", "set", path);
}

before(async () => {
	assay = await Assay.start();
	platform = await TdxPlatform.make(assay.path("platform"));
	assay.closers.push(() => platform.close());
	await assay.gateway.stop();
	await assay.startGateway(platform.settings);
	await assay.workspace("sealed");
	await assay.workspace("buyers");
	file = await assay.pretend(MODEL, { tasks: ["chat"] });
	key = await assay.key("buyers");
	await policy();
});
after(() => assay?.close());

const ask = (options = {}) => assay.chat(key, MODEL,
	{ options: { verified: true, ...options } });

const statement = () => statementOf([{ canonical: MODEL, tasks: ["chat"],
	files: [fileEntry(file)], quantization: "F16" }]);

// A provider whose evidence `lie` may spoil: it gets the true facts of the hello
// and gives what the quote is made over.
async function provider(lie = (facts) => facts, ...words) {
	const node = await assay.nodeProvider("sealed");
	node.evidences = [];
	const answer = async (hello) => {
		const said = { ...statement(), nonce: hello.nonce };
		const facts = { nonce: hello.nonce, did: node.did,
			spki: spkiOf(node.certificate), statement: said };
		said.evidence = await lie(facts, node) ?? null;
		if (said.evidence && !said.evidence.items) {
			said.evidence = await platform.evidence(said.evidence,
				...words);
		}
		node.evidences.push(said.evidence);
		return said;
	};
	// The hello is answered when the quote is there. Like a daemon, it dials
	// again where the gateway has not yet read that the device was enrolled.
	await until("a tunnel", () => node.connect((hello, stream) => {
		answer(hello).then((said) => {
			if (stream.destroyed)
				return;
			stream.respond({ ":status": 200,
				"content-type": "application/json" });
			stream.end(JSON.stringify(said));
		});
	}));
	return node;
}

async function settled(node) {
	let verdict = node.verdict;
	while (verdict.verified.reason === "no_policy")
		verdict = await node.verdicts.take("a verdict with the policy");
	return verdict.verified;
}

async function refusedFor(reason, lie, ...words) {
	const node = await provider(lie, ...words);
	try {
		const verified = await settled(node);
		assert.equal(verified.reason, reason);
		assert.notEqual(verified.status, "verified");
		assert.equal(node.verdict.models[0].status, "accepted");
		const answer = await ask({ only: [node.did] });
		assert.equal(answer.status, 503, answer.text);
		assert.equal(answer.json.error.code, "no_verified_provider");
		assert.deepEqual(answer.json.error.metadata.rejected, { [reason]: 1 });
		// Unverified, it still serves whoever does not ask for that.
		const plain = await assay.chat(key, MODEL,
			{ options: { only: [node.did] } });
		assert.equal(plain.status, 200, plain.text);
		return node;
	} finally {
		await node.close();
	}
}

describe("a provider is refused the verified tier", () => {
	test("without evidence", () => refusedFor("no_evidence", () => null));

	test("with evidence for an older nonce", () => refusedFor(
		"nonce_mismatch",
		(facts) => ({ ...facts, nonce: "11".repeat(32) })));

	test("with an old quote under the new nonce", () => refusedFor(
		"binding_mismatch", async (facts) => ({
			...await platform.evidence({ ...facts,
				nonce: "11".repeat(32) }), nonce: facts.nonce })));

	test("with evidence for another tunnel", () => refusedFor(
		"binding_mismatch", async (facts) => ({ ...facts,
			spki: spkiOf(fs.readFileSync(assay.serverLeaf.certificate)) })));

	test("with evidence of another device", () => refusedFor(
		"binding_mismatch",
		(facts) => ({ ...facts, did: "did:assay:zOther" })));

	test("with evidence for another statement", () => refusedFor(
		"binding_mismatch", (facts) => ({ ...facts,
			statement: { ...facts.statement, models: [] } })));

	test("with another signing key than it names", () => refusedFor(
		"binding_mismatch", (facts) => ({ ...facts,
			key: Buffer.alloc(20, 1), address: `0x${"02".repeat(20)}` })));

	test("in debug mode", () => refusedFor("debug", undefined, "debug"));

	test("below the TCB floor", () => refusedFor("not_accepted", undefined,
		"old-module"));

	test("with evidence that is no evidence", () => refusedFor("malformed",
		(facts) => ({ binding: "assay", nonce: facts.nonce,
			items: [{ kind: "tdx", quote: "AAAA" }] })));

	test("when its platform key is revoked", async () => {
		await platform.publish("revoked");
		await refusedFor("revoked");
		await platform.publish("sound");
	});

	test("when the makers' lists are past their update", async () => {
		await platform.publish("stale");
		await refusedFor("stale");
		await platform.publish("sound");
	});
});

describe("a provider whose evidence holds", () => {
	let node;

	before(async () => {
		node = await provider((facts) => ({ ...facts,
			key: Buffer.alloc(20, 7), address: `0x${"07".repeat(20)}` }));
	});
	after(() => node.close());

	test("is verified and routed to", async () => {
		assert.deepEqual(await settled(node),
			{ status: "verified", reason: "ok" });
		const answer = await ask();
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-provider"], node.did);
	});

	test("is kept with its evidence", async () => {
		await until("the verdict's row", async () =>
			(await assay.postgres.query("select 1 from operator.verified"
				+ ` where did = '${node.did}' and counts`)).length === 1);
		const [[status, address, measurement, quote]] =
			await assay.postgres.query("select status, signing_address,"
				+ " measurement, evidence->'items'->0->>'quote'"
				+ " from assay.attestation_verdict"
				+ ` where did = '${node.did}'`);
		assert.equal(status, "verified");
		assert.equal(address, `0x${"07".repeat(20)}`);
		assert.ok(measurement.startsWith(`${MRTD}.`));
		assert.equal(quote, node.evidences.at(-1).items[0].quote);
	});

	test("has what is judged in an outage kept after it", async () => {
		const kept = () => assay.postgres.query("select bound->>'nonce'"
			+ " from assay.attestation_verdict"
			+ ` where did = '${node.did}'`);
		node.verdicts = new Mailbox();
		await assay.postgres.halt();
		const heard = node.evidences.length;
		node.tell({ event: "models" });
		await until("another hello", () => node.evidences.length > heard);
		const { nonce } = node.evidences.at(-1);
		assert.equal((await node.verdicts.take("its verdict")).verified
			.status, "verified");
		await assay.postgres.open();
		await until("its row", async () =>
			(await kept()).some(([one]) => one === nonce), 30_000);
		assert.equal((await kept()).filter(([one]) => one === nonce).length,
			1);
	});

	test("loses the tier within 2 s of a policy that does not accept it",
		async () => {
			const began = Date.now();
			await policy({}, { mrtd: ["cd".repeat(48)] });
			await until("the refusal", async () =>
				(await ask()).json.error?.code === "no_verified_provider");
			assert.ok(Date.now() - began < 2000);
			await policy();
			await until("the tier back", async () =>
				(await ask()).status === 200);
		});

	test("loses it when no policy is active", async () => {
		await assay.cli("policy", "none");
		await until("the refusal", async () =>
			(await ask()).json.error?.code === "no_verified_provider");
		await policy();
		await until("the tier back", async () =>
			(await ask()).status === 200);
	});

	test("is asked again before its verdict ends", async () => {
		await policy({ max_verdict_age_s: 8 });
		const hello = await node.hellos.take("a hello").then(async () => {
			let last;
			const began = Date.now();
			while (Date.now() - began < 9000)
				last = await node.hellos.take("the renewing hello");
			return last;
		});
		assert.ok(hello.nonce);
		assert.equal((await ask()).status, 200);
		await policy();
	});
});

describe("every worker", () => {
	const nodes = [];

	before(async () => {
		await assay.gateway.stop();
		await assay.startGateway({ ...platform.settings, workers: 2 });
	});
	after(async () => {
		for (const node of nodes)
			await node.close();
		await assay.gateway.stop();
		await assay.startGateway(platform.settings);
	});

	const dids = () => nodes.map(({ did }) => `'${did}'`).join(",");
	const instances = async () => (await assay.postgres.query("select distinct"
		+ " gateway_instance from assay.attestation_verdict where status ="
		+ ` 'verified' and did in (${dids()})`)).length;

	test("judges anew within 2 s of a change of policy", async () => {
		// The kernel deals tunnels out; sooner or later both have some.
		await until("tunnels at both workers", async () => {
			nodes.push(await provider());
			await until("its row", async () =>
				(await assay.postgres.query("select 1 from"
					+ " operator.verified where counts and did = "
					+ `'${nodes.at(-1).did}'`)).length === 1);
			return await instances() === 2;
		}, 60_000);
		await policy({}, { mrtd: ["cd".repeat(48)] });
		const late = () => assay.postgres.query("select extract(epoch from"
			+ " v.judged_at - p.activated_at) from"
			+ " assay.attestation_verdict v join assay.attestation_policy"
			+ " p on p.digest = v.policy_digest where v.reason ="
			+ ` 'not_accepted' and v.did in (${dids()})`);
		await until("a verdict on each", async () =>
			(await late()).length >= nodes.length);
		for (const [seconds] of await late())
			assert.ok(Number(seconds) < 2, `${seconds} s`);
		await policy();
	});
});

describe("the daemon", () => {
	test("proves itself through configfs-tsm", async () => {
		const tsm = await platform.serveTsm();
		const runtime = await assay.scriptedRuntime();
		const daemon = await assay.daemon("sealed", runtime,
			[[MODEL, file, ["chat"]]],
			{ settings: { "evidence.tsm": tsm } });
		await until("both tunnels to be verified", async () =>
			(await assay.postgres.query("select 1 from operator.verified"
				+ ` where did = '${daemon.did}' and counts`)).length === 2);
		const answer = await ask();
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-provider"], daemon.did);
		const [[address]] = await assay.postgres.query("select distinct"
			+ " signing_address from operator.verified where did = "
			+ `'${daemon.did}'`);
		assert.match(address, /^0x[0-9a-f]{40}$/);
	});
});

describe("a buyer", () => {
	const nonce = "c0".repeat(16);
	let answer;

	const judged = async (report, more = {}) => (await assay.call(
		"/v1/aci/verify", { key, json: { report, ...more } })).json;

	test("gets evidence over its own nonce", async () => {
		const reply = await assay.call("/v1/private/attestation",
			{ key, json: { model_id: MODEL, nonce } });
		assert.equal(reply.status, 200, reply.text);
		answer = reply.json;
		assert.equal(answer.nonce, nonce.padEnd(64, "0"));
		assert.equal(answer.bound.did, answer.provider);
		const expected = reportData({ nonce: answer.nonce,
			did: answer.provider,
			spki: Buffer.from(answer.bound.tls_spki, "base64"),
			statement: answer.statement,
			key: Buffer.from(answer.signing_address.slice(2), "hex") });
		assert.ok(Buffer.from(answer.cpu.quote, "base64").includes(expected));
		assert.equal(statementDigest(answer.statement).toString("hex"),
			answer.bound.statement_sha256);
	});

	test("gets the same as a report, never twice the same", async () => {
		const reply = await assay.call("/v1/attestation/report?model="
			+ `${encodeURIComponent(MODEL)}&nonce=${"c1".repeat(32)}`,
		{ key });
		assert.equal(reply.status, 200, reply.text);
		const [one] = reply.json.model_attestations;
		assert.equal(one.nonce, "c1".repeat(32));
		assert.notEqual(one.cpu.quote, answer.cpu.quote);
	});

	test("has a report judged, and every check by name", async () => {
		const { evidence, bound } = answer;
		const verdict = await judged({ evidence, bound });
		assert.equal(verdict.outcome, "verified", JSON.stringify(verdict));
		assert.ok(verdict.checks.some(({ name, result }) =>
			name === "binding.report_data" && result === "asserted"));
		const other = await judged({ evidence,
			bound: { ...bound, nonce: "00".repeat(32) } });
		assert.equal(other.outcome, "failed");
		assert.equal(other.code, "nonce_mismatch");
		const address = await judged({ evidence, bound: { ...bound,
			signing_address: `0x${"09".repeat(20)}` } });
		assert.equal(address.code, "binding_mismatch");
		const strict = await judged({ evidence, bound }, { policy: {
			version: 9, require: ["cpu"],
			tdx: { mrtd: ["00".repeat(48)] } } });
		assert.equal(strict.code, "not_accepted");
	});

	test("can judge it with the command line, which trusts no test root",
		async () => {
			const file = assay.path("report.json");
			const policyFile = assay.path("buyer-policy.json");
			fs.writeFileSync(file, JSON.stringify(answer));
			fs.writeFileSync(policyFile, JSON.stringify({ version: 1,
				require: ["cpu"], tdx: { mrtd: [MRTD] } }));
			await run(`${BUILD}/assay`, ["verify", file, "--policy",
				policyFile, "--collateral", platform.collateral,
				"--json"], { status: 3 });
		});

	// All that it takes comes with the answer: no collateral is given.
	test("has the command line ask, keep and judge a live model", async () => {
		const saved = assay.path("live.json");
		const live = (...more) => run(`${BUILD}/assay`, ["verify", ...more,
			"--policy", assay.path("buyer-policy.json"), "--test-root",
			platform.root, "--json"], { env: { ASSAY_URL: assay.url,
			ASSAY_API_KEY: key } });
		const first = JSON.parse(await live("model", MODEL, "--save", saved));
		assert.equal(first.verdict, "verified");
		assert.ok(first.nodes[0].checks.some(({ name, result }) =>
			name === "binding.report_data" && result === "asserted"));
		assert.ok(!first.nodes[0].checks.some(({ name }) =>
			name === "binding.freshness"));
		const { nonce } = JSON.parse(fs.readFileSync(saved))
			.model_attestations[0];
		const again = JSON.parse(await live(saved, "--nonce", nonce));
		assert.equal(again.verdict, "verified");
		// Evidence for that moment's nonce answers no later question.
		await run(`${BUILD}/assay`, ["verify", saved, "--policy",
			assay.path("buyer-policy.json"), "--test-root", platform.root,
			"--nonce", "00".repeat(32)], { status: 1 });
		const refused = await run(`${BUILD}/assay`, ["verify", "model",
			"lovelace:none", "--policy", assay.path("buyer-policy.json")],
		{ status: 3, env: { ASSAY_URL: assay.url, ASSAY_API_KEY: key } });
		assert.match(refused, /model_not_found/);
	});

	test("is told what is wrong with what it asks", async () => {
		for (const [json, code] of [
			[{ model_id: MODEL, nonce: "xy" }, "invalid_request"],
			[{ model_id: MODEL }, "invalid_request"],
			[{ model_id: "lovelace:none", nonce }, "model_not_found"]]) {
			const reply = await assay.call("/v1/private/attestation",
				{ key, json });
			assert.equal(reply.json.error.code, code);
		}
		const bad = await judged({}, { policy: { version: 1 } });
		assert.equal(bad.error.code, "invalid_request");
	});
});

describe("a release", () => {
	test("cannot be told of another root", async (t) => {
		const release = `${BUILD}/../release/assay-gateway`;
		if (!fs.existsSync(release)) {
			t.skip("there is no release build");
			return;
		}
		await assert.rejects(run(release,
			[`--attestation.test_root=${platform.root}`]),
		/attestation\.test_root/);
	});
});

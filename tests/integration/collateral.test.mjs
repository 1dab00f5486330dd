// SPDX-License-Identifier: Apache-2.0
// Promise: what makers publish is fetched from the configured services, kept in
// Postgres for every gateway, fetched anew ahead of its end; a source that fails
// is told, and what still holds serves on; what has ended closes the door, with
// the code that says so.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { Assay, until } from "./harness.mjs";
import { Makers } from "./lib/makers.mjs";
import { bundle, gpuItem } from "./lib/machine.mjs";
import { metric, prover, verdictIs, verdictOf } from "./lib/prover.mjs";
import { TdxPlatform, reportData } from "./lib/tdx.mjs";

const MODEL = "lovelace:sealed";
const MRTD = "ab".repeat(48);
const NAME = "tdx/tcb/c0ffee000001";
const TCB = /\/tcb\?/;
let assay, platform, makers, key, file;
let version = 0; // of the policy

before(async () => {
	assay = await Assay.start();
	platform = await TdxPlatform.make(assay.path("platform"), "ocsp");
	makers = await Makers.start(platform.folder);
	assay.closers.push(() => makers.close());
	await restart();
	await assay.workspace("sealed");
	await assay.workspace("buyers");
	file = await assay.pretend(MODEL, { tasks: ["chat"] });
	key = await assay.key("buyers");
	await policy({ require: ["cpu"], tdx: { mrtd: [MRTD] } });
});
after(() => assay?.close());

async function policy(members) {
	const name = assay.path("policy.json");
	fs.writeFileSync(name, JSON.stringify({ version: ++version,
		...members }));
	await assay.cli("policy", "set", name);
}

async function restart(more = {}) {
	await assay.gateway.stop();
	await assay.startGateway({ ...platform.settings, ...makers.settings,
		"attestation.within": "2s", ...more });
}

// Nothing is at hand any more, and the sources are as they should be.
async function forget(...published) {
	await assay.gateway.stop();
	await assay.postgres.query("delete from assay.collateral");
	makers.moods = {};
	makers.asked = [];
	await platform.publish("sound", ...published);
}

const quoting = (...words) => prover(assay, "sealed", MODEL, file,
	(facts) => platform.evidence(facts, ...words));

const ask = (node) => assay.chat(key, MODEL,
	{ options: { verified: true, only: [node.did] } });

async function row(name = NAME) {
	const [found] = await assay.postgres.query("select failure,"
		+ " failing_since is not null, extract(epoch from fetched_at)"
		+ ` from operator.collateral where name = '${name}'`);
	return found && { failure: found[0] || null,
		failing: found[1] === "t" || found[1] === true,
		fetched: Number(found[2]) };
}

const kept = () => metric(assay, "assay_collateral_kept",
	{ source: "intel" });
const answers = (code) => metric(assay, "assay_collateral_answers_total",
	{ source: "intel", code });

describe("collateral is fetched", () => {
	let node;

	after(() => node?.close());

	test("from the configured services, once, while nobody waits",
		async () => {
			node = await quoting();
			await verdictIs(assay, node.did, "ok");
			assert.deepEqual(makers.asked.map(({ url }) => url), [
				"/pcs/tdx/certification/v4/tcb?fmspc=c0ffee000001",
				"/pcs/tdx/certification/v4/qe/identity",
				"/pcs/sgx/certification/v4/pckcrl?ca=platform"
					+ "&encoding=der",
				"/root.crl"]);
			assert.equal((await ask(node)).status, 200);
			assert.equal(await answers("ok"), 1);
			const reasons = (await assay.postgres.query("select reason"
				+ " from assay.attestation_verdict where did = "
				+ `'${node.did}' order by judged_at`)).map(([one]) => one);
			assert.deepEqual(reasons, ["missing", "ok"]);
		});

	test("and kept: another gateway does not ask again", async () => {
		await until("the row", () => row());
		makers.asked = [];
		makers.mood("intel", "down");
		await node.close();
		await restart();
		await node.dial();
		await until("the verdict", async () =>
			(await ask(node)).status === 200);
		assert.deepEqual(makers.asked, []);
		makers.mood("intel", undefined);
	});

	test("with the list of the CA that issued the certificate",
		async () => {
			const other = await quoting("processor");
			try {
				await verdictIs(assay, other.did, "ok");
				assert.equal(
					makers.asks(/ca=processor/).length, 1);
				assert.equal(makers.asks(/ca=platform/).length, 0);
				assert.ok(await row(`${NAME}.processor`));
			} finally {
				await other.close();
			}
		});

	test("and verified once for many verdicts", async () => {
		const chains = (how) => metric(assay,
			"assay_verdict_chains_total", { kind: "tdx", how });
		const [full, before] = [await chains("full"),
			await chains("kept")];
		const others = [await quoting(), await quoting()];
		try {
			for (const one of others)
				await verdictIs(assay, one.did, "ok");
			assert.equal(await chains("full"), full);
			assert.ok(await chains("kept") >= before + 2);
			assert.ok(await metric(assay,
				"assay_verdict_cpu_seconds_count",
				{ kind: "tdx" }) >= 3);
		} finally {
			for (const one of others)
				await one.close();
		}
	});
});

describe("ahead of its end", () => {
	let node;

	after(() => node?.close());

	test("collateral is fetched anew, and nobody notices", async () => {
		await forget("next=25");
		await restart({ "attestation.refresh": "20s" });
		node = await quoting();
		await verdictIs(assay, node.did, "ok");
		await platform.publish("sound");
		await until("the second fetch", () =>
			makers.asks(TCB).length === 2);
		const [first, second] = makers.asks(TCB);
		// By age alone it would have been after 20 s.
		assert.ok(second.at - first.at < 15_000);
		await until("the verdict to live on", async () => {
			const [[left]] = await assay.postgres.query("select extract("
				+ "epoch from max(renew_by) - now()) from"
				+ ` operator.verified where did = '${node.did}'`);
			return Number(left) > 60;
		});
		assert.equal((await ask(node)).status, 200);
		// The new one is verified anew: what was kept was of other bytes.
		assert.equal(await metric(assay, "assay_verdict_chains_total",
			{ kind: "tdx", how: "full" }), 2);
	});
});

describe("while a source fails", () => {
	let node;

	before(async () => {
		await forget();
		await restart({ "attestation.refresh": "2s" });
		node = await quoting();
		await verdictIs(assay, node.did, "ok");
	});
	after(() => node?.close());

	for (const [mood, code] of [["down", "unavailable"],
		["garbage", "invalid_json"], ["redirect", "refused"],
		["slow", "timeout"], ["oversized", "limit_exceeded"],
		["tampered", "tampered"]]) {
		test(`${mood}: what is held serves on, and it is told`,
			async () => {
				const lines = assay.gateway.lines.length;
				const { fetched } = await until("the row", () => row());
				const counted = await answers(code);
				makers.mood("intel", mood);
				await until("the failure", async () =>
					(await row()).failure === code);
				const said = await assay.gateway.line(
					"event=collateral_kept", { after: lines });
				assert.match(said, new RegExp(`code=${code}`));
				assert.match(said, /age_s=\d+/);
				assert.equal(await kept(), 1);
				assert.ok(await answers(code) > counted);
				assert.ok((await row()).failing);
				assert.equal((await ask(node)).status, 200);
				assert.equal((await verdictOf(assay, node.did)).reason,
					"ok");
				makers.mood("intel", undefined);
				await until("it to be over", async () =>
					(await row()).failure === null);
				assert.ok((await row()).fetched > fetched);
				await until("the metric", async () =>
					await kept() === 0);
			});
	}

	test("a redirect is not followed", () => {
		assert.equal(makers.asks(/elsewhere/).length, 0);
	});
});

describe("what has ended", () => {
	test("closes the door as stale while its source is away", async () => {
		await forget("next=15");
		await restart();
		const node = await quoting();
		try {
			await verdictIs(assay, node.did, "ok");
			assert.equal((await ask(node)).status, 200);
			makers.mood("intel", "down");
			await until("the door to close", async () =>
				(await ask(node)).code === "no_verified_provider");
			await verdictIs(assay, node.did, "stale");
			const refused = await ask(node);
			assert.deepEqual(refused.json.error.metadata.rejected,
				{ stale: 1 });
			await platform.publish("sound");
			makers.mood("intel", undefined);
			await verdictIs(assay, node.did, "ok");
			assert.equal((await ask(node)).status, 200);
		} finally {
			await node.close();
		}
	});

	test("and so does what never came", async () => {
		await forget();
		makers.mood("intel", "down");
		await restart();
		const node = await quoting();
		try {
			await verdictIs(assay, node.did, "missing");
			await assay.gateway.line(/event=collateral_missing .*code=/);
			assert.deepEqual((await ask(node)).json.error.metadata
				.rejected, { missing: 1 });
			makers.mood("intel", undefined);
			await verdictIs(assay, node.did, "ok");
		} finally {
			await node.close();
		}
	});
});

describe("a source that goes back", () => {
	const older = (source) => metric(assay, "assay_collateral_older_total",
		{ source });
	// Both before what is published otherwise, which is a day old.
	const NEWER = ["revoked", "issued=90000"];
	const OLDER = ["sound", "issued=100000"];
	let node;

	// Time and again, and still the door is closed.
	async function refused() {
		await until("the older edition to be refused", async () =>
			await older("intel") > 1);
		await until("its code", async () =>
			(await row()).failure === "stale");
		assert.equal((await verdictOf(assay, node.did)).reason, "revoked");
		assert.deepEqual((await ask(node)).json.error.metadata.rejected,
			{ revoked: 1 });
	}

	before(async () => {
		await forget(...NEWER);
		await restart({ "attestation.refresh": "2s" });
		node = await quoting();
		await verdictIs(assay, node.did, "revoked");
		await until("the row", () => row());
	});
	after(() => node?.close());

	test("does not take back what it said", async () => {
		const lines = assay.gateway.lines.length;
		await platform.publish(...OLDER);
		await refused();
		assert.match(await assay.gateway.line("event=collateral_kept",
			{ after: lines }), /code=stale .*an older edition/);
		assert.equal(await answers("stale") > 0, true);
	});

	test("nor before a gateway that has just begun", async () => {
		await node.close();
		await restart({ "attestation.refresh": "2s" });
		await node.dial();
		await verdictIs(assay, node.did, "revoked");
		await refused();
	});

	test("nor by a folder", async () => {
		await node.close();
		await restart({ "attestation.refresh": "2s",
			"attestation.folder": platform.collateral });
		await node.dial();
		await verdictIs(assay, node.did, "revoked");
		await refused();
	});

	test("until it has news again", async () => {
		await node.close();
		await restart({ "attestation.refresh": "2s" });
		await node.dial();
		await platform.publish("sound");
		await verdictIs(assay, node.did, "ok");
		await until("it to be over", async () =>
			(await row()).failure === null);
		assert.equal((await ask(node)).status, 200);
	});
});

describe("news that the root has revoked an issuer", () => {
	for (const [how, settings] of [["a service", () => ({})],
		["a folder", () => platform.settings]])
		test(`is taken in from ${how}`, async () => {
			await forget();
			await restart({ "attestation.refresh": "2s",
				...settings() });
			const node = await quoting();
			try {
				await verdictIs(assay, node.did, "ok");
				assert.equal((await ask(node)).status, 200);
				await platform.publish("disowned");
				if (how === "a folder") { // read at each hello
					await node.close();
					await node.dial();
				}
				await verdictIs(assay, node.did, "revoked",
					"tdx.pck_ca_revoked");
				assert.deepEqual((await ask(node)).json.error
					.metadata.rejected, { revoked: 1 });
				if (how === "a service")
					assert.equal((await row()).failure, null);
			} finally {
				await node.close();
			}
		});
});

describe("an OCSP responder", () => {
	const LIKE = "nvidia/ocsp/%";
	let node;

	const failures = async () => (await assay.postgres.query("select"
		+ " coalesce(failure, 'none') from operator.collateral where name"
		+ ` like '${LIKE}' order by name`)).map(([one]) => one);

	const machine = () => prover(assay, "sealed", MODEL, file,
		async (facts) => bundle(facts, { kind: "tdx",
			quote: await platform.quote(reportData(facts)) },
		await gpuItem(platform, facts.nonce)));

	before(async () => {
		await policy({ require: ["cpu", "gpu"], tdx: { mrtd: [MRTD] },
			nvidia: { gpus: 2 } });
		await forget();
		makers.mood("lists", "down");
		await restart({ "attestation.refresh": "2s" });
		node = await machine();
	});
	after(() => node?.close());

	test("stands for lists that never came", async () => {
		await verdictIs(assay, node.did, "ok");
		assert.equal((await ask(node)).status, 200);
		// The third is about the manifests' signer.
		await until("its answers to be kept", async () =>
			(await failures()).join() === "none,none,none");
	});

	test("that is down: what it said holds on", async () => {
		makers.mood("ocsp", "down");
		await until("the failures", async () => (await failures()).join()
			=== "unavailable,unavailable,unavailable");
		assert.equal((await ask(node)).status, 200);
		assert.equal((await verdictOf(assay, node.did)).reason, "ok");
		makers.mood("ocsp", undefined);
		await until("it to be over", async () =>
			(await failures()).join() === "none,none,none");
	});

	test("that says what no list says: revoked", async () => {
		makers.mood("lists", undefined);
		await platform.publish("answered");
		await verdictIs(assay, node.did, "revoked", "nvidia.revocation");
		assert.deepEqual((await ask(node)).json.error.metadata.rejected,
			{ revoked: 1 });
		await platform.publish("sound");
		await verdictIs(assay, node.did, "ok");
	});

	test("lists of another issuer push out none", async () => {
		const list = () => row("nvidia/crl/l2-gh100");
		await until("the list", async () =>
			(await list())?.failure === null);
		makers.mood("lists", "foreign");
		await until("the refusal", async () =>
			/^(conflict|untrusted)$/.test((await list()).failure));
		await until("the root's, too", async () =>
			(await row("nvidia/crl/l1-root")).failure === "conflict");
		assert.equal((await ask(node)).status, 200);
		makers.mood("lists", undefined);
		await until("it to be over", async () =>
			(await list()).failure === null);
	});

	test("that never answered is not missed where lists are", async () => {
		await node.close();
		await forget();
		makers.mood("ocsp", "down");
		await restart();
		node = await machine();
		await verdictIs(assay, node.did, "ok");
		await until("it to be asked", () =>
			makers.asks(/\/ocsp$/).length > 0);
		assert.deepEqual(await failures(), []);
	});
});

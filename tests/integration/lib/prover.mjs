// SPDX-License-Identifier: Apache-2.0
// A provider that answers each hello with evidence of the test's making, and
// what the operators and the gateway's metrics say of it.
import assert from "node:assert/strict";
import { call, fileEntry, statementOf, until } from "../harness.mjs";
import { spkiOf } from "./tdx.mjs";

// `make` gets the facts of a hello and gives the evidence, or null.
export async function prover(assay, workspace, model, file, make) {
	const node = await assay.nodeProvider(workspace);
	const answer = async (hello) => {
		const said = { ...statementOf([{ canonical: model, tasks: ["chat"],
			files: [fileEntry(file)], quantization: "F16" }]),
		nonce: hello.nonce };
		said.evidence = await make({ nonce: hello.nonce, did: node.did,
			spki: spkiOf(node.certificate), statement: said }, node);
		node.evidence = said.evidence;
		return said;
	};
	const listener = (hello, stream) => {
		answer(hello).then((said) => {
			if (stream.destroyed)
				return;
			stream.respond({ ":status": 200,
				"content-type": "application/json" });
			stream.end(JSON.stringify(said));
		});
	};
	node.dial = () => node.join(listener);
	await node.dial();
	return node;
}

// The last verdict on a device, as operators read it.
export async function verdictOf(assay, did) {
	const rows = await assay.postgres.query("select status, reason, counts,"
		+ ` failed_check, why from operator.verified where did = '${did}'`);
	if (rows.length === 0)
		return {};
	const [status, reason, counts, check, why] = rows[0];
	return { status, reason, counts: counts === "t" || counts === true,
		check, why };
}

// Its evidence may first have to be gathered anew, which takes its time.
export async function verdictIs(assay, did, reason, check) {
	let last;
	try {
		await until(`the verdict ${reason}`, async () => {
			last = await verdictOf(assay, did);
			return last.reason === reason
				&& (!check || last.check === check);
		}, 60_000);
	} catch (error) {
		error.message += `\nlast: ${JSON.stringify(last)}`;
		throw error;
	}
	assert.equal(last.status === "verified", reason === "ok");
	return last;
}

// The sum of a family's series that have these labels.
export async function metric(assay, name, labels = {}) {
	const { text } = await call(`${assay.adminUrl}/metrics`);
	const wanted = Object.entries(labels)
		.map(([label, value]) => `${label}="${value}"`);
	let sum = 0;
	for (const line of text.split("\n")) {
		const [, family, of, value] =
			/^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
		if (family === name
			&& wanted.every((one) => (of ?? "").split(",").includes(one)))
			sum += Number(value);
	}
	return sum;
}

// SPDX-License-Identifier: Apache-2.0
// What `./dev up` shows: one streamed chat request through the marketplace, one
// through the workspace's own pool, and one straight to the provider with a
// handoff; for each who served it, why, and how long it took. Then snippets.
import { createHash } from "node:crypto";
import fs from "node:fs";
import https from "node:https";

const { ASSAY_URL: url, ASSAY_CA: caFile, ASSAY_MODEL: model,
	ASSAY_API_KEY: memberKey, ASSAY_BUYER_KEY: buyerKey } = process.env;
const ca = fs.readFileSync(caFile, "utf8");

function send(where, { token, body, ...tls }) {
	return new Promise((resolve, reject) => {
		const bytes = body === undefined ? undefined : JSON.stringify(body);
		const request = https.request(where, { ca, agent: false, ...tls,
			method: bytes === undefined ? "GET" : "POST",
			headers: { authorization: `Bearer ${token}`,
				...(bytes && { "content-type": "application/json",
					"content-length": Buffer.byteLength(bytes) }) },
		}, resolve);
		request.once("error", reject);
		request.end(bytes);
	});
}

async function text(answer) {
	const parts = [];
	for await (const part of answer)
		parts.push(part);
	return Buffer.concat(parts).toString();
}

async function json(answer) {
	const said = await text(answer);
	if (answer.statusCode !== 200)
		throw new Error(`status ${answer.statusCode}: ${said}`);
	return JSON.parse(said);
}

function chat(stream) {
	return { model, stream, max_tokens: 24,
		messages: [{ role: "user", content: "the gateway" }] };
}

// Shows a streamed answer as it comes; gives when the first word came.
async function show(answer, began) {
	let first, rest = "", words = "";
	for await (const part of answer) {
		rest += part;
		const lines = rest.split("\n");
		rest = lines.pop();
		for (const line of lines) {
			if (!line.startsWith("data: ") || line === "data: [DONE]")
				continue;
			const { choices, error } = JSON.parse(line.slice(6));
			if (error)
				throw new Error(error.message);
			const word = choices?.[0]?.delta?.content ?? "";
			if (word !== "")
				first ??= performance.now() - began;
			words += word;
		}
	}
	console.log(`   said         ${words.trim()}`);
	return first ?? 0;
}

function facts(answer, rows) {
	const seen = { ...rows };
	for (const [label, header] of [["provider", "x-assay-provider"],
		["pool", "x-assay-pool"], ["tier", "x-assay-tier"],
		["attempts", "x-assay-attempts"], ["request", "x-request-id"],
		["timings", "server-timing"]]) {
		if (answer.headers[header])
			seen[label] ??= answer.headers[header];
	}
	for (const [label, value] of Object.entries(seen))
		console.log(`   ${label.padEnd(12)} ${value}`);
}

const ms = (value) => `${value.toFixed(1)} ms`;

async function throughGateway(title, token, options, why) {
	console.log(`\n${title}`);
	const began = performance.now();
	const answer = await send(`${url}/v1/chat/completions`, { token,
		body: { ...chat(true), options } });
	if (answer.statusCode !== 200)
		await json(answer);
	const first = await show(answer, began);
	const route = await json(await send(`${url}/v1/route`, { token,
		body: { task: "chat", model, options } }));
	const rejected = Object.entries(route.rejected_counts)
		.map(([reason, count]) => `${count} ${reason}`).join(", ");
	facts(answer, { "first word": ms(first),
		whole: ms(performance.now() - began),
		why: `${why} (${route.choice.because}; ${route.considered}`
			+ ` considered, rejected: ${rejected || "none"})` });
}

// The provider's certificate is its own, so no authority vouches for it: the
// gateway has told its public key, and not a byte goes out to any other.
function direct(where, { token, body, spki }) {
	return new Promise((resolve, reject) => {
		const bytes = JSON.stringify(body);
		const request = https.request(where, { agent: false, method: "POST",
			rejectUnauthorized: false, headers: {
				"content-type": "application/json",
				"content-length": Buffer.byteLength(bytes),
				authorization: `Bearer ${token}` } }, resolve);
		request.once("error", reject);
		request.once("socket", (socket) => {
			socket.once("secureConnect", () => {
				const seen = publicKeyHash(socket);
				if (seen === spki)
					request.end(bytes);
				else
					request.destroy(new Error("the provider's"
						+ ` key is ${seen}, not ${spki}`));
			});
		});
	});
}

function publicKeyHash(socket) {
	const key = socket.getPeerX509Certificate().publicKey
		.export({ type: "spki", format: "der" });
	return createHash("sha256").update(key).digest("hex");
}

async function withHandoff() {
	console.log("\n3. straight to the workspace's own provider, with a handoff");
	const began = performance.now();
	const handoff = await json(await send(`${url}/v1/handoffs`, {
		token: memberKey, body: { task: "chat", model } }));
	const minted = performance.now() - began;
	const { did, endpoints, tls_spki_sha256: spki } = handoff.provider;
	const answer = await direct(`${endpoints[0]}/v1/chat/completions`,
		{ token: handoff.token, body: chat(true), spki });
	if (answer.statusCode !== 200)
		await json(answer);
	const first = await show(answer, began);
	facts(answer, { provider: did, request: handoff.request_id,
		"handoff": `${ms(minted)}, good until ${handoff.expires_at}`,
		"first word": ms(first), whole: ms(performance.now() - began),
		why: `the gateway named ${endpoints[0]}, public key `
			+ `${spki.slice(0, 16)}…` });
}

function snippets() {
	console.log(`
Try it yourself, after: eval "$(./dev env)"

  curl --cacert "$ASSAY_CA" "$ASSAY_URL/v1/chat/completions" \\
    -H "Authorization: Bearer $ASSAY_BUYER_KEY" \\
    -H "Content-Type: application/json" \\
    -d '{"model": "${model}", "max_tokens": 24, "stream": true,
         "messages": [{"role": "user", "content": "the gateway"}]}'

  cat > try.mjs <<'END'
  import OpenAI from "openai";
  const client = new OpenAI({ baseURL: process.env.ASSAY_URL + "/v1",
    apiKey: process.env.ASSAY_BUYER_KEY });
  const answer = await client.chat.completions.create({
    model: process.env.ASSAY_MODEL, max_tokens: 24,
    messages: [{ role: "user", content: "the gateway" }] });
  console.log(answer.choices[0].message.content);
  END
  NODE_EXTRA_CA_CERTS="$ASSAY_CA" node try.mjs
`);
}

await throughGateway("1. a buyer without providers of their own: the marketplace",
	buyerKey, {}, "nobody in the buyer's workspace, so the best of the rest");
await throughGateway("2. a member of the workspace that owns the provider: its pool",
	memberKey, { pool: "workspace" }, "the workspace's own provider, asked for");
await withHandoff();
snippets();

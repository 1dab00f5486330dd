// SPDX-License-Identifier: Apache-2.0
// Promise: nobody is on a tunnel but an enrolled device with a good certificate;
// everybody else is refused with a reason in the log, and a revocation ends a
// live tunnel within two seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import tls from "node:tls";
import { after, before, describe, test } from "node:test";
import { Assay, Authority, call, dial, fileEntry, statementOf, within }
	from "./harness.mjs";

const MODEL = "lovelace:mtls";
let assay, provider, deviceCa;

before(async () => {
	assay = await Assay.start();
	await assay.workspace("makers");
	const file = await assay.pretend(MODEL);
	provider = await assay.servingNodeProvider("makers", [[MODEL, file]]);
	provider.file = file;
	deviceCa = Authority.of(assay.path("pki"), assay.deviceCa,
		assay.deviceCaKey);
});
after(() => assay?.close());

const uri = (did) => `subjectAltName=URI:${did}`;

// Dials; the door may shut during the handshake or (TLS 1.3) right after it.
// A good chain is not enough: whose it is is judged once HTTP/2 is up.
async function turnedAway(credentials, { http = false, ...more } = {}) {
	const lines = assay.gateway.lines.length;
	try {
		const socket = await dial({ tunnel: assay.tunnel, ca: assay.ca,
			certificate: credentials?.certificate
				&& fs.readFileSync(credentials.certificate),
			key: credentials?.key && fs.readFileSync(credentials.key),
			...more });
		socket.on("error", () => {});
		if (http)
			http2.performServerHandshake(socket).on("error", () => {});
		else
			socket.resume();
		await within("the gateway to close", new Promise((resolve) =>
			socket.once("close", resolve)));
	} catch (error) {
		assert.doesNotMatch(error.message, /waited/);
	}
	return assay.gateway.line(/tunnel.*(refused|reason|why)|refused.*tunnel/,
		{ after: lines });
}

describe("a tunnel", () => {
	test("takes no one without a certificate", async () => {
		await turnedAway(null);
	});

	test("takes no one of another CA", async () => {
		const folder = assay.path("other");
		fs.mkdirSync(folder);
		const other = await Authority.make(folder, "other");
		await turnedAway(await other.issue("stranger",
			{ usage: "clientAuth", names: uri(provider.did) }));
	});

	test("takes no gateway's certificate for a device's", async () => {
		await turnedAway(assay.gatewayLeaf);
	});

	test("takes no expired certificate", async () => {
		await turnedAway(await deviceCa.issue("expired",
			{ usage: "clientAuth", names: uri(provider.did), days: -1 }));
	});

	test("takes no certificate of another key usage", async () => {
		await turnedAway(await deviceCa.issue("usage",
			{ usage: "serverAuth", names: uri(provider.did) }));
	});

	test("takes no unknown device of the right CA", async () => {
		const line = await turnedAway(await deviceCa.issue("unknown",
			{ usage: "clientAuth", names: uri("did:assay:zUnknown") }),
		{ http: true });
		assert.match(line, /unknown|zUnknown/);
	});

	test("takes no certificate without exactly one DID", async () => {
		await turnedAway(await deviceCa.issue("none",
			{ usage: "clientAuth", names: "subjectAltName=DNS:x" }), { http: true });
		await turnedAway(await deviceCa.issue("two", { usage: "clientAuth",
			names: `${uri(provider.did)},URI:did:assay:zOther` }),
		{ http: true });
	});

	test("takes no one without ALPN rh2", async () => {
		const good = { certificate: null, key: null };
		const file = assay.path("good.pem"), key = assay.path("good.key");
		fs.writeFileSync(file, provider.certificate);
		fs.writeFileSync(key, provider.key);
		Object.assign(good, { certificate: file, key });
		await turnedAway(good, { alpn: [] });
		await turnedAway(good, { alpn: ["h2"] });
	});

	test("takes no TLS 1.2", async () => {
		await assert.rejects(new Promise((resolve, reject) => {
			const at = assay.tunnel.split(":");
			tls.connect({ host: at[0], port: Number(at[1]),
				ca: assay.ca, maxVersion: "TLSv1.2",
				cert: provider.certificate, key: provider.key,
				ALPNProtocols: ["rh2"] }, resolve)
				.once("error", reject);
		}));
	});

	test("is still open for the good one", async () => {
		const answer = await assay.chat(await assay.key("makers"), MODEL);
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers["x-assay-provider"], provider.did);
	});

	test("ends within 2 s of a revocation", async () => {
		const began = Date.now();
		await assay.cli("device", "revoke", provider.did);
		await within("the tunnel to end", provider.closed, 3000);
		const took = Date.now() - began;
		assert.ok(took < 2000, `${took} ms`);
		const again = provider.connect(statementOf([{ canonical: MODEL,
			tasks: ["chat"], quantization: "F16",
			files: [fileEntry(provider.file)] }]));
		await assert.rejects(again);
		await assay.gateway.line(/revoked/);
	});
});

describe("the mint", () => {
	test("is not for devices, nor for anybody without a certificate", async () => {
		const where = `https://127.0.0.1:${assay.authPorts.mint}`
			+ "/internal/handoffs";
		for (const more of [{},
			{ cert: provider.certificate, key: provider.key }]) {
			await assert.rejects(call(where, { ca: assay.ca,
				json: {}, ALPNProtocols: ["h2"], ...more }));
		}
	});
});

describe("the folder of the device CA", () => {
	test("is readable by nobody else", () => {
		for (const name of fs.readdirSync(assay.keysFolder)) {
			const file = path.join(assay.keysFolder, name);
			if (/key/.test(name) && fs.statSync(file).isFile()) {
				assert.equal(fs.statSync(file).mode & 0o077, 0,
					name);
			}
		}
	});
});

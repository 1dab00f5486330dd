// SPDX-License-Identifier: Apache-2.0
// The makers' collateral services as one HTTP server: Intel's PCS (or a PCCS),
// AMD's KDS, NVIDIA's manifests, revocation lists, OCSP responder and attestation
// service. What
// it serves is read from a forged machine's folder at each request. A source may
// be told to misbehave, and every question is written down.
import { createPublicKey, X509Certificate } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const OVERSIZED = 20 << 20;

const ROUTES = [
	["intel", /^\/pcs\/tdx\/certification\/v4\/tcb\?fmspc=c0ffee000001$/,
		() => ({ file: "tdx/tcb.json", chain: "tdx/tcb-chain.pem",
			header: "TCB-Info-Issuer-Chain" })],
	["intel", /^\/pcs\/tdx\/certification\/v4\/qe\/identity$/,
		() => ({ file: "tdx/qe.json", chain: "tdx/tcb-chain.pem",
			header: "SGX-Enclave-Identity-Issuer-Chain" })],
	["intel", /^\/pcs\/sgx\/certification\/v4\/pckcrl\?ca=(platform|processor)&encoding=der$/,
		([, ca]) => ({ file: `tdx/${ca}.crl`, chain: `tdx/${ca}-chain.pem`,
			header: "SGX-PCK-CRL-Issuer-Chain" })],
	["intel", /^\/root\.crl$/, () => ({ file: "tdx/root.crl" })],
	["amd", /^\/kds\/vcek\/v1\/Genoa\/cert_chain$/,
		() => ({ file: "amd/cert_chain" })],
	["amd", /^\/kds\/vcek\/v1\/Genoa\/crl$/, () => ({ file: "amd/crl" })],
	["amd", /^\/kds\/vcek\/v1\/Genoa\/(5a){64}\?blSPL=9&teeSPL=0&snpSPL=21&ucodeSPL=72$/,
		() => ({ file: "amd/vcek" })],
	["nvidia", /^\/rim\/v1\/rim\/([A-Z0-9_.]+)$/,
		([, id]) => ({ file: `rim/${id}` })],
	["lists", /^\/crl\/([a-z0-9-]+)\.crl$/,
		([, name]) => ({ file: `nvidia/${name}.crl` })],
	["lists", /^\/crl-corim\/l1-corim$/, () => ({ file: "nvidia/l1-corim" })],
	["ocsp", /^\/ocsp$/, (_, question) => ({ file: answerTo(question) })],
	["nras", /^\/nras\/\.well-known\/jwks\.json$/, () => ({ jwks: true })],
];

// A question ends with the serial number that it is about, here of one byte.
const answerTo = ({ type, body }) =>
	type === "application/ocsp-request" && body.at(-2) === 1
		? `nvidia/ocsp/${body.subarray(-1).toString("hex")}` : "none";

export class Makers {
	static async start(folder) {
		const self = new Makers();
		self.parts = path.join(folder, "parts");
		self.asked = [];
		self.moods = {};
		self.server = http.createServer(async (q, a) => self.#answer(q, a, {
			type: q.headers["content-type"],
			body: Buffer.concat(await q.toArray()) }));
		await new Promise((resolve) =>
			self.server.listen(0, "127.0.0.1", resolve));
		self.url = `http://127.0.0.1:${self.server.address().port}`;
		return self;
	}

	// The gateway's settings under which these are the only sources.
	get settings() {
		return { "attestation.pcs_url": `${this.url}/pcs`,
			"attestation.pcs_root_crl": `${this.url}/root.crl`,
			"attestation.kds_url": `${this.url}/kds`,
			"attestation.rim_url": `${this.url}/rim`,
			"attestation.nvidia_crl_url": `${this.url}/crl`,
			"attestation.nvidia_ocsp_url": `${this.url}/ocsp`,
			"attestation.nras_url": `${this.url}/nras`,
			"attestation.folder": "" };
	}

	// down, garbage, oversized, slow, redirect, tampered, foreign (another
	// issuer's list); undefined: as it should be.
	mood(source, mood) {
		this.moods[source] = mood;
	}

	asks(pattern) {
		return this.asked.filter(({ url }) => pattern.test(url));
	}

	#file(name) { return fs.readFileSync(path.join(this.parts, name)); }

	#jwks() {
		const signer = this.#file("nras/signer.der");
		const jwk = createPublicKey(new X509Certificate(signer).publicKey
			.export({ type: "spki", format: "pem" }))
			.export({ format: "jwk" });
		return JSON.stringify({ keys: [{ ...jwk, kid: "k1", use: "sig",
			alg: "ES384", x5c: [signer.toString("base64"),
				this.#file("nras/intermediate.der")
					.toString("base64")] }] });
	}

	#answer(question, answer, asked) {
		this.asked.push({ url: question.url, at: Date.now() });
		for (const [source, pattern, what] of ROUTES) {
			const match = pattern.exec(question.url);
			if (!match)
				continue;
			const mood = this.moods[source];
			if (mood)
				this.#misbehave(mood, what(match, asked), answer);
			else
				this.#give(what(match, asked), answer);
			return;
		}
		answer.writeHead(404).end("no such thing\n");
	}

	#give({ file, chain, header, jwks }, answer, change = (body) => body) {
		if (file && !fs.existsSync(path.join(this.parts, file))) {
			answer.writeHead(404).end();
			return;
		}
		const body = jwks ? this.#jwks() : this.#file(file);
		answer.writeHead(200, { "content-type": "application/octet-stream",
			...(header ? { [header]: encodeURIComponent(
				this.#file(chain)) } : {}) });
		answer.end(change(body));
	}

	#misbehave(mood, what, answer) {
		switch (mood) {
		case "down":
			answer.writeHead(503).end("later\n");
			break;
		case "garbage":
			answer.writeHead(200).end("<html>not what you wanted</html>");
			break;
		case "oversized":
			answer.writeHead(200, { "content-length": OVERSIZED });
			answer.on("error", () => {});
			answer.end(Buffer.alloc(OVERSIZED, "x"));
			break;
		case "slow": // begins, and never ends
			answer.writeHead(200).write("{");
			break;
		case "redirect":
			answer.writeHead(302, { location: `${this.url}/elsewhere` })
				.end();
			break;
		case "foreign":
			this.#give({ file: "amd/crl" }, answer);
			break;
		case "tampered":
			this.#give(what, answer, (body) => what.file === "tdx/tcb.json"
				? body.toString().replace("OutOfDate", "UpToDate")
				: body);
			break;
		default:
			throw new Error(`unknown mood ${mood}`);
		}
	}

	close() {
		this.server.closeAllConnections();
		return new Promise((resolve) => this.server.close(resolve));
	}
}

// SPDX-License-Identifier: Apache-2.0
// Certificates for the tests, made with the openssl program: the operator's own
// CA, and every wrong kind of certificate that a door must refuse.
import fs from "node:fs";
import path from "node:path";
import { run } from "./program.mjs";

const LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1";

export class Authority {
	static async make(folder, name) {
		const self = new Authority();
		self.folder = folder;
		self.certificate = path.join(folder, `${name}.pem`);
		self.key = path.join(folder, `${name}.key`);
		await run("openssl", ["req", "-x509", "-newkey", "ec",
			"-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
			"-days", "30", "-subj", `/CN=${name}`,
			"-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
			"-addext", "keyUsage=critical,keyCertSign,cRLSign",
			"-keyout", self.key, "-out", self.certificate]);
		return self;
	}

	static of(folder, certificate, key) {
		return Object.assign(new Authority(),
			{ folder, certificate, key });
	}

	// A leaf; `usage` is serverAuth or clientAuth, `names` the subject
	// alternative name extension, `days` may be negative.
	async issue(name, { usage, names = LOCAL, days = 30, publicKeyOf } = {}) {
		const file = (end) => path.join(this.folder, `${name}.${end}`);
		const key = publicKeyOf ?? file("key");

		if (!publicKeyOf)
			await makeKey(key);
		await run("openssl", ["req", "-new", "-key", key,
			"-subj", `/CN=${name}`, "-out", file("csr")]);
		fs.writeFileSync(file("ext"), [
			"basicConstraints=critical,CA:FALSE",
			"keyUsage=critical,digitalSignature",
			usage ? `extendedKeyUsage=${usage}` : "",
			names ?? "",
		].filter(Boolean).join("\n"));
		const times = days > 0 ? ["-days", `${days}`]
			: await expiredTimes(this, file);
		if (times) {
			await run("openssl", ["x509", "-req", "-in", file("csr"),
				"-CA", this.certificate, "-CAkey", this.key,
				"-CAcreateserial", "-extfile", file("ext"),
				...times, "-out", file("pem")]);
		}
		return { certificate: file("pem"), key };
	}
}

// `openssl x509` of version 3.0 cannot backdate; `openssl ca` can.
async function expiredTimes(authority, file) {
	fs.writeFileSync(file("index"), "");
	fs.writeFileSync(file("serial"), "0A\n");
	fs.writeFileSync(file("conf"), `[ca]
default_ca = it
[it]
database = ${file("index")}
serial = ${file("serial")}
new_certs_dir = ${authority.folder}
default_md = sha256
policy = any
[any]
commonName = supplied
`);
	await run("openssl", ["ca", "-batch", "-notext", "-config", file("conf"),
		"-cert", authority.certificate, "-keyfile", authority.key,
		"-in", file("csr"), "-extfile", file("ext"),
		"-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
		"-out", file("pem")]);
	return null;
}

export async function makeKey(file) {
	await run("openssl", ["ecparam", "-name", "prime256v1", "-genkey",
		"-noout", "-out", file]);
	return file;
}

export async function makeCsr(key) {
	return run("openssl", ["req", "-new", "-key", key, "-subj", "/CN=device"]);
}

// SPDX-License-Identifier: Apache-2.0
// A private PostgreSQL for one test file, in a folder of its own, on a free
// port. It does not run as root, so root lends it to another user.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Program, freePort, run } from "./program.mjs";
import { until } from "./wait.mjs";

const BIN = "/usr/lib/postgresql/15/bin";

function somebodyElse() {
	if (process.getuid() !== 0)
		return {};
	const users = fs.readFileSync("/etc/passwd", "utf8").split("\n")
		.map((line) => line.split(":"));
	const user = users.find(([name]) => name === "postgres")
		?? users.find(([name]) => name === "nobody");
	return { uid: Number(user[2]), gid: Number(user[3]) };
}

export class Postgres {
	static async start() {
		const self = new Postgres();
		self.who = somebodyElse();
		self.folder = fs.mkdtempSync(
			path.join(os.tmpdir(), "assay-postgres-"));
		if (self.who.uid !== undefined)
			fs.chownSync(self.folder, self.who.uid, self.who.gid);
		self.port = await freePort();
		await run(path.join(BIN, "initdb"), ["-D", self.folder,
			"-U", "postgres", "--auth=trust", "--encoding=UTF8",
			"--locale=C.UTF-8", "--no-sync"],
		{ ...self.who, cwd: "/" });
		await self.open();
		await self.query("create database assay", "postgres");
		return self;
	}

	async open() {
		this.program = new Program("postgres", path.join(BIN, "postgres"),
			["-D", this.folder, "-h", "127.0.0.1", "-p", `${this.port}`,
				"-c", "unix_socket_directories=", "-c", "fsync=off",
				"-c", "shared_buffers=32MB",
				"-c", "max_connections=100"],
			{ ...this.who, cwd: "/" });
		await until("postgres", () => this.query("select 1", "postgres"));
	}

	url(role = "postgres") {
		return `postgresql://${role}@127.0.0.1:${this.port}/assay`;
	}

	// Rows as arrays of text; a NULL is an empty string.
	async query(sql, database = "assay", role = "postgres") {
		const out = await run("psql", ["-X", "-q", "-At", "-F", "\t",
			"-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
			"-p", `${this.port}`, "-U", role, "-d", database,
			"-c", sql]);
		return out.split("\n").filter((line) => line !== "")
			.map((line) => line.split("\t"));
	}

	// The first column of the first row.
	async value(sql) {
		return (await this.query(sql))[0]?.[0];
	}

	// Down as in an outage; open() brings it back.
	async halt() {
		await this.program.stop("SIGQUIT");
	}

	async close() {
		if (this.program?.isRunning)
			await this.program.stop("SIGQUIT");
		fs.rmSync(this.folder, { recursive: true, force: true });
	}
}

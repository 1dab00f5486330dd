// SPDX-License-Identifier: Apache-2.0
// Prints a port of 127.0.0.1 that nobody listens on. It is taken from below the
// ephemeral range, so that no outgoing connection takes it in the meantime.
import net from "node:net";

function isFree(port) {
	return new Promise((resolve) => {
		const server = net.createServer();
		server.once("error", () => resolve(false));
		server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
			server.close(() => resolve(true));
		});
	});
}

let port;
do
	port = 20000 + Math.floor(Math.random() * 12000);
while (!await isFree(port));
console.log(port);

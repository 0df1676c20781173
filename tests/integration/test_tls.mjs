// TLS and HTTP/2 through nginx with a private authority.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Mux, connector, tempDir, text, until } from './lib/mux.mjs';
import { freePort, program, v1Sessions, v2 } from './lib/upstreams.mjs';

// An authority, and certificates signed by it: for localhost, and for another host.
function certificates(dir) {
	const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
	const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
	openssl('req', '-x509', ...ec, '-days', '2', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority',
		'-addext', 'basicConstraints=critical,CA:TRUE');
	for (const [name, host] of [['good', 'DNS:localhost,IP:127.0.0.1'], ['other', 'DNS:other.test']]) {
		writeFileSync(join(dir, 'ext'), `subjectAltName=${host}\nbasicConstraints=CA:FALSE\n`);
		openssl('req', ...ec, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
		openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
			'-extfile', 'ext', '-out', `${name}.pem`);
	}
}

// nginx as a TLS front of UPSTREAM.
async function front(t, upstream, certificate = 'good') {
	const dir = tempDir(t);
	certificates(dir);
	const port = await freePort(t);
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${dir}/${name};`).join(' ');
	writeFileSync(join(dir, 'nginx.conf'), `worker_processes 1; daemon off; pid ${dir}/pid; error_log ${dir}/error info;
events { worker_connections 256; }
http { access_log ${dir}/access; ${temp} client_max_body_size 64m;
 log_format proto '$server_protocol $connection'; access_log ${dir}/proto proto;
 server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${dir}/${certificate}.pem; ssl_certificate_key ${dir}/${certificate}.key;
  location / { proxy_pass http://127.0.0.1:${upstream.port}; proxy_http_version 1.1; proxy_set_header Connection "";
   proxy_buffering off; proxy_read_timeout 60s; } } }
`);
	await program(t, 'nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error')],
		{ ready: () => reachable(port) });
	return { url: `https://localhost:${port}/mcp`, ca: join(dir, 'ca.pem'),
		log: () => readFileSync(join(dir, 'proto'), 'utf8').trim().split('\n') };
}

async function reachable(port) {
	const net = await import('node:net');
	return new Promise(resolve => {
		const socket = net.connect(port, '127.0.0.1', () => resolve(socket.destroy()));
		socket.on('error', () => resolve(false));
	}).then(value => value !== false);
}

for (const [era, make] of [['legacy', t => v1Sessions(t)], ['modern', t => v2(t, { legacy: 'reject' })]]) {
	test(`calls go over one HTTP/2 connection with ca_file (${era})`, async t => {
		const upstream = await make(t);
		const tls = await front(t, upstream);
		const mux = Mux.start(t, `[mux]\nca_file = ${tls.ca}\n${connector('up', tls.url)}`);
		await mux.initialize();
		assert.equal((await mux.tools()).length, 5);
		const all = await Promise.all(Array.from({ length: 40 }, (_, i) => mux.call('up__add', { a: i, b: 1 })));
		assert.deepEqual(all.map(({ result }) => text(result)), Array.from({ length: 40 }, (_, i) => String(i + 1)));
		const progress = mux.request('tools/call', { name: 'up__steps', arguments: { n: 2 }, _meta: { progressToken: 1 } });
		assert.equal(text((await progress).result), 'done');
		await mux.close();
		await until(() => tls.log().length > 40, 'the access log');
		assert.deepEqual([...new Set(tls.log().map(line => line.split(' ')[0]))], ['HTTP/2.0']);
		const connections = new Set(tls.log().map(line => line.split(' ')[1]));
		assert.ok(connections.size <= 2, `${connections.size} connections`);
	});
}

test('an unknown authority and a wrong host are refused, in words', async t => {
	const upstream = await v1Sessions(t);
	const good = await front(t, upstream);
	const wrong = await front(t, upstream, 'other');
	const mux = Mux.start(t, `[mux]\nca_file = ${wrong.ca}\n${connector('unknown', good.url)}${connector('host', wrong.url)}`);
	await mux.initialize();
	assert.deepEqual(await mux.tools(), []);
	for (const name of ['unknown', 'host']) {
		const { result } = await mux.call(`${name}__add`, { a: 1, b: 1 });
		assert.equal(result.isError, true);
		assert.match(text(result), /certificate|authority|TLS|host/i, name);
	}
	assert.equal(upstream.sessions.size, 0);
	await mux.close();
});

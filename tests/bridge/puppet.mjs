// A program on standard streams for tests of the bridge: it writes what a request tells it to, params.write, with "$id",
// "$token" and "$heard" replaced by the request's id and progress token and by all that it has read. The openings of
// both eras and tools/list it answers by itself, with the tools that TOOLS in its environment lists.

import { createInterface } from 'node:readline';

const heard = [];
const write = message => process.stdout.write(`${JSON.stringify(message)}\n`);

const own = {
	initialize: ({ params: { protocolVersion } }) => ({ protocolVersion, capabilities: {}, serverInfo: { name: 'puppet', version: '1' } }),
	'server/discover': () => ({}),
	'tools/list': () => ({ tools: JSON.parse(process.env.TOOLS ?? '[]') }),
};

function filled(value, facts) {
	if (typeof value === 'string') return value in facts ? facts[value] : value;
	if (Array.isArray(value)) return value.map(each => filled(each, facts));
	if (value === null || typeof value !== 'object') return value;
	return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, facts)]));
}

createInterface({ input: process.stdin }).on('line', line => {
	const message = JSON.parse(line);
	const { id, method, params } = message;
	heard.push(structuredClone(message));
	if (params?.end) process.exit();
	if (method in own && !params.write) return write({ jsonrpc: '2.0', id, result: own[method](message) });
	const facts = { $id: id, $token: params?._meta?.progressToken, $heard: heard };
	for (const each of params?.write ?? []) write({ jsonrpc: '2.0', ...filled(each, facts) });
});

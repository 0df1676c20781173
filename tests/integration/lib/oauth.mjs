// A certified authorization server (oidc-provider) on loopback, and MCP servers of both SDK lines behind it: dynamic
// registration, PKCE demanded, `iss` in every answer (RFC 9207), resource indicators, JWT access tokens, refresh tokens
// that rotate and whose reuse revokes the grant, revocation, client ID metadata documents, client credentials.
// `secrets` gathers all that was issued or received and must not be seen anywhere else.

import { randomUUID } from 'node:crypto';
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { Provider } from 'oidc-provider';
import { z } from 'zod';
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as authV1 from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import * as routerV1 from '@modelcontextprotocol/sdk/server/auth/router.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { McpServer as ServerV2, OAuthError, OAuthErrorCode, createMcpHandler } from '@modelcontextprotocol/server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import * as express2 from '@modelcontextprotocol/express';
import { atEnd } from './raw.mjs';
import { listen } from './upstreams.mjs';

const SECRET_FIELDS = ['access_token', 'refresh_token', 'id_token', 'client_secret', 'registration_access_token', 'code',
	'code_verifier', 'client_assertion', 'token'];

// Clients that exist beforehand.
export const PREREGISTERED = { client_id: 'prereg-client', client_secret: 'prereg-secret-7ae1c5c09b' };
export const MACHINE = { client_id: 'machine-client', client_secret: 'machine-secret-91d0f3ab66' };
export const DOCUMENT = 'https://clients.example/mcp-mux.json'; // a client ID metadata document

const native = {
	application_type: 'native', redirect_uris: ['http://127.0.0.1/callback'], response_types: ['code'],
	grant_types: ['authorization_code', 'refresh_token'],
};

function configuration(own) {
	return {
		clients: [
			{ ...native, ...PREREGISTERED, token_endpoint_auth_method: 'client_secret_basic' },
			{ ...MACHINE, redirect_uris: [], response_types: [], grant_types: ['client_credentials'],
				token_endpoint_auth_method: 'client_secret_basic' },
		],
		cookies: { keys: ['only-for-tests'] },
		claims: { openid: ['sub'], email: ['email'] },
		conformIdTokenClaims: false,
		pkce: { required: () => true },
		scopes: ['openid', 'email', 'offline_access', 'mcp:tools', 'mcp:admin'],
		ttl: { AccessToken: () => own.ttl, ClientCredentials: () => own.ttl, RefreshToken: 3600, Interaction: 600, Session: 600,
			Grant: 3600, AuthorizationCode: 60, IdToken: 600 },
		issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
		rotateRefreshToken: true,
		findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com` }) }),
		// The documents of clients are not fetched: the tests have no network.
		fetch: async url => String(url) === DOCUMENT ? Response.json({ ...native, client_id: DOCUMENT,
			client_name: 'mcp-mux', token_endpoint_auth_method: 'none' }) : new Response('', { status: 404 }),
		features: {
			devInteractions: { enabled: true },
			registration: { enabled: own.registration },
			revocation: { enabled: true },
			clientCredentials: { enabled: true },
			clientIdMetadataDocument: { enabled: own.documents, ack: 'draft-02' },
			resourceIndicators: {
				enabled: true, useGrantedResource: () => true, defaultResource: () => undefined,
				getResourceServerInfo: (ctx, resource) => ({ scope: 'mcp:tools mcp:admin', audience: resource,
					accessTokenFormat: 'jwt', accessTokenTTL: own.ttl, jwt: { sign: { alg: 'RS256' } } }),
			},
		},
	};
}

export class Authority {
	// TTL: seconds that an access token lives; can be changed while it runs.
	static async start(t, { ttl = 300, registration = true, documents = false } = {}) {
		const own = new Authority();
		Object.assign(own, { t, ttl, registration, seen: [], secrets: new Set(), documents });
		Object.assign(own, await listen(t, (req, res) => own.handler(req, res)));
		own.issuer = `http://127.0.0.1:${own.port}`;
		own.provider = new Provider(own.issuer, configuration(own));
		own.provider.use((ctx, next) => own.#watch(ctx, next));
		own.handler = own.provider.callback();
		return own;
	}

	async #watch(ctx, next) {
		await next();
		const asked = { ...ctx.oidc?.params, ...ctx.oidc?.body, ...ctx.oidc?.entities?.Client?.metadata?.() };
		const location = ctx.response.get('location');
		const back = location && URL.canParse(location) ? Object.fromEntries(new URL(location).searchParams) : {};
		const answered = typeof ctx.body === 'object' && !ctx.body?.pipe ? ctx.body : {};
		for (const from of [asked, back, answered])
			for (const field of SECRET_FIELDS) if (typeof from?.[field] === 'string') this.secrets.add(from[field]);
		const basic = /^Basic (.+)/.exec(ctx.get('authorization'));
		if (basic) this.secrets.add(basic[1]);
		this.seen.push({ method: ctx.method, path: ctx.path, status: ctx.status, grant: asked.grant_type, asked, answered });
	}

	// The requests so far: of('/token', 'refresh_token').
	of(path, grant) {
		return this.seen.filter(r => r.path === path && (!grant || r.grant === grant));
	}

	// Off the network, and back on the same port with all that it knew.
	stop() {
		return this.close();
	}

	async resume() {
		Object.assign(this, await listen(this.t, (req, res) => this.handler(req, res), this.port));
	}
}

// What both lines of servers do with a token. REFUSED: tokens that they answer 401 to although they are good; LENIENCE:
// seconds for which they take one after its end.
async function verifier(authority, resource) {
	const keys = createRemoteJWKSet(new URL(`${authority.issuer}/jwks`));
	return async token => {
		const { payload } = await jwtVerify(token, keys, { issuer: authority.issuer, audience: resource.url,
			clockTolerance: resource.lenience });
		resource.tokens.add(token);
		if (resource.refused.has(token)) throw new Error('refused');
		return { token, clientId: payload.client_id, scopes: (payload.scope ?? '').split(' '),
			expiresAt: payload.exp + resource.lenience, extra: { sub: payload.sub ?? payload.client_id } };
	};
}

const reply = value => ({ content: [{ type: 'text', text: String(value) }] });

// whoami; admin, which needs the scope mcp:admin; slow, which answers when `release` is called.
function tools(resource) {
	return {
		admin: [{}, async () => reply('done')],
		slow: [{}, () => new Promise(resolve => (resource.release = () => resolve(reply('at last'))))],
		whoami: [{}, async (args, auth) => reply(auth?.extra?.sub)],
	};
}

// An express app of MAKE behind REQUIRE's guard, which wants mcp:tools, and mcp:admin for one tool.
async function serve(t, authority, { app, auth, router, metadata, extra, mount, json }) {
	const resource = { tokens: new Set(), refused: new Set(), lenience: 0, calls: 0, requests: 0, challenges: 0 };
	Object.assign(resource, await listen(t, app));
	const verify = await verifier(authority, resource);
	const oauthMetadata = await (await fetch(`${authority.issuer}/.well-known/oauth-authorization-server`)).json();
	const resourceServerUrl = new URL(resource.url);
	app.use(router({ oauthMetadata, resourceServerUrl, scopesSupported: ['mcp:tools'], resourceName: 'protected', ...extra }));
	const guard = (...requiredScopes) => auth({ verifier: { verifyAccessToken: token => verify(token).catch(json) },
		requiredScopes, resourceMetadataUrl: metadata(resourceServerUrl) });
	const [usual, higher] = [guard('mcp:tools'), guard('mcp:tools', 'mcp:admin')];
	app.all('/mcp', express.json(), (req, res, next) => {
		resource.requests++;
		if (req.body?.method === 'tools/call') resource.calls++;
		res.on('finish', () => { if (res.statusCode === 401) resource.challenges++; });
		const call = req.body?.method === 'tools/call' && req.body.params?.name;
		return (call === 'admin' ? higher : usual)(req, res, next);
	}, mount(resource));
	return resource;
}

// SDK v1, with sessions.
export function protectedV1(t, authority) {
	return serve(t, authority, {
		app: express(), auth: authV1.requireBearerAuth, router: routerV1.mcpAuthMetadataRouter,
		metadata: routerV1.getOAuthProtectedResourceMetadataUrl,
		json: error => { throw new InvalidTokenError(error.message); },
		mount: resource => {
			const sessions = new Map();
			return async (req, res) => {
				const id = req.headers['mcp-session-id'];
				let transport = sessions.get(id);
				if (id && !transport)
					return res.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null });
				if (!transport) {
					transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID,
						onsessioninitialized: id => { sessions.set(id, transport); }, onsessionclosed: id => { sessions.delete(id); } });
					const server = new ServerV1({ name: 'protected-v1', version: '1' });
					for (const [name, [shape, run]] of Object.entries(tools(resource)))
						server.registerTool(name, { description: name, inputSchema: shape }, (args, { authInfo }) => run(args, authInfo));
					await server.connect(transport);
				}
				await transport.handleRequest(req, res, req.body);
			};
		},
	});
}

// SDK v2: the stateless revision, and the handshake ones without sessions.
export function protectedV2(t, authority) {
	return serve(t, authority, {
		app: express(), auth: express2.requireBearerAuth, router: express2.mcpAuthMetadataRouter,
		metadata: express2.getOAuthProtectedResourceMetadataUrl,
		extra: { dangerouslyAllowInsecureIssuerUrl: true },
		json: error => { throw new OAuthError(OAuthErrorCode.InvalidToken, error.message); },
		mount: resource => {
			const handler = createMcpHandler(() => {
				const server = new ServerV2({ name: 'protected-v2', version: '2' });
				for (const [name, [shape, run]] of Object.entries(tools(resource)))
					server.registerTool(name, { description: name, inputSchema: z.object(shape) },
						(args, context) => run(args, context.http?.authInfo));
				return server;
			});
			atEnd(t, () => handler.close());
			const node = toNodeHandler(handler);
			return (req, res) => node(req, res, req.body);
		},
	});
}

export const protectedServers = { 'SDK v1': protectedV1, 'SDK v2': protectedV2 };

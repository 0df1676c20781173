/* A small OAuth 2.1 authorization server for the one endpoint of the demo upstream that it runs in: metadata of the
 * resource and of itself, registration of clients, a consent page, codes with PKCE, tokens that end, renewals
 * with rotation, revocation. It tells what it does in lines on stderr, without a secret in them. */
#ifndef MCP_MUX_DEMO_LOGIN_H
#define MCP_MUX_DEMO_LOGIN_H

#include "server.h"

/* Sets how long an access token lasts. Once, before the server serves. */
void login_start(unsigned token_seconds);

/* Answers a request to any path but the endpoint's. */
enum MHD_Result login_answer(const struct DemoRequest *request);

/* Whether a request to the endpoint has an access token that is good. If not, login_refuse answers it. */
bool login_admits(const struct DemoRequest *request);
enum MHD_Result login_refuse(const struct DemoRequest *request);

/* Ends every access token before its time; refresh tokens stay good. */
void login_expire_all(void);

#endif

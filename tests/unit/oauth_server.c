/* The connections: requests in, answers out. What the endpoints say is in oauth_endpoints.c. */
#include "oauth_server.h"

#include "oauth_server_internal.h"

#include "scripted_server.h"

#include <netinet/tcp.h>

struct OauthLink {
	struct OauthServer *server;
	int fd;
	struct LoopWatch *watch;
	GString *in;
};

static void link_end(struct OauthLink *link)
{
	if (link->fd < 0)
		return;
	loop_unwatch(link->watch);
	close(link->fd);
	link->fd = -1;
	for (guint i = 0; i < link->server->hits->len; i++) {
		struct OauthHit *hit = link->server->hits->pdata[i];
		if (hit->link == link)
			hit->link = NULL;
	}
}

static void link_free(void *data)
{
	struct OauthLink *link = data;
	link_end(link);
	g_string_free(link->in, TRUE);
	g_free(link);
}

static void hit_free(void *data)
{
	struct OauthHit *hit = data;
	g_free(hit->method);
	g_free(hit->path);
	g_free(hit->query);
	g_free(hit->head);
	g_free(hit->body);
	g_free(hit);
}

static void said_free(void *data)
{
	struct OauthSaid *said = data;
	g_free(said->headers);
	g_free(said->body);
	g_free(said);
}

static void said_queue_free(void *data)
{
	g_queue_free_full(data, said_free);
}

void oauth_hit_answer(struct OauthHit *hit, int status, const char *headers, const char *body)
{
	assert_false(hit->answered);
	hit->answered = true;
	if (!hit->link)
		return;
	bool typed = strstr(headers, "Content-Type") || body[0] == '\0';
	g_autofree char *text = g_strdup_printf(
		"HTTP/1.1 %d Said\r\n%s%sContent-Length: %zu\r\n\r\n%s", status, headers,
		typed ? "" : "Content-Type: application/json\r\n", strlen(body), body);
	const char *at = text;
	size_t left = strlen(text);
	while (left > 0) {
		ssize_t n = send(hit->link->fd, at, left, MSG_NOSIGNAL);
		if (n <= 0)
			return; /* the client is gone, which the watch will see */
		at += n;
		left -= (size_t)n;
	}
}

/* What the test wants said to a request for PATH; NULL: nothing special. */
static struct OauthSaid *take_said(struct OauthServer *server, const char *path)
{
	GQueue *queue = g_hash_table_lookup(server->said, path);
	struct OauthSaid *said = queue ? g_queue_peek_head(queue) : NULL;
	if (!said || said->always)
		return said;
	return g_queue_pop_head(queue);
}

static void serve(struct OauthHit *hit)
{
	struct OauthSaid *said = take_said(hit->server, hit->path);
	int status = said ? said->status : OAUTH_ORDINARY;
	if (status == OAUTH_ORDINARY)
		oauth_hit_serve(hit);
	else if (status == OAUTH_CUT)
		link_end(hit->link);
	else if (status != OAUTH_SILENT)
		oauth_hit_answer(hit, status, said->headers, said->body);
	if (said && !said->always)
		said_free(said);
}

static struct OauthHit *hit_new(struct OauthLink *link, size_t head_len, size_t body_len)
{
	struct OauthHit *hit = g_new0(struct OauthHit, 1);
	hit->server = link->server;
	hit->link = link;
	hit->head = g_strndup(link->in->str, head_len);
	hit->body = g_strndup(link->in->str + head_len, body_len);
	g_string_erase(link->in, 0, (gssize)(head_len + body_len));
	g_auto(GStrv) words = g_strsplit(hit->head, " ", 3);
	assert_int_equal(g_strv_length(words), 3);
	hit->method = g_strdup(words[0]);
	size_t path_len = strcspn(words[1], "?");
	hit->path = g_strndup(words[1], path_len);
	hit->query = g_strdup(words[1][path_len] ? words[1] + path_len + 1 : "");
	return hit;
}

static void link_on_input(int fd, GIOCondition condition, void *user)
{
	struct OauthLink *link = user;
	char bytes[65536];
	(void)condition;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n <= 0) {
		link_end(link);
		link->server->closed++;
		return;
	}
	g_string_append_len(link->in, bytes, n);
	const char *end;
	while (link->fd >= 0 && (end = strstr(link->in->str, "\r\n\r\n"))) {
		size_t head_len = (size_t)(end - link->in->str) + 4;
		g_autofree char *head = g_strndup(link->in->str, head_len);
		size_t body_len = scripted_content_length(head);
		if (link->in->len < head_len + body_len)
			return;
		struct OauthHit *hit = hit_new(link, head_len, body_len);
		g_ptr_array_add(link->server->hits, hit);
		link->server->arrived++;
		serve(hit);
	}
}

static void on_connection(int fd, GIOCondition condition, void *user)
{
	struct OauthServer *server = user;
	(void)condition;
	struct OauthLink *link = g_new0(struct OauthLink, 1);
	link->server = server;
	link->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(link->fd >= 0);
	setsockopt(link->fd, SOL_SOCKET, SO_SNDBUF, &(int){8 << 20}, sizeof(int));
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	link->in = g_string_new(NULL);
	link->watch = loop_watch(server->loop, link->fd, G_IO_IN, link_on_input, link);
	g_ptr_array_add(server->links, link);
}

void oauth_server_init(struct OauthServer *server, struct Loop *loop)
{
	*server = (struct OauthServer){
		.loop = loop,
		.resource_metadata = true,
		.metadata = true,
		.challenge_methods = "[\"S256\"]",
		.auth_methods = "[\"none\"]",
		.iss_advertised = true,
		.iss_sent = true,
		.registers = true,
		.document_clients = true,
		.refresh_tokens = true,
		.rotates = true,
		.expires_in = 3600,
		.revokes = true,
	};
	server->fd = scripted_listen(&server->port, 128);
	server->origin = g_strdup_printf("http://127.0.0.1:%u", server->port);
	server->url = g_strconcat(server->origin, "/mcp", NULL);
	server->hits = g_ptr_array_new_with_free_func(hit_free);
	server->links = g_ptr_array_new_with_free_func(link_free);
	server->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, said_queue_free);
	oauth_endpoints_init(server);
	server->watch = loop_watch(loop, server->fd, G_IO_IN, on_connection, server);
}

void oauth_server_release(struct OauthServer *server)
{
	loop_unwatch(server->watch);
	close(server->fd);
	g_ptr_array_unref(server->links);
	g_ptr_array_unref(server->hits);
	g_hash_table_unref(server->said);
	oauth_endpoints_release(server);
	g_free(server->origin);
	g_free(server->url);
}

static struct OauthSaid *said_new(int status, const char *headers, const char *body)
{
	struct OauthSaid *said = g_new0(struct OauthSaid, 1);
	said->status = status;
	said->headers = g_strdup(headers ? headers : "");
	said->body = g_strdup(body ? body : "");
	return said;
}

static GQueue *said_queue(struct OauthServer *server, const char *path)
{
	GQueue *queue = g_hash_table_lookup(server->said, path);
	if (!queue) {
		queue = g_queue_new();
		g_hash_table_insert(server->said, g_strdup(path), queue);
	}
	return queue;
}

void oauth_server_say(struct OauthServer *server, const char *path, int status, const char *headers,
	const char *body)
{
	GQueue *queue = said_queue(server, path);
	struct OauthSaid *last = g_queue_peek_tail(queue);
	struct OauthSaid *said = said_new(status, headers, body);
	if (last && last->always)
		g_queue_insert_before(queue, queue->tail, said);
	else
		g_queue_push_tail(queue, said);
}

void oauth_server_say_always(struct OauthServer *server, const char *path, int status,
	const char *headers, const char *body)
{
	GQueue *queue = said_queue(server, path);
	struct OauthSaid *last = g_queue_peek_tail(queue);
	if (last && last->always)
		said_free(g_queue_pop_tail(queue));
	if (status == OAUTH_ORDINARY)
		return;
	struct OauthSaid *said = said_new(status, headers, body);
	said->always = true;
	g_queue_push_tail(queue, said);
}

unsigned oauth_server_count(const struct OauthServer *server, const char *path)
{
	unsigned count = 0;
	for (guint i = 0; i < server->hits->len; i++)
		count += strcmp(((struct OauthHit *)server->hits->pdata[i])->path, path) == 0;
	return count;
}

struct OauthHit *oauth_server_last(const struct OauthServer *server, const char *path)
{
	for (guint i = server->hits->len; i-- > 0;) {
		struct OauthHit *hit = server->hits->pdata[i];
		if (strcmp(hit->path, path) == 0)
			return hit;
	}
	return NULL;
}

struct OauthHit *oauth_server_await(
	struct OauthServer *server, struct Fixture *fixture, const char *path, unsigned count)
{
	while (oauth_server_count(server, path) < count) {
		if (fixture_turn(fixture, &server->arrived, server->arrived + 1, PATIENCE_MS))
			continue;
		for (guint i = 0; i < server->hits->len; i++)
			print_message(
				"came: %s\n", ((struct OauthHit *)server->hits->pdata[i])->path);
		fail_msg("%s did not come %u times", path, count);
	}
	return oauth_server_last(server, path);
}

char *oauth_hit_header(const struct OauthHit *hit, const char *name)
{
	g_autofree char *start = g_strdup_printf("\r\n%s:", name);
	g_autofree char *lower = g_ascii_strdown(hit->head, -1);
	g_autofree char *lower_start = g_ascii_strdown(start, -1);
	const char *at = strstr(lower, lower_start);
	if (!at)
		return NULL;
	const char *value = hit->head + (at - lower) + strlen(start);
	return g_strstrip(g_strndup(value, strcspn(value, "\r")));
}

char *oauth_hit_param(const struct OauthHit *hit, const char *name)
{
	return oauth_param(hit->body[0] ? hit->body : hit->query, name);
}

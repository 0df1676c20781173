#include "base/buffer.h"

enum { SMALLEST = 1024 };

void buffer_init(struct Buffer *buffer, size_t max_bytes)
{
	*buffer = (struct Buffer){.max = max_bytes};
}

void buffer_release(struct Buffer *buffer)
{
	g_free(buffer->data);
	*buffer = (struct Buffer){.max = buffer->max};
}

bool buffer_reserve(struct Buffer *buffer, size_t total_bytes)
{
	if (total_bytes > buffer->max)
		return false;
	if (total_bytes > buffer->cap) {
		buffer->data = g_realloc(buffer->data, total_bytes);
		buffer->cap = total_bytes;
	}
	return true;
}

bool buffer_append(struct Buffer *buffer, const void *bytes, size_t len)
{
	if (len > buffer->max - buffer->len)
		return false;
	if (len == 0)
		return true;
	if (buffer->len + len > buffer->cap) {
		size_t cap = CLAMP(buffer->cap, MIN(SMALLEST, buffer->max), buffer->max);
		while (cap < buffer->len + len)
			cap = cap > buffer->max / 2 ? buffer->max : cap * 2;
		buffer->data = g_realloc(buffer->data, cap);
		buffer->cap = cap;
	}
	memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
	return true;
}

void buffer_consume(struct Buffer *buffer, size_t len)
{
	if (len >= buffer->len) {
		buffer->len = 0;
		return;
	}
	memmove(buffer->data, buffer->data + len, buffer->len - len);
	buffer->len -= len;
}

char *buffer_steal(struct Buffer *buffer, size_t *len)
{
	char *data = g_steal_pointer(&buffer->data);
	*len = buffer->len;
	buffer->len = 0;
	buffer->cap = 0;
	return data;
}

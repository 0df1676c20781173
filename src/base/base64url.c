#include "base/base64url.h"

#include "base/secret.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *bytes, size_t len)
{
	char *text = g_base64_encode(bytes, len);
	g_strdelimit(text, "+", '-');
	g_strdelimit(text, "/", '_');
	text[strcspn(text, "=")] = '\0';
	return text;
}

/* TEXT without its padding, which is complete or not there at all. */
static bool strip_padding(struct Slice *text)
{
	size_t padding = 0;
	while (padding < text->len && text->data[text->len - 1 - padding] == '=')
		padding++;
	if (padding > 2 || (padding > 0 && text->len % 4 != 0))
		return false;
	text->len -= padding;
	return true;
}

/* Whether these are digits of whole bytes: no single one is left over, and what the last one holds beyond
 * the last byte is zero, so that bytes have one text only. */
static bool is_whole(struct Slice digits)
{
	size_t over = digits.len % 4;
	unsigned last = 0;
	for (size_t i = 0; i < digits.len; i++) {
		const char *digit = memchr(alphabet, digits.data[i], sizeof(alphabet) - 1);
		if (!digit)
			return false;
		last = (unsigned)(digit - alphabet);
	}
	return over == 0 || (over == 2 && last % 16 == 0) || (over == 3 && last % 4 == 0);
}

char *base64url_decode(struct Slice text, size_t *len)
{
	if (!strip_padding(&text) || !is_whole(text))
		return NULL;
	size_t padded = (text.len + 3) / 4 * 4;
	char *bytes = g_malloc(padded + 1);
	memset(bytes, '=', padded);
	if (text.len)
		memcpy(bytes, text.data, text.len);
	bytes[padded] = '\0';
	g_strdelimit(bytes, "-", '+');
	g_strdelimit(bytes, "_", '/');
	gsize used = 0;
	if (padded)
		g_base64_decode_inplace(bytes, &used);
	/* The end of the text still lies behind the bytes, and it may be one of a secret. */
	secret_wipe(bytes + used, padded + 1 - used);
	*len = used;
	return bytes;
}

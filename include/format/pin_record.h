/* The text of a file of pins (mux/pins.h): JSON, the tools of a connector as they were approved, for each URL that it was
 * ever configured with:
 *
 *     {"v":1,"servers":{"https://…":{"tools":{"NAME":{"approved":"2026-11-21T20:47:42.123Z","definition":{…}}}}}}
 *
 * A tool has `sha256` (of its canonical text, hexadecimal) in place of `definition` where that is longer than
 * PIN_DEFINITION_MAX or nests so deep that the file could not be read, and `shown` (likewise, of another one) after a change was shown to a person. Members that this version
 * does not know, and other servers, are kept as they are. */
#ifndef MCP_MUX_FORMAT_PIN_RECORD_H
#define MCP_MUX_FORMAT_PIN_RECORD_H

#include "base/cleanup.h"
#include "base/slice.h"

enum {
	PIN_DEFINITION_MAX = 256 * 1024, /* bytes; of a longer one only the digest is kept */
	PIN_RECORD_MAX = 32 * 1024 * 1024,
	PIN_DIGEST_HEX = 64,
};

struct PinnedTool {
	char *name;
	char *approved; /* RFC 3339 */
	char *definition; /* canonical text; NULL: too long or too deep to be kept */
	size_t definition_len;
	char *sha256; /* of the canonical text; NULL where there is a definition */
	char *shown; /* digest of the definition that was shown last and is not approved; NULL: none */
	char *unknown; /* raw members of other versions, "" or `"x":1,"y":2` */
};

struct PinRecord;

/* One without tools, for the server at URL (canonical). */
struct PinRecord *pin_record_new(const char *url);
void pin_record_free(struct PinRecord *record); /* NULL is fine */
MUX_AUTOPTR(PinRecord, pin_record_free)

/* Reads TEXT, of which URL's tools become known. NULL with MUX_ERROR_FAILED for a file of a newer version, which must be left
 * alone; with MUX_ERROR_SYNTAX for anything else that is no such file; MUX_ERROR_TOO_LARGE over PIN_RECORD_MAX. */
struct PinRecord *pin_record_parse(struct Slice text, const char *url, GError **error);
/* The same text again, with what was changed; for g_free. At most PIN_RECORD_MAX bytes. */
char *pin_record_write(const struct PinRecord *record, size_t *len);

/* The tool of that name; NULL: none. Valid until the record changes. */
const struct PinnedTool *pin_record_find(const struct PinRecord *record, const char *name);
/* Whether CANONICAL is the definition of TOOL. */
bool pin_record_matches(const struct PinnedTool *tool, struct Slice canonical);
/* NAME is CANONICAL, approved at the time APPROVED, from now on; what was shown of it is forgotten. False if there is no room
 * for it. */
bool pin_record_put(
	struct PinRecord *record, const char *name, struct Slice canonical, const char *approved);
/* The same for FROM, of another record, as it is there. */
bool pin_record_copy(struct PinRecord *record, const struct PinnedTool *from);
/* DIGEST (NULL: none) was shown of NAME, which is there. */
void pin_record_set_shown(struct PinRecord *record, const char *name, const char *digest);

/* SHA-256 of TEXT as hexadecimal digits and a NUL. */
void pin_digest(struct Slice text, char hex[PIN_DIGEST_HEX + 1]);

#endif

/* Text that nobody else may see: tokens, keys, codes, verifiers. It is wiped when the last reference goes,
 * and its type fits no format string, so that it cannot get into a log by accident. secret_reveal is the one
 * way to its bytes: only what builds a request, a header or a keyring record calls it. */
#ifndef MCP_MUX_BASE_SECRET_H
#define MCP_MUX_BASE_SECRET_H

#include "base/cleanup.h"
#include "base/slice.h"

struct Secret; /* immutable, reference-counted */

/* Copies BYTES. */
struct Secret *secret_new(struct Slice bytes);
/* Copies the NUL-terminated TEXT, then wipes and g_frees it. NULL gives NULL. */
struct Secret *secret_take(char *text);
/* Returns SECRET; NULL is fine in both. */
struct Secret *secret_ref(struct Secret *secret);
void secret_unref(struct Secret *secret);
MUX_AUTOPTR(Secret, secret_unref)

/* Its bytes (a NUL follows them), valid while a reference is held. NULL gives an empty slice. */
struct Slice secret_reveal(const struct Secret *secret);
/* In a time that does not depend on where they differ. Two NULLs are equal. */
bool secret_equal(const struct Secret *a, const struct Secret *b);

/* An unguessable text of BYTES random bytes in base64url, from the kernel's generator (getrandom(2)); aborts
 * where that fails, since nothing may go on with a guessable one. For g_free. */
char *secret_random_text(unsigned bytes);

/* Wipe and free what held a secret on its way, a GString with all that is allocated for it. NULL is fine. A
 * GString that has to grow leaves its old bytes behind: give it its size at creation. */
void secret_free_text(char *text);
void secret_free_string(GString *string);
void secret_wipe(void *bytes, size_t len);

#endif

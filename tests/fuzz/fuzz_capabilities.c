/* Any object as a client's capabilities: what is carried is an object, says the same of what passes between eras, and
 * carrying it again changes nothing. */
#include "format/capabilities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_carrying(struct Slice capabilities, bool from_modern, bool to_modern)
{
	g_autofree char *carried = capabilities_carry(capabilities, from_modern, to_modern);
	struct Slice text = slice_of(carried);
	if (!json_validate(text, NULL) || json_root(text).type != JSON_OBJECT)
		abort();
	unsigned lost = !from_modern && to_modern ? CLIENT_CAN_TELL_ROOTS : 0;
	if (capabilities_read(text) != (capabilities_read(capabilities) & ~lost))
		abort();
	if (!from_modern && !to_modern && json_get(text, "tasks").type != JSON_NONE)
		abort();
	g_autofree char *again = capabilities_carry(text, from_modern, to_modern);
	if (strcmp(again, carried) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice text = {(const char *)data, size};
	if (size == 0 || !json_validate(text, NULL) || json_root(text).type != JSON_OBJECT)
		return 0;
	struct JsonValue root = json_root(text);
	for (unsigned eras = 0; eras < 4; eras++)
		check_carrying(root.raw, eras & 1, eras & 2);
	unsigned can = capabilities_read(root.raw);
	if (capabilities_can_answer(0, "elicitation/create", root))
		abort();
	if (capabilities_can_answer(can, "sampling/createMessage", root) &&
		!(can & CLIENT_CAN_SAMPLE))
		abort();
	return 0;
}

#include "auth/shared.h"

int64_t auth_now(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}

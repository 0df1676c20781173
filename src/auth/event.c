#include "auth/shared.h"

void auth_happened(const struct AuthShared *shared, enum AuthEvent event,
	const struct ConnectorConfig *connector, const GError *error)
{
	if (shared->happened)
		shared->happened(event, connector, error, shared->happened_user);
}

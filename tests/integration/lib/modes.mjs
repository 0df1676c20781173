// The modes of upstreams that the matrix of features has: how each is made and which eras it serves.

import { v1Featured, v1FeaturedSse, v1FeaturedStateless } from './featured_v1.mjs';
import { v2Featured, v2FeaturedModern } from './featured_v2.mjs';

export const modes = {
	'SDK v1 with sessions': { make: v1Featured, eras: ['legacy'] },
	'SDK v1 stateless': { make: v1FeaturedStateless, eras: ['legacy'] },
	'HTTP+SSE': { make: v1FeaturedSse, eras: ['legacy'] },
	'SDK v2 of both eras': { make: v2Featured, eras: ['legacy', 'modern'] },
	'SDK v2 modern only': { make: v2FeaturedModern, eras: ['modern'] },
};

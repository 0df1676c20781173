#include "timers.h"

#include <stdlib.h>

void timers_add(struct Timers *timers, struct Timer timer)
{
	size_t i = timers->n;

	if (i == timers->cap) {
		timers->cap = timers->cap ? timers->cap * 2 : 64;
		timers->at = realloc(timers->at, timers->cap * sizeof(*timers->at));
		if (!timers->at)
			abort();
	}
	timers->n++;
	while (i > 0 && timers->at[(i - 1) / 2].due_ns > timer.due_ns) {
		timers->at[i] = timers->at[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	timers->at[i] = timer;
}

struct Timer timers_take(struct Timers *timers)
{
	struct Timer first = timers->at[0], last = timers->at[--timers->n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= timers->n)
			break;
		if (child + 1 < timers->n &&
			timers->at[child + 1].due_ns < timers->at[child].due_ns)
			child++;
		if (timers->at[child].due_ns >= last.due_ns)
			break;
		timers->at[i] = timers->at[child];
		i = child;
	}
	timers->at[i] = last;
	return first;
}

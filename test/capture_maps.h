/* capture_maps.h - which memory of which process is mapped, as far as the events of a stream told: the slow, obvious way. */
#pragma once
#include "../src/trace/event.h"
#include <stdint.h>

enum { MAPPINGS = 512 };

struct mapping {
	uint32_t pid;
	uint64_t start, end;
};
struct mappings {
	struct mapping mapping[MAPPINGS];
	unsigned n;
};

/* What the event changes. */
void mappings_replay(struct mappings *r, uint32_t pid, const struct trace_event *e);

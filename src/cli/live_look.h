/* live_look.h - the figures of a paged program at one moment, read from its result object. */
#pragma once
#include "../kernel/kernel.h"
#include <stdbool.h>

/* name, where it stands in the result object. */
#define LIVE_LOOK_LIST(X) \
	X(wall_s, "program.wall_s") \
	X(pid, "live.pid") \
	X(ram_bytes, "machine.ram_bytes") \
	X(mapped_bytes, "live.managed_bytes") \
	X(resident_pages, "memory.resident_pages") \
	X(swapped_pages, "reclaim.swap_used_slots") \
	X(faults, "faults.total") \
	X(first_writes, "live.modified_faults") \
	X(retouched, "live.referenced_faults") \
	X(serving_ns, "live.serving_ns") \
	X(evicted, "reclaim.evicted") \
	X(pages_in, "reclaim.swap_reads") \
	X(pages_out, "reclaim.swap_writes") \
	X(stored_pages, "live.store.stored") \
	X(packed_bytes, "live.store.packed_bytes") \
	X(store_bytes, "live.store.memory_bytes") \
	X(file_bytes, "live.store.file_bytes") \
	X(device_in_bytes, "live.store.io_read_bytes") \
	X(device_out_bytes, "live.store.io_write_bytes")

struct live_look {
#define X(name, path) double name;
	LIVE_LOOK_LIST(X)
#undef X
	double cause[FAULT_CAUSES];
	char command[160];
};

/* What is missing becomes 0.  => false: it is no result object */
bool live_look_read(const char *json, struct live_look *ret);
/* Original size to compressed size of what a compressing store holds; 0: it holds nothing, or does not compress. */
double live_look_ratio(const struct live_look *l);
/* One line: what is resident and swapped, what happened for each second since then. */
void live_look_line(const struct live_look *now, const struct live_look *then, char *text, size_t size);

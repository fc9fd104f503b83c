/* caps_probe.h - the probes behind caps.h, and what they share.  Each runs in a child process that ends after it, so none cleans up. */
#pragma once
#include "caps.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

#define X(name, title, lost, enable) void probe_##name(struct cap_result *ret);
CAP_LIST(X)
#undef X

void cap_say(struct cap_result *ret, enum cap_answer answer, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* No, with errno as the reason: "open: Permission denied". */
void cap_refused(struct cap_result *ret, const char *what);

/* Fresh private memory without huge pages; ends the probe's process when there is none. */
char *probe_pages(size_t n);
size_t probe_page_bytes(void);
/* The word of pagemap for one of our pages.  => false: it cannot be read; errno says why. */
bool probe_word(const void *p, uint64_t *ret);
/* Reads a small file into buf, with a NUL.  => bytes, or -1 and errno. */
long probe_file(const char *path, char *buf, size_t size);
/* A figure of our smaps, in bytes, of the mapping that begins at p: "Referenced:".  => -1: it is not there. */
long probe_smaps(const void *p, const char *key);

enum { PROBE_PRESENT = 63, PROBE_SWAPPED = 62, PROBE_SOFT_DIRTY = 55 };

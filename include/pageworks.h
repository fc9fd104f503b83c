/* pageworks.h - the library's public door.
 *
 * libpageworks simulates virtual memory: a trace of memory references runs through a machine with page tables and translation
 * caches, under a kernel that serves its page faults.  What came of it is one JSON object, described in pageworks(1); this header
 * promises nothing about how it is computed.
 *
 *     char *result, *why;
 *     const char *const options[] = { "frames=100", "policy=clock", NULL };
 *     if (pageworks_run("zipf:pages=1K,s=1.0,refs=1M", options, &result, &why) != PAGEWORKS_OK)
 *             fprintf(stderr, "%s\n", why);
 *     pageworks_free(result);
 *     pageworks_free(why);
 *
 * Link with the flags that "pkg-config --static --libs pageworks" prints.  No call prints anything, ends the process or keeps
 * state between calls; calls on different threads do not disturb one another. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

enum pageworks_status {
	PAGEWORKS_OK = 0,
	PAGEWORKS_INVALID,   /* an option makes no sense: *why says which, and what would be right */
	PAGEWORKS_INPUT,     /* the trace cannot be read */
	PAGEWORKS_MEMORY,    /* out of memory of this computer */
	PAGEWORKS_CHECK      /* the run contradicts itself: *result is there, do not trust it, report it */
};

/* The version, such as "0.1.0": static. */
const char *pageworks_version(void);

/* Runs a trace to its end.
 *
 * trace is a file of any format that pageworks-trace(7) lists, "-" for standard input, or a generator's specification.  options is a
 * list that ends with NULL, of the long options of pageworks-run(1) without their dashes that describe the machine, the kernel
 * and the experiment: "ram=8M", "tlb=l1d=64/4,l2=1536/12".  NULL is an empty list: the default machine.
 *
 * => *result is the result object as text, or NULL; *why is NULL, or one line that explains.  Both are released by
 * pageworks_free().  A trace that ends too early gives PAGEWORKS_INPUT together with the result of what was whole. */
enum pageworks_status pageworks_run(const char *trace, const char *const *options, char **result, char **why);

void pageworks_free(char *text);

#ifdef __cplusplus
}
#endif

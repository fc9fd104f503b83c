/* stub.h - small functions, made while the program runs, that record the words of a call (block.h).
 *
 * One for each shape of words, that is, what they are but for the address of the first constant among them, which is handed to the
 * stub as its data: so thousands of blocks share a few hundred stubs, and blocks that QEMU translates again find theirs.
 *
 * Only where the processor that QEMU runs on is an x86-64, and only if the program may make memory executable. */
#pragma once
#include "block.h"

/* => false: there can be no stubs here. */
bool stub_init(void);

/* More than one thread from now on: stubs asked for before belong to code that QEMU does not use any more. */
void stub_threads(void);

/* For a call of kind ACCESS. => NULL: there is no room for it.  *data goes to the callback. */
qemu_plugin_vcpu_mem_cb_t stub_access(const struct block_call *c, void **data);

/* For a call of kind START.  => NULL: likewise. */
qemu_plugin_vcpu_udata_cb_t stub_start(const struct block_call *c, void **data);

/* The values of registers as the program has them, by x86.h's numbers, at the time of a call. */
typedef void (*stub_probe_t)(const uint64_t *registers, void *data, uint64_t va);

/* A function for QEMU that calls f.  => likewise. */
qemu_plugin_vcpu_mem_cb_t stub_access_probe(stub_probe_t f);
qemu_plugin_vcpu_udata_cb_t stub_start_probe(stub_probe_t f);

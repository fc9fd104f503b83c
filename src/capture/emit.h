/* emit.h - the calls that translated code makes: from plans to references in the lane. */
#pragma once
#include "block.h"

/* Learns what this QEMU and this CPU can do.  plain: always record each access as it comes. */
void emit_init(bool plain);

/* Lets the block of code, when it runs, record its references. */
void emit_block(struct qemu_plugin_tb *tb);

/* A thread has started: the second of the process, or a later one. */
void emit_threads(void);

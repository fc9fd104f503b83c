/* fault_record.h - one record of the kernel's stream of page faults, decoded.
 *
 * The kernel writes faults, and what happens to the address spaces they happen in, into rings of records (perf_event_open(2)).
 * A record is bytes until it is decoded; decoding copies nothing, so names live as long as the bytes. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
	RECORD_FAULT,
	RECORD_MAP,     /* a mapping appeared, grew, or changed its rights */
	RECORD_COMM,    /* a process has another name; exec: it runs another program, and all its mappings are gone */
	RECORD_FORK,    /* a process (pid != parent) or a thread was made */
	RECORD_EXIT,    /* a thread ended */
	RECORD_LOST,    /* count records had no room in the ring */
	RECORD_OTHER,
};

/* The registers that are sampled, those of the program even when the fault happened in the kernel on its behalf. */
enum record_reg { RECORD_SI, RECORD_DI, RECORD_SP, RECORD_IP, RECORD_REGS };

struct fault_record {
	enum record_kind kind;
	uint32_t pid, tid, parent;         /* parent: of FORK, the process that forked */
	uint64_t time_ns;                  /* CLOCK_MONOTONIC */
	/* FAULT */
	uint64_t address, ip;              /* ip: where the fault happened, which may be in the kernel */
	uint64_t page_bytes;               /* of the page that the address lies in now; 0: not known */
	bool major, in_kernel, has_regs;
	uint64_t reg[RECORD_REGS];         /* when has_regs */
	/* MAP */
	uint64_t start, bytes, offset, inode;
	uint32_t dev_major, dev_minor, prot, flags;  /* PROT_*, MAP_* */
	/* MAP, COMM */
	const char *name;                  /* never NULL */
	bool exec;
	/* LOST */
	uint64_t count;
};

/* What the events were opened with. */
struct record_layout {
	uint64_t major_id;      /* of the event that counts major faults */
	bool regs, page_size;   /* samples carry registers; the size of the page */
};

/* The sample_type of a layout, the mask of its registers (0: this machine's are not known), for opening the events. */
uint64_t record_sample_type(const struct record_layout *l);
uint64_t record_reg_mask(void);
/* Decodes a record of n bytes.  => PW_FORMAT: it is shorter than it must be, or a name in it has no end. */
must_use enum pw_err record_decode(const void *bytes, size_t n, const struct record_layout *l, struct fault_record *ret);

/* fault_record.c - from the bytes of a perf record to its members.
 *
 * Problem.  Records have members that come and go with the options the event was opened with, and strings in the middle.
 *
 * Idea.  A cursor that takes members in order and remembers whether any was missing; one function for each kind.
 *
 *     sample   header | ip | pid tid | time | address | id | abi [si di sp ip] | page size
 *     others   header | members of the kind | pid tid | time | id          <- the tail, found from the end
 *
 * 1. No byte outside the record is read, whatever the record says; a record too short for its members is an error.
 * 2. Names end within the record.
 *
 * Source: perf_event_open(2); include/uapi/linux/perf_event.h of Linux for the order of members. */
#include "fault_record.h"
#include <linux/perf_event.h>
#include <string.h>

enum { TAIL_BYTES = 24 };

#if defined __x86_64__
/* asm/perf_regs.h numbers them so: AX BX CX DX SI DI BP SP IP. */
enum { REG_MASK = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 };
#else
enum { REG_MASK = 0 };
#endif

struct cursor {
	const uint8_t *at, *end;
	bool missing;
};

static const void *take(struct cursor *c, size_t n)
{
	static const uint8_t nothing[8];
	if ((size_t)(c->end - c->at) < n) {
		c->missing = true;
		return nothing;
	}
	c->at += n;
	return c->at - n;
}

static uint64_t take64(struct cursor *c)
{
	uint64_t v;
	memcpy(&v, take(c, sizeof v), sizeof v);
	return v;
}

static uint32_t take32(struct cursor *c)
{
	uint32_t v;
	memcpy(&v, take(c, sizeof v), sizeof v);
	return v;
}

/* What is left in front of the tail is a string. */
static const char *take_name(struct cursor *c)
{
	const char *name = (const char *)c->at;
	size_t room = (size_t)(c->end - c->at);
	if (room <= TAIL_BYTES || !memchr(name, 0, room - TAIL_BYTES)) {
		c->missing = true;
		return "";
	}
	return name;
}

uint64_t record_reg_mask(void) { return REG_MASK; }

uint64_t record_sample_type(const struct record_layout *l)
{
	return PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID |
	       (l->regs ? PERF_SAMPLE_REGS_USER : 0) | (l->page_size ? PERF_SAMPLE_DATA_PAGE_SIZE : 0);
}

static void decode_sample(struct cursor *c, const struct record_layout *l, uint16_t misc, struct fault_record *ret)
{
	ret->kind = RECORD_FAULT;
	ret->ip = take64(c);
	ret->pid = take32(c);
	ret->tid = take32(c);
	ret->time_ns = take64(c);
	ret->address = take64(c);
	ret->major = take64(c) == l->major_id;
	ret->in_kernel = (misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
	ret->has_regs = l->regs && take64(c) != PERF_SAMPLE_REGS_ABI_NONE;
	for (int i = 0; ret->has_regs && i < RECORD_REGS; i++)
		ret->reg[i] = take64(c);
	ret->page_bytes = l->page_size ? take64(c) : 0;
}

static void decode_map(struct cursor *c, struct fault_record *ret)
{
	ret->kind = RECORD_MAP;
	ret->pid = take32(c);
	ret->tid = take32(c);
	ret->start = take64(c);
	ret->bytes = take64(c);
	ret->offset = take64(c);
	ret->dev_major = take32(c);
	ret->dev_minor = take32(c);
	ret->inode = take64(c);
	take64(c); /* the inode's generation */
	ret->prot = take32(c);
	ret->flags = take32(c);
	ret->name = take_name(c);
}

static void decode_comm(struct cursor *c, uint16_t misc, struct fault_record *ret)
{
	ret->kind = RECORD_COMM;
	ret->exec = misc & PERF_RECORD_MISC_COMM_EXEC;
	ret->pid = take32(c);
	ret->tid = take32(c);
	ret->name = take_name(c);
}

static void decode_task(struct cursor *c, enum record_kind kind, struct fault_record *ret)
{
	ret->kind = kind;
	ret->pid = take32(c);
	ret->parent = take32(c);
	ret->tid = take32(c);
	take32(c); /* the thread that made it */
	take64(c); /* the time, which the tail has, too */
}

/* The tail says when; who is said by the members, except where they do not. */
static void decode_tail(struct cursor *c, const uint8_t *begin, struct fault_record *ret)
{
	if (c->end - begin < TAIL_BYTES) {
		c->missing = true;
		return;
	}
	struct cursor tail = { c->end - TAIL_BYTES, c->end, false };
	uint32_t pid = take32(&tail), tid = take32(&tail);
	ret->time_ns = take64(&tail);
	if (ret->kind == RECORD_LOST) {
		ret->pid = pid;
		ret->tid = tid;
	}
}

enum pw_err record_decode(const void *bytes, size_t n, const struct record_layout *l, struct fault_record *ret)
{
	struct perf_event_header head;
	*ret = (struct fault_record){ .kind = RECORD_OTHER, .name = "" };
	if (n < sizeof head)
		return PW_FORMAT;
	memcpy(&head, bytes, sizeof head);
	const uint8_t *begin = (const uint8_t *)bytes + sizeof head;
	struct cursor c = { begin, (const uint8_t *)bytes + n, false };
	switch (head.type) {
	case PERF_RECORD_SAMPLE: decode_sample(&c, l, head.misc, ret); break;
	case PERF_RECORD_MMAP2: decode_map(&c, ret); break;
	case PERF_RECORD_COMM: decode_comm(&c, head.misc, ret); break;
	case PERF_RECORD_FORK: decode_task(&c, RECORD_FORK, ret); break;
	case PERF_RECORD_EXIT: decode_task(&c, RECORD_EXIT, ret); break;
	case PERF_RECORD_LOST:
		take64(&c); /* the event's id */
		ret->kind = RECORD_LOST;
		ret->count = take64(&c);
		break;
	case PERF_RECORD_LOST_SAMPLES:
		ret->kind = RECORD_LOST;
		ret->count = take64(&c);
		break;
	default:
		break;
	}
	if (head.type != PERF_RECORD_SAMPLE)
		decode_tail(&c, begin, ret);
	return c.missing ? PW_FORMAT : PW_OK;
}

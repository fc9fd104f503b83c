/* lab_access.c - the commands that access memory, and what they tell.
 *
 * Problem: one line of output for an access must say where it went and what it cost on the way, and the same access must be there
 * to be explained afterwards.
 * Idea: every access goes through access_make, which keeps the machine's story (computer_access) as the last one and notes of each
 * page when it came, was used and left.
 *
 *      load  0x12345678 -> 0xabcde678   found in l1d
 *      store 0x1000 -> 0x5000   page fault: first touch of anonymous memory (minor); walked, 5 entries read
 *        page 0x7 of p had to leave frame 2: it was dirty, and has been written to swap
 *
 * 1. last is the access made last; last_pid is whose. */
#include "lab_impl.h"
#include "../base/mem.h"
#include <stdlib.h>
#include <string.h>


/* ---- what is remembered of pages ---- */

static uint64_t page_key_of(uint32_t pid, vpn_t page) { return (uint64_t)pid << 52 | page.v; }

const struct lab_page *lab_page_find(const struct lab *l, uint32_t pid, vpn_t page)
{
	const uint64_t *index = htab_get(&l->page_index, page_key_of(pid, page));
	return index ? &l->page[*index] : NULL;
}

/* => NULL: no memory; then less can be explained */
static struct lab_page *page_note(struct lab *l, uint32_t pid, vpn_t page)
{
	const struct lab_page *known = lab_page_find(l, pid, page);
	if (known)
		return &l->page[known - l->page];
	struct lab_page *grown = mem_realloc(l->page, l->n_pages + 1, sizeof *grown);
	if (!grown)
		return NULL;
	l->page = grown;
	uint64_t *index = htab_put(&l->page_index, page_key_of(pid, page));
	if (!index)
		return NULL;
	*index = l->n_pages;
	grown[l->n_pages] = (struct lab_page){ 0 };
	return &grown[l->n_pages++];
}

static void pages_note(struct lab *l, const struct computer_access *a, uint32_t pid)
{
	uint64_t now = machine_now(computer_machine(l->computer));
	for (unsigned i = 0; i < a->n_evictions && i < COMPUTER_EVICTIONS; i++) {
		struct lab_page *gone = page_note(l, a->eviction[i].pid, a->eviction[i].page);
		if (gone && i == 0)
			l->victim = *gone;
		if (gone)
			gone->in = false;
	}
	struct lab_page *page = a->done ? page_note(l, pid, vpn_of(a->va, lab_shift(l))) : NULL;
	if (!page)
		return;
	if (!page->in)
		page->arrived = now;
	page->in = true;
	page->last_use = now;
	page->uses++;
}

enum { RANKED_PAGES = 4096 };

/* now: when the page came for which the victim had to leave. */
static struct lab_ranks ranks_of(const struct lab *l, const struct lab_page *victim, uint64_t now)
{
	struct lab_ranks r = { .known = l->n_pages <= RANKED_PAGES };
	for (uint64_t i = 0; r.known && i < l->n_pages; i++) {
		const struct lab_page *p = &l->page[i];
		if (!p->in || p->arrived == now)
			continue;
		r.others++;
		r.earlier += p->arrived < victim->arrived;
		r.older += p->last_use < victim->last_use;
		r.fewer += p->uses < victim->uses;
	}
	return r;
}

static void fault_note(struct lab *l)
{
	if (!l->last.n_faults)
		return;
	l->fault = l->last;
	if (l->fault.n_evictions)
		l->ranks = ranks_of(l, &l->victim, machine_now(computer_machine(l->computer)));
}

/* ---- telling ---- */

static void tell_eviction(struct lab *l, const struct computer_eviction *e)
{
	lab_tell(l, "  page 0x%llx of %s had to leave frame %llu: %s\n", (unsigned long long)e->page.v,
	         lab_process_name(l, e->pid, "a file"),
	         (unsigned long long)e->frame.v,
	         e->dirty ? "it was dirty, and has been written out" : "it was clean, so its bytes are elsewhere already");
}

static void tell_refusal(struct lab *l, const struct computer_access *a)
{
	static const char *const verdicts[] = {
		[FAULT_OUTCOME_RESOLVED] = "faulted without end", [FAULT_OUTCOME_REFUSED] = "refused (SIGSEGV)",
		[FAULT_OUTCOME_BUS] = "impossible (SIGBUS)", [FAULT_OUTCOME_KILLED] = "the process was killed",
	};
	lab_tell(l, "%s 0x%llx: %s: %s (the hardware: %s)\n", access_name(a->kind), (unsigned long long)a->va.v,
	         verdicts[a->fault.outcome], a->fault.why ? a->fault.why : "no end of faults", machine_fault_text(a->trap));
}

void lab_tell_access(struct lab *l, const struct computer_access *a)
{
	if (!a->done) {
		tell_refusal(l, a);
		return;
	}
	lab_tell(l, "%s 0x%llx -> 0x%llx   ", access_name(a->kind), (unsigned long long)a->va.v, (unsigned long long)a->pa.v);
	if (a->n_faults)
		lab_tell(l, "page fault: %s (%s); ", fault_cause_text(a->fault.cause), a->fault.major ? "major" : "minor");
	if (a->n_host_faults)
		lab_tell(l, "%u host faults; ", a->n_host_faults);
	if (a->tlb)
		lab_tell(l, "found in %s\n", a->tlb);
	else if (a->host_reads)
		lab_tell(l, "walked, %llu entries read, and %llu of the host's\n", (unsigned long long)a->walk_reads,
		         (unsigned long long)a->host_reads);
	else
		lab_tell(l, "walked, %llu entries read\n", (unsigned long long)a->walk_reads);
	for (unsigned i = 0; i < a->n_evictions && i < COMPUTER_EVICTIONS; i++)
		tell_eviction(l, &a->eviction[i]);
	if (a->n_evictions > COMPUTER_EVICTIONS)
		lab_tell(l, "  ... and %u more\n", a->n_evictions - COMPUTER_EVICTIONS);
}

/* ---- accessing ---- */

/* => whether it was done; the story is l->last */
static bool access_make(struct lab *l, const struct lab_process *p, uint64_t va, enum access_kind kind, void *bytes, uint64_t n)
{
	computer_access(l->computer, p->process, l->cpu, vaddr(va), kind, bytes, n, &l->last);
	l->has_last = true;
	l->last_pid = p->pid;
	pages_note(l, &l->last, p->pid);
	fault_note(l);
	return l->last.done;
}

uint64_t lab_move_bytes(struct lab *l, const struct lab_process *p, uint64_t va, enum access_kind kind, uint8_t *bytes, uint64_t n)
{
	uint64_t done = 0, page = 1ull << lab_shift(l);
	while (done < n) {
		uint64_t part = page - ((va + done) & (page - 1));
		part = part < n - done ? part : n - done;
		bool made = access_make(l, p, va + done, kind, bytes + done, part);
		lab_tell_access(l, &l->last);
		if (!made)
			break;
		done += part;
	}
	return done;
}

enum { READ_MOST = 4096 };

void lab_tell_bytes(struct lab *l, uint64_t va, const uint8_t *bytes, uint64_t n)
{
	for (uint64_t at = 0; at < n; at += 16) {
		lab_tell(l, "  %12llx ", (unsigned long long)(va + at));
		for (uint64_t i = at; i < at + 16; i++)
			i < n ? lab_tell(l, " %02x", bytes[i]) : lab_tell(l, "   ");
		lab_tell(l, "  ");
		for (uint64_t i = at; i < at + 16 && i < n; i++)
			lab_tell(l, "%c", bytes[i] >= 32 && bytes[i] < 127 ? bytes[i] : '.');
		lab_tell(l, "\n");
	}
}

enum lab_outcome lab_read(struct lab *l, const struct lab_line *line)
{
	const struct lab_process *p = lab_running(l);
	uint8_t bytes[READ_MOST];
	uint64_t va, n = 8;
	if (!p || !lab_address(l, line->word[0], &va) || (line->n > 1 && !lab_number(l, "bytes", line->word[1], &n)))
		return LAB_ERROR;
	if (n == 0 || n > READ_MOST)
		return lab_fail(l, "read: from 1 to %d bytes can be read at once", READ_MOST);
	if (lab_move_bytes(l, p, va, ACCESS_LOAD, bytes, n) < n)
		return LAB_DONE;
	l->last_value = 0;
	memcpy(&l->last_value, bytes, n < 8 ? n : 8);
	if (n <= 8)
		lab_tell(l, "  = %llu (0x%llx)\n", (unsigned long long)l->last_value, (unsigned long long)l->last_value);
	else
		lab_tell_bytes(l, va, bytes, n);
	return LAB_DONE;
}

enum lab_outcome lab_write(struct lab *l, const struct lab_line *line)
{
	const struct lab_process *p = lab_running(l);
	const char *text = line->word[1];
	uint8_t bytes[READ_MOST] = { 0 };
	uint64_t va, value, n = 8;
	if (!p || !lab_address(l, line->word[0], &va))
		return LAB_ERROR;
	if (*text == '"') {
		n = strlen(text + 1);
		if (n == 0 || n > READ_MOST)
			return lab_fail(l, "write: a text of 1 to %d characters can be written at once", READ_MOST);
		memcpy(bytes, text + 1, n);
	} else {
		if (!lab_number(l, "value", text, &value))
			return LAB_ERROR;
		memcpy(bytes, &value, sizeof value);
	}
	lab_move_bytes(l, p, va, ACCESS_STORE, bytes, n);
	return LAB_DONE;
}

enum lab_outcome lab_fetch(struct lab *l, const struct lab_line *line)
{
	const struct lab_process *p = lab_running(l);
	uint64_t va;
	if (!p || !lab_address(l, line->word[0], &va))
		return LAB_ERROR;
	access_make(l, p, va, ACCESS_FETCH, NULL, 0);
	lab_tell_access(l, &l->last);
	return LAB_DONE;
}

struct touch {
	enum access_kind kind;
	uint64_t times;
};

static bool touch_words(struct lab *l, const struct lab_line *line, struct touch *t)
{
	*t = (struct touch){ ACCESS_LOAD, 1 };
	for (unsigned i = 2; i < line->n; i++) {
		const char *word = line->word[i];
		bool known = access_find(word, &t->kind);
		if (strcmp(word, "times") == 0 && i + 1 < line->n) {
			if (!lab_number(l, "times", line->word[++i], &t->times))
				return false;
		} else if (!known) {
			lab_fail(l, "touch: '%s' is neither load, store, fetch nor 'times N'", word);
			return false;
		}
	}
	return true;
}

/* The figures that a summary compares. */
struct tally {
	struct kernel_counts kernel;
	struct machine_counts machine;
};

static struct tally tally_take(struct lab *l)
{
	struct tally t;
	kernel_counts(computer_kernel(l->computer), &t.kernel);
	machine_counts(computer_machine(l->computer), &t.machine);
	return t;
}

static void tell_tally(struct lab *l, uint64_t made, uint64_t refused, const struct tally *before)
{
	struct tally now = tally_take(l);
	lab_tell(l, "%llu accesses", (unsigned long long)made);
	if (refused)
		lab_tell(l, ", %llu refused", (unsigned long long)refused);
	lab_tell(l, ": %llu faults (%llu major), %llu pages evicted, %llu walks\n",
	         (unsigned long long)(now.kernel.faults.total - before->kernel.faults.total),
	         (unsigned long long)(now.kernel.faults.major - before->kernel.faults.major),
	         (unsigned long long)(now.kernel.evicted - before->kernel.evicted),
	         (unsigned long long)(now.machine.walks - before->machine.walks));
}

enum { TOUCH_TELL = 4, TOUCH_ASK = 4096 }; /* up to so many accesses are told one by one; so often it is asked whether to stop */
#define TOUCH_MOST (1ull << 26)

enum lab_outcome lab_touch(struct lab *l, const struct lab_line *line)
{
	const struct lab_process *p = lab_running(l);
	uint64_t va, bytes, page = 1ull << lab_shift(l), refused = 0;
	struct touch t;
	if (!p || !lab_address(l, line->word[0], &va) || !lab_number(l, "size", line->word[1], &bytes) || !touch_words(l, line, &t))
		return LAB_ERROR;
	uint64_t n = (bytes + page - 1) / page;
	if (n == 0 || t.times == 0 || n > TOUCH_MOST / t.times)
		return lab_fail(l, "touch: from 1 to %llu accesses can be made at once", TOUCH_MOST);
	struct tally before = tally_take(l);
	for (uint64_t i = 0; i < n * t.times; i++) {
		refused += !access_make(l, p, va + i % n * page, t.kind, NULL, 0);
		if (n * t.times <= TOUCH_TELL)
			lab_tell_access(l, &l->last);
		if (i % TOUCH_ASK == 0 && l->opt.interrupted && l->opt.interrupted(l->opt.ctx))
			return lab_fail(l, "touch: interrupted after %llu accesses", (unsigned long long)i + 1);
	}
	if (n * t.times > TOUCH_TELL)
		tell_tally(l, n * t.times - refused, refused, &before);
	return LAB_DONE;
}

/* "7" or "7w".  => false: the line has failed */
static bool page_word(struct lab *l, const char *word, uint64_t *page, enum access_kind *kind)
{
	char *end;
	*page = strtoull(word, &end, 0);
	*kind = *end == 'w' ? ACCESS_STORE : *end == 'x' ? ACCESS_FETCH : ACCESS_LOAD;
	if (end == word || (*end && end[1]) || (*end && *kind == ACCESS_LOAD)) {
		lab_fail(l, "pages: '%s' is no page number; write numbers, with w behind those that are written to", word);
		return false;
	}
	return true;
}

/* A reference string: a row for what was asked, a row that marks the faults. */
enum lab_outcome lab_pages(struct lab *l, const struct lab_line *line)
{
	const struct lab_process *p = lab_running(l);
	uint64_t page, refused = 0;
	enum access_kind kind;
	char marks[LAB_WORDS * 8] = "";
	if (!p)
		return LAB_ERROR;
	for (unsigned i = 0; i < line->n; i++)
		if (!page_word(l, line->word[i], &page, &kind))
			return LAB_ERROR;
	struct tally before = tally_take(l);
	for (unsigned i = 0, at = 0; i < line->n; i++) {
		if (!page_word(l, line->word[i], &page, &kind))
			return LAB_ERROR;
		refused += !access_make(l, p, page << lab_shift(l), kind, NULL, 0);
		if (at < sizeof marks)
			at += (unsigned)snprintf(marks + at, sizeof marks - at, " %*s", (int)strlen(line->word[i]),
			                         !l->last.done ? "!" : l->last.n_faults ? "F" : "");
		lab_tell(l, " %s", line->word[i]);
	}
	lab_tell(l, "\n%s\n", marks);
	tell_tally(l, line->n - refused, refused, &before);
	return LAB_DONE;
}

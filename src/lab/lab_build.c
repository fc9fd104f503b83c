/* lab_build.c - the commands that build: machines, files, processes, mappings.
 *
 * Problem: what a person types must either be carried out whole or change nothing, and say what would have been right.
 * Idea: words become the same structures that traces and options become, and go the same way: machine_words, process_mapping.
 *
 * 1. A name stands for one process, and for one file, as long as the machine lives; an ended process keeps its name. */
#include "lab_impl.h"
#include "lab_segment.h"
#include "../base/mem.h"
#include "../sim/words.h"
#include <string.h>
#include <sys/mman.h>

/* ---- the machine ---- */

/* Small, and with bytes: what a lab begins with unless told otherwise. */
#define SPARE_MOST (1ull << 40)
static const char *const machine_defaults[] = { "frames=64", "swap=ram cpu=textbook" };

/* All that is known of the computer in here; of a guest, but for the computer itself. */
static void computer_drop(struct lab *l)
{
	lab_segments_drop(l);
	if (!l->guests)
		computer_destroy(l->computer);
	for (uint64_t i = 0; i < l->n_files; i++)
		mem_free(l->file_name[i]);
	mem_free(l->file_name);
	mem_free(l->process);
	mem_free(l->page);
	htab_clear(&l->page_index);
	l->here = (struct lab_computer){ .page_index = l->page_index };
}

void lab_machine_drop(struct lab *l)
{
	for (unsigned i = l->guests ? guests_n(l->guests) : 0; i-- > 1;) {
		lab_guests_go(l, i);
		computer_drop(l);
		htab_fini(&l->page_index);
	}
	if (l->guests)
		lab_guests_go(l, 0);
	computer_drop(l);
	guests_destroy(l->guests);
	mem_free(l->guest);
	mem_free(l->machine_text);
	l->guests = NULL;
	l->guest = NULL;
	l->machine_text = NULL;
}

/* A machine of the lab's own words. */
struct making {
	struct machine_words words;
	uint64_t spare, guests;
	struct computer *computer; /* made: one of the two */
	struct guests *several;
};

/* One "word=value", cut in place. */
static enum pw_err word_set(struct making *m, char *word, struct pw_why *why)
{
	char *value = strchr(word, '=');
	if (!value)
		return pw_fail(why, PW_INVALID, "machine: '%s' is no WORD=VALUE; the words are those of pageworks run, such as frames=4",
		               word);
	*value++ = '\0';
	if (strcmp(word, "spare") == 0)
		return text_size_option("spare", value, &m->spare, why);
	if (strcmp(word, "guests") == 0)
		return text_size_option("guests", value, &m->guests, why);
	return machine_words_set(&m->words, word, value, why);
}

/* Limited by --ram, memory is not also limited to the frames of the default. */
static bool default_applies(const char *word, const char *text)
{
	return strncmp(word, "frames=", 7) != 0 || !strstr(text, "ram=");
}

/* The computer, or the guests, of these words, text being all of them with blanks between.  It is cut up. */
static enum pw_err machine_make(struct making *m, char *text, struct pw_why *why)
{
	struct run_options o;
	enum pw_err err = PW_OK;
	char *save = NULL;
	for (char *word = strtok_r(text, " ", &save); word && !err; word = strtok_r(NULL, " ", &save))
		err = word_set(m, word, why);
	if (!err)
		err = machine_words_resolve(&m->words, &o, why);
	if (!err && m->spare > SPARE_MOST)
		err = pw_fail(why, PW_INVALID, "spare: at most 1T of memory can lie behind the kernel's");
	if (err)
		return err;
	const struct computer_parts parts = { .spare_frames = m->spare >> o.format.page_shift };
	if (!m->guests)
		return computer_create(&o, &parts, &m->computer, why);
	return guests_create(&o, parts.spare_frames, m->guests > UINT32_MAX ? UINT32_MAX : (unsigned)m->guests, &m->several, why);
}

static enum pw_err machine_build(struct lab *l, const char *words, struct pw_why *why)
{
	struct making m = { .spare = 0 };
	bool frames = default_applies(machine_defaults[0], words);
	char *text = mem_printf("%s %s seed=%llu %s", frames ? machine_defaults[0] : "", machine_defaults[1],
	                        (unsigned long long)(l->opt.seed ? l->opt.seed : 1), words);
	if (!text)
		return pw_fail(why, PW_NOMEM, "out of memory for a machine");
	enum pw_err err = machine_make(&m, text, why);
	struct lab_computer *guest = NULL;
	if (!err && m.several && lab_guests_prepare(m.several, &guest) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for a machine");
	if (err) {
		guests_destroy(m.several);
		mem_free(text);
		return err;
	}
	lab_machine_drop(l);
	l->computer = m.several ? guests_computer(m.several, 0) : m.computer;
	l->guests = m.several;
	l->guest = guest;
	l->machine_text = text;
	computer_base_take(l->computer, &l->base);
	return PW_OK;
}

enum pw_err lab_machine_default(struct lab *l, struct pw_why *why) { return machine_build(l, "", why); }

enum lab_outcome lab_machine(struct lab *l, const struct lab_line *line)
{
	char text[2048] = "";
	for (unsigned i = 0, at = 0; i < line->n && at < sizeof text; i++)
		at += (unsigned)snprintf(text + at, sizeof text - at, "%s ", line->word[i]);
	enum pw_err err = machine_build(l, text, l->why);
	if (err)
		return lab_fail_err(l, err);
	const struct run_options *o = computer_options(l->computer);
	char page[32];
	lab_tell(l, "machine: %s, pages of %s, policy %s, swap %s\n", o->format.name,
	         text_bytes(page, sizeof page, 1ull << o->format.page_shift), o->policy->name, o->swap);
	return LAB_DONE;
}

/* ---- files ---- */

static uint64_t file_id(const struct lab *l, const char *name)
{
	for (uint64_t i = 0; i < l->n_files; i++)
		if (strcmp(l->file_name[i], name) == 0)
			return i + 1;
	return 0;
}

static enum lab_outcome file_add(struct lab *l, const char *name, const void *bytes, uint64_t n)
{
	char **grown = mem_realloc(l->file_name, l->n_files + 1, sizeof *grown), *copy = mem_strdup(name);
	uint64_t id;
	if (grown)
		l->file_name = grown;
	if (!grown || !copy || computer_file(l->computer, bytes, n, &id) != PW_OK) {
		mem_free(copy);
		return lab_fail(l, "out of memory for file %s", name);
	}
	l->file_name[l->n_files++] = copy;
	lab_tell(l, "file %s: %llu bytes on the disk\n", name, (unsigned long long)n);
	return LAB_DONE;
}

enum lab_outcome lab_file(struct lab *l, const struct lab_line *line)
{
	uint64_t n;
	if (file_id(l, line->word[0]))
		return lab_fail(l, "file %s exists already", line->word[0]);
	if (*line->word[1] == '"')
		return file_add(l, line->word[0], line->word[1] + 1, strlen(line->word[1] + 1));
	if (!lab_number(l, "file size", line->word[1], &n))
		return LAB_ERROR;
	if (n > 64 << 20)
		return lab_fail(l, "file %s: %s is more than the 64M a file of the lab may have", line->word[0], line->word[1]);
	uint8_t *bytes = mem_alloc(n ? n : 1);
	if (!bytes)
		return lab_fail(l, "out of memory for file %s", line->word[0]);
	for (uint64_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)i;
	enum lab_outcome outcome = file_add(l, line->word[0], bytes, n);
	mem_free(bytes);
	return outcome;
}

/* ---- processes ---- */

struct lab_process *lab_running(struct lab *l)
{
	if (l->current < l->n_processes && l->process[l->current].process)
		return &l->process[l->current];
	lab_fail(l, l->n_processes ? "no process is running; 'switch NAME' lets one run" : "there is no process; 'process NAME' makes one");
	return NULL;
}

struct lab_process *lab_process_of(struct lab *l, uint32_t pid)
{
	for (unsigned i = 0; i < l->n_processes; i++)
		if (l->process[i].pid == pid)
			return &l->process[i];
	return NULL;
}

const char *lab_process_name(struct lab *l, uint32_t pid, const char *nobody)
{
	const struct lab_process *p = lab_process_of(l, pid);
	return p ? p->name : nobody;
}

static struct lab_process *process_named(struct lab *l, const char *name)
{
	for (unsigned i = 0; i < l->n_processes; i++)
		if (strcmp(l->process[i].name, name) == 0)
			return &l->process[i];
	return NULL;
}

/* The record of a process to be.  => NULL, and the line has failed */
static struct lab_process *process_record(struct lab *l, const char *name)
{
	if (process_named(l, name)) {
		lab_fail(l, "process %s exists already, or existed", name);
		return NULL;
	}
	struct lab_process *grown = mem_realloc(l->process, l->n_processes + 1, sizeof *grown);
	if (!grown) {
		lab_fail(l, "out of memory for process %s", name);
		return NULL;
	}
	l->process = grown;
	struct lab_process *p = &grown[l->n_processes];
	*p = (struct lab_process){ .pid = l->n_processes + 1 };
	snprintf(p->name, sizeof p->name, "%s", name);
	return p;
}

enum lab_outcome lab_process(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = process_record(l, line->word[0]);
	if (!p)
		return LAB_ERROR;
	enum pw_err err = process_create(computer_kernel(l->computer), p->pid, p->name, &p->process);
	if (err)
		return lab_fail(l, "process %s: %s", p->name, pw_err_text(err));
	l->current = l->n_processes++;
	process_activate(p->process, l->cpu);
	machine_kernel_on(computer_machine(l->computer), l->cpu);
	lab_tell(l, "process %s is number %u; it runs, and has nothing mapped\n", p->name, p->pid);
	return LAB_DONE;
}

enum lab_outcome lab_switch(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = process_named(l, line->word[0]);
	uint64_t cpu = l->cpu;
	unsigned n_cpus = machine_n_cpus(computer_machine(l->computer));
	if (!p || !p->process)
		return lab_fail(l, "process %s: %s", line->word[0], p ? "it has ended" : "there is none of this name");
	if (line->n > 1 && !lab_number(l, "CPU", line->word[1], &cpu))
		return LAB_ERROR;
	if (cpu >= n_cpus)
		return lab_fail(l, "CPU %llu: the machine has %u, numbered from 0", (unsigned long long)cpu, n_cpus);
	l->current = (unsigned)(p - l->process);
	l->cpu = (unsigned)cpu;
	process_activate(p->process, l->cpu);
	machine_kernel_on(computer_machine(l->computer), l->cpu);
	machine_set_supervisor(computer_machine(l->computer), l->cpu, l->supervisor);
	lab_tell(l, "%s runs on CPU %u\n", p->name, l->cpu);
	return LAB_DONE;
}

enum lab_outcome lab_fork(struct lab *l, const struct lab_line *line)
{
	if (!lab_running(l))
		return LAB_ERROR;
	struct lab_process *child = process_record(l, line->word[0]);
	if (!child)
		return LAB_ERROR;
	struct lab_process *parent = &l->process[l->current];
	enum pw_err err = process_fork(parent->process, child->pid, &child->process);
	if (err)
		return lab_fail(l, "fork: %s", pw_err_text(err));
	l->n_processes++;
	lab_tell(l, "%s is a copy of %s: they share every page until one of them writes to it; %s runs on\n", child->name, parent->name,
	         parent->name);
	return LAB_DONE;
}

enum lab_outcome lab_exit(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = line->n ? process_named(l, line->word[0]) : lab_running(l);
	if (!p || !p->process)
		return line->n ? lab_fail(l, "process %s: %s", line->word[0],
		                          p ? "it has ended" : "there is none of this name") : LAB_ERROR;
	process_exit(p->process);
	p->process = NULL;
	lab_segments_exit(l, p->pid);
	lab_tell(l, "%s has ended; its memory is free\n", p->name);
	return LAB_DONE;
}

/* ---- mappings ---- */

bool lab_rights(struct lab *l, const char *word, unsigned *ret)
{
	static const struct { char letter; unsigned right; } letters[] = { { 'r', PMAP_READ }, { 'w', PMAP_WRITE }, { 'x', PMAP_EXEC } };
	*ret = 0;
	for (const char *at = strcmp(word, "none") == 0 ? "" : word; *at; at++) {
		unsigned right = 0;
		for (unsigned i = 0; i < 3; i++)
			right |= letters[i].letter == *at ? letters[i].right : 0;
		if (!right && *at != '-') {
			lab_fail(l, "'%s' are no rights; write r, rw, rx, rwx or none", word);
			return false;
		}
		*ret |= right;
	}
	return true;
}

/* The words after the rights.  => false: the line has failed */
static bool map_words(struct lab *l, const struct lab_line *line, struct process_mapping *m)
{
	for (unsigned i = 3; i < line->n; i++) {
		const char *word = line->word[i], *next = i + 1 < line->n ? line->word[i + 1] : NULL;
		if (strcmp(word, "shared") == 0) {
			m->shared = true;
		} else if (strcmp(word, "stack") == 0) {
			m->stack = true;
		} else if (strcmp(word, "heap") == 0) {
			m->heap = true;
		} else if (strcmp(word, "disk") == 0) {
			m->on_disk = true;
		} else if (strcmp(word, "called") == 0 && next) {
			m->name = next;
			i++;
		} else if (strcmp(word, "file") == 0 && next) {
			m->file_id = file_id(l, next);
			if (!m->file_id) {
				lab_fail(l, "map: there is no file %s; 'file NAME SIZE' makes one", next);
				return false;
			}
			m->anonymous = false;
			m->name = *m->name ? m->name : next;
			i++;
			if (i + 1 < line->n && line->word[i + 1][0] >= '0' && line->word[i + 1][0] <= '9' &&
			    !lab_number(l, "offset", line->word[++i], &m->offset))
				return false;
			computer_file_size(l->computer, m->file_id, &m->file_bytes);
		} else {
			lab_fail(l,
			         "map: '%s' is no word of a mapping; those are called NAME, file NAME [OFFSET], shared, stack, "
			         "heap, disk", word);
			return false;
		}
	}
	return true;
}

/* Start and size of a range, given as words 0 and 1. */
static bool range_of(struct lab *l, const struct lab_line *line, uint64_t *start, uint64_t *bytes)
{
	if (!lab_address(l, line->word[0], start) || !lab_number(l, "size", line->word[1], bytes))
		return false;
	if (*bytes == 0 || *start & ((1ull << lab_shift(l)) - 1)) {
		lab_fail(l, *bytes ? "address %s is not the start of a page" : "a size of %s is no range", line->word[*bytes ? 0 : 1]);
		return false;
	}
	return true;
}

/* What the last call to the kernel came to. */
static enum lab_outcome told(struct lab *l, enum pw_err err, const char *what, uint64_t start, uint64_t bytes)
{
	if (err)
		return lab_fail(l, "%s 0x%llx: %s", what, (unsigned long long)start, pw_err_text(err));
	lab_tell(l, "%s: [0x%llx, 0x%llx)\n", what, (unsigned long long)start, (unsigned long long)(start + bytes));
	return LAB_DONE;
}

enum lab_outcome lab_map(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	struct process_mapping m = { .anonymous = true, .name = "" };
	uint64_t start = 0, page = 1ull << lab_shift(l);
	m.fixed = strcmp(line->word[0], "any") != 0;
	if (!p || (m.fixed && !lab_number(l, "address", line->word[0], &start)) || !lab_number(l, "size", line->word[1], &m.bytes) ||
	    !lab_rights(l, line->word[2], &m.prot) || !map_words(l, line, &m))
		return LAB_ERROR;
	if (m.bytes == 0 || start % page)
		return lab_fail(l, m.bytes ? "map: address %s is not the start of a page" : "map: a size of %s is no mapping",
		                line->word[m.bytes ? 0 : 1]);
	m.start = vaddr(start);
	m.bytes = (m.bytes + page - 1) / page * page;
	vaddr_t at = vaddr(start);
	enum pw_err err = process_map(p->process, &m, &at);
	return told(l, err, "mapped", err ? start : at.v, m.bytes);
}

enum lab_outcome lab_unmap(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	uint64_t start, bytes;
	if (!p || !range_of(l, line, &start, &bytes))
		return LAB_ERROR;
	return told(l, process_unmap(p->process, vaddr(start), bytes), "unmapped", start, bytes);
}

enum lab_outcome lab_protect(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	uint64_t start, bytes;
	unsigned rights;
	if (!p || !range_of(l, line, &start, &bytes) || !lab_rights(l, line->word[2], &rights))
		return LAB_ERROR;
	return told(l, process_protect(p->process, vaddr(start), bytes, rights), "protected", start, bytes);
}

enum lab_outcome lab_move(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	uint64_t start, bytes, to, to_bytes;
	if (!p || !range_of(l, line, &start, &bytes) || !lab_address(l, line->word[2], &to))
		return LAB_ERROR;
	to_bytes = bytes;
	if (line->n > 3 && !lab_number(l, "size", line->word[3], &to_bytes))
		return LAB_ERROR;
	return told(l, process_remap(p->process, vaddr(start), bytes, vaddr(to), to_bytes), "moved to", to, to_bytes);
}

static const struct { const char *name; int advice; } advices[] = {
	{ "normal", MADV_NORMAL }, { "random", MADV_RANDOM }, { "sequential", MADV_SEQUENTIAL }, { "willneed", MADV_WILLNEED },
	{ "dontneed", MADV_DONTNEED }, { "free", MADV_FREE }, { "remove", MADV_REMOVE }, { "dontfork", MADV_DONTFORK },
	{ "dofork", MADV_DOFORK }, { "hugepage", MADV_HUGEPAGE }, { "nohugepage", MADV_NOHUGEPAGE }, { "wipeonfork", MADV_WIPEONFORK },
	{ "keeponfork", MADV_KEEPONFORK }, { "cold", MADV_COLD }, { "pageout", MADV_PAGEOUT },
};
enum { N_ADVICES = sizeof advices / sizeof *advices };

const char *lab_advice_word(unsigned i) { return i < N_ADVICES ? advices[i].name : NULL; }

enum lab_outcome lab_advise(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	uint64_t start, bytes;
	unsigned i = 0;
	if (!p || !range_of(l, line, &start, &bytes))
		return LAB_ERROR;
	while (i < N_ADVICES && strcmp(advices[i].name, line->word[2]) != 0)
		i++;
	if (i == N_ADVICES)
		return lab_fail(l,
		                "'%s' is no advice; write dontneed, free, willneed, cold, pageout or another of madvise's, in "
		                "small letters",
		                line->word[2]);
	return told(l, process_advise(p->process, vaddr(start), bytes, advices[i].advice), "advised", start, bytes);
}

enum lab_outcome lab_supervisor(struct lab *l, const struct lab_line *line)
{
	(void)line;
	l->supervisor = true;
	machine_set_supervisor(computer_machine(l->computer), l->cpu, true);
	lab_tell(l, "accesses are the kernel's own now\n");
	return LAB_DONE;
}

enum lab_outcome lab_user(struct lab *l, const struct lab_line *line)
{
	(void)line;
	l->supervisor = false;
	machine_set_supervisor(computer_machine(l->computer), l->cpu, false);
	lab_tell(l, "accesses are the program's again\n");
	return LAB_DONE;
}

enum lab_outcome lab_flush(struct lab *l, const struct lab_line *line)
{
	(void)line;
	computer_flush(l->computer);
	lab_tell(l, "all TLBs are empty\n");
	return LAB_DONE;
}

/* The rights, which here may end in s: the supervisor's alone; and whether the page is a large one. */
static bool enter_words(struct lab *l, const struct lab_line *line, unsigned *rights, unsigned *level)
{
	char word[8];
	if (line->n > 2) {
		size_t n = strlen(line->word[2]);
		bool supervisor = n && line->word[2][n - 1] == 's';
		snprintf(word, sizeof word, "%.*s", (int)(n - supervisor), line->word[2]);
		if (!lab_rights(l, word, rights))
			return false;
		*rights |= supervisor ? 0 : PMAP_USER;
	}
	*level = line->n > 3;
	if (line->n > 3 && strcmp(line->word[3], "huge") != 0)
		lab_fail(l, "enter: '%s' is no word of it; a large page is called huge", line->word[3]);
	else if (*level && !(computer_options(l->computer)->format.leaf_levels & 2))
		lab_fail(l, "enter: %s has pages of one size", computer_options(l->computer)->format.name);
	else
		return true;
	return false;
}

/* Behind the kernel's back: only to frames it does not own, so that neither disturbs the other. */
enum lab_outcome lab_enter(struct lab *l, const struct lab_line *line)
{
	struct lab_process *p = lab_running(l);
	uint64_t va, frame, own = computer_kernel_frames(l->computer), all = computer_memory(l->computer)->frames;
	const struct ptfmt *f = &computer_options(l->computer)->format;
	unsigned rights = PMAP_READ | PMAP_WRITE | PMAP_USER, level = 0;
	if (!p || !lab_number(l, "address", line->word[0], &va) || !lab_number(l, "frame", line->word[1], &frame) ||
	    !enter_words(l, line, &rights, &level))
		return LAB_ERROR;
	if (own == all)
		return lab_fail(l, "enter: all of memory is the kernel's; 'machine spare=1G' makes a machine with more than that");
	uint64_t pages = ptfmt_level_pages(f, level);
	if (frame < own || frame + pages > all)
		return lab_fail(l, "enter: frame 0x%llx is not a spare one; those are 0x%llx to 0x%llx", (unsigned long long)frame,
		                (unsigned long long)own, (unsigned long long)all - 1);
	struct mapping_info ignored;
	if (va & ((pages << f->page_shift) - 1) || !ptfmt_canonical(f, vaddr(va)))
		return lab_fail(l, "enter: %s is not the start of a page of this size, or no address of %s", line->word[0], f->name);
	if (frame % pages)
		return lab_fail(l, "enter: a huge page begins at a frame that is a multiple of %llu", (unsigned long long)pages);
	if (process_mapping_at(p->process, vaddr(va), &ignored))
		return lab_fail(l, "enter: 0x%llx belongs to a mapping of the kernel's", (unsigned long long)va);
	struct pmap_mapping m = { .vpn = vpn_of(vaddr(va), lab_shift(l)), .pfn = pfn(frame), .level = level, .prot = rights,
		                  .cause = ACCESS_LOAD, .unmanaged = true };
	enum pw_err err = pmap_enter(process_pmap(p->process), &m);
	if (err)
		return lab_fail(l, "enter: %s", pw_err_text(err));
	pmap_update(process_pmap(p->process));
	lab_tell(l, "page 0x%llx is translated to frame 0x%llx, by hand\n", (unsigned long long)m.vpn.v, (unsigned long long)frame);
	return LAB_DONE;
}

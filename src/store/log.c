/* log.c - slots as a log of clusters in a file.
 *
 * Problem: pages leave memory in an order that has nothing to do with their addresses.  A device takes a megabyte in one piece at
 * 3 us a page and single pages at 31 us with 64 in flight, 178 us one by one; and a program waits for none of this if it need not.
 * Idea: written pages are copied into a cluster in memory; a full cluster goes to the device in one piece while the next one fills.
 * A table says where each slot is.  Older copies die in their clusters; a cluster without live pages is free, and when free ones run
 * short, the thinnest are read and what lives in them is written anew, ordered by slot.  A batch that was read as neighbours but lay
 * scattered is likewise written anew, side by side: the next reader finds it in one piece.
 *
 *     map:      slot -> cluster, place                            buffers: the clusters being filled and written
 *     file:     | cluster 0 | cluster 1 | cluster 2 | ...         a cluster's owners: which slot each place was written for
 *
 * 1. live of a cluster is the number of places p whose owner's map entry names p; live of the log is the sum.
 * 2. A cluster with a buffer is read from the buffer; it loses the buffer only when its write has succeeded.
 * 3. A pinned cluster is being read from the device: it is not free, so it is not written over.
 * 4. writer is held by whoever appends or cleans; lock, for short times, by whoever looks at or changes map, clusters and counts.
 * 5. RESERVE free clusters are left to the cleaner, so that making space never lacks space.
 * Rejected: a fixed place for each slot (see the figures), a thread for writing (a pager may not start threads in others' programs).
 * Source: M. Rosenblum, J. Ousterhout, "The design and implementation of a log-structured file system", ACM TOCS 10 (1992). */
#include "log_state.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool log_build(struct log *l)
{
	size_t bytes = (size_t)l->cluster_pages * l->page_bytes;
	bool ok = slots_init(&l->map, l->n_slots, SLOTS_LEAF, SLOTS_LEAF * sizeof(uint32_t)) &&
	          slots_init(&l->clusters, l->clusters_max, CLUSTERS_LEAF, CLUSTERS_LEAF * sizeof(struct cluster));
	l->area_bytes = BUFFERS * bytes + (size_t)STORE_BATCH * l->page_bytes;
	l->area = mem_reserve(l->area_bytes);
	for (uint32_t i = 0; l->area && i < BUFFERS; i++)
		l->buffer[i].bytes = l->area + i * bytes;
	l->cleaning = l->area ? l->area + BUFFERS * bytes : NULL;
	return ok && l->area;
}

enum pw_err log_create(struct aio *a, const struct log_limits *limits, const char *name, struct log **ret, struct pw_why *why)
{
	struct log *l = mem_zalloc(1, sizeof *l);
	if (!l) {
		aio_destroy(a);
		return pw_fail(why, PW_NOMEM, "store %s: %s", name, pw_err_text(PW_NOMEM));
	}
	l->aio = a;
	l->name = name;
	l->page_bytes = limits->page_bytes;
	l->n_slots = limits->n_slots;
	l->allocates = limits->can_allocate;
	l->cluster_pages = CLUSTER_PAGES;
	while (l->cluster_pages > 1 && (uint64_t)l->cluster_pages * l->page_bytes > CLUSTER_BYTES)
		l->cluster_pages /= 2;
	uint64_t of_slots = l->n_slots / l->cluster_pages, of_file = limits->file_bytes / cluster_bytes(l);
	uint64_t wanted = of_slots + of_slots / 2 + SLACK;
	l->clusters_max = (uint32_t)(of_file < wanted ? of_file : wanted < CLUSTERS_MAX ? wanted : CLUSTERS_MAX);
	l->open = l->free_backed = l->free_bare = l->last_filled = NONE; /* the cluster after NONE is 0 */
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->writer, NULL);
	enum pw_err err = PW_OK;
	if (l->clusters_max <= RESERVE)
		err = pw_fail(why, PW_INVALID, "store %s: %llu bytes are too few; at least %llu are needed", name,
		              (unsigned long long)limits->file_bytes, (unsigned long long)((RESERVE + 1) * cluster_bytes(l)));
	else if (!log_build(l))
		err = pw_fail(why, PW_NOMEM, "store %s: %s", name, pw_err_text(PW_NOMEM));
	if (err)
		log_destroy(l);
	else
		*ret = l;
	return err;
}

void log_destroy(struct log *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < BUFFERS; i++)
		aio_finish(l->aio, &l->buffer[i].op);
	aio_destroy(l->aio);
	mem_unreserve(l->area, l->area_bytes);
	slots_fini(&l->clusters);
	slots_fini(&l->map);
	pthread_mutex_destroy(&l->writer);
	pthread_mutex_destroy(&l->lock);
	mem_free(l);
}

/* ---- free clusters.  => lock is held */

static uint32_t *free_head(struct log *l, const struct cluster *c)
{
	return c->backed ? &l->free_backed : &l->free_bare;
}

static void free_push(struct log *l, uint32_t i)
{
	struct cluster *c = cluster_at(l, i);
	uint32_t *head = free_head(l, c);
	c->state = CLUSTER_FREE;
	c->next = *head;
	c->prev = NONE;
	if (*head != NONE)
		cluster_at(l, *head)->prev = i;
	*head = i;
	l->n_backed_free += c->backed;
	l->n_free++;
}

static void free_remove(struct log *l, uint32_t i)
{
	const struct cluster *c = cluster_at(l, i);
	if (c->next != NONE)
		cluster_at(l, c->next)->prev = c->prev;
	if (c->prev != NONE)
		cluster_at(l, c->prev)->next = c->next;
	else
		*free_head(l, c) = c->next;
	l->n_backed_free -= c->backed;
	l->n_free--;
}

static uint32_t free_pop(struct log *l, bool backed)
{
	uint32_t i = backed ? l->free_backed : l->free_bare;
	if (i != NONE)
		free_remove(l, i);
	return i;
}

/* A cluster to fill: the one behind the last if it can be had, so that the device sees one long write.  => n_backed_free > 0 */
static uint32_t free_pop_next(struct log *l)
{
	uint32_t i = l->last_filled + 1;
	const struct cluster *c = i < l->n_clusters ? cluster_at(l, i) : NULL;
	if (!c || c->state != CLUSTER_FREE || !c->backed)
		i = l->free_backed;
	free_remove(l, i);
	l->last_filled = i;
	return i;
}

static void cluster_check_free(struct log *l, uint32_t i)
{
	const struct cluster *c = cluster_at(l, i);
	if (c->state == CLUSTER_STORED && !c->live && !c->pins)
		free_push(l, i);
}

void log_unpin(struct log *l, uint32_t cluster)
{
	cluster_at(l, cluster)->pins--;
	cluster_check_free(l, cluster);
}

/* The place loses its slot. */
static void place_drop(struct log *l, uint32_t place)
{
	cluster_at(l, cluster_of(l, place))->live--;
	l->live--;
	cluster_check_free(l, cluster_of(l, place));
}

/* ---- clusters to write to.  => writer is held, lock is not */

static int back(struct log *l, uint32_t first, uint32_t n)
{
	if (!l->allocates)
		return 0;
	off_t at = (off_t)(first * cluster_bytes(l)), bytes = (off_t)(n * cluster_bytes(l));
	int got;
	do {
		got = fallocate(aio_fd(l->aio), 0, at, bytes);
	} while (got && errno == EINTR);
	if (!got)
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOSYS)
		l->allocates = false; /* space can run out behind our back; then the bytes stay in the buffer */
	return l->allocates ? errno : 0;
}

/* Makes the file longer by up to GROW clusters, by one when there is not so much room. */
static int grow(struct log *l)
{
	uint32_t n = l->clusters_max - l->n_clusters < GROW ? l->clusters_max - l->n_clusters : GROW;
	int error = back(l, l->n_clusters, n);
	if (error && n > 1)
		error = back(l, l->n_clusters, n = 1);
	if (error)
		return error;
	for (uint32_t i = n; i-- > 0;) {
		if (!slots_make(&l->clusters, l->n_clusters + i))
			return ENOMEM;
	}
	pthread_mutex_lock(&l->lock);
	for (uint32_t i = n; i-- > 0;) {
		cluster_at(l, l->n_clusters + i)->backed = true;
		cluster_at(l, l->n_clusters + i)->buffer = NO_BUFFER;
		free_push(l, l->n_clusters + i);
	}
	l->n_clusters += n;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

/* => one free cluster has space behind it again; or an errno */
static int rebind(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	uint32_t i = free_pop(l, false);
	pthread_mutex_unlock(&l->lock);
	if (i == NONE)
		return ENOSPC;
	int error = back(l, i, 1);
	pthread_mutex_lock(&l->lock);
	cluster_at(l, i)->backed = !error;
	free_push(l, i);
	pthread_mutex_unlock(&l->lock);
	return error;
}

/* What the choice between growing and cleaning depends on. */
struct room {
	uint32_t n_free, n_backed_free;
	bool may_grow, thin;
};

static struct room room_look(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	uint64_t places = (uint64_t)l->n_clusters * l->cluster_pages, slack = (uint64_t)SLACK * l->cluster_pages;
	struct room r = {
		.n_free = l->n_free, .n_backed_free = l->n_backed_free, .may_grow = l->n_clusters < l->clusters_max,
		.thin = places > l->live + l->live / 2 + slack,
	};
	pthread_mutex_unlock(&l->lock);
	return r;
}

static bool is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static int buffers_reap(struct log *l, bool wait);

/* One step towards more backed free clusters.  => 0 or errno */
static int room_make(struct log *l, const struct room *r, bool cleaning)
{
	int error = ENOSPC;
	if (r->n_free > r->n_backed_free)
		error = rebind(l);
	else if (r->may_grow && (cleaning || !r->thin))
		error = grow(l);
	if (!error || !is_full(error) || cleaning)
		return error;
	int cleaned = log_clean(l);
	if (cleaned && r->may_grow && r->thin)
		return grow(l); /* nothing to be gained by cleaning */
	return cleaned == ENOSPC ? error : cleaned;
}

static bool is_writing(const struct log *l)
{
	for (uint32_t i = 0; i < BUFFERS; i++) {
		if (l->buffer[i].state == BUFFER_WRITING)
			return true;
	}
	return false;
}

/* => at least one backed free cluster beyond those kept back, or an errno.  The cleaner itself may use those, and does not clean.
 * A cluster on its way to a slow device can be neither cleaned nor freed: there may be room once it has arrived. */
static int free_ensure(struct log *l, bool cleaning)
{
	uint32_t keep = cleaning ? 0 : RESERVE;
	for (int tries = 0; tries < CLEAN_TRIES; tries++) {
		struct room r = room_look(l);
		int error = r.n_backed_free > keep ? 0 : room_make(l, &r, cleaning);
		if (is_full(error) && is_writing(l))
			error = buffers_reap(l, true);
		else if (r.n_backed_free > keep)
			return 0;
		if (error)
			return error;
	}
	return ENOSPC;
}

/* ---- buffers.  => writer is held */

static void buffer_send(struct log *l, struct buffer *b)
{
	b->vector = (struct iovec){ b->bytes, (size_t)b->fill * l->page_bytes };
	b->op = (struct aio_op){ .write = true, .offset = b->cluster * cluster_bytes(l), .vector = &b->vector, .n_vectors = 1 };
	b->state = BUFFER_WRITING;
	aio_begin(l->aio, &b->op);
}

/* A write that is over: its cluster is on the device now, or stays in the buffer. */
static int buffer_settle(struct log *l, struct buffer *b)
{
	int error = b->op.error;
	b->state = error ? BUFFER_FAILED : BUFFER_IDLE;
	if (error)
		return error;
	pthread_mutex_lock(&l->lock);
	struct cluster *c = cluster_at(l, b->cluster);
	c->buffer = NO_BUFFER;
	c->state = CLUSTER_STORED;
	cluster_check_free(l, b->cluster);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static int buffer_retry(struct log *l, struct buffer *b)
{
	buffer_send(l, b);
	aio_finish(l->aio, &b->op);
	return buffer_settle(l, b);
}

/* Every write that is over is settled; one that failed is tried once more. */
static int buffers_reap(struct log *l, bool wait)
{
	int error = 0;
	for (uint32_t i = 0; i < BUFFERS; i++) {
		struct buffer *b = &l->buffer[i];
		if (wait && b->state == BUFFER_WRITING)
			aio_finish(l->aio, &b->op);
		if (b->state == BUFFER_WRITING && aio_is_done(l->aio, &b->op))
			buffer_settle(l, b);
		if (b->state == BUFFER_FAILED && buffer_retry(l, b))
			error = b->op.error;
	}
	return error;
}

/* => an idle buffer; waits for the oldest write when there is none; NULL with *error */
static struct buffer *buffer_take(struct log *l, int *error)
{
	*error = buffers_reap(l, false);
	for (uint32_t tries = 0; !*error && tries <= BUFFERS; tries++) {
		struct buffer *oldest = NULL;
		for (uint32_t i = 0; i < BUFFERS; i++) {
			struct buffer *b = &l->buffer[(l->turn + i) % BUFFERS];
			if (b->state == BUFFER_IDLE) {
				l->turn = (uint32_t)(b - l->buffer) + 1;
				return b;
			}
			if (b->state == BUFFER_WRITING && !oldest)
				oldest = b;
		}
		if (oldest)
			aio_finish(l->aio, &oldest->op);
		*error = buffers_reap(l, false);
	}
	*error = *error ? *error : EIO;
	return NULL;
}

static int open_begin(struct log *l, bool cleaning)
{
	int error = free_ensure(l, cleaning);
	if (error || l->open != NONE) /* cleaning may have opened one */
		return error;
	struct buffer *b = buffer_take(l, &error);
	if (!b)
		return error;
	pthread_mutex_lock(&l->lock);
	b->cluster = free_pop_next(l);
	b->fill = 0;
	b->state = BUFFER_OPEN;
	l->open = (uint32_t)(b - l->buffer);
	struct cluster *c = cluster_at(l, b->cluster);
	c->state = CLUSTER_FILLING;
	c->buffer = (uint8_t)l->open;
	c->live = 0;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static void open_end(struct log *l)
{
	struct buffer *b = &l->buffer[l->open];
	l->open = NONE;
	buffer_send(l, b);
}

int log_append(struct log *l, uint64_t slot, const void *page, uint32_t expected, bool cleaning)
{
	uint32_t *leaf = slots_make(&l->map, slot);
	int error = !leaf ? ENOMEM : l->open == NONE ? open_begin(l, cleaning) : 0;
	if (error)
		return error;
	struct buffer *b = &l->buffer[l->open];
	memcpy(b->bytes + (size_t)b->fill * l->page_bytes, page, l->page_bytes);
	pthread_mutex_lock(&l->lock);
	uint32_t *entry = &leaf[slot % SLOTS_LEAF], was = *entry;
	if (expected == ANY_PLACE || was == expected) {
		struct cluster *c = cluster_at(l, b->cluster);
		c->owner[b->fill] = (uint32_t)slot;
		c->live++;
		l->live++;
		*entry = b->cluster * l->cluster_pages + b->fill + 1;
		if (was)
			place_drop(l, was);
		b->fill++;
	}
	pthread_mutex_unlock(&l->lock);
	if (b->fill == l->cluster_pages)
		open_end(l);
	return 0;
}

static bool has_excess(const struct log *l)
{
	return l->n_backed_free > SLACK + l->n_clusters / 4;
}

/* Gives the file system its space back when far more than is needed is free.  => writer is held */
static void trim(struct log *l)
{
	for (int i = 0; i < TRIM_MAX && l->allocates; i++) {
		pthread_mutex_lock(&l->lock);
		uint32_t at = has_excess(l) ? free_pop(l, true) : NONE;
		pthread_mutex_unlock(&l->lock);
		if (at == NONE)
			return;
		bool failed = fallocate(aio_fd(l->aio), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(at * cluster_bytes(l)),
		                        (off_t)cluster_bytes(l));
		pthread_mutex_lock(&l->lock);
		cluster_at(l, at)->backed = failed;
		free_push(l, at);
		pthread_mutex_unlock(&l->lock);
		if (failed)
			return;
	}
}

enum pw_err log_fail(const struct log *l, const char *verb, uint64_t slot, int error, struct pw_why *why)
{
	enum pw_err err = error == ENOMEM ? PW_NOMEM : PW_IO;
	if (is_full(error))
		err = PW_NOSPACE;
	return pw_fail(why, err, "store %s: %s of slot %llu: %s", l->name, verb, (unsigned long long)slot, strerror(error));
}

enum pw_err log_write(struct log *l, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	uint32_t order[STORE_BATCH];
	slots_order(slot, n, order);
	pthread_mutex_lock(&l->writer);
	int error = buffers_reap(l, false);
	uint32_t i = 0;
	for (; !error && i < n; i++)
		error = log_append(l, slot[order[i]], pages[order[i]], ANY_PLACE, false);
	trim(l);
	pthread_mutex_unlock(&l->writer);
	return error ? log_fail(l, "write", slot[order[i ? i - 1 : 0]], error, why) : PW_OK;
}

void log_discard(struct log *l, uint64_t slot, uint32_t n)
{
	pthread_mutex_lock(&l->lock);
	for (uint64_t i = slot; i < slot + n; i++) {
		uint32_t *leaf = slots_leaf(&l->map, i), *entry = leaf ? &leaf[i % SLOTS_LEAF] : NULL;
		if (!entry || !*entry)
			continue;
		uint32_t was = *entry;
		*entry = 0;
		place_drop(l, was);
	}
	bool much = has_excess(l);
	pthread_mutex_unlock(&l->lock);
	if (much && !pthread_mutex_trylock(&l->writer)) {
		trim(l);
		pthread_mutex_unlock(&l->writer);
	}
}

enum pw_err log_flush(struct log *l, struct pw_why *why)
{
	pthread_mutex_lock(&l->writer);
	if (l->open != NONE && l->buffer[l->open].fill)
		open_end(l);
	int error = buffers_reap(l, true);
	uint64_t slot = 0;
	for (uint32_t i = 0; error && i < BUFFERS; i++) {
		if (l->buffer[i].state == BUFFER_FAILED)
			slot = cluster_at(l, l->buffer[i].cluster)->owner[0];
	}
	pthread_mutex_unlock(&l->writer);
	return error ? log_fail(l, "write", slot, error, why) : PW_OK;
}

void log_stats(struct log *l, struct store_stats *sum)
{
	pthread_mutex_lock(&l->lock);
	uint64_t bare = l->n_free - l->n_backed_free;
	sum->file_bytes += (l->n_clusters - bare) * cluster_bytes(l);
	sum->memory_bytes += BUFFERS * cluster_bytes(l);
	sum->cleaned += __atomic_load_n(&l->cleaned, __ATOMIC_RELAXED);
	sum->reclustered += __atomic_load_n(&l->reclustered, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&l->lock);
	aio_stats(l->aio, sum);
}

const char *log_flaw(struct log *l)
{
	uint64_t live = 0, n_free = 0;
	for (uint32_t i = 0; i < l->n_clusters; i++) {
		const struct cluster *c = cluster_at(l, i);
		uint32_t owned = 0;
		for (uint32_t k = 0; k < l->cluster_pages; k++)
			owned += c->live && place_of_slot(l, c->owner[k]) == i * l->cluster_pages + k + 1;
		if (owned != c->live)
			return "log: a cluster's live pages are not those that the map places there";
		if (c->pins)
			return "log: a cluster is pinned, and nobody reads";
		live += c->live;
		n_free += c->state == CLUSTER_FREE;
	}
	if (live != l->live)
		return "log: the clusters hold other pages than are live";
	return n_free == l->n_free ? NULL : "log: free clusters are lost";
}

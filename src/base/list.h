/* list.h - doubly linked lists threaded through their members, with the head as a member of the ring. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_after(struct list *at, struct list *l)
{
	l->next = at->next;
	l->prev = at;
	at->next->prev = l;
	at->next = l;
}
static inline void list_push_front(struct list *head, struct list *l) { list_insert_after(head, l); }
static inline void list_push_back(struct list *head, struct list *l) { list_insert_after(head->prev, l); }

/* => l is in a list; afterwards it is a ring of its own, so removing twice is harmless. */
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

#define list_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The current member may be removed while going through. */
#define list_each_safe(it, head) \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

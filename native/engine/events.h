/*
 * What packet threads have to tell: an errno for each kind with what it is about, and a descriptor
 * that wakes the control thread.
 */
#ifndef TWILL_EVENTS_H
#define TWILL_EVENTS_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum event {
	EVENT_TUN_LOST,	     /* a queue of the TUN cannot be read any more */
	EVENT_BATCH_REFUSED, /* the kernel refused several datagrams in one call to the peer `about`
			      */
	EVENT_RUN_REFUSED,   /* the TUN refused several packets in one write */
	EVENT_STRANGERS_ADMITTED, /* the kernel takes no program that keeps strangers out */
	EVENT_COUNT
};

struct events {
	int fd; /* eventfd, readable when something was raised */
	_Atomic int errnos[EVENT_COUNT];
	_Atomic uint32_t about[EVENT_COUNT]; /* underlay address of a peer, host order, or 0 */
};

/* Packet threads: tell it. A kind that is raised again before it was taken is told once. */
static inline void events_raise(struct events *events, enum event event, int number, uint32_t about)
{
	atomic_store(&events->about[event], about);
	atomic_store(&events->errnos[event], number);
	eventfd_write(events->fd, 1); /* full means that it is readable */
}

/* Control thread: the errno of an event that was raised since the last call, else 0; and what it
 * was about. */
static inline int events_take(struct events *events, enum event event, uint32_t *about)
{
	*about = atomic_load(&events->about[event]);
	return atomic_exchange(&events->errnos[event], 0);
}

#endif

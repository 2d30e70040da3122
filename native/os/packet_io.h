/*
 * Packets on a descriptor that keeps their boundaries: a TUN, or one end of a packet pair.
 * All descriptors are non-blocking. Nothing here allocates or keeps state.
 */
#ifndef TWILL_PACKET_IO_H
#define TWILL_PACKET_IO_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Read one packet; what does not fit into `size` is cut off without a sign. Returns its
 * length, 0 when the other end of a packet pair is closed, or a negative errno.
 */
ssize_t packet_read(int fd, void *out, size_t size);

/*
 * Write one packet. Returns the bytes taken, which is `size`, or a negative errno: -EAGAIN
 * when the queue is full, -EPIPE when the other end of a packet pair is closed, before that
 * one -ECONNRESET if it was closed with packets unread.
 */
ssize_t packet_write(int fd, const void *packet, size_t size);

/*
 * Make two connected descriptors, non-blocking and close-on-exec, that keep packet
 * boundaries both ways: they stand in for a TUN where there is no root. The caller owns
 * both. Returns 0 or a negative errno.
 */
int packet_pair(int fds[2]);

#endif

/* The UDP socket to the other nodes. */
#ifndef TWILL_UDP_SOCKET_H
#define TWILL_UDP_SOCKET_H

#include <stdint.h>

/* Address, port and queue sizes, all in host order; the sizes in bytes, 0 for the default. */
struct udp_socket_options {
	uint32_t address;
	uint16_t port;
	int receive_buffer_bytes;
	int send_buffer_bytes;
};

/*
 * Open an IPv4 UDP socket, non-blocking and close-on-exec, and bind it. Its datagrams leave
 * with DF clear and may be cut into fragments on the way; ICMP that tells of a narrower path is
 * not believed (IP_PMTUDISC_OMIT, kernel 3.15), for anybody can send it. Queues are as large as
 * asked with CAP_NET_ADMIN, else at most net.core.{r,w}mem_max. The caller owns the descriptor.
 * Returns it, or a negative errno.
 */
int udp_socket_open(const struct udp_socket_options *options);

/*
 * Clear SO_REUSEADDR, so that nobody else can bind our address and port. Returns 0 or a
 * negative errno.
 */
int udp_socket_forbid_reuse(int fd);

/*
 * Datagrams that the kernel dropped at this socket since it was opened, because its queue was full
 * or its filter refused them; 32 bits, then it comes round. What the kernel or a network card
 * joined counts once. 0 also when it cannot be asked.
 */
uint32_t udp_socket_drops(int fd);

#endif

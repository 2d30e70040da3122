/* How many queues of a TUN are in use. */
#ifndef TWILL_TUN_QUEUES_H
#define TWILL_TUN_QUEUES_H

/*
 * Ask the kernel (RTM_GETLINK of rtnetlink(7)) how many queues are attached to the TUN `name`
 * that was made for several queues. 0 also when there is no device, or another kind has the name.
 * Returns a negative errno when the kernel cannot be asked.
 */
int tun_count_queues(const char *name);

#endif

/*
 * Every outcome of a packet, and facts on the side. Names, order and meaning are those of COUNTER
 * in src/datapath/packet-counters.ts; engine-addon.ts compares the names when the addon is loaded.
 */
#ifndef TWILL_COUNTERS_H
#define TWILL_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS(X)                                                      \
	X(ENCAP_SENT, "encapSent")                                       \
	X(ENCAP_DROP_SHORT, "encapDropShort")                            \
	X(ENCAP_DROP_IPV6, "encapDropIpv6")                              \
	X(ENCAP_DROP_VERSION, "encapDropVersion")                        \
	X(ENCAP_DROP_HEADER_LENGTH, "encapDropHeaderLength")             \
	X(ENCAP_DROP_TOTAL_LENGTH, "encapDropTotalLength")               \
	X(ENCAP_DROP_CHECKSUM, "encapDropChecksum")                      \
	X(ENCAP_DROP_MARTIAN, "encapDropMartian")                        \
	X(ENCAP_DROP_FOREIGN_SOURCE, "encapDropForeignSource")           \
	X(ENCAP_DROP_OWN_DESTINATION, "encapDropOwnDestination")         \
	X(ENCAP_DROP_TTL, "encapDropTtl")                                \
	X(ENCAP_DROP_NO_PEER, "encapDropNoPeer")                         \
	X(ENCAP_DROP_DONT_FRAGMENT, "encapDropDontFragment")             \
	X(ENCAP_DROP_TOO_LONG, "encapDropTooLong")                       \
	X(ENCAP_DROP_OFFLOAD, "encapDropOffload")                        \
	X(ENCAP_DROP_SEND_BUSY, "encapDropSendBusy")                     \
	X(ENCAP_DROP_SEND_TOO_LONG, "encapDropSendTooLong")              \
	X(ENCAP_DROP_SEND_FAILED, "encapDropSendFailed")                 \
	X(DECAP_DELIVERED, "decapDelivered")                             \
	X(DECAP_DROP_STRANGER, "decapDropStranger")                      \
	X(DECAP_DROP_QUEUE_FULL, "decapDropQueueFull")                   \
	X(DECAP_DROP_SHORT, "decapDropShort")                            \
	X(DECAP_DROP_FRAME_FLAGS, "decapDropFrameFlags")                 \
	X(DECAP_DROP_FRAME_VNI, "decapDropFrameVni")                     \
	X(DECAP_DROP_FRAME_MAC, "decapDropFrameMac")                     \
	X(DECAP_DROP_FRAME_TYPE, "decapDropFrameType")                   \
	X(DECAP_DROP_VERSION, "decapDropVersion")                        \
	X(DECAP_DROP_HEADER_LENGTH, "decapDropHeaderLength")             \
	X(DECAP_DROP_TOTAL_LENGTH, "decapDropTotalLength")               \
	X(DECAP_DROP_CHECKSUM, "decapDropChecksum")                      \
	X(DECAP_DROP_MARTIAN, "decapDropMartian")                        \
	X(DECAP_DROP_FOREIGN_SOURCE, "decapDropForeignSource")           \
	X(DECAP_DROP_FOREIGN_DESTINATION, "decapDropForeignDestination") \
	X(DECAP_DROP_TTL, "decapDropTtl")                                \
	X(DECAP_DROP_WRITE_BUSY, "decapDropWriteBusy")                   \
	X(DECAP_DROP_DEVICE_DOWN, "decapDropDeviceDown")                 \
	X(DECAP_DROP_WRITE_REFUSED, "decapDropWriteRefused")             \
	X(DECAP_DROP_WRITE_FAILED, "decapDropWriteFailed")               \
	X(ENCAP_BYTES, "encapBytes")                                     \
	X(DECAP_BYTES, "decapBytes")                                     \
	X(ENCAP_FOREIGN_SOURCE, "encapForeignSource")                    \
	X(DECAP_FOREIGN_SOURCE, "decapForeignSource")                    \
	X(ICMP_SENT, "icmpSent")                                         \
	X(ICMP_RATE_LIMITED, "icmpRateLimited")                          \
	X(ICMP_FAILED, "icmpFailed")                                     \
	X(TUN_READ_ERRORS, "tunReadErrors")                              \
	X(SOCKET_ERRORS, "socketErrors")                                 \
	X(ENCAP_CUT, "encapCut")                                         \
	X(DECAP_MERGED, "decapMerged")                                   \
	X(OFFLOAD_REFUSED, "offloadRefused")                             \
	X(OFFLOAD_DOWNGRADES, "offloadDowngrades")

enum counter {
#define COUNTER_PLACE(name, text) COUNTER_##name,
	COUNTERS(COUNTER_PLACE)
#undef COUNTER_PLACE
	    COUNTER_COUNT
};

/* The counters of one thread: it alone writes them, anybody may read them at any time. */
struct counters {
	_Alignas(64) _Atomic uint64_t values[COUNTER_COUNT];
};

/* Add to a counter of the calling thread's own block: a load and a store, no locked instruction. */
static inline void counters_add(struct counters *counters, enum counter place, uint64_t amount)
{
	_Atomic uint64_t *value = &counters->values[place];

	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
			      memory_order_relaxed);
}

#endif

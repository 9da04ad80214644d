/* include/kukeon/tty.h - what a client and kuketty say to each other at the socket of a terminal: packets, each of one byte
 * that tells what it is, and its content. */
#ifndef KK_TTY_H
#define KK_TTY_H

#include <stdint.h>

enum kk_tty_packet {
	KK_TTY_SIZE =
		's', /* of a client: struct kk_tty_size; the first that it sends, and whenever it changes */
	KK_TTY_INPUT = 'i',  /* of a client: what was typed */
	KK_TTY_REPLAY = 'r', /* of kuketty: the end of what was written before the client came */
	KK_TTY_OUTPUT = 'o', /* of kuketty: what is written */
	KK_TTY_ENDED = 'e',  /* of kuketty: nothing will be written any more */
	KK_TTY_FULL = 'f',   /* of kuketty: there are too many clients, this one is let go */
};

/* In characters. Both sides are on one machine. */
struct kk_tty_size {
	uint16_t rows;
	uint16_t columns;
};

enum {
	KK_TTY_PACKET_MAX = 16 * 1024, /* bytes */
	KK_TTY_CLIENTS_MAX = 32,       /* one more is let go at once */
};

#endif

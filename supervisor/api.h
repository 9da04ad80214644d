/* supervisor/api.h - the API socket from inside: its connections, and the calls that came over them. */
#ifndef KK_SUPERVISOR_API_H
#define KK_SUPERVISOR_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kukeon/buf.h>
#include <kukeon/supervisor.h>

#include "front.h"
#include "handover.h"
#include "jsonrpc.h"

struct kk_loop;
struct kk_timer;
struct kk_watch;

/* The answer of an operation, within the bytes that its client has not taken yet. */
struct sv_due {
	struct sv_due *next;
	uint64_t op;
	uint64_t end; /* of the answer, in bytes since the connection began */
};

/* One connection. */
struct sv_client {
	struct sv_client *next;
	struct sv_front *front;
	struct kk_watch *watch;
	struct kk_timer *idle_timer;
	int fd;
	struct kk_peer peer;
	struct kk_buf in;
	struct kk_buf out;
	size_t out_done; /* bytes of out that are written already */
	uint64_t n_out;  /* bytes that went out so far */
	struct sv_due *dues;
	struct sv_json_scanner scanner;
	unsigned n_calls; /* that it waits for */
	size_t n_ready; /* bytes of the complete request at the start of in that waits for its turn */
	uint64_t turn; /* the lowest is next; 0: it does not wait */
	bool is_eof;   /* it will send no more, but may wait for answers */
	bool is_deaf;  /* it takes no answers, but what it sent is done */
};

/* A call under way. */
struct sv_call {
	struct sv_call *prev;
	struct sv_call *next;
	struct sv_front *front;
	struct sv_client *client; /* who waits; NULL: nobody any more */
	uint64_t number;          /* calls have one each, in their order */
	uint64_t op;
	bool is_named; /* the client chose the id of the operation: it may ask for the answer again */
	int64_t uid;
	size_t n_bytes; /* of a large request */
	char *id;       /* of the request, JSON */
	char *method;
	char *refusal; /* what is wrong with the request, if there is such a method; NULL: nothing */
	uint64_t rpc_id; /* of the request to the reconciler; 0: the supervisor answers itself */
};

/* The answer of an operation that has changed something, for who lost it. */
struct sv_kept {
	struct sv_kept *next;
	uint64_t op;
	int64_t uid;
	char *method;
	struct kk_buf result;
};

struct sv_front {
	struct kk_loop *loop;
	struct kk_supervisor *sv;
	struct kk_watch *watch;
	char *path;
	int fd;
	int spare_fd; /* given up for a moment when descriptors run out */
	struct sv_client *clients;
	unsigned n_clients;
	struct sv_call *calls;
	struct sv_call *ended; /* to be freed */
	unsigned n_calls;
	size_t n_bytes; /* of the large requests that the calls are */
	uint64_t last_turn;
	uint64_t last_number;         /* of a call */
	struct sv_kept *kept;         /* newest first */
	void (*reload_fn)(void *arg); /* somebody asked for it */
	void *reload_arg;
	bool is_draining;
	void (*drained_fn)(void *arg);
	void *drained_arg;
};

/* --- front.c --- */

/* Something ended: perhaps it was the last that a drain waits for. */
void sv_front_check(struct sv_front *front);

/* --- client.c --- */

/* Takes @fd over when it succeeds; NULL: out of memory. */
struct sv_client *sv_client_new(struct sv_front *front, int fd);
void sv_client_free(struct sv_client *client);

/* Watch for what can be done now. */
void sv_client_arm(struct sv_client *client);

/* Queue the response to the request @id. @op: the operation that it answers and that has notes to be
 * dropped once the client's kernel has the last byte; 0: none. */
void sv_client_respond(struct sv_client *client, const char *id, const void *result, size_t len,
	const char *error, uint64_t op);

int sv_client_export(const struct sv_client *client, struct sv_handover *handover);
struct sv_client *sv_client_resume(struct sv_front *front, const struct kk_handover_client *doc,
	struct sv_handover *handover, struct kk_err *err);

void sv_client_respond_err(struct sv_client *client, const char *id, const struct kk_err *err);

/* Take what has come, as far as it may run at once, and write what is to be written. May free @client. */
void sv_client_go_on(struct sv_client *client);

/* A large call has ended: those that wait have their turn, as far as there is room. */
void sv_client_next_go_on(struct sv_front *front);

/* --- call.c --- */

#define SV_RELOAD_METHOD "KukeonV1.ReloadDaemon"

/* Takes the id and the method of @request. @n_bytes: of a large one, else 0. NULL: out of memory, the client
 * was told. */
struct sv_call *sv_call_new(struct sv_client *client, struct sv_request *request, size_t n_bytes);

/* Of the operation @op, which its client has named; NULL: there is none. */
struct sv_call *sv_call_find(const struct sv_front *front, uint64_t op);
const struct sv_kept *sv_kept_find(const struct sv_front *front, uint64_t op);

/* Start what @request asks for, or answer at once. @n_bytes: of a large one, else 0. */
void sv_call_take(struct sv_client *client, struct sv_request *request, size_t n_bytes);

/* Its calls go on, but nobody waits for them. */
void sv_call_orphan(struct sv_client *client);

/* All calls and kept answers. */
int sv_call_export(const struct sv_front *front, struct sv_handover *handover);
int sv_call_resume(struct sv_front *front, struct sv_handover *handover, struct kk_err *err);

/* Free those that have ended. */
void sv_call_bury(struct sv_front *front);
void sv_call_release(struct sv_front *front);

/* --- own.c --- */

/* Answer it, if it is a method of the supervisor's own. */
bool sv_own_take(struct sv_client *client, struct sv_request *request);

#endif

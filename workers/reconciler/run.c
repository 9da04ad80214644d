/* workers/reconciler/run.c - carrying out a plan: phase by phase, each phase in parallel. */
#include "rc.h"

#include <stdlib.h>

#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

struct run {
	struct rc_plan *plan;
	uint64_t op;
	rc_done_f fn;
	void *arg;
	unsigned phase;
	size_t n_open;
	struct kk_err err;
};

struct answer {
	struct run *run;
	size_t step;
};

static enum kk_role role_of(unsigned msg)
{
	switch (msg >> 8) {
	case 0x02:
		return KK_ROLE_containerd;
	case 0x03:
		return KK_ROLE_network;
	default:
		return KK_ROLE_cgroup;
	}
}

static void phase_begin(struct run *run);

static void run_end(struct run *run)
{
	run->fn(run->err.code ? &run->err : NULL, run->arg);
	free(run);
}

static void step_on_reply(const void *rep, const struct kk_err *err, void *arg)
{
	struct answer *answer = arg;
	struct run *run = answer->run;
	struct rc_step *step = &run->plan->steps[answer->step];
	const struct kk_msg_row *row = kk_msg_row(step->msg);
	char text[KK_ERR_TEXT];

	if (rep) {
		step->rep = kk_xalloc(row->rep()->size);
		kk_schema_copy(row->rep(), rep, step->rep);
	} else if (step->is_optional) {
		kk_err_format(err, text, sizeof text);
		kk_warning("%s failed, going on: %s", row->name, text);
	} else if (!run->err.code) {
		run->err = *err;
	}
	free(answer);
	if (--run->n_open)
		return;
	if (run->err.code || kk_fault(KK_FAULT_reconciler_phase_done, &run->err) < 0) {
		run_end(run);
		return;
	}
	run->phase++;
	phase_begin(run);
}

static void phase_begin(struct run *run)
{
	unsigned last = 0;

	for (size_t i = 0; i < run->plan->n; i++) {
		if (run->plan->steps[i].phase > last)
			last = run->plan->steps[i].phase;
		run->n_open += run->plan->steps[i].phase == run->phase;
	}
	if (run->n_open == 0) {
		if (run->phase >= last) {
			run_end(run);
			return;
		}
		run->phase++;
		phase_begin(run);
		return;
	}
	for (size_t i = 0; i < run->plan->n; i++) {
		const struct rc_step *step = &run->plan->steps[i];
		struct answer *answer;

		if (step->phase != run->phase)
			continue;
		answer = kk_xalloc(sizeof *answer);
		*answer = (struct answer){run, i};
		kk_rpc_call(rc.worker->rpc, role_of(step->msg), step->msg, step->req, run->op,
			step_on_reply, answer);
	}
}

void rc_plan_run(struct rc_plan *plan, uint64_t op, rc_done_f fn, void *arg)
{
	struct run *run = kk_xalloc(sizeof *run);

	*run = (struct run){.plan = plan, .op = op, .fn = fn, .arg = arg};
	phase_begin(run);
}

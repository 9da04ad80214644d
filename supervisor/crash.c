/* supervisor/crash.c - a death is explained: what is known of it goes into a file that a human will read. */
#include "sv.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/crash.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum {
	REPORTS_MAX = 64, /* the oldest make room */
	REPORT_MAX = 128 * 1024,
};

void sv_trace_add(struct sv_worker *worker, const struct kk_envelope *env, bool is_sent)
{
	worker->traces[worker->n_traces++ % SV_TRACES] = (struct sv_trace){
		.at_us = kk_clock_us(),
		.id = env->id,
		.op = env->op,
		.type = (uint16_t)env->type,
		.kind = (uint8_t)env->kind,
		.peer = (uint8_t)(is_sent ? env->source : env->target),
		.is_sent = is_sent,
	};
}

void sv_tail_add(struct sv_worker *worker, const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		worker->tail[worker->n_tail++ % SV_TAIL] = line[i];
}

static void traces_write(const struct sv_worker *worker, struct kk_buf *out)
{
	unsigned n = worker->n_traces < SV_TRACES ? worker->n_traces : SV_TRACES;
	int64_t now = kk_clock_us();

	kk_buf_printf(out, "\nlast messages, times in ms before the death was noticed:\n");
	for (unsigned i = worker->n_traces - n; i < worker->n_traces; i++) {
		const struct sv_trace *trace = &worker->traces[i % SV_TRACES];
		const struct kk_msg_row *row = kk_msg_row(trace->type);

		kk_buf_printf(out, "%10.3f %s %-10s %-8s %-24s id=%llu op=%016llx\n",
			(double)(now - trace->at_us) / -1000.0, trace->is_sent ? "from" : "to  ",
			kk_role_name(trace->peer), kk_envelope_kind_name(trace->kind),
			row ? row->name : "", (unsigned long long)trace->id,
			(unsigned long long)trace->op);
	}
}

static void flights_write(const struct sv_worker *worker, struct kk_buf *out)
{
	kk_buf_printf(out, "\nrequests that it had and did not answer:\n");
	for (const struct sv_flight *f = worker->sv->flights; f; f = f->next) {
		const struct kk_msg_row *row = kk_msg_row(f->env.type);

		if (f->env.target == (unsigned)worker->role &&
			f->sent_generation == worker->generation)
			kk_buf_printf(out,
				"  %-24s from %-10s id=%llu op=%016llx earlier_deaths=%d\n",
				row ? row->name : "", kk_role_name(f->env.source),
				(unsigned long long)f->env.id, (unsigned long long)f->env.op,
				f->n_deaths + f->n_kills);
	}
}

static void tail_write(const struct sv_worker *worker, struct kk_buf *out)
{
	size_t n = worker->n_tail < SV_TAIL ? worker->n_tail : SV_TAIL;
	size_t from = worker->n_tail - n;

	kk_buf_printf(out, "\nend of its log:\n");
	/* The first line is cut. */
	while (n == SV_TAIL && from < worker->n_tail && worker->tail[from++ % SV_TAIL] != '\n')
		;
	for (size_t i = from; i < worker->n_tail; i++)
		kk_buf_char(out, worker->tail[i % SV_TAIL]);
}

static void report_make(const struct sv_worker *worker, pid_t pid, const char *how,
	struct kk_buf *out)
{
	char now[KK_TIME_TEXT];

	kk_time_format(kk_time_now(), now);
	kk_buf_printf(out,
		"kukeon crash report\n\nworker      %s\npid         %d\nincarnation %u\ndied        %s\n"
		"how         %s\nlived       %.3f s\nrestarts    %u\nversion     %s\nbuild       %s\n",
		kk_role_name(worker->role), (int)pid, worker->generation, now, how,
		(double)(kk_clock_ms() - worker->started_ms) / 1000.0, worker->backoff.n_restarts,
		KK_VERSION, kk_build_id());
	if (worker->last_words.len) {
		kk_buf_printf(out, "\nits last words (addr2line -fe kukeond takes the offsets):\n");
		kk_buf_append(out, worker->last_words.data, worker->last_words.len);
	}
	traces_write(worker, out);
	tail_write(worker, out);
	/* Last: there may be thousands, and the report has a limit. */
	flights_write(worker, out);
}

static int is_report(const struct dirent *entry)
{
	return kk_str_ends(entry->d_name, ".txt");
}

/* All of one width, so that names sort by time. */
static void stamp_make(char *buf, size_t size)
{
	int64_t now = kk_time_now();
	time_t seconds = (time_t)(now / 1000000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, size, "%Y%m%dT%H%M%S", &tm);
	snprintf(buf + n, size - n, ".%03dZ", (int)(now / 1000000 % 1000));
}

static void reports_trim(const char *dir)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_report, alphasort);

	for (int i = 0; i < n; i++) {
		kk_auto_free char *path = kk_printf("%s/%s", dir, entries[i]->d_name);

		if (path && i < n - REPORTS_MAX)
			unlink(path);
		free(entries[i]);
	}
	free(entries);
}

char *sv_crash_report(const struct sv_worker *worker, pid_t pid, const char *how)
{
	const char *dir = worker->sv->crash_dir;
	kk_auto_buf report = {.max = REPORT_MAX};
	struct kk_err err = {0};
	char text[KK_ERR_TEXT], stamp[32];
	char *path;

	stamp_make(stamp, sizeof stamp);
	path = kk_printf("%s/%s-%s-%d.txt", dir, stamp, kk_role_name(worker->role), (int)pid);
	if (!path)
		return NULL;
	report_make(worker, pid, how, &report);
	if (kk_dir_make(dir, 0750, &err) < 0 ||
		kk_file_write(path, report.data, report.len, 0640, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		kk_warning("no crash report: %s", text);
		free(path);
		return NULL;
	}
	reports_trim(dir);
	return path;
}

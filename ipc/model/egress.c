/* ipc/model/egress.c - what a space lets its cells reach. */
#include <kukeon/model.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

/* Is @text @word in any case, or with blanks around it? */
static bool is_word(const char *text, const char *word)
{
	size_t start = strspn(text, " \t"), len = strlen(word);

	return strncasecmp(text + start, word, len) == 0 &&
		strspn(text + start + len, " \t") == strlen(text + start + len);
}

bool kk_egress_is_deny(const struct kk_egress *egress)
{
	return is_word(kk_str(egress->default_verdict), "deny");
}

static bool is_dns_name(const char *host)
{
	return host[0] != '.' && host[strlen(host) - 1] != '.' && !strstr(host, "..") &&
		!strpbrk(host, "/ \t\r\n");
}

static bool is_cidr(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];
	const char *bits = strchr(text, '/');
	kk_auto_free char *host = NULL;
	bool is_v4;

	if (!bits || !bits[1] || strspn(bits + 1, "0123456789") != strlen(bits + 1) ||
		strlen(bits + 1) > 3)
		return false;
	host = kk_xstrndup(text, (size_t)(bits - text));
	is_v4 = inet_pton(AF_INET, host, address) == 1;
	return (is_v4 || inet_pton(AF_INET6, host, address) == 1) &&
		strtoul(bits + 1, NULL, 10) <= (is_v4 ? 32 : 128);
}

bool kk_egress_rule_is_ipv4(const struct kk_egress_rule *rule)
{
	return is_cidr(kk_str(rule->cidr)) && !strchr(rule->cidr, ':');
}

static void egress_rule_check(const struct kk_egress_rule *rule, size_t i, struct kk_strs *problems)
{
	const char *why = NULL;

	if (kk_str_empty(rule->host) && kk_str_empty(rule->cidr))
		why = "requires exactly one of host or cidr";
	else if (!kk_str_empty(rule->host) && !kk_str_empty(rule->cidr))
		why = "must not set both host and cidr";
	if (why)
		kk_strs_take(problems,
			kk_xprintf("egress allow rule %zu: egress allow rule %s", i, why));
	else if (!kk_str_empty(rule->host) && !is_dns_name(rule->host))
		kk_strs_take(problems,
			kk_xprintf(
				"egress allow rule %zu: egress allow rule host is not a valid dns "
				"name: \"%s\"",
				i, rule->host));
	else if (!kk_str_empty(rule->cidr) && !is_cidr(rule->cidr))
		kk_strs_take(problems,
			kk_xprintf(
				"egress allow rule %zu: egress allow rule cidr is not a valid CIDR: "
				"\"%s\"",
				i, rule->cidr));
	for (size_t k = 0; k < rule->ports.n; k++) {
		long long port = atoll(rule->ports.items[k]);

		if (port < 1 || port > 65535)
			kk_strs_take(problems,
				kk_xprintf("egress allow rule %zu: egress allow rule "
					   "port must be within [1, 65535]: %lld",
					i, port));
	}
}

void kk_egress_check(const struct kk_egress *egress, struct kk_strs *ret_problems)
{
	const char *verdict = kk_str(egress->default_verdict);

	if (!is_word(verdict, "") && !is_word(verdict, "allow") && !is_word(verdict, "deny"))
		kk_strs_add(ret_problems, "egress default must be 'allow' or 'deny'");
	for (size_t i = 0; i < egress->allow.n; i++)
		egress_rule_check(&egress->allow.items[i], i, ret_problems);
}

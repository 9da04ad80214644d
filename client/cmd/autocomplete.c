/* client/cmd/autocomplete.c - kuke autocomplete: scripts that make a shell ask `kuke __complete`. */
#include "../cli.h"

#include <stdio.h>

static const char bash[] =
	"# bash completion for kuke\n"
	"__kuke_complete() {\n"
	"\tlocal words current out directive word prefix=\n"
	"\tread -ra words <<<\"${COMP_LINE:0:COMP_POINT}\"\n"
	"\tcurrent=${COMP_LINE:0:COMP_POINT}\n"
	"\t[[ $current != *' ' ]] || words+=(\"\")\n"
	"\tcurrent=${words[${#words[@]} - 1]}\n"
	"\tout=$(\"${words[0]}\" __completeNoDesc \"${words[@]:1}\" 2>/dev/null)\n"
	"\tdirective=${out##*:}\n"
	"\t# What stands before the equals sign is a word of its own to bash.\n"
	"\t[[ $current != -*=* ]] || prefix=${current%%=*}=\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r word; do\n"
	"\t\t[[ -z $word || $word == :* ]] || COMPREPLY+=(\"${word#\"$prefix\"}\")\n"
	"\tdone <<<\"$out\"\n"
	"\t[[ $directive != 4 ]] || compopt +o default 2>/dev/null\n"
	"}\n"
	"complete -o default -F __kuke_complete kuke\n";

static const char zsh[] =
	"#compdef kuke\n"
	"# zsh completion for kuke\n"
	"_kuke() {\n"
	"\tlocal -a lines candidates\n"
	"\tlocal line directive\n"
	"\tlines=(\"${(@f)$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"\tdirective=${lines[-1]#:}\n"
	"\tfor line in \"${(@)lines[1,-2]}\"; do\n"
	"\t\t[[ -z $line ]] || candidates+=(\"${${line//:/\\\\:}/$'\\t'/:}\")\n"
	"\tdone\n"
	"\t_describe 'kuke' candidates && return\n"
	"\t[[ $directive == 4 ]] || _files\n"
	"}\n"
	"# Found in fpath, this is the first call.\n"
	"if [[ $funcstack[1] == _kuke ]]; then\n"
	"\t_kuke \"$@\"\n"
	"else\n"
	"\tcompdef _kuke kuke\n"
	"fi\n";

static const char fish[] =
	"# fish completion for kuke\n"
	"function __kuke_complete\n"
	"\tset -l words (commandline -opc) (commandline -ct)\n"
	"\tset -l lines ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
	"\tset -l directive $lines[-1]\n"
	"\tfor line in $lines\n"
	"\t\tstring match -q ':*' -- $line; or echo $line\n"
	"\tend\n"
	"\ttest \"$directive\" = ':4'; or __fish_complete_path (commandline -ct)\n"
	"end\n"
	"complete -c kuke -f -a '(__kuke_complete)'\n";

static int bash_run(struct cli *cli, struct kk_err *err)
{
	(void)cli;
	(void)err;
	fputs(bash, stdout);
	return 0;
}

static int zsh_run(struct cli *cli, struct kk_err *err)
{
	(void)cli;
	(void)err;
	fputs(zsh, stdout);
	return 0;
}

static int fish_run(struct cli *cli, struct kk_err *err)
{
	(void)cli;
	(void)err;
	fputs(fish, stdout);
	return 0;
}

static const struct cli_command bash_command = {
	.name = "bash",
	.summary = "For bash: source <(kuke autocomplete bash)",
	.max_args = -1,
	.run = bash_run,
};
static const struct cli_command zsh_command = {
	.name = "zsh",
	.summary = "For zsh: kuke autocomplete zsh >\"${fpath[1]}/_kuke\"",
	.max_args = -1,
	.run = zsh_run,
};
static const struct cli_command fish_command = {
	.name = "fish",
	.summary = "For fish: kuke autocomplete fish | source",
	.max_args = -1,
	.run = fish_run,
};

static const struct cli_command *const children[] = {
	&bash_command, &zsh_command, &fish_command, NULL};

const struct cli_command cli_cmd_autocomplete = {
	.name = "autocomplete",
	.aliases = "completion",
	.usage = "<shell>",
	.summary = "Print the completion script of a shell",
	.children = children,
};

/* `efficientai completion bash|zsh|fish`: the script that makes a shell complete our commands. The
 * scripts only ask `efficientai complete` (apps/completion.c), so they never go out of date. */
#include <string.h>

#include "catalog.h"

#include "base/banned.h"

/* bash cuts words at ':', so the line is split here, and candidates lose what stands before it. */
static const char bash_script[] =
    "# bash completion: source <(efficientai completion bash)\n"
    "_efficientai() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} cur strip= candidate\n"
    "    local -a words\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    cur=${words[${#words[@]}-1]}\n"
    "    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then\n"
    "        strip=${cur%\"${cur##*:}\"}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r candidate; do\n"
    "        COMPREPLY+=(\"${candidate#\"$strip\"}\")\n"
    "    done < <(\"${words[0]}\" complete \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -o default -F _efficientai efficientai\n";

static const char zsh_script[] = "#compdef efficientai\n"
                                 "# zsh completion: source <(efficientai completion zsh)\n"
                                 "_efficientai() {\n"
                                 "    local -a candidates\n"
                                 "    candidates=(${(f)\"$(\"${words[1]}\" complete "
                                 "\"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
                                 "    if (( ${#candidates} )); then\n"
                                 "        compadd -- \"${candidates[@]}\"\n"
                                 "    else\n"
                                 "        _files\n"
                                 "    fi\n"
                                 "}\n"
                                 "compdef _efficientai efficientai\n";

static const char fish_script[] = "# fish completion: efficientai completion fish | source\n"
                                  "function __efficientai_complete\n"
                                  "    set -l words (commandline -opc) (commandline -ct)\n"
                                  "    $words[1] complete $words[2..-1] 2>/dev/null\n"
                                  "end\n"
                                  "complete -c efficientai -a '(__efficientai_complete)'\n";

static const struct {
    const char *shell;
    const char *script;
} scripts[] = {
    {"bash", bash_script},
    {"zsh", zsh_script},
    {"fish", fish_script},
};

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    (void)args;
    const char *const *operands;
    int n = eai_options_operands(ctx->set, &operands);
    for (size_t i = 0; n == 1 && i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        if (strcmp(operands[0], scripts[i].shell) == 0) {
            fputs(scripts[i].script, ctx->out);
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_USAGE, "%s needs one shell: bash, zsh or fish", ctx->program);
}

const eai_command command_completion = {
    .name = "completion",
    .summary = "print the script that lets a shell complete commands",
    .run = run,
    .usage = "bash|zsh|fish",
    .help = "bash:  source <(efficientai completion bash)      in ~/.bashrc\n"
            "zsh:   source <(efficientai completion zsh)       in ~/.zshrc, after compinit\n"
            "fish:  efficientai completion fish | source       in ~/.config/fish/config.fish",
};

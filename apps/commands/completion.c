/* `efficientai completion bash|zsh|fish`: the script that makes a shell complete our commands. The
 * scripts only ask `efficientai complete` (apps/completion.c), so they never go out of date. */
#include <string.h>

#include "catalog.h"

#include "base/banned.h"

/* bash cuts words at ':' and '=', so it hands on the whole line, and candidates lose what stands
 * before the last cut. Files are its own business: names with blanks are quoted then. */
static const char bash_script[] =
    "# bash completion: source <(efficientai completion bash)\n"
    "_efficientai() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} cur strip='' files='' candidate\n"
    "    cur=${line##*[[:space:]]}\n"
    "    [[ $COMP_WORDBREAKS == *=* && $cur == *=* ]] && strip=${cur%\"${cur##*=}\"}\n"
    "    [[ $COMP_WORDBREAKS == *:* && ${cur#\"$strip\"} == *:* ]] && strip=${cur%\"${cur##*:}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r candidate; do\n"
    "        case $candidate in\n"
    "        '<files>') files=default ;;\n"
    "        '<folders>') files=dirnames ;;\n"
    "        *) COMPREPLY+=(\"${candidate#\"$strip\"}\") ;;\n"
    "        esac\n"
    "    done < <(\"${1:-efficientai}\" complete --line \"$line\" 2>/dev/null)\n"
    "    compopt +o default 2>/dev/null\n"
    "    [[ $files ]] && compopt -o \"$files\" 2>/dev/null\n"
    "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace "
    "2>/dev/null\n"
    "    return 0\n"
    "}\n"
    "complete -o default -F _efficientai efficientai\n";

static const char zsh_script[] =
    "#compdef efficientai\n"
    "# zsh completion: source <(efficientai completion zsh)\n"
    "_efficientai() {\n"
    "    local line word found=1\n"
    "    local -a whole open files\n"
    "    for line in \"${(@f)$(\"${(Q)words[1]}\" complete --descriptions "
    "\"${(@Q)words[2,CURRENT-1]}\" \"${(Q)PREFIX}\" 2>/dev/null)}\"; do\n"
    "        word=${line%%$'\\t'*}\n"
    "        line=${word//:/\\\\:}${line#$word}\n"
    "        case $word in\n"
    "            ('') ;;\n"
    "            ('<files>') files=(_files) ;;\n"
    "            ('<folders>') files=(_files -/) ;;\n"
    "            (*[=:]) open+=(\"${line/$'\\t'/:}\") ;;\n"
    "            (*) whole+=(\"${line/$'\\t'/:}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( $#whole )) && _describe efficientai whole && found=0\n"
    "    (( $#open )) && _describe efficientai open -S '' && found=0\n"
    "    if (( $#files )); then\n"
    "        compset -P '--[^=]#='\n"
    "        $files && found=0\n"
    "    fi\n"
    "    return found\n"
    "}\n"
    "compdef _efficientai efficientai\n";

static const char fish_script[] =
    "# fish completion: efficientai completion fish | source\n"
    "function __efficientai_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l word (commandline -ct | string unescape; or commandline -ct)\n"
    "    set -l program $words[1]\n"
    "    set -e words[1]\n"
    "    set -l prefix (string match -r -- '^--[^=]*=' \"$word\")\n"
    "    set -l path (string replace -r -- '^--[^=]*=' '' \"$word\")\n"
    "    for candidate in ($program complete --descriptions $words \"$word\" 2>/dev/null)\n"
    "        switch $candidate\n"
    "            case '<files>'\n"
    "                printf \"$prefix%s\\n\" (__fish_complete_path \"$path\")\n"
    "            case '<folders>'\n"
    "                printf \"$prefix%s\\n\" (__fish_complete_directories \"$path\" '')\n"
    "            case '*'\n"
    "                echo $candidate\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c efficientai -f -a '(__efficientai_complete)'\n";

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

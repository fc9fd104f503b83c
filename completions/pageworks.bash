# bash completion for pageworks.  Options and names come from the command itself, so this file never falls behind.

_pageworks_options()
{
	"$1" "$2" --help 2>/dev/null | grep -oE -- '(^|[ ,])--[a-z-]+' | tr -d ' ,' | sort -u
}

_pageworks_verbs()
{
	"$1" --help 2>/dev/null | awk '/^$/ { part++ } part == 1 && $1 == "pageworks" { print $2 }'
}

_pageworks_names()
{
	"$1" run "$2" help 2>/dev/null | awk '/^[a-z0-9]/ { print $1 }'
}

_pageworks()
{
	local command=${COMP_WORDS[0]} verb=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local i
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W "$(_pageworks_verbs "$command") --help --version" -- "$word"))
		return
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			declare -F _command_offset >/dev/null && _command_offset $((i + 1))
			return
		fi
	done
	case $previous in
	--policy | --cpu | --format | --swap)
		COMPREPLY=($(compgen -W "$(_pageworks_names "$command" "$previous")" -- "$word"))
		return ;;
	--nested) COMPREPLY=($(compgen -W "$(_pageworks_names "$command" --format)" -- "$word")); return ;;
	--refbits) COMPREPLY=($(compgen -W 'exact hardware' -- "$word")); return ;;
	--overcommit) COMPREPLY=($(compgen -W 'always heuristic never' -- "$word")); return ;;
	--replacement) COMPREPLY=($(compgen -W 'global local local:proportional' -- "$word")); return ;;
	--loadcontrol) COMPREPLY=($(compgen -W 'never thrashing' -- "$word")); return ;;
	--huge) COMPREPLY=($(compgen -W 'never madvise always' -- "$word")); return ;;
	--personality) COMPREPLY=($(compgen -W 'textbook linux' -- "$word")); return ;;
	--files) COMPREPLY=($(compgen -W 'cached cold' -- "$word")); return ;;
	--emit) COMPREPLY=($(compgen -W 'slurm parallel' -- "$word")); return ;;
	--dir | --collect) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$word")); return ;;
	--jobs | --columns | --sort | --pivot) return ;;
	--to) COMPREPLY=($(compgen -W "$("$command" convert --to help 2>/dev/null | awk '{ print $1 }')" -- "$word")); return ;;
	--by) COMPREPLY=($(compgen -W 'user name' -- "$word")); return ;;
	--fields) COMPREPLY=($(compgen -W "$("$command" ps --fields help 2>/dev/null | awk '{ print $1 }')" -- "$word")); return ;;
	--user) COMPREPLY=($(compgen -u -- "$word")); return ;;
	--source) COMPREPLY=($(compgen -W 'auto scan words frames' -- "$word")); return ;;
	--wss | --interval | --watch | --zoom) return ;;
	--top) [[ $verb == live ]] || return ;;
	--protect) COMPREPLY=($(compgen -W "heap 'anon:*'" -- "$word")); return ;;
	--progress) COMPREPLY=($(compgen -W 'auto never' -- "$word")); return ;;
	--turn | --every | --quantum) return ;;
	--granule | --frames | --ram | --page | --entries | --ways | --tlb | --asids | --hostram | --cpus | --cost | --seed | --limit | --warmup | --tau | --fail-on | --fail-status) return ;;
	esac
	if [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W "$(_pageworks_options "$command" "$verb") --" -- "$word"))
		return
	fi
	if [[ $verb == caps ]]; then
		COMPREPLY=($(compgen -W "$("$command" caps --list 2>/dev/null | awk '{ print $1 }')" -- "$word"))
		return
	fi
	if [[ $verb == policies ]]; then
		COMPREPLY=($(compgen -W "$(_pageworks_names "$command" --policy)" -- "$word"))
		return
	fi
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -f -- "$word"))
}

complete -F _pageworks pageworks

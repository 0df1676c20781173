# Completion for mcp-mux in bash. Connector names are read from the configuration files.
_mcp_mux()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='serve connect disconnect status tools enable disable explain diff approve doctor audit'
	local options='--config --log-level --version --help'
	local command='' named='' config=${MCP_MUX_CONFIG:-} i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config) config=${COMP_WORDS[++i]} ;;
		--log-level | --tool | --outcome | --since | --until | --connector) ((i++)) ;;
		-*) ;;
		*) if [[ $command ]]; then named=yes; else command=${COMP_WORDS[i]}; fi ;;
		esac
	done
	case $prev in
	-c | --config)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W 'error warning info debug' -- "$cur")
		return
		;;
	--outcome)
		mapfile -t COMPREPLY < <(compgen -W 'ok tool_error input_required error denied cancelled timeout sign_in
			unavailable too_large sent' -- "$cur")
		return
		;;
	--tool | --since | --until) return ;;
	esac
	case $command in
	connect) options+=' --no-browser --key-stdin' ;;
	status | tools | explain | doctor) options+=' --json' ;;
	audit) options+=' --follow --json --connector --tool --outcome --since --until' ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	elif [[ ! $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
	elif [[ $prev == --connector || $command == @(connect|disconnect|tools|enable|disable|doctor) && ! $named ]]; then
		local names
		names=$(sed -n 's/^[[:space:]]*\[connector:\([a-z0-9-]*\)\].*/\1/p; s/^[[:space:]]*\[native\].*/native/p' \
			"${config:-${XDG_CONFIG_HOME:-$HOME/.config}/mcp-mux/mcp-mux.ini}" \
			/etc/mcp-mux/mcp-mux.ini 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur")
	fi
}
complete -F _mcp_mux mcp-mux

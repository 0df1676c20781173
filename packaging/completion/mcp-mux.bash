# Completion for mcp-mux in bash. Connector names are read from the user's configuration file.
_mcp_mux()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='serve status tools enable disable explain doctor'
	local command='' config=${MCP_MUX_CONFIG:-} i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config) config=${COMP_WORDS[++i]} ;;
		--log-level) ((i++)) ;;
		-*) ;;
		*) [[ $command ]] || command=${COMP_WORDS[i]} ;;
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
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--config --log-level --json --version --help' -- "$cur")
	elif [[ ! $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
	elif [[ $command == @(tools|enable|disable|doctor) && $prev == "$command" ]]; then
		local names
		names=$(sed -n 's/^[[:space:]]*\[connector:\([a-z0-9-]*\)\].*/\1/p; s/^[[:space:]]*\[native\].*/native/p' \
			"${config:-${XDG_CONFIG_HOME:-$HOME/.config}/mcp-mux/mcp-mux.ini}" \
			/etc/mcp-mux/mcp-mux.ini 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur")
	fi
}
complete -F _mcp_mux mcp-mux


# A login has an `@`, at which bash splits words. They are put together again for the program, and what stands before the
# part that bash replaces ($2, which may begin with the `@`) is taken off what it offers.
_convocations() {
    local word current last=-1 open=0 words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ $word == @ && $last -ge 0 ]]; then
            words[last]+=@ open=1
        elif ((open)); then
            words[last]+=$word open=0
        else
            words+=("$word") last=${#words[@]}-1
        fi
    done
    current=${words[last]}
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((last))
    _clap_complete_convocations "$1" "$current" "$3"
    COMPREPLY=("${COMPREPLY[@]#"${current%"$2"}"}")
}

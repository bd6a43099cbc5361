# Tells what a host has, a line for each fact: NAME VALUE. It comes over standard input, after a line that sets as
# arguments the programs that are wanted. Changes nothing; what it makes in the home it removes.
set -u; umask 077; export LC_ALL=C
say() { printf '%s %s\n' "$1" "$2"; }
found() { # is there a program $1, looked up as for a command?
  case $1 in */*) [ -f "$1" ] && [ -x "$1" ] && return ;; esac
  (IFS=: && set -f && for d in ${PATH:-/usr/bin:/bin}; do [ -f "${d:-.}/$1" ] && [ -x "${d:-.}/$1" ] && exit; done; exit 1)
}
echo taskejo-facts1
say system "$(uname -sm 2>/dev/null)"
say user "$(id -un 2>/dev/null)"
say home "$PWD"
f=.taskejo/check.$$
trap 'rm -f "$f" "$f.ln" "$f.fifo"' EXIT
said=$({ mkdir -p .taskejo && echo ok >"$f" && ln "$f" "$f.ln" && mkfifo "$f.fifo"; } 2>&1) && say writable yes || say unwritable "$(printf %s "$said" | tail -n 1)"
df -Pk . 2>/dev/null | { read -r x; read -r x x x free x && say free_kib "$free"; }
df -Pi . 2>/dev/null | { read -r x; read -r x x x free x && say free_files "$free"; }
say time "$(date +%s)"
for p in cat chmod dd env grep head kill ln mkdir mkfifo mv od rm sed sleep tail tr wc; do
  command -v "$p" >/dev/null 2>&1 || say lacks "$p"
done
command -v setsid >/dev/null 2>&1 && say setsid yes
for p in KillUserProcesses KillOnlyUsers KillExcludeUsers; do
  x=$(loginctl show-session -p "$p" 2>/dev/null </dev/null) && say "$p" "${x#*=}"
done
for p in "$@"; do found "$p" && say has "$p"; done
say end .

# What a command may use. Travels before its environment where limits were asked for, and is read by the shell that
# becomes the command: see `task` in taskejo.sh. Before it stand cpu, memory, processes and files; 0: no limit.
# What can't be kept is refused: nothing runs without what was to bound it.
refuse() { why "the limit $1 is not available on this machine: $2"; exit 126; }
uid=$(id -u) dir=''
if [ -f ../cgroup ]; then # made for us: its parents must hand the controllers down
  read -r dir <../cgroup
  for x in "${dir%/*/*}" "${dir%/*}"; do for y in cpu memory pids; do echo "+$y" >"$x/cgroup.subtree_control"; done; done 2>/dev/null
fi
rm -f ../script ../input # before fewer processes are allowed than that takes
put() { [ -n "$dir" ] && [ -f "$dir/$1" ] && echo "$2" >"$dir/$1"; } 2>/dev/null
[ "$cpu" = 0 ] || put cpu.max "$((cpu * 1000)) 100000" || refuse cpu_percent 'it needs a cgroup of version 2, which root may make, or a systemd of the user that stays without a login (loginctl enable-linger)'
if [ "$processes" != 0 ] && ! put pids.max "$processes"; then
  [ "$uid" != 0 ] || refuse processes 'without a cgroup of version 2 nothing bounds what root starts'
  # The kernel counts all that the user runs, so what runs already comes on top, but for us and those that count.
  x=$(cat /proc/[0-9]*/status 2>/dev/null | awk -v uid="$uid" '/^Uid:/ {own = $2 == uid} /^Threads:/ && own {n += $2} END {print n - 4}')
  ulimit -u $((x + processes)) 2>/dev/null || ulimit -p $((x + processes)) 2>/dev/null || refuse processes 'ulimit cannot keep it'
fi
if [ "$memory" != 0 ]; then
  if put memory.max "$memory"; then put memory.swap.max 0
  else ulimit -v $((memory / 1024)) 2>/dev/null || refuse memory_bytes 'neither a cgroup nor ulimit can keep it'; fi
fi
[ "$files" = 0 ] || ulimit -f $(((files + 511) / 512)) 2>/dev/null || refuse file_size_bytes 'ulimit cannot keep it'

#!/bin/sh
# Runs an attempt of a task once, detached, and tells the truth about it to whoever asks:  sh w-HASH.sh OP INSTALLATION ATTEMPT WORDS
# Words are ids and numbers, data comes over standard input. The answer begins with one line: "taskejo1 STATE ..." (see reply) or
# "taskejo1 ! KIND SENTENCE". Small files decide, made by ln, exclusive *with their content*: the first writer wins and is known.
#   claim   pid, start time, boot id of the supervisor; pid 0: fenced, never ran, never will
#   task    the same of the process that becomes the command; pid 0: fenced after its supervisor had died
#   reason  why it ended: timeout, cancel, setup, nothing for by itself; `exit` may say memory
#   exit    code, reason, log totals, what is left; its space is taken before the start, at the end it is renamed
#   kept    the log is stored elsewhere; since when run/ is kept for people only
#   run/    all that clean removes: workspace, log, pipes, the name of this file, the path of the attempt's cgroup
set -u && umask 077 && lang=${LANG:-C.UTF-8} && export LC_ALL=C
HEAD=524288 SEGMENT=1048576 KEPT=3 # of each stream the head is kept, then the last segments
die() { printf 'taskejo1 ! %s\n' "$*"; exit 0; }
unwritable() { [ -w . ] && die disk_full 'the disk is full'; die home 'the control folder cannot be written'; }
ids() { for word in "$@"; do case $word in '' | [.-]* | *[!0-9A-Za-z._-]*) die shell 'an argument is not an id or a number' ;; esac; done; }; ids "$@"
cd -P -- "${0%/*}" || die home 'the control folder cannot be entered'
me=$PWD/${0##*/} op=$1 inst=$2 att=$3 setsid='' low='' && shift 3
command -v setsid >/dev/null 2>&1 && setsid=setsid || set -m # where there is none, a group of its own must do
enter() { [ -d "$1" ] || mkdir "$1" 2>/dev/null || [ -d "$1" ] || unwritable; cd "$1" || unwritable; }
enter "$inst" && { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || boot=$(sysctl -n kern.bootsessionuuid) || boot=unknown
born() { # start time of process $1, empty if it is gone; and its name, group and session
  born='' line='' group='' session=''
  if [ -d /proc/self ]; then
    { while IFS= read -r x || [ -n "$x" ]; do line=$line$x; done; } 2>/dev/null <"/proc/$1/stat" || return 0
    name=${line#*\(} name=${name%\)*}; set -- ${line##*\) }
    case ${1-Z} in [ZXx]) ;; *) group=$3 session=$4 born=${20} ;; esac
  else name=$(ps -o comm= -p "$1") born=$(ps -o stat= -o lstart= -p "$1" | sed '/^Z/d;s/^[^ ]* *//;s/  */_/g'); fi; }
if [ "$op" = task ]; then # becomes the command, unless a stop was quicker
  at=$PWD; { born $$ && { cd "$att" && read -r att <&3 || { read -r att <&3 && cd "a.$att/run"; }; } && echo "$$ $born $boot" >task; } 2>/dev/null || exit 143 # made early, it goes on when the claim is its supervisor's; its folder moves then
  [ ! -f cgroup ] || { read -r x <cgroup && echo $$ >"$x/cgroup.procs"; } 2>/dev/null || rm -f cgroup
  at=$at/a.$att; ln task "$at/task" || exit 126; [ ! -s input ] || rm -f input; [ ! -f "$at/reason" ] || exit 143
  why() { printf 'setup %s\n' "$1" >../why; } # by then too little may be allowed for another process
  { read -r x <&3 && ! read -r x <&3 && exec 3<&- && cd "$at/run/ws"; } 2>/dev/null || exit 143 # it is watched; that ends when the claim is on the disk
  unset LC_ALL OLDPWD XDG_RUNTIME_DIR; at=$at/run; export HOME="$PWD" TMPDIR="$at/tmp" TASKEJO_PROGRESS="$at/progress" TASKEJO_OUTPUT="$at/output"
  . ../script # sets limits, exports the environment, sets the arguments; from here on only the shell's own variables are ours
  [ ! -f ../script ] || true >../script
  case $1 in */*) [ -f "$1" ] && [ -x "$1" ] ;;
  *) IFS=: && set -f && for OPTARG in $PATH; do [ -f "${OPTARG:-.}/$1" ] && [ -x "${OPTARG:-.}/$1" ] && break; done ;; esac || { why "program \`$1\` not found"; exit 127; }
  trap 'why "program \`$1\` could not be executed"' EXIT; exec "$@" 8>&-
fi
grab() { # grab FILE WORDS: makes FILE with these words unless somebody did before
  name=$1; shift; [ ! -f "$name" ] || return 1; { printf '%s\n' "$*" >"$name.$$" && ln "$name.$$" "$name"; } 2>/dev/null; set -- $?; rm -f "$name.$$"; return "$1"; }
same() { [ "$1" != 0 ] && [ "$3" = "$boot" ] && born "$1" && [ "$born" = "$2" ]; } # that very process lives
look() { # where the attempt stands
  state=none code=- why=- pid=- start=- pboot=- ot=0 of=0 et=0 ef=0 lost=0 left=- used=- at=0 bytes=0 text=''
  [ -f claim ] && read -r cpid cstart cboot <claim || return 0
  [ -f task ] && read -r pid start pboot <task
  [ -f reason ] && read -r x text <reason && [ "$x" = setup ] && pid=- start=- pboot=- # no command came of it
  if [ "$cpid" = 0 ] || [ "$pid" = 0 ]; then state=void pid=- start=- pboot=-; elif [ -f exit ]; then state=done && read -r code why ot of et ef lost left used text <exit && return
  elif [ "$cboot" != "$boot" ]; then state=rebooted
  elif same "$cpid" "$cstart" "$cboot"; then [ "$pid" = - ] && state=starting || state=running
  elif [ -f exit ]; then look; return # it ended while we looked
  elif [ "$pid" = - ]; then state=unstarted
  elif same "$pid" "$start" "$pboot"; then state=orphan; else state=vanished; fi
  [ ! -d run ] || totals; }
size() { # of stream $1: all bytes written, and where the kept ones begin (0: none is missing)
  first=0 last=0 total=0 from=0
  for f in "run/$1".[1-9]*; do f=${f##*.}; case $f in *[!0-9]*) continue ;; esac
    [ "$f" -le "$last" ] || last=$f; [ "$first" != 0 ] && [ "$first" -le "$f" ] || first=$f
  done
  [ ! -s "run/$1.$last" ] || total=$(($(wc -c <"run/$1.$last")))
  [ "$last" = 0 ] || total=$((HEAD + (last - 1) * SEGMENT + total)); [ "$first" -le 1 ] || from=$((HEAD + (first - 1) * SEGMENT))
  [ -f "run/whole.$1" ] || lost=1; }
totals() { lost=0; size out; ot=$total of=$from; size err; et=$total ef=$from; }
reply() { printf 'taskejo1 %s\n' "$state $code $why $pid $start $pboot $store $boot $ot $of $et $ef $lost $left $used $at $bytes $text"; }
launch() { { $setsid "$@" <&7 4>&- 5<&- 6>&- 7<&- 9<&- & } 7<&0; } # a program in its own session
told() { records=0 copied=''; while read -r x y z; do case "$y $z" in 'records in') records=$x ;; 'bytes '*) copied=$x ;; esac; done <"$1"; } # by dd
pump() { # NAME DESCRIPTOR: to head and segments; dd neither buffers nor reads too much, and most say how much it was
  exec 3<&"$2" 4>&- 5<&- 6>&- 7>&- 8>&- 9>&-; n=0 most=$HEAD room=$HEAD unit=4096 dd='' && trap 'kill $dd; exit' TERM && cd run
  while :; do
    count=$((room / unit)) size=$unit; [ $count -gt 0 ] || size=$room count=1
    dd bs=$size count=$count <&3 2>"$1.said" >>"$1.$n" & dd=$!
    wait $dd || { rm -f "whole.$1"; exec cat <&3 >/dev/null; } # the disk is full: the command goes on
    told "$1.said"; [ -n "$copied" ] && room=$((room - copied)) || room=$((most - $(wc -c <"$1.$n")))
    [ $(($records)) -ge $count ] || exit 0
    [ $room -gt 0 ] || { n=$((n + 1)) most=$SEGMENT room=$SEGMENT unit=65536; [ $n -le $KEPT ] || rm -f "$1.$((n - KEPT))"; }
  done; }
made() { while read -r x y z; do [ "$x" != processes ] || echo "$y"; done </proc/stat; } # so many processes ever
alone() { # what came since the command has later numbers; as long as these don't come round, few are to be looked at for a proof that nothing is left
  { [ -n "$low" ] && [ ! -f run/cgroup ] && read -r since <run/made && read -r limit x <../limit && [ "$x" = "$boot" ]; } 2>/dev/null || return 1; looks=0
  while true & last=$!; wait $last; [ "$last" -ge "$low" ] && [ "$last" -lt $((low + 1000)) ]; do
    near='' seen=$low; while [ $((seen += 1)) -lt "$last" ]; do [ ! -d "/proc/$seen" ] || near="$near /proc/$seen/stat /proc/$seen/environ"; done
    [ -z "$near" ] || ! grep -qsE "$traces" $near || return 1
    [ $((looks += 1)) -lt 2 ] || { since=$(($(made) - since)); [ "$since" -gt 0 ] && [ "$since" -lt $((limit / 4)) ]; return; } # all twice, as below
  done; return 1; }
tree() { # what lives of the attempt: its cgroup, its session, its group, whatever carries its id in its environment
  tree='' mine='' lead=none lboot=$boot; [ ! -f task ] || read -r lead begun lboot <task; [ "$lead" != 0 ] && [ "$lboot" = "$boot" ] || return 0
  [ -d /proc/self ] || { tree=$(ps -A -o pid= -o pgid= -o stat= | awk -v g="$lead" '$2 == g && $3 !~ /^Z/ {print $1}') && return; }
  born "$lead"; [ -z "$born" ] || [ "$born" = "$begun" ] || lead=none # the number belongs to somebody else by now
  traces="^[0-9]+ .*\) [^ZX] [0-9]+ ($lead [0-9]+|[0-9]+ $lead) |TASKEJO_ATTEMPT_ID=$att([^0-9A-Za-z._-]|\$)"; [ -n "$born" ] || ! alone || return 0
  scan() { grep -lsE "$traces" /proc/[0-9]*/stat /proc/[0-9]*/environ; }; { read -r x <run/cgroup && while read -r p; do mine="$mine /proc/$p/cgroup"; done <"$x/cgroup.procs"; } 2>/dev/null
  for f in $mine $(scan || scan); do # twice, since one that forks and ends while we look hides its child
    p=${f#/proc/} p=${p%/*}; born "$p"; [ -n "$born" ] || continue
    case $f in */stat) [ "$group" = "$lead" ] || [ "$session" = "$lead" ] || continue ;; esac
    case " $tree " in *" $p "*) ;; *) tree="$tree $p" ;; esac
  done; }
reap() { # reap SIGNAL|none GRACE: asks the tree to end, waits, kills; what can't be killed stays in $tree
  waited=0 step=1 round=0; tree; [ -n "$tree" ] || return 0; [ "$1" = none ] || kill -s "$1" $tree; kill -s CONT $tree
  while [ "$waited" -lt $(($2 * 10)) ]; do
    sleep "0.$step"; waited=$((waited + step)); [ "$waited" -lt 10 ] || step=5; tree; [ -n "$tree" ] || return 0; done
  while { read -r x <run/cgroup && echo 1 >"$x/cgroup.kill"; }; kill -s KILL $tree; tree; [ -n "$tree" ] && [ "$round" -lt 40 ]; do round=$((round + 1)); [ "$round" -lt 5 ] || sleep 0.1; done; } 2>/dev/null
clock() { up=0; { read -r up x </proc/uptime; } 2>/dev/null; up=${up%.*}${up#*.}; } # hundredths of seconds; 0: unknown
watch() { # DELAY GRACE SIGNAL: the watchdog, and what carries out a cancel
  exec 3<&- 4>&- 5<&- 6>&- 7>&- 8>&- 9>&-; remaining=$(($1 * 100)) signal=$3 slice=1 most=0 sleep='' && trap 'kill $sleep; exit' TERM && clock
  { read -r x y <../limit && [ "$y" = "$boot" ]; } 2>/dev/null || echo "$(cat /proc/sys/kernel/pid_max 2>/dev/null) $boot" >../limit # read by bytes it has but one
  while [ $remaining -gt 0 ]; do # in slices, so that it ends with what it watches, even if nobody is left to end it
    slice=$((slice < 10 ? slice * 2 : 20)) before=$up; [ $((slice * 100)) -le $remaining ] || slice=$(((remaining + 99) / 100))
    sleep $slice & sleep=$!; wait $sleep; clock; remaining=$((remaining - (up && before ? up - before : slice * 100))); look # to look may take longer than to sleep
    tree; case $state in none) break ;; starting | running) ;; *) [ -n "$tree" ] || exit 0 ;; esac # none: our folder was wiped
    { most=$(cat $(printf '/proc/%s/status ' $tree) | awk -v m="$most" '/^VmHWM:/ && $2 > m {m = $2} END {print m}'); echo "${most}k" >run/most; } 2>/dev/null
  done; [ "$3" != timeout ] || { grab reason timeout && signal=TERM || signal=none; }; reap $signal "$2"; }
scope() { # sets $scope to what starts a program in a cgroup of its own by the user's systemd, where that stays without a login
  uid=$(id -u); { [ -S "/run/user/$uid/bus" ] || [ -S "/run/user/$uid/systemd/private" ]; } && command -v systemd-run >/dev/null &&
    { grep -qs "/user@$uid.service/" /proc/self/cgroup || [ "$(loginctl show-user "$uid" -p Linger 2>/dev/null)" = Linger=yes ]; } && read -r x </proc/sys/kernel/random/uuid && scope="env XDG_RUNTIME_DIR=/run/user/$uid systemd-run --user --scope --quiet --collect --unit=taskejo-$x -p Delegate=yes"; }
void() { # what has not begun never will; then look says what stands
  grab claim 0 0 "$boot" || [ -f claim ] || unwritable; look; [ "$state" != unstarted ] || { grab task 0 0 "$boot"; look; }; }
stop() { # stop GRACE: records the reason, and leaves the killing to a process that no link can end
  grab reason cancel && signal=TERM || signal=none; launch sh "$me" end "$inst" "$att" 0 "$1" $signal </dev/null >/dev/null 2>&1; }
ended() { # is nothing left of the attempt whose folder we are in? what has not begun never will
  void; tree; case $state in starting | running) ;; *) [ -n "$tree" ] || return 0 ;; esac; stop 5; return 1; }
usage() { times >run/times; user='' sys='' up='' most=''; { read -r x; read -r user sys; } <run/times; read -r up x </proc/uptime # peak: of all, or of one process
  { read -r x <run/cgroup && read -r most <"$x/memory.peak"; } || read -r most <run/most; used=${user:--},${sys:--},${up:--},${most:--}; } 2>/dev/null
discard() { case $state in done | void | rebooted | vanished) rm -rf run || { chmod -R u+rwx run; rm -rf run; } ;; esac } 2>/dev/null
[ -s store ] || { { read -r id </proc/sys/kernel/random/uuid; } 2>/dev/null || id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n'); grab store "$id"; }
{ read -r store <store; } 2>/dev/null || unwritable
case $op in ping) { echo ok >probe; } 2>/dev/null || unwritable; look; reply ;;
start) # free or bounded, in the place of the attempt; standard input: the script, which begins with a line "# ATTEMPT TASK NUMBER TIMEOUT GRACE BYTES INPUT_BYTES [STORE BOOT]", and the input
  new=in.$$ busy='' own='' scope='' bound=$att # a cgroup is only for what has limits: whoever is put into one holds up all that is forked on the machine, for 20 ms and more
  [ $bound != bounded ] || for x in /sys/fs/cgroup/unified /sys/fs/cgroup; do [ ! -w $x/cgroup.procs ] || own=$x/taskejo; done; [ $bound$own != bounded ] || scope
  fail() { rm -rf "$new"; "$@"; exit; }; tell() { cd "a.$att" && look; [ -z "$busy" ] || state=busy; reply; }; changed='store_changed the control folder or the boot is not the one that was known'
  prepare() { # all that the supervisor takes over, which is told of the folder, and then for what; until the input has come that may take days
    [ ! -d $new ] || rm -rf $new; { mkdir $new $new/ws $new/tmp && mkfifo $new/out $new/err $new/live $new/gate && true >$new/input >$new/out.0 >$new/err.0 >$new/whole.out >$new/whole.err &&
      echo "${me##*/}" >$new/wrapper && printf '%900s\n' '' >$new/exit; } || fail unwritable
    trap '' PIPE; echo $new >&7; dd bs=65536 >$new/script 2>$new/said || fail unwritable; [ -s store ] && [ -d $new ] || fail die "$changed" # wiped meanwhile
    told $new/said && read -r x att task number timeout grace script input known <$new/script && [ $((${copied:-$(wc -c <$new/script)})) = $((script + input)) ] || fail die shell 'the upload was cut'; ids "$att" "$task" "$number" "$timeout" "$grace"
    [ -z "$known" ] || [ "$known" = "$store $boot" ] || fail die "$changed"; [ ! -f "a.$att/claim" ] || fail tell
    mkdir -p "a.$att" "t.$task" ${own:+"$own/$att"} || { [ -d "a.$att" ] && [ -d "t.$task" ]; } || fail unwritable; [ ! -d "$own/$att" ] || echo "$own/$att" >$new/cgroup
    true >"t.$task/$number.$att" || fail unwritable
    for f in "t.$task"/*; do # made before it is read, so of two who come together one at least sees the other
      n=${f##*/} x=${f#*/*.}; n=${n%%.*}; [ "$n" -le "$number" ] || fail die refused 'a later attempt of the task is known here'
      [ "$n" -lt "$number" ] || [ "$x" = "$att" ] || { rm -f "t.$task/$number.$att"; fail die refused 'another attempt has this number'; }
      [ "$n" -lt "$number" ] && [ -d "a.$x" ] && { (att=$x && cd "a.$x" && ended) || busy=1; }
    done; [ -z "$busy" ] || fail tell
    [ "$input" = 0 ] || { tail -c +$((script + 1)) $new/script >$new/input && dd bs="$script" seek=1 of=$new/script; } </dev/null || fail unwritable
    echo "$att $timeout $grace" >&8; echo "$att $timeout $grace" >&7; }
  exec 9>&1; x=$({ prepare 7>&1 >&9 2>/dev/null | launch $scope sh "$me" run "$inst" $bound ${scope:+scoped} 2>/dev/null; } 8>&1); [ -n "$x" ] || exit # that ends when the command is about to run
  att=${x%% *}; [ -z "$scope" ] || [ -f "a.$att/claim" ] || x=$({ echo $new; echo "$x"; } | launch sh "$me" run "$inst" $bound 2>/dev/null); tell ;; # there systemd would not
run) # [scoped]; standard input tells the folder, then ATTEMPT TIMEOUT GRACE: the supervisor. It writes nothing to the connection, so the end of that can't hurt it
  born $$ && read -r new || exit; trap 'rm -rf $new' EXIT # also where it is being removed
  [ -z "${1-}" ] || { scope=''; while IFS=: read -r x y path; do [ "$x$y" != 0 ] || scope=/sys/fs/cgroup$path; done </proc/self/cgroup # a half of it is ours, until all is read, the other one the command's
    mkdir "$scope/supervisor" "$scope/command" && echo $$ >"$scope/supervisor/cgroup.procs" && echo "$scope/command" >$new/cgroup; } 2>/dev/null
  exec 8<>$new/out 3<$new/out 4>$new/out; exec 8<>$new/err 5<$new/err 6>$new/err; exec 8<>$new/gate 9<$new/gate 7>$new/gate 8>&1 >$new/made
  launch env -i PATH="${PATH:-/usr/bin:/bin}" LANG="$lang" sh "$me" task "$inst" $new 3<&9 <$new/input >&4 2>&6; task=$! # it waits at the gate, for two words and for its end
  read -r att x y && cd "a.$att" && new=../$new && set -- "$x" "$y" && printf '%s\n' "$$ $born $boot" >$new/claim && ln $new/claim claim || exit; trap - EXIT
  echo "$att" >&7; { made; exec sync claim .; } 2>/dev/null & low=$!; exec <&9 9<>$new/live >/dev/null; mv $new run
  pump out 3 & outpump=$!; pump err 5 & errpump=$!; watch "$1" "$2" timeout & watchdog=$!; echo on >&7; exec 3<&- 4>&- 5<&- 6>&- 7>&- 8>&-
  wait $task; code=$? why=exit used=-; usage; text='' left='' later=''; if [ -s run/why ]; then ln run/why reason; else set -C; true >reason; set +C; fi; [ ! -s reason ] || read -r why text <reason
  [ $why != exit ] || [ $code = 0 ] || ! grep -qs '^oom_kill [1-9]' "$(cat run/cgroup)/memory.events" || why=memory
  [ ! -s run/script ] || [ $why != exit ] || why=machine text='the command could not be started: is the disk full? (stderr may tell more)'
  case $why in exit | memory) reap TERM 2 ;; setup | machine) tree='' ;; *) reap none "$2" ;; esac
  for p in $tree; do born "$p"; [ -z "$born" ] || left=$left,$p:$(printf %s "$name" | tr -c '0-9A-Za-z._-' _); done
  born $outpump; x=$born; born $errpump; [ -z "$x$born" ] || { { sleep 2; kill $outpump $errpump; } & later=$!; } # somebody unknown may hold the pipes
  wait $outpump $errpump; kill $watchdog $later; totals; left=${left#,}; read -r x <run/cgroup && rmdir "$x" # the folder may be gone as soon as the end is told
  printf '%s\n' "$code $why $ot $of $et $ef $lost ${left:--} $used $text" 1<>run/exit && mv run/exit exit ;;
cancel) enter "a.$att"; void; [ $state != void ] || { tree; [ -z "$tree" ] || state=orphan; }
  case $state in starting | running | orphan | vanished) stop "$1" ;; esac; reply ;;
fence) enter "a.$att"; void; reply ;; end) cd "a.$att"; watch "$@" ;;
tidy) # MINUTES: what was kept so long goes, after 30 days all that is known of an attempt, and a wrapper that nobody needs or used
  look; reply; exec 2>/dev/null; touch "$me" # below no names on a command line: there may be more than one can hold
  for f in $(find . -path './*/*' -prune -name kept -mmin +"$1"); do (cd "${f%/*}" && look; discard; [ -d run ] || rm -f kept); done
  for f in $(find . ! -name . -prune -name 'a.*' -mtime +30); do (cd "$f" && look && discard && [ ! -d run ] && rm -rf "../$f"); done
  find . ! -name . -prune '(' -name 't.*' -mtime +30 -o -name 'in.*' -mtime +0 ')' -exec rm -rf {} +
  find ../[iw].* -prune -mtime +0 -exec rm -rf {} +; find /sys/fs/cgroup/taskejo/* /sys/fs/cgroup/unified/taskejo/* -prune -mmin +60 -exec rmdir {} + # not what a start has just made
  needed="${me##*/} $(printf '%s\n' ../*/a.*/run/wrapper | xargs cat)"
  for f in ../w-*.sh; do case $needed in *"${f##*/}"*) ;; *) find "$f" -mtime +0 -exec rm -f {} + ;; esac; done ;;
*) [ -d "a.$att" ] && cd "a.$att"; look ;; # the rest only reads
esac; case $op in
status) reply; [ ! -s run/progress ] || tail -c 4096 run/progress ;;
output) # LIMIT; the bytes follow the line, which says in their place how many there are
  [ ! -f run/output ] || at=$(($(wc -c <run/output)))
  bytes=$(($1 < at ? $1 : at)); reply; [ "$bytes" = 0 ] || head -c "$bytes" run/output ;;
collect) # STREAM OFFSET LIMIT; the bytes follow the line
  case $1 in err) end=$et from=$ef ;; *) end=$ot from=$of ;; esac
  n=0 base=0 room=$HEAD at=$2; [ "$at" -lt $HEAD ] || { [ "$at" -ge "$from" ] || at=$from
    n=$(((at - HEAD) / SEGMENT + 1)) room=$SEGMENT; base=$((HEAD + (n - 1) * SEGMENT)); }; [ "$end" -le $((base + room)) ] || end=$((base + room))
  bytes=$((end - at < $3 ? end - at : $3)); [ "$bytes" -gt 0 ] && [ -f "run/$1.$n" ] || bytes=0
  reply; [ "$bytes" = 0 ] || tail -c +$((at - base + 1)) "run/$1.$n" 2>/dev/null | head -c "$bytes" ;;
follow) # OUT_OFFSET ERR_OFFSET: the heads, live; ends with the command, or when standard input ends
  reply; reply >&2; case $state in starting | running) ;; *) exit 0 ;; esac
  exec 3>&2 2>/dev/null 8<>run/live 7<run/live 8>&-; tail -s .05 -c 1 /dev/null && quick=1 || quick=''
  flow() { # FILE OFFSET: what it has and will have; a tail that can't look more than once a second is no help
    [ -z "$quick" ] || exec tail -s .05 -c +$(($2 < HEAD ? $2 + 1 : HEAD + 1)) -f "$1"
    [ "$2" = 0 ] || dd bs="$2" count=1 >/dev/null; while cat; do sleep 0.1; done; }
  flow run/out.0 "$1" <run/out.0 3>&- 7<&- & t1=$!
  flow run/err.0 "$2" <run/err.0 >&3 3>&- 7<&- & t2=$!
  { { cat; kill $t1 $t2 $$; } <&6 6<&- 3>&- 7<&- >/dev/null & } 6<&0; guard=$!
  read -r x <&7; kill $guard $t1 $t2 ;;
clean) [ "${1-}" = keep ] && [ -d run ] && true >kept || discard; reply ;; # [keep]
esac
exit 0

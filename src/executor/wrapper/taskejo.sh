#!/bin/sh
# Runs an attempt of a task once, detached, and tells the truth about it to whoever asks:  sh w-HASH.sh OP INSTALLATION ATTEMPT WORDS
# Words are ids and numbers, data comes over standard input. The answer begins with one line: "taskejo1 STATE ..." (see reply) or
# "taskejo1 ! KIND SENTENCE". Small files decide, made by ln, exclusive *with their content*: the first writer wins and is known.
#   claim   pid, start time, boot id of the supervisor; pid 0: fenced, never ran, never will
#   task    the same of the process that becomes the command; pid 0: fenced after its supervisor had died
#   reason  why it ended: exit, timeout, cancel, setup
#   exit    code, reason, log totals, what is left; its space is taken before the start, at the end it is renamed
#   run/    all that clean removes: workspace, log, pipes
if [ "${1-}" = become ]; then # the last step to the command: no variable of ours may touch its environment
  . ../script # removes itself and the input, exports the environment, sets the arguments
  why() { printf 'setup %s\n' "$1" >../reason && command -p ln ../reason ../../reason; } 2>/dev/null
  case $1 in */*) [ -f "$1" ] && [ -x "$1" ] ;;
  *) (IFS=: && set -f && for d in $PATH; do [ -f "${d:-.}/$1" ] && [ -x "${d:-.}/$1" ] && exit; done; exit 1) ;;
  esac || { why "program \`$1\` not found"; exit 127; }
  trap 'why "program \`$1\` could not be executed"' EXIT; exec "$@" 8>&-
fi
set -u && umask 077 && lang=${LANG:-C.UTF-8} && export LC_ALL=C
HEAD=524288 SEGMENT=1048576 KEPT=3 # of each stream the head is kept, then the last segments
die() { printf 'taskejo1 ! %s\n' "$*"; exit 0; }
unwritable() { [ -w . ] && die disk_full 'the disk is full'; die home 'the control folder cannot be written'; }
for word in "$@"; do case $word in '' | [.-]* | *[!0-9A-Za-z._-]*) die shell 'an argument is not an id or a number' ;; esac; done
cd -P -- "${0%/*}" || die home 'the control folder cannot be entered'
me=$PWD/${0##*/} op=$1 inst=$2 att=$3 setsid='' && shift 3
command -v setsid >/dev/null 2>&1 && setsid=setsid || set -m # where there is none, a group of its own must do
enter() { [ -d "$1" ] || mkdir "$1" 2>/dev/null || [ -d "$1" ] || unwritable; cd "$1" || unwritable; }
enter "$inst"; { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || boot=$(sysctl -n kern.bootsessionuuid) || boot=unknown
grab() { # grab FILE WORDS: makes FILE with these words unless somebody did before
  name=$1; shift; [ ! -f "$name" ] || return 1
  { printf '%s\n' "$*" >"$name.$$" && ln "$name.$$" "$name"; } 2>/dev/null; set -- $?; rm -f "$name.$$"; return "$1"
}
born() { # start time of process $1, empty if it is gone; and its name, group and session
  born='' line='' group='' session=''
  if [ -d /proc/self ]; then
    { while IFS= read -r x || [ -n "$x" ]; do line=$line$x; done; } 2>/dev/null <"/proc/$1/stat" || return 0
    name=${line#*\(} name=${name%\)*}; set -- ${line##*\) }
    case ${1-Z} in [ZXx]) ;; *) group=$3 session=$4 born=${20} ;; esac
  else name=$(ps -o comm= -p "$1") born=$(ps -o stat= -o lstart= -p "$1" | sed '/^Z/d;s/^[^ ]* *//;s/  */_/g'); fi
}
same() { [ "$1" != 0 ] && [ "$3" = "$boot" ] && born "$1" && [ "$born" = "$2" ]; } # that very process lives
look() { # where the attempt stands
  state=none code=- why=- pid=- start=- pboot=- ot=0 of=0 et=0 ef=0 lost=0 left=- at=0 bytes=0 text=''
  [ -f claim ] && read -r cpid cstart cboot <claim || return 0
  [ -f task ] && read -r pid start pboot <task
  [ -f reason ] && read -r x text <reason && [ "$x" = setup ] && pid=- start=- pboot=- # no command came of it
  if [ "$cpid" = 0 ] || [ "$pid" = 0 ]; then state=void pid=- start=- pboot=-
  elif [ -f exit ]; then state=done && read -r code why ot of et ef lost left text <exit && return
  elif [ "$cboot" != "$boot" ]; then state=rebooted
  elif same "$cpid" "$cstart" "$cboot"; then [ "$pid" = - ] && state=starting || state=running
  elif [ -f exit ]; then look; return # it ended while we looked
  elif [ "$pid" = - ]; then state=unstarted
  elif same "$pid" "$start" "$pboot"; then state=orphan
  else state=vanished; fi
  [ ! -d run ] || totals
}
size() { # of stream $1: all bytes written, and where the kept ones begin (0: none is missing)
  first=0 last=0 total=0 from=0
  for f in "run/$1".[1-9]*; do
    f=${f##*.}; case $f in *[!0-9]*) continue ;; esac
    [ "$f" -le "$last" ] || last=$f; [ "$first" != 0 ] && [ "$first" -le "$f" ] || first=$f
  done
  [ ! -f "run/$1.$last" ] || total=$(($(wc -c <"run/$1.$last")))
  [ "$last" = 0 ] || total=$((HEAD + (last - 1) * SEGMENT + total))
  [ "$first" -le 1 ] || from=$((HEAD + (first - 1) * SEGMENT))
  [ -f "run/whole.$1" ] || lost=1
}
totals() { lost=0; size out; ot=$total of=$from; size err; et=$total ef=$from; }
reply() { printf 'taskejo1 %s\n' "$state $code $why $pid $start $pboot $store $boot $ot $of $et $ef $lost $left $at $bytes $text"; }
launch() { { $setsid sh "$me" "$@" <&7 3<&- 4>&- 5<&- 6>&- 7<&- 9<&- & } 7<&0; } # an operation, in its own session
tree() { # what lives of the attempt: its session, its group, whatever carries its id in its environment; a wiped folder names no session
  tree='' lead=none pboot=$boot; [ ! -f task ] || read -r lead start pboot <task; [ "$lead" != 0 ] && [ "$pboot" = "$boot" ] || return 0
  [ -d /proc/self ] || { tree=$(ps -A -o pid= -o pgid= -o stat= | awk -v g="$lead" '$2 == g && $3 !~ /^Z/ {print $1}') && return; }
  born "$lead"; [ -z "$born" ] || [ "$born" = "$start" ] || lead=none # the number belongs to somebody else by now
  traces="^[0-9]+ .*\) [^ZX] [0-9]+ ($lead [0-9]+|[0-9]+ $lead) |TASKEJO_ATTEMPT_ID=$att([^0-9A-Za-z._-]|\$)"
  scan() { grep -lsE "$traces" /proc/[0-9]*/stat /proc/[0-9]*/environ; }
  for f in $(scan || scan); do # twice, since one that forks and ends while we look hides its child
    p=${f#/proc/} p=${p%/*}; born "$p"; [ -n "$born" ] || continue
    case $f in */stat) [ "$group" = "$lead" ] || [ "$session" = "$lead" ] || continue ;; esac
    case " $tree " in *" $p "*) ;; *) tree="$tree $p" ;; esac
  done
}
reap() { # reap SIGNAL|none GRACE: asks the tree to end, waits, kills; what can't be killed stays in $tree
  waited=0 step=1 round=0; tree; [ -n "$tree" ] || return 0
  [ "$1" = none ] || kill -s "$1" $tree; kill -s CONT $tree
  while [ "$waited" -lt $(($2 * 10)) ]; do
    sleep "0.$step"; waited=$((waited + step)); [ "$waited" -lt 10 ] || step=5
    tree; [ -n "$tree" ] || return 0
  done
  while kill -s KILL $tree; tree; [ -n "$tree" ] && [ "$round" -lt 40 ]; do round=$((round + 1)); [ "$round" -lt 5 ] || sleep 0.1; done
} 2>/dev/null
void() { # what has not begun never will; then look says what stands
  grab claim 0 0 "$boot" || [ -f claim ] || unwritable
  look; [ "$state" != unstarted ] || { grab task 0 0 "$boot"; look; }
}
stop() { # stop GRACE: records the reason, and leaves the killing to a process that no link can end
  grab reason cancel && signal=TERM || signal=none
  launch end "$inst" "$att" 0 "$1" $signal </dev/null >/dev/null 2>&1
}
ended() { # is nothing left of the attempt whose folder we are in? what has not begun never will
  void; tree; case $state in starting | running) ;; *) [ -n "$tree" ] || return 0 ;; esac
  stop 5; return 1
}
case $op in end | run | task | pump | later) ;; *) # all others tell which store this is
  [ -s store ] || { { read -r id </proc/sys/kernel/random/uuid; } 2>/dev/null || id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n'); grab store "$id"; }
  { read -r store <store; } 2>/dev/null || unwritable ;;
esac
case $op in
ping) { echo ok >probe; } 2>/dev/null || unwritable; look; reply ;;
start) # TASK NUMBER TIMEOUT GRACE SCRIPT_BYTES INPUT_BYTES; standard input: the script, the input
  enter "a.$att"
  if [ ! -f claim ]; then
    numbers=../t.$1 mine=in.$$ busy=''
    fail() { rm -rf "$mine"; "$@"; exit; }
    { [ -d "$numbers" ] || mkdir -p "$numbers"; mkdir $mine $mine/ws $mine/tmp && mkfifo $mine/out $mine/err $mine/live &&
      echo "$att" >$mine/number && echo exit >$mine/ended && printf '%900s\n' '' >$mine/exit &&
      true >$mine/out.0 >$mine/err.0 >$mine/whole.out >$mine/whole.err; } 2>/dev/null || fail unwritable
    ln $mine/number "$numbers/$2" 2>/dev/null || [ -f "$numbers/$2" ] || fail unwritable
    read -r x <"$numbers/$2" && [ "$x" = "$att" ] || fail die refused 'another attempt has this number'
    for f in "$numbers"/*; do
      n=${f##*/}; [ "$n" -le "$2" ] || fail die refused 'a later attempt of the task is known here'
      [ "$n" -lt "$2" ] && read -r x <"$f" && [ -d "../a.$x" ] && { (att=$x && cd "../a.$x" && ended) || busy=1; }
    done
    [ -z "$busy" ] || { look; state=busy; fail reply; }
    cat >$mine/all 2>/dev/null || fail unwritable
    [ $(($(wc -c <$mine/all))) = $(($5 + $6)) ] || fail die shell 'the upload was cut'
    { dd bs="$5" count=1 <$mine/all >$mine/script && tail -c +$(($5 + 1)) $mine/all >$mine/input; } 2>/dev/null || fail unwritable
    x=$(launch run "$inst" "$att" "$3" "$4" $mine </dev/null 2>/dev/null) # ends when the command is about to run
  fi
  look; reply ;;
run) # TIMEOUT GRACE FOLDER: the supervisor. It writes nothing to the connection, so the end of that can't hurt it
  cd "a.$att" && born $$
  printf '%s\n' "$$ $born $boot" >"$3/claim" && ln "$3/claim" claim || { rm -rf "$3"; exit; }
  mv "$3" run; sync claim .; exec 8<>run/out 3<run/out 4>run/out; exec 8<>run/err 5<run/err 6>run/err 9<>run/live 8>&1 >/dev/null
  launch pump "$inst" "$att" out <&3 8>&-; outpump=$!
  launch pump "$inst" "$att" err <&5 8>&-; errpump=$!
  launch end "$inst" "$att" "$1" "$2" timeout </dev/null 8>&-; watchdog=$!
  launch task "$inst" "$att" <run/input >&4 2>&6; task=$!
  exec 3<&- 4>&- 5<&- 6>&- 8>&-
  wait $task; code=$? why=exit text='' left=''; ln run/ended reason || read -r why text <reason
  [ -f task ] || [ $why != exit ] || why=machine text='the command could not be started: is the disk full?'
  case $why in exit) reap TERM 2 ;; setup | machine) tree='' ;; *) reap none "$2" ;; esac
  for p in $tree; do born "$p"; [ -z "$born" ] || left=$left,$p:$(printf %s "$name" | tr -c '0-9A-Za-z._-' _); done
  launch later "$inst" "$att" 2 $outpump $errpump </dev/null; later=$! # somebody unknown may hold the pipes
  wait $outpump $errpump; kill -KILL $later -$later $watchdog -$watchdog; totals; left=${left#,}
  printf '%s\n' "$code $why $ot $of $et $ef $lost ${left:--} $text" 1<>run/exit && mv run/exit exit ;;
task) # becomes the command, unless a stop was quicker
  cd "a.$att" && born $$ && echo "$$ $born $boot" >run/task && ln run/task task || exit 126
  [ ! -f reason ] && cd run/ws && files=${PWD%/ws} || exit 143
  exec env -i PATH="${PATH:-/usr/bin:/bin}" LANG="$lang" HOME="$PWD" TMPDIR="$files/tmp" TASKEJO_PROGRESS="$files/progress" \
    TASKEJO_OUTPUT="$files/output" sh "$me" become ;;
pump) # NAME: standard input to head and segments; dd neither buffers nor reads too much, and most say how much it was
  cd "a.$att/run"; n=0 most=$HEAD room=$HEAD unit=4096
  while :; do
    count=$((room / unit)) size=$unit; [ $count -gt 0 ] || size=$room count=1
    said=$(dd bs=$size count=$count 2>&1 >>"$1.$n") || { rm -f "whole.$1"; exec cat >/dev/null; } # disk full: the command goes on
    records=${said%% records in*}; set -- "$1" ${said##*records out}
    [ -n "${2-}" ] && room=$((room - $2)) || room=$((most - $(wc -c <"$1.$n")))
    [ $((${records##*[!0-9+]})) -ge $count ] || exit 0
    [ $room -gt 0 ] || { n=$((n + 1)) most=$SEGMENT room=$SEGMENT unit=65536; [ $n -le $KEPT ] || rm -f "$1.$((n - KEPT))"; }
  done ;;
end) # DELAY GRACE SIGNAL: the watchdog, and what carries out a cancel
  cd "a.$att"; signal=$3 remaining=$1
  while [ "$remaining" -gt 0 ]; do # in slices, so that it ends with what it watches, even if nobody is left to end it
    slice=$((remaining < 20 ? remaining : 20)); sleep $slice; remaining=$((remaining - slice)); look
    case $state in starting | running) ;; *) tree; [ -n "$tree" ] || exit 0 ;; esac
  done
  [ "$3" != timeout ] || { grab reason timeout && signal=TERM || signal=none; }
  reap $signal "$2" ;;
later) sleep "$1"; shift; for p in "$@"; do kill -KILL "-$p"; done ;;
cancel) enter "a.$att"; void; [ $state != void ] || { tree; [ -z "$tree" ] || state=orphan; }; case $state in starting | running | orphan | vanished) stop "$1" ;; esac; reply ;;
fence) enter "a.$att"; void; reply ;;
*) [ -d "a.$att" ] && cd "a.$att"; look ;; # the rest only reads
esac
case $op in
status) reply; [ ! -s run/progress ] || tail -c 4096 run/progress ;;
output) # LIMIT; the bytes follow the line, which says in their place how many there are
  [ ! -f run/output ] || at=$(($(wc -c <run/output)))
  bytes=$(($1 < at ? $1 : at)); reply; [ "$bytes" = 0 ] || head -c "$bytes" run/output ;;
collect) # STREAM OFFSET LIMIT; the bytes follow the line
  case $1 in err) end=$et from=$ef ;; *) end=$ot from=$of ;; esac
  n=0 base=0 room=$HEAD at=$2; [ "$at" -lt $HEAD ] || { [ "$at" -ge "$from" ] || at=$from
    n=$(((at - HEAD) / SEGMENT + 1)) room=$SEGMENT; base=$((HEAD + (n - 1) * SEGMENT)); }
  [ "$end" -le $((base + room)) ] || end=$((base + room))
  bytes=$((end - at < $3 ? end - at : $3)); [ "$bytes" -gt 0 ] && [ -f "run/$1.$n" ] || bytes=0
  reply; [ "$bytes" = 0 ] || tail -c +$((at - base + 1)) "run/$1.$n" 2>/dev/null | head -c "$bytes" ;;
follow) # OUT_OFFSET ERR_OFFSET: the heads, live; ends with the command, or when standard input ends
  reply; reply >&2; case $state in starting | running) ;; *) exit 0 ;; esac
  exec 3>&2 2>/dev/null 8<>run/live 7<run/live 8>&-
  tail -s .05 -c 1 /dev/null && quick=1 || quick=''
  flow() { # FILE OFFSET: what it has and will have; a tail that can't look more than once a second is no help
    [ -z "$quick" ] || exec tail -s .05 -c +$(($2 < HEAD ? $2 + 1 : HEAD + 1)) -f "$1"
    [ "$2" = 0 ] || dd bs="$2" count=1 >/dev/null; while cat; do sleep 0.1; done
  }
  flow run/out.0 "$1" <run/out.0 3>&- 7<&- & t1=$!
  flow run/err.0 "$2" <run/err.0 >&3 3>&- 7<&- & t2=$!
  { { cat; kill $t1 $t2 $$; } <&6 6<&- 3>&- 7<&- >/dev/null & } 6<&0; guard=$!
  read -r x <&7; kill $guard $t1 $t2 ;;
clean) case $state in done | void | rebooted | vanished) rm -rf run in.* || { chmod -R u+rwx run; rm -rf run; } ;; esac 2>/dev/null; reply ;;
esac
exit 0

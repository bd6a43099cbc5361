import type { Part } from './support/acceptance-page.ts';

/**
 * What was asked for, and the tests that prove it: `file > group > title`, as the test run names them. A line without
 * proofs is not there yet, or `planned` when it belongs to a later step of the roadmap.
 */
export const acceptance: Part[] = [
  {
    part: 'Two phases',
    lines: [
      {
        line: 'undecided survives serialisation and the database',
        proofs: [
          'test/integration/http-tasks.test.ts > a new task > is answered with its address, all its fields, and undecided unless said',
        ],
      },
      {
        line: "a webhook's task is undecided",
        proofs: [
          'test/integration/http-webhooks.test.ts > a signed delivery > is stored, decided on and answered 202 with the task that it made',
        ],
      },
      {
        line: 'phase 1: a host that matches takes the task',
        proofs: [
          'test/integration/two-phases.test.ts > an undecided task goes to an online host with its labels and a free place',
        ],
      },
      {
        line: 'phase 1: no host matches, the task stays undecided',
        proofs: ['test/integration/two-phases.test.ts > a task stays undecided while no host has the labels'],
      },
      {
        line: 'phase 1: the host is offline',
        proofs: ['test/integration/two-phases.test.ts > a task stays undecided while the host is offline'],
      },
      {
        line: 'phase 1: the host has no free place',
        proofs: ['test/integration/two-phases.test.ts > a host whose places are all taken gets nothing more'],
      },
      {
        line: 'phase 1: the host has the wrong label',
        proofs: ['test/integration/two-phases.test.ts > a task stays undecided while no host has the labels'],
      },
      {
        line: 'phase 2: before the threshold the task is undecided',
        proofs: ['test/integration/two-phases.test.ts > before the threshold a task that no host matches is undecided'],
      },
      {
        line: 'phase 2: at the threshold it is marked http_pull',
        proofs: ['test/integration/two-phases.test.ts > at the threshold a task that no host matches is http_pull'],
      },
      {
        line: 'phase 2: after the threshold it is marked http_pull',
        proofs: ['test/integration/two-phases.test.ts > after the threshold a task that no host matches is http_pull'],
      },
      {
        line: 'phase 2: null never marks it',
        proofs: ['test/integration/two-phases.test.ts > with a threshold of null nothing is left to agents by itself'],
      },
      {
        line: 'phase 2: back to undecided when a host with its labels comes online',
        proofs: [
          'test/integration/two-phases.test.ts > what was left to agents is undecided again when a host with its labels comes online',
        ],
      },
      {
        line: 'hosts and agents mixed',
        proofs: ['test/integration/two-phases.test.ts > hosts and agents are mixed: each takes only what it can'],
      },
      {
        line: 'dequeue of an undecided task answers 200 and sets the mode',
        proofs: [
          'test/integration/http-pull.test.ts > an agent that pulls > takes a task, starts it, streams its log, says how far it is, and completes it',
        ],
      },
      {
        line: 'assign to an agent',
        proofs: ['test/integration/http-tasks.test.ts > assign > names an agent or a host, by their kind'],
      },
      {
        line: 'assign to a host',
        proofs: ['test/integration/http-tasks.test.ts > assign > names an agent or a host, by their kind'],
      },
      {
        line: 'a pending assignment is replaced',
        proofs: ['test/integration/http-tasks.test.ts > assign > names an agent or a host, by their kind'],
      },
      {
        line: 'assign: 404 for no such task or agent',
        proofs: [
          'test/integration/http-tasks.test.ts > assign > is refused for what is not there, for the wrong mode, and for a task that is not pending',
        ],
      },
      {
        line: 'assign: 400 when the status does not allow it',
        proofs: [
          'test/integration/http-tasks.test.ts > assign > is refused for what is not there, for the wrong mode, and for a task that is not pending',
        ],
      },
      {
        line: 'assign: 400 when the mode contradicts the agent',
        proofs: [
          'test/integration/http-tasks.test.ts > assign > is refused for what is not there, for the wrong mode, and for a task that is not pending',
        ],
      },
      {
        line: 'end to end: delivery, then SSH',
        proofs: [
          'test/e2e/three-ways.test.ts > from a recorded delivery to a result > a delivery becomes an undecided task that a matching host does over SSH',
        ],
      },
      {
        line: 'end to end: delivery, no matching host, then dequeue',
        proofs: [
          'test/e2e/three-ways.test.ts > from a recorded delivery to a result > a delivery whose label no host has is left to agents, and one that pulls does it',
        ],
      },
      {
        line: 'end to end: assign, then agent',
        proofs: [
          'test/e2e/three-ways.test.ts > from a recorded delivery to a result > a coordinator assigns a task that a host could take to an agent, and the agent does it',
        ],
      },
      {
        line: 'dispatch, dequeue and assign at once: exactly one wins',
        proofs: [
          'test/integration/race-for-a-task.test.ts > of dispatch, dequeue and assign at once exactly one wins the task, and the others change nothing',
        ],
      },
      {
        line: 'tasks created as ssh_cli and http_pull are unaffected',
        proofs: ['test/integration/two-phases.test.ts > tasks created for one way are not touched by the other'],
      },
      {
        line: 'an undecided task whose host failed it is undecided again and taken by an agent',
        proofs: [
          'test/integration/two-phases.test.ts > an undecided task whose host failed it is undecided again, kept from that host, and taken by an agent',
        ],
      },
    ],
  },
  {
    part: 'Intake',
    lines: [
      {
        line: 'a signed delivery is stored with its decision and its task in one transaction',
        proofs: [
          'test/integration/http-webhooks.test.ts > a signed delivery > is stored, decided on and answered 202 with the task that it made',
        ],
      },
      {
        line: 'a label newly present triggers, one that was there before does not',
        proofs: [
          'test/integration/intake.test.ts > deliveries of Forgejo v11 > labels switched on and off make a task for each time that agent:run became present',
          'test/integration/intake.test.ts > deliveries of Forgejo v15 > labels switched on and off make a task for each time that agent:run became present',
          'test/integration/intake.test.ts > deliveries of Forgejo v16 > labels switched on and off make a task for each time that agent:run became present',
        ],
      },
      {
        line: 'a comment that begins with the command triggers',
        proofs: [
          'test/integration/http-webhooks.test.ts > a signed delivery > is stored, decided on and answered 202 with the task that it made',
        ],
      },
      {
        line: 'a wrong, missing or empty signature: 401 and no row',
        proofs: [
          'test/integration/http-webhooks.test.ts > a delivery that is not signed right > is refused and not stored: no signature',
          'test/integration/http-webhooks.test.ts > a delivery that is not signed right > is refused and not stored: an empty one',
          'test/integration/http-webhooks.test.ts > a delivery that is not signed right > is refused and not stored: one of another secret',
        ],
      },
      {
        line: 'the same delivery twice, or one event by two webhooks: one task',
        proofs: [
          'test/integration/http-webhooks.test.ts > a signed delivery > that comes twice, or by another webhook, makes one task',
        ],
      },
      {
        line: 'a sender that is not trusted is ignored with that reason',
        proofs: [
          'test/integration/http-webhooks.test.ts > a signed delivery > of a sender who is not trusted is ignored with that reason',
        ],
      },
      {
        line: "the bot's own events never trigger",
        proofs: [
          "test/integration/intake.test.ts > deliveries of Forgejo v11 > the bot's own events start nothing",
          "test/integration/intake.test.ts > deliveries of Forgejo v15 > the bot's own events start nothing",
          "test/integration/intake.test.ts > deliveries of Forgejo v16 > the bot's own events start nothing",
        ],
      },
      {
        line: 'the test delivery is stored and ignored with a reason',
        proofs: [
          'test/integration/intake.test.ts > deliveries of Forgejo v11 > the test button by API: ignored with a reason',
          'test/integration/intake.test.ts > deliveries of Forgejo v15 > the test button by API: ignored with a reason',
          'test/integration/intake.test.ts > deliveries of Forgejo v16 > the test button by API: ignored with a reason',
        ],
      },
    ],
  },
  {
    part: 'Tasks and attempts',
    lines: [
      {
        line: 'each move that the table does not allow is refused by the database too',
        proofs: [
          'test/integration/moves.test.ts > the database agrees with the table of moves on completed to running',
          'test/integration/moves.test.ts > the database agrees with the table of moves on pending to running',
          'test/integration/moves.test.ts > the database agrees with the table of moves on completed to pending',
        ],
      },
      {
        line: "an old attempt's writes change nothing",
        proofs: [
          'test/integration/leases.test.ts > an attempt that was lost changes nothing any more, and its late result is kept',
        ],
      },
      {
        line: 'patching the priority moves the task',
        proofs: [
          'test/integration/http-steering.test.ts > patch > of the priority moves the task in the order, counted from when it was made',
          'test/integration/ageing.test.ts > an ageing that changed gives every pending task its place anew, at the start',
        ],
      },
      {
        line: 'an approval is for the version that was read',
        proofs: [
          'test/integration/http-steering.test.ts > approve > lets the version that was read run',
          'test/long/steering-races.test.ts > of approve and patch that have read the same version one is done',
        ],
      },
      {
        line: 'retry by hand: fresh budgets, numbers go on, dependencies are asked again',
        proofs: [
          'test/integration/http-steering.test.ts > retry > makes a failed task pending again, with fresh budgets and the next number',
          'test/integration/http-steering.test.ts > retry > waits again for a dependency that is retried, and runs when that one completes',
          'test/long/steering-races.test.ts > of several retries one makes the task pending again',
          'test/long/steering-races.test.ts > a task that is retried while its dependency completes is not left waiting for it',
        ],
      },
      {
        line: 'dependencies: three reactions, at creation alike, chains in steps, counters right under races',
        proofs: [
          'test/long/chain-of-dependants.test.ts > dependants that hang in a chain of 1,000 are cancelled one after the other',
          'test/integration/dependencies.test.ts > many dependants > of one are told at most 500 at a time, and each once',
          'test/long/race-of-dependencies.test.ts > a dependant that is created while its dependency completes is ready in the end',
          'test/long/race-of-dependencies.test.ts > a dependant of ten that complete at once is counted down by each of them once',
          'test/long/race-of-dependencies.test.ts > counting down in the statement that completes would leave a dependant waiting for ever',
        ],
      },
      {
        line: 'gates: ready exactly when the last one opens, the concurrency key taken last, one holder under races',
        proofs: [
          'test/integration/gates.test.ts > a task is ready exactly when the last of its gates opens, whichever it is, and holds its key from then on',
          'test/long/race-for-a-key.test.ts > of tasks created with one key at once exactly one is ready, and none is forgotten',
          'test/long/race-for-a-key.test.ts > a key that is handed over while others come, are approved or cancelled has one holder at a time',
          'test/long/race-for-a-key.test.ts > asking whether anybody holds the key, in the statement that makes ready, would make two ready',
        ],
      },
      {
        line: 'the feed of events is resumed without a hole, also beside slower transactions; one reader for all who follow',
        proofs: [
          'test/integration/event-feed.test.ts > a slower transaction beside a faster one > would leave a hole for who goes by the number alone',
          'test/integration/event-feed.test.ts > a slower transaction beside a faster one > leaves no hole for who follows',
          'test/integration/event-feed.test.ts > however many write at once, who follows and who comes back again and again see each event once, in order',
          'test/integration/event-feed.test.ts > two hundred who follow are served by one reader',
          'test/integration/event-feed.test.ts > who takes nothing is dropped when more has come than is kept, and nobody waits for it',
        ],
      },
      {
        line: 'what is over is deleted after its term, tasks only whole',
        proofs: [
          'test/integration/prune.test.ts > tasks > that ended before the term are deleted whole, and only the end of their chain is kept',
          'test/integration/prune.test.ts > tasks > are deleted once though several replicas prune at once',
          'test/integration/prune.test.ts > the history > can not be deleted',
        ],
      },
      {
        line: 'statistics: exact counts, computed once for all who ask',
        proofs: [
          'test/integration/statistics.test.ts > the statistics > count what ended by template, repository, agent and day, with what it cost',
          'test/integration/statistics.test.ts > a range is computed once for all who ask at about the same time, and again when that is too old',
        ],
      },
      {
        line: 'cancel against every race has exactly one ending',
        proofs: [
          'test/long/steering-races.test.ts > of cancel and complete the first one decides how the task ends',
          'test/long/steering-races.test.ts > a task that is cancelled while it is dequeued is never taken without being asked to stop',
          'test/integration/cancel-by-force.test.ts > against the last word of its driver exactly one ending stands',
        ],
      },
      {
        line: 'agents deleted while tasks name them leave nobody waiting',
        proofs: [
          'test/long/steering-races.test.ts > an agent that is deleted while it is named and takes leaves no task waiting for it',
          'test/long/steering-races.test.ts > an agent that is deleted while a task that names it is cancelled and retried keeps nobody waiting',
          'test/integration/http-steering.test.ts > retry > unnames an agent that was deleted meanwhile',
        ],
      },
      {
        line: 'an agent that dies gives its task back',
        proofs: [
          'test/fault/agent-killed-mid-attempt.test.ts > an agent killed for good > gives its task back, another agent does it, and the first changes nothing when it comes back',
        ],
      },
      {
        line: 'an outage of the server costs nobody a lease',
        proofs: [
          'test/integration/leases.test.ts > after an outage all leases begin anew and nobody loses one',
          'test/fault/agent-server-away.test.ts > a server killed under its agents > gets the result of what ended while it was away, and its whole log',
        ],
      },
      {
        line: 'replicas killed, frozen and stopped under load: nothing acknowledged is lost, nothing is done twice',
        proofs: [
          'test/fault/replica-killed-under-load.test.ts > of what was acknowledged nothing is lost when replicas are killed, and each task is completed once',
          'test/fault/replica-frozen.test.ts > what a replica does that was frozen in the middle of a load changes nothing that others did since',
          'test/fault/replica-frozen.test.ts > a replica that drives an attempt on a host, frozen past its lease > writes nothing once another has taken it over',
          'test/fault/replica-frozen.test.ts > a replica that drives an attempt on a host, frozen past its lease > adopts it again before it writes, where nobody else did',
          'test/fault/replica-told-to-stop-under-load.test.ts > a replica told to stop under load answers all that it took, tells who waits, and ends with 0',
        ],
      },
      {
        line: 'whatever the database does, all goes on by itself within 10 s of its return, with 503 and never 500 meanwhile',
        proofs: [
          'test/fault/postgres-killed.test.ts > a PostgreSQL that is killed and comes back loses nothing, and all goes on by itself',
          'test/fault/postgres-frozen.test.ts > a PostgreSQL frozen for longer than the leases ends no lease',
          'test/fault/connections-terminated.test.ts > connections that the database ends under load are made again, and nothing is done twice or lost',
          'test/fault/database-read-only.test.ts > while the database can only be read, what writes is refused with 503, and goes on when it can be written',
          'test/fault/database-read-only.test.ts > so it is where another database answers in place of the one that can be written, until that is back',
          'test/fault/database-out-of-connections.test.ts > while the database has no connection to give requests are refused with 503, and go on when it has',
          'test/fault/database-link-half-open.test.ts > connections to the database that fall silent without an end are given up, and all goes on over new ones',
          'test/fault/table-changed-under-a-running-server.test.ts > columns that a newer program adds while this one serves cost at most a repeat, never an error for good',
        ],
      },
      {
        line: 'a commit whose answer is lost has one effect, however often it is asked for again',
        proofs: [
          'test/fault/commit-answer-lost.test.ts > a task is made once by an Idempotency-Key, and by its own id, however often it was asked for',
          'test/fault/commit-answer-lost.test.ts > a task is taken, started and completed once',
          'test/fault/commit-answer-lost.test.ts > several tasks are completed once by one request',
          'test/fault/commit-answer-lost.test.ts > what a person asked of a task happens once',
          'test/fault/commit-answer-lost.test.ts > a delivery makes one task, however often the forge sends it',
        ],
      },
      {
        line: 'hints that no longer arrive delay a waiting agent by a second, and come again by themselves',
        proofs: [
          'test/fault/listen-connection-half-open.test.ts > an agent that waits where hints no longer arrive gets its task all the same, and its server can be stopped',
          'test/fault/listen-connection-half-open.test.ts > hints come again by themselves after the connection that they come by has gone silent',
        ],
      },
      {
        line: 'every error code and every operation is reached by a test and answered as the document describes it',
        proofs: [
          'test/integration/http-every-code.test.ts > every code of the table has a case',
          'test/integration/http-described.test.ts > every answer that succeeds is as the document describes it: its status, its type and all its fields',
          'test/integration/http-described.test.ts > every success that the document knows was looked at',
          'test/unit/http/document-rules.test.ts > the document describes every route of the program, and no other',
          'test/unit/http/document-rules.test.ts > every reference leads somewhere, ids of operations are unique, and tags are explained',
        ],
      },
      {
        line: 'a server killed during a run over SSH re-attaches and ends with the true exit code and log',
        proofs: [
          'test/fault/server-killed-during-a-run-over-ssh.test.ts > a server killed with SIGKILL while a task runs over SSH > is attached again after its restart, and ends with the true exit code and the whole log',
          'test/fault/server-killed-during-a-run-over-ssh.test.ts > a server killed with SIGKILL while a task runs over SSH > gets the result of a task that ended while it was away',
        ],
      },
      {
        line: 'one conformance suite runs against SSH and the pull agent',
        proofs: [
          'test/integration/executor/attempt-over-ssh.test.ts > over OpenSSH > an attempt on a host > outlives > its driver: the next one goes on at the byte, and the command never ran twice',
          'test/integration/executor/attempt-on-this-machine.test.ts > an attempt on the machine that the agent lives on > outlives > its driver: the next one goes on at the byte, and the command never ran twice',
        ],
      },
      {
        line: 'unknown fields, wrong types, too large, not JSON, not UTF-8, NUL: refused, nothing stored',
        proofs: [
          'test/integration/http-bad-input.test.ts > a body that can not be read > is refused: not JSON',
          'test/integration/http-bad-input.test.ts > a body that can not be read > is refused: not UTF-8',
          'test/integration/http-bad-input.test.ts > a body that can not be read > is refused: too large',
          'test/integration/http-bad-input.test.ts > a body that is not valid > is refused by field: an unknown field',
          'test/integration/http-bad-input.test.ts > a body that is not valid > is refused by field: a title of the wrong type',
          'test/integration/http-bad-input.test.ts > a body that is not valid > is refused by field: NUL in a title',
        ],
      },
      {
        line: 'a wrong configuration file: all mistakes at once with line numbers, exit 2',
        proofs: [
          'test/long/server-can-not-start.test.ts > a server that can not start says why in one sentence > its configuration is wrong: every mistake with its line, and exit code 2',
        ],
      },
      {
        line: 'the first page shows tasks changing by themselves, and a task with its live log',
        proofs: [
          'test/e2e/first-page.test.ts > the pages in a browser > show a task that changes by itself, in the list and on its own page',
          'test/e2e/first-page.test.ts > the pages in a browser > show what is printed as it comes, and follow it until somebody scrolls up',
        ],
      },
    ],
  },
  {
    part: 'Durable execution over SSH',
    lines: [
      {
        line: 'the wrapper works under dash, busybox and bash in POSIX mode, and over SSH',
        proofs: [
          'test/integration/executor/local-machine.test.ts > the machine that the agent lives on > a start > repeated ten times at once runs once',
          'test/long/busybox-machine.test.ts > where everything is busybox > a machine > a start > repeated ten times at once runs once',
          'test/long/bash-machine.test.ts > where sh is bash in POSIX mode > a machine > a start > repeated ten times at once runs once',
          'test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a start > repeated ten times at once runs once',
          'test/integration/executor/ssh-host.test.ts > a host over SSH > and its shell > whose start-up file prints is told apart from an answer, with what it printed',
        ],
      },
      {
        line: 'each row of claim, exit and processes: what is found again is what was, and unknown is neither success nor failure',
        proofs: [
          'test/integration/executor/reattach.test.ts > an attempt that is found again > no claim, the store and the boot still the same: it is started, once',
          'test/integration/executor/reattach.test.ts > an attempt that is found again > ended: its log and its exit code are had',
          'test/integration/executor/reattach.test.ts > an attempt that is found again > running without its supervisor: it is ended, and lost, for its exit code is unknown',
          'test/integration/executor/reattach.test.ts > an attempt that is found again > all of it dead without an exit: lost, for it may have done something',
          'test/integration/executor/wrapper-states.test.ts > the wrapper script, asked about an attempt > of whose processes nothing is alive: vanished, never a result, and a repeated start runs nothing',
        ],
      },
      {
        line: 'another replica goes on within 5 seconds, at the byte, to the true exit code, also one of a newer version',
        proofs: [
          'test/fault/replica-gone-during-a-run-over-ssh.test.ts > a task on a host whose replica is gone > killed: another one that is there goes on within 5 seconds, at the byte, to the true exit code',
          'test/fault/replica-gone-during-a-run-over-ssh.test.ts > a task on a host whose replica is gone > killed, and ended by the time the next one comes: the result is had within 5 seconds',
          'test/fault/replica-gone-during-a-run-over-ssh.test.ts > a task on a host whose replica is gone > stopped for a newer release: that one goes on within 5 seconds, by the script that started the command',
        ],
      },
      {
        line: 'a link that is cut, half-open, dead or frozen costs neither a byte of the log nor the exit code',
        proofs: [
          'test/fault/link-broken-during-a-run-over-ssh.test.ts > a task over SSH whose link breaks > cut: goes on, its log is had to the byte, and its exit code',
          'test/fault/link-broken-during-a-run-over-ssh.test.ts > a task over SSH whose link breaks > half-open, on which nothing passes any more: goes on, its log is had to the byte, and its exit code',
          'test/fault/link-broken-during-a-run-over-ssh.test.ts > a task over SSH whose link breaks > frozen at the far end: goes on, its log is had to the byte, and its exit code',
        ],
      },
      {
        line: 'a host out of reach keeps its tasks and says so; a wiped control folder is store_changed, never a second run beside the first',
        proofs: [
          'test/fault/host-out-of-reach.test.ts > a task on a host that goes out of reach > keeps its place and says since when and until when, over a restart of the server too, and loses nothing',
          'test/fault/host-out-of-reach.test.ts > a task on a host that goes out of reach > is ended by a person at once, unproven, and what still runs is ended when the host is back',
          'test/fault/host-out-of-reach.test.ts > a task on a host that goes out of reach > with its control folder wiped is lost, store_changed, and ended there; may it run twice (false), it is failed',
          'test/integration/host-attempts.test.ts > of replicas that adopt at once one drives the attempt',
          'test/integration/host-attempts.test.ts > an attempt that may run on a host out of reach keeps its task and its place',
        ],
      },
      {
        line: 'a line without end: head, tail and total exact, the disk bounded (1 GB here; ENDLESS_GB=10 for ten)',
        proofs: [
          'test/long/endless-output.test.ts > a command that prints without end > ends by itself with its code after gigabytes in one line: head, tail and total exact, the disk bounded',
          'test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a log > without a newline, of bytes that are no text, is there to the byte',
        ],
      },
      {
        line: 'timeout and cancel are proven to leave no process, daemons and what ignores SIGTERM included, without the server too',
        proofs: [
          'test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a stop > by cancel ends a tree that ignores SIGTERM, daemons in sessions of their own too',
          "test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a stop > by timeout is the machine's own doing",
          'test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a command > that leaves daemons behind holding its output ends all the same, and nothing is left',
        ],
      },
      {
        line: "limits and workspaces: what can't be kept is refused in setup, what failed is kept for a while",
        proofs: [
          'test/integration/executor/attempt-over-ssh.test.ts > over OpenSSH > an attempt on a host > ends > as failed in setup, never run without what was asked to bound it',
          'test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a limit > of memory ends what wants more, and nothing else',
          'test/integration/executor/ssh-machine.test.ts > over OpenSSH > a host > a workspace > that was kept goes when it is old enough, and its end is still known',
        ],
      },
      {
        line: 'pooled connections, jump hosts, passphrases, ssh-agent, known_hosts; certificates are refused with a clear word',
        proofs: [
          'test/integration/executor/ssh-host.test.ts > a host over SSH > and many operations at once > shares few connections among them, on a default sshd without one failure',
          'test/integration/executor/ssh-links.test.ts > a link to a host > that goes half-open while nobody asks is noticed by its keepalive',
          'test/long/hosts-by-every-way.test.ts > tasks run on hosts > by a key with a passphrase, by an ssh-agent and known_hosts, and through another host',
          'test/integration/executor/ssh-keys.test.ts > a host over SSH > signed in to by an ssh-agent > that is away, has no key, or certificates alone: auth, and which of these',
        ],
      },
      {
        line: 'a host that shows another key is parked with an alarm, and nothing is sent to it',
        proofs: [
          'test/integration/host-key-changed.test.ts > a host that shows another key > is parked with an alarm and gets nothing; what runs there goes on, and is had when the key is right',
        ],
      },
      {
        line: 'the health of hosts: preflight, isolation and the way back, class setup elsewhere, hosts added and removed',
        proofs: [
          'test/integration/executor/preflight.test.ts > the preflight of a host > finds nothing wrong with a good one, and leaves nothing there but the wrapper',
          'test/long/host-commands.test.ts > hosts from the command line > are checked, for people and for programs, and the exit code tells whether tasks can run there',
          'test/long/host-commands.test.ts > hosts from the command line > are added while the server runs, and taken away; the rest of the file stays as it was',
          'test/integration/host-health.test.ts > the health of hosts > an isolated host is tried with a command of our own: it says what failed, and is let back when nothing does',
          'test/fault/host-disk-full.test.ts > a host that lacks what a task needs > a disk that fills up: class setup, a failure of the host’s own, and the task runs elsewhere',
        ],
      },
      {
        line: 'what people wrote, in sixty forms, arrives byte by byte and executes nothing; nothing secret is in ps or in a log',
        proofs: [
          'test/long/hostile-data.test.ts > what people write > comes in sixty forms',
          'test/long/hostile-data.test.ts > what people write > and is run ssh > arrives byte by byte as arguments, environment and input',
          'test/long/hostile-data.test.ts > what people write > and is run ssh > arrives from a delivery, as title, body, comment and branch',
          'test/long/hostile-data.test.ts > what people write > has done nothing to the database',
          'test/integration/executor/ssh-host.test.ts > a host over SSH > and its shell > is given one constant line: ids, numbers and whether it is bounded, never a word of the task',
          'test/e2e/security-nothing-shown.test.ts > nothing secret > of a command that runs ssh > is in the list of processes, in a log of ours, in an event or in what a viewer reads',
        ],
      },
      {
        line: 'what a command finds is the same over SSH and pulled',
        proofs: [
          'test/e2e/what-a-command-finds.test.ts > what a command finds > ssh > is its identity, its address and token, its two files, and nothing of server, agent or host',
          'test/e2e/what-a-command-finds.test.ts > what a command finds > ssh > is a file for lines of progress, and one whose JSON becomes the output',
          'test/e2e/what-a-command-finds.test.ts > what a command finds > has the same names and the same surroundings either way',
        ],
      },
      {
        line: 'every process of sshd killed each 400 ms, under three shells: no wrong byte, code or double run (2 rounds; CHAOS_ROUNDS=10 for ten)',
        proofs: [
          'test/long/chaos-over-ssh.test.ts > every process of sshd that serves a connection killed each 400 ms > rounds of 24 tasks under dash: no wrong byte, no wrong exit code, no second run',
          'test/long/chaos-over-ssh.test.ts > every process of sshd that serves a connection killed each 400 ms > rounds of 24 tasks under busybox: no wrong byte, no wrong exit code, no second run',
          'test/long/chaos-over-ssh.test.ts > every process of sshd that serves a connection killed each 400 ms > rounds of 24 tasks under bash: no wrong byte, no wrong exit code, no second run',
        ],
      },
      {
        line: '100 tasks at once on one default sshd: no failure',
        proofs: [
          'test/long/hundred-tasks-on-one-sshd.test.ts > a hundred tasks at once on one sshd as it comes > all run, once each, with their logs',
        ],
      },
    ],
  },
  {
    part: 'The house',
    lines: [
      {
        line: 'npm run demo tells the main job, ends by itself and leaves nothing running',
        proofs: [
          'test/long/demo.test.ts > four demos at once: > one tells the whole story, ends by itself and leaves nothing',
        ],
      },
      {
        line: 'the skills for AI agents run as they stand',
        proofs: [
          'test/long/skills.test.ts > a task that is made by the skill of a requester is done by the skill of a worker',
          'test/long/skills.test.ts > the skill of an operator works, and its token is revoked',
        ],
      },
      {
        line: 'a second server on one data directory is refused by the pid of the first',
        proofs: [
          'test/long/embedded-postgres.test.ts > the embedded database > refuses a second server on its data directory by the pid of the first',
        ],
      },
      {
        line: 'nothing is left running when the server is killed, and no acknowledged row is lost',
        proofs: [
          'test/long/embedded-postgres.test.ts > the embedded database > ends by itself when its server is killed',
          'test/long/embedded-postgres.test.ts > the embedded database > starts at once after its server was killed, with every acknowledged row',
        ],
      },
      {
        line: 'migrations run once when many servers start at once',
        proofs: [
          'test/integration/migrate.test.ts > migrate > applies each migration once when four servers start at once on an empty database',
        ],
      },
      {
        line: 'a program too old for the database is refused, and so is a changed migration',
        proofs: [
          'test/integration/migrate.test.ts > migrate > refuses a program that is too old for the database, and says which it needs',
          'test/integration/migrate.test.ts > migrate > refuses a migration that was changed after it was applied, by its name',
        ],
      },
      {
        line: 'a data directory that can not be written: one clear sentence',
        proofs: [
          'test/long/embedded-postgres.test.ts > the embedded database > says in one sentence that a data directory below a file can not be written',
        ],
      },
      {
        line: 'any Node from 20 on starts it, and signals and exit code pass through',
        proofs: [
          'test/integration/launcher.test.ts > the launcher under a Node that seems older > runs the command line on the bundled Node, with its arguments',
          'test/integration/launcher.test.ts > the launcher under a Node that seems older > passes SIGTERM on and ends as the program ends',
        ],
      },
      {
        line: 'taskejo doctor reports every breach of an invariant by task, with what to do, and raises no false alarm',
        proofs: [
          'test/integration/doctor.test.ts > has a test for each kind of breach',
          'test/integration/doctor.test.ts > finds an edited event: chain_broken',
          'test/integration/doctor.test.ts > raises no alarm of a server that works meanwhile',
          'test/long/doctor.test.ts > taskejo doctor, while the server runs > says by task what is wrong and what to do about it',
        ],
      },
      {
        line: 'each pair of what acts on a task, at once on two replicas: all of it or nothing, and the loser is told',
        proofs: [
          'test/long/race-of-pairs.test.ts > cancel and complete of a task that is assigned at once: each does all of it or nothing, and is told which',
          'test/long/race-of-pairs.test.ts > adopt and adopt of a task that is running on a host at once: each does all of it or nothing, and is told which',
          'test/long/race-of-pairs.test.ts > expire and preempt of a task that is running at once: each does all of it or nothing, and is told which',
          'test/long/race-of-pairs.test.ts > each act has won, and after all these races everything is as it must be',
        ],
      },
      {
        line: 'the place of an agent is given out once, by whichever replica; the naive form fails',
        proofs: [
          'test/integration/race-for-a-place.test.ts > an agent with one place that asks two replicas at once gets one task',
          'test/integration/race-for-a-place.test.ts > counting in the statement that waits for the lock would give out one place twice',
          'test/long/waiting-agents.test.ts > of several requests of an agent that wait on both replicas one is answered when there is one place',
        ],
      },
      {
        line: 'completing in one statement overlooks no log, no dependant, no cancel, and locks in the order of ids',
        proofs: [
          'test/long/race-to-complete.test.ts > a task that is completed on the replica that gave it out > while its log is written has the whole log sealed, or refuses what came after',
          'test/long/race-to-complete.test.ts > a task that is completed on the replica that gave it out > while another comes to depend on it lets that one run',
          'test/long/race-to-complete.test.ts > a task that is completed on another replica > while the sweep ends its lapsed lease has one ending',
          'test/long/race-to-complete.test.ts > tasks that are completed together in one order and renewed by a heartbeat in another keep nobody waiting for each other',
        ],
      },
      {
        line: 'hundreds of agents wait on two replicas: one task each, few claims, lost hints cost one look, gone callers nothing',
        proofs: [
          'test/long/waiting-agents.test.ts > three hundred agents of three sets of labels that wait on two replicas > get one task each, and no claim is made for those for whom there is nothing',
          'test/long/waiting-agents.test.ts > three hundred agents of three sets of labels that wait on two replicas > are found by the next look when nobody is told of their tasks',
          'test/long/waiting-agents.test.ts > an agent whose places are taken is given nothing, and the task as soon as one is free',
          'test/long/waiting-agents.test.ts > a caller that is gone > before a claim is made for it is given nothing',
        ],
      },
      {
        line: 'two replicas, crashes and lapsed leases put in, do what a simple model says',
        proofs: [
          'test/integration/model.test.ts > whatever is done in whatever order, tasks are what a simple model says, and no invariant is breached',
        ],
      },
      {
        line: 'the table of allowed imports holds',
        proofs: ['test/unit/architecture.test.ts > the house > has imports only where the table allows them'],
      },
    ],
  },
  {
    part: "The agent's twelve",
    lines: [
      {
        line: 'fails with retries left: again after the delay',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > fails with retries left: again after the delay",
          'test/integration/pull.test.ts > a command that fails is tried again after the delay while retries are left',
        ],
      },
      {
        line: 'fails with none left: failed and reported',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > fails with none left: failed and reported",
        ],
      },
      {
        line: 'finishes while offline: kept',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > finishes while offline: kept",
          'test/fault/agent-server-away.test.ts > a server killed under its agents > gets the result of what ended while it was away, and its whole log',
        ],
      },
      {
        line: 'back online: reported by itself, in order, once',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > back online: reported by itself, in order, once",
        ],
      },
      {
        line: 'more than 1 MiB: truncated and marked',
        proofs: ["test/long/the-agents-twelve.test.ts > the agent's twelve > more than 1 MiB: truncated and marked"],
      },
      {
        line: 'starts from agent.yaml',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > starts from agent.yaml",
          'test/e2e/task-runs-on-a-pull-agent.test.ts > the agent > starts from agent.yaml where it is started, as from the environment alone',
        ],
      },
      {
        line: 'starts from the environment alone',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > starts from the environment alone",
          'test/e2e/task-runs-on-a-pull-agent.test.ts > the agent > starts from agent.yaml where it is started, as from the environment alone',
        ],
      },
      {
        line: 'a request with its token is accepted, without it refused',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > a request with its token is accepted, without it refused",
          'test/integration/http-admission.test.ts > who is let in > POST /api/v1/tasks/dequeue asks for a token',
          'test/integration/http-admission.test.ts > who is let in > POST /api/v1/tasks/dequeue lets in only whom it is for',
        ],
      },
      {
        line: 'dependency not done: waits',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > dependency not done: waits",
          'test/integration/dependencies.test.ts > a task that depends on another > is given to no agent before that is done, and runs then',
        ],
      },
      {
        line: 'dependencies done: runs',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > dependencies done: runs",
          'test/integration/dependencies.test.ts > a task that depends on another > is given to no agent before that is done, and runs then',
          'test/integration/dependencies.test.ts > a task that depends on another > waits for all of them, in whatever order they complete',
        ],
      },
      {
        line: 'priority higher by 3: preempts',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > priority higher by 3: preempts",
          'test/e2e/urgent-task-preempts.test.ts > a task whose priority is higher by 3 takes the place of a running one, which runs again after it',
          'test/e2e/urgent-task-preempts.test.ts > an agent is told by renew and by heartbeat to make room, for a priority higher by 3 and not by 2',
        ],
      },
      {
        line: 'command not allowed: refused with the rule',
        proofs: [
          "test/long/the-agents-twelve.test.ts > the agent's twelve > command not allowed: refused with the rule",
        ],
      },
    ],
  },
  {
    part: 'The pull agent',
    lines: [
      {
        line: 'its settings: all mistakes at once with their place, and an example that it writes',
        proofs: [
          'test/e2e/agent-configuration.test.ts > config, and a start, say all that is wrong with the settings, with its place',
          'test/e2e/agent-configuration.test.ts > init writes an example that only its owner may read, and never over a file that is there',
        ],
      },
      {
        line: 'it proves who it is by its own key, right with a wrong clock; a restart takes over at once, a copy is refused',
        proofs: [
          'test/long/agent-identity.test.ts > an agent works though its clock is wrong by -3600000 ms',
          'test/long/agent-identity.test.ts > an agent works though its clock is wrong by 3600000 ms',
          'test/long/agent-identity.test.ts > a copy of an agent ends with 3 while the original works on, and a restart takes over at once',
          'test/integration/http-agent-identity.test.ts > a token that an agent has signed > is good from the allowed networks only',
          'test/integration/http-agent-identity.test.ts > a token that an agent has signed > may be made by another program, as the documentation says',
          'test/long/agent-identity.test.ts > a plain token of scope agent is enough',
        ],
      },
      {
        line: 'Retry-After is kept; proxies of the environment and a private authority are honoured',
        proofs: [
          'test/integration/agent/calls.test.ts > waiting for Retry-After ends with the signal',
          'test/long/agent-identity.test.ts > an agent goes through the proxy of its environment, to a server whose certificate a private authority made',
        ],
      },
      {
        line: "its store: what it must not forget, its owner's business alone, a damaged or newer one refused untouched",
        proofs: [
          'test/integration/agent/state.test.ts > what an agent must not forget > is found again by the next start: what it took, how far that had come',
          "test/integration/agent/state.test.ts > the state of an agent > is its owner's business alone",
          'test/integration/agent/state.test.ts > the state of an agent > is not read or written through a link',
          'test/integration/agent/state.test.ts > a store that can not be used > is one with a page that was overwritten',
          'test/integration/agent/state.test.ts > a store that can not be used > is one that a newer agent wrote',
        ],
      },
      {
        line: 'killed and started again it goes on with the same attempt at the byte, and takes no reused number for its own process',
        proofs: [
          'test/fault/agent-killed-mid-attempt.test.ts > an agent killed in the middle of an attempt and started again > goes on with the same attempt at the byte, and there is one result',
          'test/fault/agent-killed-mid-attempt.test.ts > an agent killed in the middle of an attempt and started again > reports what ended meanwhile',
          'test/fault/agent-killed-mid-attempt.test.ts > an agent killed in the middle of an attempt and started again > takes no process for its own that has got the number of one, and says that it lost its own',
        ],
      },
      {
        line: 'killed at each point between taking and the last word, and at random: each task is completed once',
        proofs: [
          'test/fault/agent-killed-at-each-point.test.ts > an agent killed between taking a task and the last word on it > does it once, wherever in its own writing down it died',
          'test/fault/agent-killed-at-each-point.test.ts > an agent killed between taking a task and the last word on it > does it once, wherever in its talk with the server it died',
          'test/long/agents-killed-at-random.test.ts > three agents are killed twenty times over sixty tasks, and each task runs once and is completed once',
        ],
      },
      {
        line: 'results that came too late are noted by the server and kept for a person; a lost answer is asked for again',
        proofs: [
          'test/fault/agent-offline.test.ts > an agent that was offline for longer than its lease > says its result all the same: the server notes it as late, and it is kept here for a person',
          'test/integration/agent/results-command.test.ts > results that nobody wanted are shown to a person, while the agent runs or not, and no others',
          'test/fault/answer-to-an-agent-lost.test.ts > an answer to an agent that gets lost > does no harm: complete',
        ],
      },
      {
        line: 'the policy of its owner: refused with the rule before anything starts, whatever the server thinks',
        proofs: [
          'test/integration/agent/owner-says-no.test.ts > a command that the machine’s owner doesn’t allow > is refused with the rule, whatever the server thinks of it, before anything reaches the machine',
          'test/integration/agent/owner-says-no.test.ts > a command that the machine’s owner doesn’t allow > is refused by a pattern that its arguments match',
        ],
      },
      {
        line: 'limits and sandboxes of its owner hold for every command, and are never done without',
        proofs: [
          'test/integration/agent/owner-limits.test.ts > the limits of a machine’s owner > hold for every command, whatever its task asks; the smaller of both counts',
          'test/integration/agent/bubblewrap.test.ts > a command that is shut in by bubblewrap > sees no file of the agent, of other attempts or of the machine’s people, and changes no program',
          'test/integration/agent/container.test.ts > a command that is shut in a container > leaves no container when it is cancelled, whatever it does against it',
          'test/integration/agent/bubblewrap.test.ts > a sandbox that the machine hasn’t is never done without',
          'test/long/command-is-shut-in.test.ts > a task that asks for a sandbox > runs in it on an agent, and survives the agent’s death like any other',
        ],
      },
      {
        line: 'drained it takes nothing new; what has not begun is handed back; it leaves by one command',
        proofs: [
          'test/long/agent-stops-and-drains.test.ts > an agent that the server drains > goes on with what runs, takes nothing new, and takes work at once when that is over',
          'test/long/agent-stops-and-drains.test.ts > an agent that is told to stop > hands back what it has taken and not begun, and nothing of it is counted',
          'test/long/agent-on-its-machine.test.ts > the agent of this machine > leaves the server at once, with what it runs only by force, and is another one at its next start',
        ],
      },
      {
        line: 'how its machine does, GPUs too, is shown at the server',
        proofs: [
          'test/integration/agent/machine-metrics.test.ts > the metrics of a machine > say what each GPU does where nvidia-smi answers, and null for what a card doesn’t know',
          'test/integration/metrics.test.ts > the metrics > say how the machines of agents do, as these said it last',
        ],
      },
      {
        line: 'the local API: a socket that only its user may open, what it answers, and its commands',
        proofs: [
          'test/long/agent-on-its-machine.test.ts > the local API > is a socket that only its user may open, gone with its agent and replaced after a kill',
          'test/long/agent-on-its-machine.test.ts > the local API > answers what it can’t do with the codes of the server’s API',
          'test/long/agent-on-its-machine.test.ts > the local API > on a port is for programs, not for web pages, where it is wanted',
          'test/long/agent-on-its-machine.test.ts > the agent of this machine > says what it works on, who it is and how the machine does',
          'test/long/agent-on-its-machine.test.ts > the agent of this machine > stops an attempt, which has failed in the machinery then, and leaves no process',
        ],
      },
      {
        line: 'a first signal leaves what runs to its supervisor, a second one ends it; the unit starts it',
        proofs: [
          'test/e2e/task-runs-on-a-pull-agent.test.ts > the agent > stopped once leaves what runs longer, and finds it again',
          'test/e2e/task-runs-on-a-pull-agent.test.ts > the agent > stopped by force ends what runs, and says so',
          'test/long/agent-is-installed.test.ts > taskejo agent install > writes a unit that systemd understands, and says how to start it',
          'test/long/agent-is-installed.test.ts > taskejo agent install > starts an agent by what it wrote',
        ],
      },
      {
        line: 'any program may be an agent: 40 lines of curl and sh pass the suite of the protocol',
        proofs: [
          'test/long/agent-protocol.test.ts > the agent in the documentation has 40 lines at most',
          'test/long/agent-protocol.test.ts > with curl > and jq > by the protocol, the agent of the documentation > runs the command, and says its output and its success',
          'test/long/agent-protocol.test.ts > by the protocol, taskejo agent > runs the command, and says its output and its success',
        ],
      },
      {
        line: 'an agent whose disk is full takes nothing new and finishes what runs',
        proofs: [
          'test/fault/agent-disk-full.test.ts > an agent whose disk is full takes nothing new and says so, finishes what runs, and takes work again with room',
        ],
      },
    ],
  },
  {
    part: 'Figures',
    lines: [
      { line: 'created until handed out: p99 below 100 ms', proofs: [], planned: true },
      { line: 'more than 1,000 tasks a second created, claimed and completed over HTTP', proofs: [], planned: true },
      {
        line: 'register and leave: below one second each',
        proofs: [
          'test/integration/http-agents.test.ts > registering > is done within a second',
          'test/integration/http-agents.test.ts > leaving > is done within a second, also by who holds something',
        ],
      },
      { line: 'availability above 99.9 % while replicas are killed and upgraded', proofs: [], planned: true },
      { line: "two hours' soak with flat memory", proofs: [], planned: true },
    ],
  },
];

import { ERROR_CODES, type ErrorCode } from '../src/domain/errors.ts';

/** When a code is answered, and what the caller can do. The compiler sees that none is missing. */
const WHEN: Record<ErrorCode, string> = {
  malformed:
    'This is no request of HTTP, or its body is not JSON, not UTF-8, nested too deep, or broke off. Sending it again as it is will not help.',
  assign_not_allowed: 'Only a pending task can be assigned; somebody has taken this one, or it has ended.',
  mode_mismatch: 'The agent is reached the other way: `ssh_cli` for hosts, `http_pull` for programs that pull.',
  unauthenticated: 'There is no token, or it is unknown, expired or revoked.',
  signature_invalid: 'The delivery was not signed with a secret of this forge. Nothing was stored.',
  forbidden: 'The token is good, but its scope, or what it is restricted to, does not allow this.',
  address_not_allowed: 'The agent has a list of networks, and this call did not come from one of them.',
  not_found: 'There is nothing of this id or address, or the token may not see it.',
  unknown_forge: 'The address of the webhook names no forge of the configuration.',
  method_not_allowed: 'The header `Allow` names the methods of this address.',
  lease_lost:
    'The attempt was ended by the server, or this database never knew it. Stop the work: its result changes nothing.',
  attempt_finished: 'The holder has ended the attempt already. A different result is not taken.',
  offset_gap: '`next_offset` is the next byte expected. Send from there, or say `gap=1` if the bytes between are gone.',
  status_not_allowed:
    'The task or the attempt stands where this can not be done, for instance because a stop was asked.',
  idempotency_conflict:
    'The same `Idempotency-Key`, or the same `id`, came with another body before. Choose a new one for a new request.',
  instance_conflict:
    'Another process calls with the identity of this agent: a later start of it, or the one that this is a copy of. Stop.',
  name_taken: 'Choose another name, or delete the agent that has it.',
  configured_in_file: 'Change it in the configuration file of the server.',
  version_mismatch: 'Read the task again: `If-Match` must name the version that it has now.',
  too_large: 'Send less: a body of JSON has at most 8 MiB, a piece of a log at most 1 MiB, all headers at most 16 KiB.',
  unsupported_media_type: 'Send the content type that the address takes, without compression.',
  range_not_satisfiable: 'The range begins beyond the end; `bytes` says how many there are.',
  invalid: '`errors` names each field that is wrong, missing or unknown.',
  dependency_cycle: 'None of these tasks could ever begin. Take one of the dependencies out.',
  unknown_template: 'The configuration has no template of this name.',
  rate_limited:
    'Too many bad tokens came from this address, or too many tasks of the repository are open. Wait as long as ' +
    '`Retry-After` says.',
  internal: 'A fault of the server. Its log has the cause under the `request_id`.',
  unavailable: 'The database is away or too busy, or the server stops. Try again after `Retry-After` seconds.',
};

const INTRODUCTION = `# Errors

<!-- Generated from src/domain/errors.ts by docs/generate-errors.ts. -->

Every answer that is no success has the type \`application/problem+json\` (RFC 9457):

\`\`\`json
{
  "type": "about:blank",
  "title": "The request is not valid",
  "status": 422,
  "code": "invalid",
  "detail": "title: is missing",
  "errors": [{"field": "title", "message": "is missing"}],
  "request_id": "0c0f4bd5-5a5c-4e8e-9b53-6c1b8f0a4e6e"
}
\`\`\`

Match on \`code\`: it is one of this list, and each has one status. \`detail\` is for people and may change. \`errors\` is
there when fields are to blame. \`request_id\` is also the header \`X-Request-Id\`, which every answer has.
`;

export function generateErrors(): string {
  const codes = Object.entries(ERROR_CODES) as [ErrorCode, (typeof ERROR_CODES)[ErrorCode]][];
  const rows = codes
    .toSorted(([, [a]], [, [b]]) => a - b)
    .map(([code, [status, title]]) => `| ${status} | \`${code}\` | ${title} | ${WHEN[code]} |`);
  return [INTRODUCTION, '| status | code | title | when, and what to do |', '|---|---|---|---|', ...rows, ''].join(
    '\n',
  );
}

/**
 * Who acts for an attempt: the agent that took it (with its own token, or with the token of that one attempt), or the
 * replica that drives a host over SSH.
 */
export type Holder =
  | { kind: 'agent'; agentId: string; attemptId: string | null }
  | { kind: 'replica'; replicaId: string };

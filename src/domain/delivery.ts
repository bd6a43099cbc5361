const DECISIONS = ['task_created', 'merged', 'command', 'ignored'] as const;
export type Decision = (typeof DECISIONS)[number];
export type RuleVerdict = { rule: string; matched: boolean; reason: string };

export type Delivery = {
  id: string;
  forge: string;
  forgeUuid: string | null;
  eventType: string;
  action: string | null;
  repository: string | null;
  sender: string | null;
  receivedAt: string;
  decision: Decision;
  reason: string;
  taskIds: string[];
  duplicateOf: string | null;
};
export type DeliveryInFull = Delivery & {
  headers: Record<string, string>;
  body: Uint8Array;
  rules: RuleVerdict[];
};

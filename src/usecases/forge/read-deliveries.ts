import type { Delivery, DeliveryInFull } from '../../domain/delivery.ts';
import { type DeliveryFilter, findDelivery, listDeliveries as listRows } from '../../store/deliveries.ts';
import { type Page, type PageOf, pageOf, readCursor, writeCursor } from '../cursor.ts';
import type { Deps } from '../deps.ts';

export type { DeliveryFilter };

export const getDelivery = (deps: Deps, id: string): Promise<DeliveryInFull | null> => findDelivery(deps.db, id);

/** Newest first. */
export async function listDeliveries(deps: Deps, filter: DeliveryFilter, page: Page): Promise<PageOf<Delivery>> {
  const [receivedAt, id] = page.cursor === null ? [] : readCursor('deliveries', page.cursor, ['time', 'uuid']);
  const after = receivedAt !== undefined && id !== undefined ? { receivedAt, id } : null;
  const deliveries = await listRows(deps.db, filter, page.limit + 1, after);
  return pageOf(deliveries, page.limit, (last) => writeCursor('deliveries', last.receivedAt, last.id));
}

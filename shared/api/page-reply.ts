/** Lists in pages: one shape of answer everywhere. `nextLink` is ready to be followed; `nextCursor` is what it carries. */
import { z } from 'zod';
import { type ApiRequest, type ApiResponse, json } from './http';
import { cursorOf } from './query';

export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({
    items: z.array(item),
    nextCursor: z
      .string()
      .optional()
      .meta({ description: 'Give back as `cursor` for the next page. Absent on the last.' }),
    nextLink: z.string().optional().meta({ description: 'Path and query of the next page.' }),
  });

/** `nextCursor` in the index's own form; absent when nothing follows. */
export function pageReply(request: ApiRequest, items: readonly unknown[], nextCursor: string | undefined): ApiResponse {
  if (nextCursor === undefined) return json(200, { items });
  const cursor = cursorOf(nextCursor);
  const query = new URLSearchParams(request.query);
  query.delete('code');
  query.set('cursor', cursor);
  return json(200, { items, nextCursor: cursor, nextLink: `${new URL(request.url).pathname}?${query}` });
}

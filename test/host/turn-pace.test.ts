/** The pace of turns: what keeps a fan-out of thousands from replaying its history for every completion. */
import { Database } from '../../local/host/durable/database';
import { TurnPace } from '../../local/host/durable/turn-pace';

const LONG = 2_000_000;
let db: Database;
let woken: string[];
let pace: TurnPace;

beforeEach(() => {
  jest.useFakeTimers();
  db = new Database(':memory:');
  db.run("INSERT INTO tasks (executionId, taskId, instanceId, kind) VALUES ('e', 1, 'i', 'activity')");
  woken = [];
  pace = new TurnPace(db, (instanceId) => woken.push(instanceId));
});
afterEach(() => {
  db.close();
  jest.useRealTimers();
});

test('a long history with activities out waits, and is woken once when it may go on', () => {
  pace.note('e', LONG);
  expect([pace.mustWait('i', 'e'), pace.mustWait('i', 'e')]).toEqual([true, true]);
  jest.runAllTimers();
  expect(woken).toEqual(['i']);
  expect(pace.mustWait('i', 'e')).toBe(false);
});

test('short histories never wait, nor do long ones whose activities are all back', () => {
  pace.note('e', 1_000);
  expect(pace.mustWait('i', 'e')).toBe(false);
  pace.note('e', LONG);
  db.run('DELETE FROM tasks');
  expect(pace.mustWait('i', 'e')).toBe(false);
  expect(woken).toEqual([]);
});

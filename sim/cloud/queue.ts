/** The region's queue: at least once, invisible for a while, in no order that can be counted on. */
import type { Scheduler } from '../kit/scheduler';

export interface Message {
  readonly id: number;
  readonly text: string;
  visibleAtMs: number;
  deliveries: number;
  receipt: number;
}

export class SimQueue {
  readonly messages: Message[] = [];
  readonly poisoned: string[] = [];
  private readonly wakers = new Set<() => void>();
  private count = 0;

  constructor(private readonly scheduler: Scheduler) {}

  send(text: string): void {
    const message = { id: ++this.count, text, visibleAtMs: this.scheduler.nowMs, deliveries: 0, receipt: 0 };
    this.messages.push(message);
    this.wake();
  }

  receive(choose: (visible: readonly Message[]) => Message | undefined, hiddenMs: number): Message | undefined {
    const message = choose(this.messages.filter(({ visibleAtMs }) => visibleAtMs <= this.scheduler.nowMs));
    if (!message) return undefined;
    message.visibleAtMs = this.scheduler.nowMs + hiddenMs;
    message.deliveries++;
    message.receipt++;
    return message;
  }

  /** False when the message is somebody else's by now, or gone. */
  hide(id: number, receipt: number, hiddenMs: number): boolean {
    const message = this.held(id, receipt);
    if (!message) return false;
    message.visibleAtMs = this.scheduler.nowMs + hiddenMs;
    if (hiddenMs === 0) this.wake();
    return true;
  }

  remove(id: number, receipt: number): boolean {
    const message = this.held(id, receipt);
    if (!message) return false;
    this.messages.splice(this.messages.indexOf(message), 1);
    return true;
  }

  /** When the next message can be had, undefined when there is none. */
  nextAtMs(): number | undefined {
    return this.messages.length === 0 ? undefined : Math.min(...this.messages.map(({ visibleAtMs }) => visibleAtMs));
  }

  /** Called when a message may have become visible. */
  onWake(waker: () => void): () => void {
    this.wakers.add(waker);
    return () => this.wakers.delete(waker);
  }

  private wake(): void {
    for (const waker of [...this.wakers]) waker();
  }

  private held(id: number, receipt: number): Message | undefined {
    return this.messages.find((message) => message.id === id && message.receipt === receipt);
  }
}

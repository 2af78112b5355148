/**
 * The one way out. Each piece of a result is said once and shown for whoever reads: a line of JSON on stdout (`--json`), or
 * text. Results go to stdout; notes, progress and errors to stderr, so that a pipe gets results and nothing else.
 *
 * Every JSON line is `{"type": …, …fields}` of a shape that the command declares and `blockferry schema` publishes. Fields that
 * the shape does not name are dropped here: what a newer server adds changes nothing for scripts.
 */
import type { z } from 'zod';
import { assert } from '../shared/base/assert';
import type { LineShapes } from './command';
import { createPaint, type Paint } from './paint';
import { Progress, type ProgressState } from './progress';
import { type Column, formatTable } from './table';
import { plain, safeJson } from './text';

export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface OutputOptions {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nowMs: () => number;
}

type LineOf<Lines extends LineShapes, Type extends keyof Lines> = z.input<Lines[Type]>;
export type Field = readonly [label: string, value: string | number | undefined];

export class Output<Lines extends LineShapes> {
  readonly json: boolean;
  readonly paint: Paint;
  readonly progress: Progress;

  constructor(
    private readonly options: OutputOptions,
    private readonly lines: Lines,
  ) {
    this.json = options.json;
    this.paint = createPaint(options.stdout.isTTY === true, options.environment);
    this.progress = new Progress(options);
  }

  /** Many of a kind: a table, or a JSON line each. `empty` says what to do when there is none. */
  rows<Type extends keyof Lines & string>(
    type: Type,
    items: readonly LineOf<Lines, Type>[],
    columns: readonly Column<z.output<Lines[Type]>>[],
    empty: string,
  ): void {
    const rows = items.map((item) => this.shaped(type, item));
    if (this.json) for (const row of rows) this.writeJson(type, row);
    else if (rows.length === 0) this.note(empty);
    else {
      const width = this.options.stdout.isTTY ? this.options.stdout.columns : undefined;
      this.write(formatTable(rows, columns, { width, heading: this.paint.bold }));
    }
  }

  /** One thing: its fields below each other, or a JSON line. Fields without a value are left out. */
  record<Type extends keyof Lines & string>(
    type: Type,
    item: LineOf<Lines, Type>,
    fields: (row: z.output<Lines[Type]>) => readonly Field[],
  ): void {
    const row = this.shaped(type, item);
    if (this.json) {
      this.writeJson(type, row);
      return;
    }
    const shown = fields(row).filter(([, value]) => value !== undefined);
    const width = Math.max(0, ...shown.map(([label]) => label.length));
    for (const [label, value] of shown) {
      this.write(`${this.paint.bold(label.padEnd(width))}  ${plain(String(value))}`);
    }
  }

  /** One thing in one sentence, or a JSON line. The sentence may hold names as they came. */
  line<Type extends keyof Lines & string>(
    type: Type,
    item: LineOf<Lines, Type>,
    sentence: (row: z.output<Lines[Type]>) => string,
    paint: (text: string) => string = (text) => text,
  ): void {
    const row = this.shaped(type, item);
    if (this.json) this.writeJson(type, row);
    else this.write(paint(plain(sentence(row))));
  }

  /** A document that is the result itself, such as a completion script: the same for people and machines. */
  document(text: string): void {
    this.write(text.replace(/\n$/, ''));
  }

  /** A heading, for people only. */
  heading(text: string): void {
    if (!this.json) this.write(this.paint.bold(plain(text)));
  }

  /** Said beside the result, to people only; `--quiet` leaves it out. */
  note(text: string): void {
    if (this.json || this.options.quiet) return;
    this.progress.clear();
    this.options.stderr.write(`${plain(text)}\n`);
  }

  /** Long work: a bar on a terminal, now and then a line elsewhere, a `progress` line of JSON when the command has that shape. */
  step(state: ProgressState): void {
    if (this.json) {
      if (Object.hasOwn(this.lines, 'progress') && this.progress.due()) {
        this.writeJson('progress', this.shaped('progress', state as LineOf<Lines, 'progress'>));
      }
    } else if (!this.options.quiet) this.progress.show(state);
  }

  private shaped<Type extends keyof Lines & string>(type: Type, item: LineOf<Lines, Type>): z.output<Lines[Type]> {
    const shape = this.lines[type];
    assert(shape !== undefined && !Object.hasOwn(shape.shape, 'type'), `the command declares no lines of type ${type}`);
    return shape.parse(item) as z.output<Lines[Type]>;
  }

  private writeJson(type: string, row: unknown): void {
    this.write(safeJson({ type, ...(row as object) }));
  }

  private write(text: string): void {
    this.progress.clear();
    this.options.stdout.write(`${text}\n`);
  }
}

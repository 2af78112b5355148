/**
 * Route templates of HTTP triggers, in the ASP.NET notation: `orders/{id:int}/{part?}`, `files/{*path}`.
 * When several routes fit, the more literal one wins, then constrained parameters, then plain ones, then wildcards.
 */

/** Decoded values of the route's parameters by name. Missing optional ones are absent. */
export type RouteParams = Readonly<Record<string, string>>;

type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'parameter' | 'wildcard';
      readonly name: string;
      readonly isOptional: boolean;
      readonly constraints: readonly ((value: string) => boolean)[];
    };

export interface Route {
  readonly segments: readonly Segment[];
  /** Sorts routes so that the first match is the right one. */
  readonly rank: string;
}

/** Throws when the template uses a constraint that is not emulated. */
export function parseRoute(template: string): Route {
  const segments = template
    .split('/')
    .filter((part) => part !== '')
    .map(parseSegment);
  return { segments, rank: segments.map(rankOf).join('') };
}

/** The parameters when the path fits, undefined when it does not. Literals compare without regard to case. */
export function matchRoute(route: Route, path: readonly string[]): RouteParams | undefined {
  const params: Record<string, string> = {};
  for (const [index, segment] of route.segments.entries()) {
    if (segment.kind === 'wildcard') {
      const rest = path.slice(index).join('/');
      if (rest !== '') {
        params[segment.name] = rest;
      }
      return params;
    }
    const part = path[index];
    if (segment.kind === 'literal') {
      if (part?.toLowerCase() !== segment.text.toLowerCase()) {
        return undefined;
      }
    } else if (part !== undefined) {
      if (!segment.constraints.every((fits) => fits(part))) {
        return undefined;
      }
      params[segment.name] = part;
    } else if (!segment.isOptional) {
      return undefined;
    }
  }
  return path.length <= route.segments.length ? params : undefined;
}

function parseSegment(text: string): Segment {
  const match = /^\{(\*{0,2})([^:?}]+)((?::[^}]*?)?)(\?)?\}$/.exec(text);
  if (match === null) {
    return { kind: 'literal', text };
  }
  const [, star = '', name = '', constraints = '', optional] = match;
  return {
    kind: star === '' ? 'parameter' : 'wildcard',
    name,
    isOptional: optional === '?',
    constraints: splitConstraints(constraints).map(constraint),
  };
}

/** `:int:min(1)` to `int`, `min(1)`; a colon inside parentheses belongs to the argument. */
function splitConstraints(text: string): readonly string[] {
  return text.match(/[^:(]+(?:\([^)]*\))?/g) ?? [];
}

function constraint(text: string): (value: string) => boolean {
  const [, name = '', argument = ''] = /^(\w+)(?:\((.*)\))?$/.exec(text) ?? [];
  const [low = 0, high = low] = argument.split(',').map(Number);
  switch (name) {
    case 'int':
    case 'long':
      return (value) => /^[+-]?\d+$/.test(value);
    case 'decimal':
    case 'double':
    case 'float':
      return (value) => value !== '' && Number.isFinite(Number(value));
    case 'bool':
      return (value) => /^(true|false)$/i.test(value);
    case 'guid':
      return (value) => /^\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i.test(value);
    case 'alpha':
      return (value) => /^[a-z]*$/i.test(value);
    case 'datetime':
      return (value) => !Number.isNaN(Date.parse(value));
    case 'min':
      return (value) => Number(value) >= low;
    case 'max':
      return (value) => Number(value) <= low;
    case 'range':
      return (value) => Number(value) >= low && Number(value) <= high;
    case 'length':
      return (value) => value.length >= low && value.length <= high;
    case 'minlength':
      return (value) => value.length >= low;
    case 'maxlength':
      return (value) => value.length <= low;
    case 'regex': {
      const pattern = new RegExp(argument, 'i');
      return (value) => pattern.test(value);
    }
    default:
      throw new Error(`The route constraint "${text}" is not emulated.`);
  }
}

function rankOf(segment: Segment): string {
  if (segment.kind === 'literal') {
    return '1';
  }
  if (segment.kind === 'wildcard') {
    return '4';
  }
  return segment.constraints.length > 0 ? '2' : '3';
}
